// Package stock runs a GGUF model in unmodified libllama on the CPU. It is the judge of what graft makes: perplexity, greedy text and
// logits of a model, and of an exported adapter, as llama.cpp itself sees them. Training never uses it; the demo and tests do.
package stock

import (
	"fmt"
	"math"
	"runtime"
	"sync"
	"unsafe"

	bindggml "github.com/graft-go/graft/binding/ggml"
	"github.com/graft-go/graft/binding/llama"
	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
)

// Options of a model. The zero value is fit for most uses.
type Options struct {
	Ctx     int // longest sequence in tokens; 0 = what the model was trained on, at most 2048
	Threads int // 0 = one a processor
}

const maxDefaultCtx = 2048

// Model is an open model with one context. Keys and values are kept in float32 and flash attention is off, so that results can be
// compared with graft's to rounding. Methods may be called from several goroutines; they run one after the other.
type Model struct {
	path   string
	file   *gguf.File
	api    *llama.API
	mu     sync.Mutex
	model  llama.Model
	ctx    llama.Context
	nCtx   int
	nVocab int
}

// Open loads a model. The file's tokenizer is validated first, because libllama ends the process on one that it cannot use.
func Open(path string, o Options) (*Model, error) {
	if o.Ctx < 0 || o.Threads < 0 {
		return nil, fmt.Errorf("open %s: a context of %d tokens on %d threads: neither can be negative", path, o.Ctx, o.Threads)
	}
	file, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	if err := file.ValidateTokenizer(); err != nil {
		file.Close()
		return nil, err
	}
	api, err := llama.Load()
	if err != nil {
		file.Close()
		return nil, err
	}
	m := &Model{path: path, file: file, api: api}
	var loadErr error
	if err = bindggml.Guard(func() { loadErr = m.load(o) }); err == nil {
		err = loadErr
	}
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("open %s with libllama: %w", path, err)
	}
	return m, nil
}

func (m *Model) load(o Options) (err error) {
	if m.model, err = m.api.OpenModel(m.path, false); err != nil {
		return err
	}
	m.nVocab = int(m.api.VocabNTokens(m.api.ModelGetVocab(m.model)))
	if o.Ctx == 0 {
		o.Ctx = min(int(m.api.ModelNCtxTrain(m.model)), maxDefaultCtx)
	}
	if o.Threads == 0 {
		o.Threads = runtime.NumCPU()
	}
	params := m.api.ContextDefaultParams()
	params.NCtx, params.NBatch = uint32(o.Ctx), uint32(o.Ctx)
	params.NUBatch = min(params.NUBatch, uint32(o.Ctx))
	params.NThreads, params.NThreadsBatch = int32(o.Threads), int32(o.Threads)
	params.FlashAttnType = llama.FlashAttnDisabled
	params.TypeK, params.TypeV = int32(ggml.TypeF32), int32(ggml.TypeF32)
	params.OffloadKQV, params.OpOffload = false, false
	if m.ctx = m.api.InitFromModel(m.model, params); m.ctx == 0 {
		return fmt.Errorf("no context of %d tokens: %s", o.Ctx, llama.Reason())
	}
	m.nCtx = o.Ctx
	return nil
}

// Close frees the model and its adapters. Closing twice is fine.
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	ctx, model := m.ctx, m.model
	m.ctx, m.model = 0, 0
	var err error
	if ctx != 0 || model != 0 {
		err = bindggml.Guard(func() {
			if ctx != 0 {
				m.api.Free(ctx)
			}
			if model != 0 {
				m.api.ModelFree(model)
			}
		})
	}
	m.file.Close()
	return err
}

// Ctx is the longest sequence in tokens; NVocab the number of logits at a position.
func (m *Model) Ctx() int    { return m.nCtx }
func (m *Model) NVocab() int { return m.nVocab }

// Logits runs a sequence and returns its logits [n_vocab] at every position.
func (m *Model) Logits(tokens []int32) ([][]float32, error) {
	rows := make([][]float32, 0, len(tokens))
	err := m.run(tokens, len(tokens), func(s session) error {
		return s.decode(tokens, true, func(_ int, logits []float32) {
			rows = append(rows, append([]float32(nil), logits...))
		})
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// LogLikelihood is Σ log p(tokens[i] | tokens[:i]) over i = 1 … len−1, in nats, with n the number of terms. The log-sum-exp is taken in
// float64 from libllama's float32 logits.
func (m *Model) LogLikelihood(tokens []int32) (sum float64, n int, err error) {
	err = m.run(tokens, len(tokens), func(s session) error {
		return s.decode(tokens, true, func(i int, logits []float32) {
			if i+1 < len(tokens) {
				sum += float64(logits[tokens[i+1]]) - logSumExp(logits)
				n++
			}
		})
	})
	if err != nil {
		return 0, 0, err
	}
	return sum, n, nil
}

// Greedy continues a prompt by n tokens, each the first with the greatest logit. It does not stop at an end-of-generation token, so that
// two models can be compared token by token.
func (m *Model) Greedy(prompt []int32, n int) ([]int32, error) {
	if n < 0 {
		return nil, fmt.Errorf("generate with %s: %d tokens", m.path, n)
	}
	out := make([]int32, 0, n)
	err := m.run(prompt, len(prompt)+n, func(s session) error {
		next := append([]int32(nil), prompt...)
		for len(out) < n {
			var token int32
			if err := s.decode(next, false, func(_ int, logits []float32) { token = argMax(logits) }); err != nil {
				return err
			}
			out = append(out, token)
			next = append(next[:0], token)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// session is what may be called while the model is locked, on the guarded thread.
type session struct{ m *Model }

// run checks a sequence and calls fn guarded, with an empty memory. length is the number of tokens that fn will have decoded at most.
func (m *Model) run(tokens []int32, length int, fn func(session) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.ctx == 0:
		return fmt.Errorf("run %s: the model is closed", m.path)
	case len(tokens) == 0:
		return fmt.Errorf("run %s: no tokens", m.path)
	case length > m.nCtx:
		return fmt.Errorf("run %s: %d tokens do not fit the context of %d; open it with a larger one", m.path, length, m.nCtx)
	}
	for i, id := range tokens {
		if id < 0 || int(id) >= m.nVocab {
			return fmt.Errorf("run %s: token %d is %d, outside 0…%d", m.path, i, id, m.nVocab-1)
		}
	}
	var fnErr error
	err := bindggml.Guard(func() {
		m.api.MemoryClear(m.api.GetMemory(m.ctx), false)
		fnErr = fn(session{m})
	})
	if err == nil {
		err = fnErr
	}
	if err != nil {
		return fmt.Errorf("run %s: %w", m.path, err)
	}
	return nil
}

// decode appends tokens to the memory and calls visit with the logits of each one, or of the last alone. The slice is libllama's and is
// valid inside visit only.
func (s session) decode(tokens []int32, all bool, visit func(i int, logits []float32)) error {
	wanted := make([]int8, len(tokens))
	for i := range wanted {
		if all || i == len(tokens)-1 {
			wanted[i] = 1
		}
	}
	bindggml.TakeMessages()
	code := s.m.api.Decode(s.m.ctx, llama.Batch{NTokens: int32(len(tokens)), Token: &tokens[0], Logits: &wanted[0]})
	runtime.KeepAlive(tokens)
	runtime.KeepAlive(wanted)
	if code != 0 {
		return fmt.Errorf("llama_decode returned %d: %s", code, llama.Reason())
	}
	for i := range tokens {
		if wanted[i] == 0 {
			continue
		}
		p := s.m.api.GetLogitsIth(s.m.ctx, int32(i))
		if p == nil {
			return fmt.Errorf("no logits at position %d: %s", i, llama.Reason())
		}
		visit(i, unsafe.Slice(p, s.m.nVocab))
	}
	return nil
}

// logSumExp is log Σ exp(x), taken from the maximum so that it cannot overflow.
func logSumExp(x []float32) float64 {
	top := float64(x[argMax(x)])
	sum := 0.0
	for _, v := range x {
		sum += math.Exp(float64(v) - top)
	}
	return top + math.Log(sum)
}

// argMax is the index of the first greatest value.
func argMax(x []float32) int32 {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return int32(best)
}
