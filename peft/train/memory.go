package train

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/peft"
	"github.com/graft-go/graft/peft/llama"
)

// Memory is the forecast of a run's memory by part, in bytes.
type Memory struct {
	Program     int64 // what the process holds before: code, libraries, rows
	Weights     int64 // of the base, mapped from its file: those that stay frozen
	Trained     int64 // trained tensors
	Optimizer   int64 // their gradients and moments
	Activations int64 // what a micro-batch computes and keeps for its backward, the loss included
	Inputs      int64 // tokens, positions, mask
	Free        int64 // what the machine, or --memory-limit, allows the process in all; 0 = not known
}

// Total is the sum of the parts.
func (m *Memory) Total() int64 {
	return m.Program + m.Weights + m.Trained + m.Optimizer + m.Activations + m.Inputs
}

// Fits tells whether the parts fit into what is free.
func (m *Memory) Fits() bool { return m.Free == 0 || m.Total() <= m.Free }

// String lists the parts.
func (m *Memory) String() string {
	s := fmt.Sprintf("%s: base weights %s (read from the file as needed), trained tensors %s, their gradients and moments %s, activations %s, inputs %s, program %s",
		sized(m.Total()), sized(m.Weights), sized(m.Trained), sized(m.Optimizer), sized(m.Activations), sized(m.Inputs), sized(m.Program))
	if m.Free > 0 {
		s += "; " + sized(m.Free) + " may be used"
	}
	return s
}

// sized is a number of bytes for people.
func sized(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6 || n == 0:
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	default:
		return fmt.Sprintf("%.0f kB", math.Ceil(float64(n)/1e3))
	}
}

// parseSize reads "8GB", "6GiB", "500M" or a number of bytes.
func parseSize(text string) (int64, error) {
	units := []struct {
		suffix string
		factor float64
	}{{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"k", 1e3}, {"m", 1e6}, {"g", 1e9}, {"b", 1}, {"", 1}}
	lower := strings.ToLower(strings.ReplaceAll(text, " ", ""))
	for _, u := range units {
		number, ok := strings.CutSuffix(lower, u.suffix)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(number, 64)
		if err != nil || !(v > 0) || v*u.factor > math.MaxInt64/2 {
			break
		}
		return int64(v * u.factor), nil
	}
	return 0, fmt.Errorf("%s is no size", quoted(text))
}

// memoryLimit is --memory-limit in bytes, 0 for what is free.
func (c *Config) memoryLimit() int64 {
	n, _ := parseSize(c.MemoryMax) // Validate has read it; auto is no size
	return n
}

// budget measures what runs on a model take, without taking it.
type budget struct {
	backend *ggml.Backend
	model   *llama.Model
	params  *peft.Params // nil for an evaluation
	base    Memory       // the parts that do not depend on the shape of a micro-batch
}

// newBudget measures the fixed parts. program is what the process held before the model was opened, limit what it may hold in all; 0 =
// what is free.
func newBudget(be *ggml.Backend, m *llama.Model, params *peft.Params, program, limit int64) *budget {
	b := &budget{backend: be, model: m, params: params, base: Memory{Program: program, Free: limit}}
	for i := range m.File.Tensors {
		b.base.Weights += m.File.Tensors[i].Bytes
	}
	if free := AvailableMemory(); limit == 0 && free > 0 {
		b.base.Free = free + residentNow()
	}
	if params == nil {
		return b
	}
	for _, g := range params.Groups {
		b.base.Trained += g.W.Bytes()
		b.base.Optimizer += g.G.Bytes() + g.M.Bytes() + g.V.Bytes()
	}
	for _, p := range params.List { // its frozen copy is not read any more
		if t, ok := m.File.Tensor(p.Name); ok {
			b.base.Weights -= t.Bytes
		}
	}
	return b
}

// residentNow is the resident memory of the process.
func residentNow() int64 {
	var meter memoryMeter
	defer meter.Close()
	return meter.Resident()
}

// forecast measures micro-batches of n sequences of t tokens.
func (b *budget) forecast(n, t int, packed bool) (*Memory, error) {
	tr := &trainer{backend: b.backend, model: b.model, params: b.params}
	var err error
	if tr.inputs, err = layoutInputs(b.backend, n, t, packed); err != nil {
		return nil, err
	}
	defer tr.inputs.Close()
	m, in := b.base, tr.inputs.fit(t)
	m.Inputs = tr.inputs.bytes()
	m.Activations, err = ggml.Measure(b.backend, tr.graphSize(in), func(g *ggml.Graph) []*ggml.Tensor {
		if b.params == nil {
			return tr.recordLoss(g, in, &lossGraph{})
		}
		return tr.record(g, in, &lossGraph{})
	})
	if err != nil {
		return nil, fmt.Errorf("measure %d sequences of %d tokens: %w", n, t, err)
	}
	return &m, nil
}

// fits tells whether packed micro-batches of n sequences of t tokens fit, the larger of the two kinds.
func (b *budget) fits(n, t int) bool {
	m, err := b.forecast(n, t, true)
	return err != nil || m.Fits() // an error shows again where the graph is built
}

// check refuses a shape that needs more memory than there is, and names the longest sequences that would fit.
func (b *budget) check(n, t int, packed bool) (*Memory, error) {
	m, err := b.forecast(n, t, packed)
	if err != nil || m.Fits() {
		return m, err
	}
	short := &peft.InputError{What: "memory", Where: fmt.Sprintf("%d sequences of %d tokens", n, t),
		Why: fmt.Sprintf("they need %s", m), Do: "give --batch-size 1"}
	if n > 1 && b.fits(1, t) {
		return nil, short
	}
	for fit := t / 2; fit >= 2; fit /= 2 {
		if b.fits(1, fit) {
			short.Do = fmt.Sprintf("give --batch-size 1 and --ctx %d", fit)
			return nil, short
		}
	}
	short.Do = "give a smaller model or a lower --rank, or more memory (--memory-limit)"
	return nil, short
}
