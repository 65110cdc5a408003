// Package lora adds low-rank adaptation to linear layers (Hu et al. 2021; numerics of HF PEFT's tuners/lora):
//
//	y = Wx + s·B(A x),  s = alpha/rank,  A [in, rank], B [rank, out] in ggml order
//
// A starts uniform within ±1/√in (Kaiming with a = √5), B at zero.
package lora

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/peft"
	"github.com/graft-go/graft/peft/nn"
)

// Config says which layers get a LoRA of which rank and scale.
type Config struct {
	Rank    int64
	Alpha   float64
	Targets []string     // kinds of layers ("attn_q")
	Blocks  map[int]bool // nil = all
}

// Pair is the LoRA of one layer.
type Pair struct {
	Site  peft.Site
	Rank  int64
	Alpha float64
	A, B  *ggml.Tensor // F32 [in, rank] and [rank, out]
}

// Scale is s = alpha/rank.
func (p *Pair) Scale() float64 { return p.Alpha / float64(p.Rank) }

// Adapter is a set of pairs on one model.
type Adapter struct {
	Pairs        []*Pair
	ChatTemplate string // by which its training data was written, kept in its file; "" for none
}

// linear computes y = base(x) + s·B(A x); it stands where the layer stood.
type linear struct {
	base nn.Module
	pair *Pair
}

// Forward maps x [in, tokens] to [out, tokens].
func (l *linear) Forward(g *ggml.Graph, x *ggml.Tensor) *ggml.Tensor {
	low := g.MulMat(l.pair.A, x, 1)
	return g.Add(l.base.Forward(g, x), g.MulMat(l.pair.B, low, float32(l.pair.Scale())))
}

// New chooses the layers of a configuration among a model's. A target or block that matches nothing is an error.
func New(sites []peft.Site, c Config) (*Adapter, error) {
	a := &Adapter{}
	used := map[string]bool{}
	for _, s := range sites {
		if slices.Contains(c.Targets, s.Kind) && (c.Blocks == nil || c.Blocks[s.Block]) {
			used[s.Kind] = true
			a.Pairs = append(a.Pairs, &Pair{Site: s, Rank: c.Rank, Alpha: c.Alpha})
		}
	}
	for _, target := range c.Targets {
		if !used[target] {
			return nil, &peft.InputError{What: "train", Where: "--targets " + target, Why: "no layer of the model has this name", Do: "use names such as attn_q, ffn_down or all-linear"}
		}
	}
	return a, nil
}

// Specs lists the tensors to train, named as in a LoRA GGUF.
func (a *Adapter) Specs() []peft.Spec {
	var specs []peft.Spec
	for _, p := range a.Pairs {
		specs = append(specs, peft.Spec{Name: p.nameA(), Ne: []int64{p.Site.In, p.Rank}, Matrix: true},
			peft.Spec{Name: p.nameB(), Ne: []int64{p.Rank, p.Site.Out}, Matrix: true})
	}
	return specs
}

func (p *Pair) nameA() string { return p.Site.Name + ".weight.lora_a" }
func (p *Pair) nameB() string { return p.Site.Name + ".weight.lora_b" }

// Attach takes the pairs' tensors from params and puts each pair around its layer.
func (a *Adapter) Attach(params *peft.Params) {
	for _, p := range a.Pairs {
		p.A, p.B = params.Get(p.nameA()).W, params.Get(p.nameB()).W
		*p.Site.Module = &linear{base: *p.Site.Module, pair: p}
	}
}

// Detach puts the layers back as they were before Attach, newest first.
func (a *Adapter) Detach() {
	for _, p := range slices.Backward(a.Pairs) {
		if l, ok := (*p.Site.Module).(*linear); ok && l.pair == p {
			*p.Site.Module = l.base
		}
	}
}

// Init draws the start: A uniform within ±1/√in from a generator keyed by the seed and the layer's name, B zero.
func (a *Adapter) Init(seed uint64) {
	for _, p := range a.Pairs {
		p.A.SetF32(0, p.startA(seed))
		p.B.SetF32(0, make([]float32, p.B.Elements()))
	}
}

// startA draws A.
func (p *Pair) startA(seed uint64) []float32 {
	key := fnv.New64a()
	key.Write([]byte(p.nameA()))
	r := rand.New(rand.NewPCG(seed, key.Sum64()))
	bound := 1 / math.Sqrt(float64(p.Site.In))
	values := make([]float32, p.Site.In*p.Rank)
	for i := range values {
		values[i] = float32((2*r.Float64() - 1) * bound)
	}
	return values
}

// Kinds lists the kinds of layers that have a pair, in the order of the model.
func (a *Adapter) Kinds() string {
	var kinds []string
	for _, p := range a.Pairs {
		if !slices.Contains(kinds, p.Site.Kind) {
			kinds = append(kinds, p.Site.Kind)
		}
	}
	return strings.Join(kinds, ", ")
}
