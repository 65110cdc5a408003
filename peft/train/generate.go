package train

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/peft"
	"github.com/graft-go/graft/peft/llama"
	"github.com/graft-go/graft/peft/nn"
)

// GenerateOptions choose how tokens are drawn.
type GenerateOptions struct {
	N    int     // tokens at most
	Temp float64 // 0 = the most likely token
	TopK int     // tokens to draw from; 0 = all
	TopP float64 // smallest set of tokens whose probabilities reach this sum
	Seed uint64
}

// Validate reports the first value that makes no sense.
func (o *GenerateOptions) Validate() error {
	fault := func(flag string, value any, why, do string) error {
		return &peft.InputError{What: "generate", Where: fmt.Sprintf("--%s %v", flag, value), Why: why, Do: do}
	}
	switch {
	case o.N < 1:
		return fault("n", o.N, "below 1", "give a number of tokens")
	case !(o.Temp >= 0) || math.IsInf(o.Temp, 0):
		return fault("temp", o.Temp, "not a temperature", "give 0 for the most likely tokens, or a number such as 0.8")
	case o.TopK < 0:
		return fault("top-k", o.TopK, "below 0", "give a number of tokens, or 0 for all")
	case !(o.TopP > 0 && o.TopP <= 1):
		return fault("top-p", o.TopP, "not above 0 and up to 1", "0.95 is usual")
	}
	return nil
}

// Sizes of the graphs that generate: a prompt goes through in pieces, and the part of the cache that is read grows in steps, so that
// few graphs are built.
const (
	promptPiece = 256
	cacheStep   = 128
)

// generator computes logits of the last token, piece by piece, on a cache of keys and values.
type generator struct {
	s      *Session
	cache  *llama.Cache
	size   int64 // tokens the cache holds
	past   int64 // tokens in it
	logits []float32
	graphs map[[2]int64]*cachedGraph
}

// cachedGraph is a graph for n new tokens on a cache of some length.
type cachedGraph struct {
	*ggml.Graph
	in     *llama.Inputs
	store  *ggml.Store
	logits *ggml.Tensor
	mask   []float32
	pos    []int32
}

// Generate continues the prompt and gives each new token to emit, which may stop by returning false. It ends at an end-of-generation
// token, at BOS, after N tokens, or where the model's context is full.
func (s *Session) Generate(ctx context.Context, prompt []int32, o GenerateOptions, emit func(id int32) bool) error {
	if err := o.Validate(); err != nil {
		return err
	}
	if len(prompt) == 0 {
		return &peft.InputError{What: "generate", Where: "--prompt", Why: "it has no token", Do: "give some text"}
	}
	if int64(len(prompt)) >= s.Model.Context {
		return &peft.InputError{What: "generate", Where: "--prompt", Why: fmt.Sprintf("its %d tokens fill the model's context of %d", len(prompt), s.Model.Context), Do: "give a shorter one"}
	}
	g := &generator{s: s, size: min(int64(len(prompt)+o.N), s.Model.Context), graphs: map[[2]int64]*cachedGraph{}, logits: make([]float32, s.Model.Vocab)}
	defer g.Close()
	g.size = (g.size + cacheStep - 1) / cacheStep * cacheStep
	var err error
	if g.cache, err = llama.NewCache(s.backend, s.Model, g.size); err != nil {
		return err
	}
	bos := int32(-1)
	if id, ok := s.Vocab.BOS(); ok {
		bos = id
	}
	draw := newSampler(o)
	next := prompt
	for n := 0; n < o.N && g.past+int64(len(next)) <= s.Model.Context; n++ {
		if err := g.feed(ctx, next); err != nil {
			return err
		}
		id := draw.next(g.logits)
		if s.Vocab.IsEOG(id) || id == bos || !emit(id) {
			return nil
		}
		next = []int32{id}
	}
	return nil
}

// feed computes the tokens and leaves the logits that follow the last one.
func (g *generator) feed(ctx context.Context, tokens []int32) error {
	for len(tokens) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		piece := tokens[:min(promptPiece, len(tokens))]
		tokens = tokens[len(piece):]
		n := int64(len(piece))
		length := min((g.past+n+cacheStep-1)/cacheStep*cacheStep, g.size)
		st, err := g.graph(n, length)
		if err != nil {
			return err
		}
		for i := range piece {
			st.pos[i] = int32(g.past) + int32(i)
			row := st.mask[int64(i)*length : int64(i+1)*length]
			for k := range row {
				row[k] = 0
				if int64(k) > g.past+int64(i) {
					row[k] = float32(math.Inf(-1))
				}
			}
		}
		if err := nn.CheckMask(st.mask, int(length)); err != nil {
			return err
		}
		st.in.Tokens.SetI32(piece)
		st.in.Pos.SetI32(st.pos)
		st.in.Mask.SetF32(0, st.mask)
		if err := st.Run(); err != nil {
			return err
		}
		st.logits.GetF32(g.logits)
		g.past += n
	}
	return nil
}

// graph returns the graph for n new tokens that reads length tokens of the cache.
func (g *generator) graph(n, length int64) (*cachedGraph, error) {
	key := [2]int64{n, length}
	if st := g.graphs[key]; st != nil {
		return st, nil
	}
	be, m := g.s.backend, g.s.Model
	store, err := ggml.NewStore(be, 3)
	if err != nil {
		return nil, err
	}
	st := &cachedGraph{store: store, pos: make([]int32, n), mask: make([]float32, n*length)}
	g.graphs[key] = st
	st.in = &llama.Inputs{B: 1, T: n, Context: g.size, Cache: g.cache, Tokens: store.New("tokens", ggml.TypeI32, n), Pos: store.New("positions", ggml.TypeI32, n),
		Mask: store.New("mask", ggml.TypeF32, length, n)}
	if err := store.Alloc(); err != nil {
		return nil, err
	}
	g.cache.Len = length
	st.Graph, err = ggml.Build(be, nil, 100*int(m.Blocks)+100, func(gr *ggml.Graph) []*ggml.Tensor {
		gr.Fast()
		h := m.Forward(gr, st.in)
		st.logits = gr.MulMat(m.Output, gr.Columns(h, n-1, 1), 1)
		return []*ggml.Tensor{st.logits}
	})
	if err != nil {
		return nil, fmt.Errorf("generation graph: %w", err)
	}
	return st, nil
}

// Close frees the graphs and the cache.
func (g *generator) Close() {
	for _, st := range g.graphs {
		st.Graph.Close()
		st.store.Close()
	}
	if g.cache != nil {
		g.cache.Close()
	}
}

// sampler draws tokens: the top K, then the smallest set that reaches P, at a temperature.
type sampler struct {
	GenerateOptions
	rng *rand.Rand
	ids []int32
}

func newSampler(o GenerateOptions) *sampler {
	return &sampler{GenerateOptions: o, rng: rand.New(rand.NewPCG(o.Seed, 0x67656e))}
}

func (s *sampler) next(logits []float32) int32 {
	best := int32(0)
	for i, v := range logits {
		if v > logits[best] {
			best = int32(i)
		}
	}
	if s.Temp == 0 {
		return best
	}
	s.ids = s.ids[:0]
	for i := range logits {
		s.ids = append(s.ids, int32(i))
	}
	slices.SortFunc(s.ids, func(a, b int32) int {
		return cmp.Or(cmp.Compare(logits[b], logits[a]), cmp.Compare(a, b))
	})
	ids := s.ids
	if s.TopK > 0 {
		ids = ids[:min(s.TopK, len(ids))]
	}
	// Top-p looks at the probabilities at temperature 1, as llama.cpp's chain does, which ends with the temperature.
	keep := nucleus(logits, ids, s.TopP)
	return pick(logits, ids[:keep], s.Temp, s.rng.Float64())
}

// nucleus is the number of leading ids whose probabilities, among ids, first reach p.
func nucleus(logits []float32, ids []int32, p float64) int {
	var total, sum float64
	for _, id := range ids {
		total += math.Exp(float64(logits[id] - logits[ids[0]]))
	}
	for i, id := range ids {
		if sum += math.Exp(float64(logits[id] - logits[ids[0]])); sum >= p*total {
			return i + 1
		}
	}
	return len(ids)
}

// pick returns the id at which the cumulated probability passes u.
func pick(logits []float32, ids []int32, temp, u float64) int32 {
	weight := func(id int32) float64 { return math.Exp(float64(logits[id]-logits[ids[0]]) / temp) }
	var total, sum float64
	for _, id := range ids {
		total += weight(id)
	}
	for _, id := range ids {
		if sum += weight(id); sum > u*total {
			return id
		}
	}
	return ids[len(ids)-1]
}
