package train

import (
	"fmt"
	"math"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/peft/data"
	"github.com/graft-go/graft/peft/llama"
	"github.com/graft-go/graft/peft/nn"
)

// inputs are the leaf tensors that one shape of micro-batch is read from, and the host's copies of what changes with each.
type inputs struct {
	llama.Inputs
	targets *ggml.Tensor // I32 [B·T]
	weights *ggml.Tensor // F32 [B·T]
	packed  bool         // the mask differs from sequence to sequence

	tokens, pos, labels []int32
	counts, mask        []float32
}

// inputMemory holds the inputs of every shape up to B sequences of T tokens: shorter shapes are views of the same tensors.
type inputMemory struct {
	store                *ggml.Store
	b, t                 int
	packed               bool
	tokens, pos, targets *ggml.Tensor
	weights, mask, one   *ggml.Tensor
	shapes               map[int]*inputs // by tokens a sequence
	filled               *inputs         // whose causal mask the mask tensor holds
}

// maxShapes bounds the shapes of micro-batches, so that no more than that many graphs exist.
const maxShapes = 8

// viewsPerShape is the number of tensors a shape adds.
const viewsPerShape = 5

func newInputMemory(be *ggml.Backend, b, t int, packed bool) (*inputMemory, error) {
	m, err := layoutInputs(be, b, t, packed)
	if err != nil {
		return nil, err
	}
	if err := m.store.Alloc(); err != nil {
		m.Close()
		return nil, fmt.Errorf("inputs of %d sequences of %d tokens: %w", b, t, err)
	}
	m.one.SetF32(0, []float32{1})
	return m, nil
}

// layoutInputs makes the tensors without their memory.
func layoutInputs(be *ggml.Backend, b, t int, packed bool) (*inputMemory, error) {
	s, err := ggml.NewStore(be, 6+viewsPerShape*(maxShapes+1))
	if err != nil {
		return nil, err
	}
	m := &inputMemory{store: s, b: b, t: t, packed: packed, shapes: map[int]*inputs{}}
	n, masks := int64(b*t), int64(1)
	if packed {
		masks = int64(b)
	}
	m.tokens, m.pos, m.targets = s.New("tokens", ggml.TypeI32, n), s.New("positions", ggml.TypeI32, n), s.New("targets", ggml.TypeI32, n)
	m.weights, m.one = s.New("weights", ggml.TypeF32, n), s.New("one", ggml.TypeF32, 1)
	m.mask = s.New("mask", ggml.TypeF32, int64(t)*int64(t)*masks)
	for _, length := range shapeLengths(t) {
		m.shapes[length] = m.shape(length)
	}
	return m, nil
}

// bytes is the memory of the inputs: the tensors, and the host's copies once the largest shape was used.
func (m *inputMemory) bytes() int64 { return 2 * m.store.Bytes() }

// shapeLengths lists the lengths of sequences for which graphs are built, ascending to t: padding then costs little, and the
// number of graphs stays bounded.
func shapeLengths(t int) []int {
	step := max((t+maxShapes-1)/maxShapes, 16)
	var lengths []int
	for l := step; l < t; l += step {
		lengths = append(lengths, l)
	}
	return append(lengths, t)
}

// shape adds the views for sequences of t tokens.
func (m *inputMemory) shape(t int) *inputs {
	n, l := int64(m.b*t), int64(t)
	masks := int64(1)
	if m.packed {
		masks = int64(m.b)
	}
	in := &inputs{packed: m.packed}
	in.B, in.T, in.Context = int64(m.b), l, int64(m.t)
	in.Tokens, in.Pos = m.store.View("tokens", m.tokens, 0, n), m.store.View("positions", m.pos, 0, n)
	in.targets, in.weights = m.store.View("targets", m.targets, 0, n), m.store.View("weights", m.weights, 0, n)
	in.Mask = m.store.View("mask", m.mask, 0, l, l, 1, masks)
	return in
}

// fit returns the smallest shape that holds sequences of length tokens.
func (m *inputMemory) fit(length int) *inputs {
	for _, l := range shapeLengths(m.t) {
		if l >= length {
			return m.shapes[l]
		}
	}
	return m.shapes[m.t]
}

// set uploads a micro-batch. It allocates nothing once every shape has been used.
func (m *inputMemory) set(in *inputs, x *data.Batch) error {
	n, t := int(in.B*in.T), int(in.T)
	if in.tokens == nil {
		in.tokens, in.pos, in.labels = make([]int32, n), make([]int32, n), make([]int32, n)
		in.counts, in.mask = make([]float32, n), make([]float32, in.Mask.Elements())
	}
	for b := range int(in.B) {
		from, to := b*x.T, b*x.T+t
		copy(in.tokens[b*t:], x.Tokens[from:to])
		copy(in.pos[b*t:], x.Positions[from:to])
		copy(in.labels[b*t:], x.Targets[from:to])
		copy(in.counts[b*t:], x.Weights[from:to])
	}
	in.Tokens.SetI32(in.tokens)
	in.Pos.SetI32(in.pos)
	in.targets.SetI32(in.labels)
	in.weights.SetF32(0, in.counts)
	if in.packed {
		for b := range int(in.B) {
			blockDiagonal(in.mask[b*t*t:(b+1)*t*t], x.Segments[b*x.T:b*x.T+t])
		}
	} else if m.filled != in {
		blockDiagonal(in.mask, nil)
	} else {
		return nil
	}
	if err := nn.CheckMask(in.mask, t); err != nil {
		return err
	}
	in.Mask.SetF32(0, in.mask)
	m.filled = in
	return nil
}

// blockDiagonal fills the mask [T, T] of one sequence: query q sees key k ≤ q of its own segment, so that packed rows never see each
// other. Padding sees itself, so that no row of the softmax is empty. No segments = one row.
func blockDiagonal(mask []float32, segments []int32) {
	hidden := float32(math.Inf(-1))
	t := len(segments)
	if segments == nil {
		t = int(math.Sqrt(float64(len(mask))))
	}
	for q := range t {
		row := mask[q*t : (q+1)*t]
		for k := range row {
			row[k] = hidden
		}
		for k := q; k >= 0 && (segments == nil || segments[k] == segments[q]); k-- {
			row[k] = 0
		}
	}
}

func (m *inputMemory) Close() {
	if m != nil {
		m.store.Close()
	}
}
