package peft

import (
	"fmt"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/peft/nn"
)

// Site is a linear layer of a model that a method may wrap.
type Site struct {
	Name    string     // GGUF name without ".weight": "blk.0.attn_q"
	Kind    string     // its part after the block: "attn_q"
	Block   int        // number of the block, from 0
	In, Out int64      // the layer maps [In, tokens] to [Out, tokens]
	Module  *nn.Module // the place to put the wrapper
}

// BaseTensor is a tensor of a base model that may be trained.
type BaseTensor struct {
	Name   string                    // GGUF name: "blk.0.attn_q.weight"
	Ne     []int64                   // ne0 first
	Block  int                       // number of the block, from 0; -1 outside of the blocks
	Matrix bool                      // two dimensions: no norm and no bias
	Places []**ggml.Tensor           // the fields of the model that hold it: two where the output is tied
	Values func(dst []float32) error // reads its values from the model's file, converted to F32
}

// Spec is a tensor that will be trained.
type Spec struct {
	Name   string
	Ne     []int64 // ne0 first
	Matrix bool    // weight decay applies
}

// Param is a trained tensor, its gradient and its moments: F32 views into the flat tensors of its group.
type Param struct {
	Spec
	W, G, M, V *ggml.Tensor
}

// Group is a set of parameters that the optimizer treats alike, laid out one behind the other: weights W, gradients G and the
// two moments M, V are each one vector, so that clipping and a step are a handful of operations however many tensors there are.
type Group struct {
	Decay      bool
	W, G, M, V *ggml.Tensor // F32 [n]
}

// Params are all trained tensors of a run, with their gradients and moments, in a store of their own.
type Params struct {
	List   []*Param
	Groups []*Group

	byName map[string]*Param
	store  *ggml.Store // weights and moments
	grads  *ggml.Store
}

// Offsets within a group are multiples of this many values, so that every tensor starts on a boundary that ggml's buffers use.
const paramAlign = 16

// NewParams lays out the tensors and fills them with zeros. Tensors that are only used, not trained, have no gradients and moments.
func NewParams(be *ggml.Backend, specs []Spec, train bool) (*Params, error) {
	p := &Params{byName: map[string]*Param{}}
	var err error
	const groups = 2
	if p.store, err = ggml.NewStore(be, 3*(groups+len(specs))); err != nil {
		return nil, err
	}
	if p.grads, err = ggml.NewStore(be, groups+len(specs)); err != nil {
		p.Close()
		return nil, err
	}
	for _, decay := range []bool{true, false} {
		p.group(decay, specs, train)
	}
	for _, s := range []*ggml.Store{p.store, p.grads} {
		if err := s.Alloc(); err != nil {
			p.Close()
			return nil, fmt.Errorf("trained tensors: %w", err)
		}
	}
	return p, nil
}

// group lays out the specs with or without decay.
func (p *Params) group(decay bool, specs []Spec, train bool) {
	var mine []Spec
	var offsets []int64
	var n int64
	for _, s := range specs {
		if s.Matrix != decay {
			continue
		}
		mine, offsets = append(mine, s), append(offsets, n)
		size := int64(1)
		for _, d := range s.Ne {
			size *= d
		}
		n += (size + paramAlign - 1) / paramAlign * paramAlign
	}
	if n == 0 {
		return
	}
	g := &Group{Decay: decay, W: p.store.New("params", ggml.TypeF32, n)}
	if train {
		g.M, g.V = p.store.New("first moment", ggml.TypeF32, n), p.store.New("second moment", ggml.TypeF32, n)
		g.G = p.grads.New("gradients", ggml.TypeF32, n)
	}
	p.Groups = append(p.Groups, g)
	for i, s := range mine {
		param := &Param{Spec: s, W: p.store.View(s.Name, g.W, offsets[i], s.Ne...)}
		if train {
			param.G = p.grads.View("gradient of "+s.Name, g.G, offsets[i], s.Ne...)
			param.M = p.store.View("first moment of "+s.Name, g.M, offsets[i], s.Ne...)
			param.V = p.store.View("second moment of "+s.Name, g.V, offsets[i], s.Ne...)
		}
		p.List = append(p.List, param)
		p.byName[s.Name] = param
	}
}

// Get returns a parameter by name, or nil.
func (p *Params) Get(name string) *Param { return p.byName[name] }

// Count is the number of trained values.
func (p *Params) Count() (n int64) {
	for _, q := range p.List {
		n += q.W.Elements()
	}
	return n
}

// Bytes is the memory of weights, gradients and moments.
func (p *Params) Bytes() int64 { return p.store.Bytes() + p.grads.Bytes() }

// ZeroGrad clears every gradient.
func (p *Params) ZeroGrad() { p.grads.Zero() }

// Close frees everything. It may be called twice.
func (p *Params) Close() {
	p.store.Close()
	p.grads.Close()
}
