package llama

import (
	"fmt"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
)

// spec is one tensor that a Llama has or may have.
type spec struct {
	name     string
	ne       [4]int64
	f32      bool // must be F32: norms, biases, rope factors
	optional bool
}

// The seven linear layers of a block, in the order of the forward pass. Their names are those of GGUF and of the targets.
var linears = []string{"attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"}

// Linears returns the names of a block's linear layers.
func Linears() []string { return append([]string(nil), linears...) }

// LinearShape returns the shape [in, out] of a block's linear layer.
func (c *Config) LinearShape(name string) (in, out int64) {
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	switch name {
	case "attn_q":
		return c.Embd, q
	case "attn_k", "attn_v":
		return c.Embd, kv
	case "attn_output":
		return q, c.Embd
	case "ffn_gate", "ffn_up":
		return c.Embd, c.FF
	case "ffn_down":
		return c.FF, c.Embd
	}
	return 0, 0
}

// BlockTensor is the GGUF name of a tensor of block l: "blk.0.attn_q.weight".
func BlockTensor(l int64, name string) string { return fmt.Sprintf("blk.%d.%s.weight", l, name) }

// specs lists every tensor of the model in the order of the forward pass.
func (c *Config) specs() []spec {
	vector := func(n int64) [4]int64 { return [4]int64{n, 1, 1, 1} }
	matrix := func(in, out int64) [4]int64 { return [4]int64{in, out, 1, 1} }
	all := []spec{{name: "token_embd.weight", ne: matrix(c.Embd, c.Vocab)}}
	factors := []string{"rope_freqs.weight"}
	if c.Long {
		factors = []string{"rope_factors_long.weight", "rope_factors_short.weight"}
	}
	for _, name := range factors {
		all = append(all, spec{name: name, ne: vector(int64(c.Rope.Dims / 2)), f32: true, optional: true})
	}
	for l := range c.Blocks {
		for _, norm := range []string{"attn_norm", "ffn_norm"} {
			all = append(all, spec{name: BlockTensor(l, norm), ne: vector(c.Embd), f32: true})
		}
		for _, name := range linears {
			in, out := c.LinearShape(name)
			all = append(all, spec{name: BlockTensor(l, name), ne: matrix(in, out)})
			all = append(all, spec{name: fmt.Sprintf("blk.%d.%s.bias", l, name), ne: vector(out), f32: true, optional: true})
		}
	}
	return append(all, spec{name: "output_norm.weight", ne: vector(c.Embd), f32: true}, spec{name: "output.weight", ne: matrix(c.Embd, c.Vocab), optional: true})
}

// checkTensors checks presence, shape and type of every tensor and finds the vocabulary's size.
func (c *Config) checkTensors(r *reader) {
	embd, ok := r.f.Tensor("token_embd.weight")
	if !ok || len(embd.Ne) != 2 {
		r.fault("the tensor token_embd.weight is missing or no matrix")
		return
	}
	c.Vocab = embd.Ne[1]
	_, hasOutput := r.f.Tensor("output.weight")
	c.Tied = !hasOutput
	known := map[string]bool{}
	const most = 5 // faults named, so that the line stays readable
	for _, s := range c.specs() {
		known[s.name] = true
		t, ok := r.f.Tensor(s.name)
		if len(r.faults) > most {
			return
		}
		if !ok {
			if !s.optional {
				r.fault("the tensor %s is missing", s.name)
			}
			continue
		}
		ne := [4]int64{1, 1, 1, 1}
		copy(ne[:], t.Ne)
		switch {
		case ne != s.ne:
			r.fault("the tensor %s is %s instead of %s", s.name, ggml.ShapeString(ne), ggml.ShapeString(s.ne))
		case s.f32 && t.Type != ggml.TypeF32:
			r.fault("the tensor %s is %s instead of f32", s.name, t.Type)
		case !s.f32 && !t.Type.HoldsWeights():
			r.fault("the tensor %s is of type %s, which is no type for weights; use the model in another, such as f16, q8_0 or q4_k", s.name, t.Type)
		}
	}
	for i := range r.f.Tensors {
		if name := r.f.Tensors[i].Name; !known[name] && len(r.faults) <= most {
			r.fault("the tensor %s has no place in a plain Llama", name)
		}
	}
}

// Weights are the tensors of a model by GGUF name, in the mapped file or the files of a split model: nothing is copied.
type Weights struct {
	Store  *ggml.Store
	byName map[string]*ggml.Tensor
}

// LoadWeights maps the tensors of f into a store of the backend. f must stay open until Close of the store.
func LoadWeights(be *ggml.Backend, f *gguf.File, c *Config) (*Weights, error) {
	s, err := ggml.NewStore(be, len(f.Tensors))
	if err != nil {
		return nil, err
	}
	w := &Weights{Store: s, byName: map[string]*ggml.Tensor{}}
	infos := map[string]*gguf.TensorInfo{}
	for _, sp := range c.specs() {
		if t, ok := f.Tensor(sp.name); ok {
			w.byName[sp.name] = s.New(sp.name, t.Type, t.Ne...)
			infos[sp.name] = t
		}
	}
	var memories [][]byte
	for _, part := range f.Parts() {
		memories = append(memories, part.Mapping)
	}
	err = s.Map(memories, f, func(t *ggml.Tensor) []byte { return f.Data(infos[t.Name]) })
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("model: %s: %w", f.Path, err)
	}
	return w, nil
}

// Get returns a tensor by name, or nil.
func (w *Weights) Get(name string) *ggml.Tensor { return w.byName[name] }

// ProductWeights is the number of weights that multiply every token: the linear layers and the output matrix.
func (c *Config) ProductWeights() (n int64) {
	for _, name := range linears {
		in, out := c.LinearShape(name)
		n += in * out * c.Blocks
	}
	return n + c.Embd*c.Vocab
}
