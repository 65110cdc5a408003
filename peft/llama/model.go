package llama

import (
	"fmt"
	"math"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/peft/nn"
)

// Model is a Llama (Touvron et al. 2023): token embedding, blocks, final norm, output matrix. Its fields carry the GGUF names.
type Model struct {
	Config
	File    *gguf.File
	Weights *Weights

	TokenEmbd  *ggml.Tensor // [embd, vocab]
	Blk        []*Block
	OutputNorm nn.RMSNorm
	Output     *ggml.Tensor // [embd, vocab]; token_embd where tied

	places map[string][]**ggml.Tensor // where each tensor of the base stands, by GGUF name
}

// Block is one transformer block. Each linear layer is a Module, so that a method can wrap it.
type Block struct {
	AttnNorm, FFNNorm       nn.RMSNorm
	AttnQ, AttnK, AttnV     nn.Module
	AttnOutput              nn.Module
	FFNGate, FFNUp, FFNDown nn.Module
}

// Open maps a GGUF file and builds the model on the backend.
func Open(be *ggml.Backend, path string) (*Model, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	m, err := New(be, f)
	if err != nil {
		f.Close()
		return nil, err
	}
	return m, nil
}

// New builds the model of an open file, which it closes with Close.
func New(be *ggml.Backend, f *gguf.File) (*Model, error) {
	c, err := ReadConfig(f)
	if err != nil {
		return nil, err
	}
	w, err := LoadWeights(be, f, c)
	if err != nil {
		return nil, err
	}
	m := &Model{Config: *c, File: f, Weights: w, TokenEmbd: w.Get("token_embd.weight"),
		OutputNorm: nn.RMSNorm{Gain: w.Get("output_norm.weight"), Eps: c.NormEps}, Output: w.Get("output.weight")}
	if m.Tied {
		m.Output = m.TokenEmbd
	}
	m.places = map[string][]**ggml.Tensor{"token_embd.weight": {&m.TokenEmbd}, "output_norm.weight": {&m.OutputNorm.Gain}, "output.weight": {&m.Output}}
	if m.Tied {
		m.places["token_embd.weight"] = []**ggml.Tensor{&m.TokenEmbd, &m.Output}
	}
	for l := range c.Blocks {
		b := &Block{AttnNorm: nn.RMSNorm{Gain: w.Get(BlockTensor(l, "attn_norm")), Eps: c.NormEps},
			FFNNorm: nn.RMSNorm{Gain: w.Get(BlockTensor(l, "ffn_norm")), Eps: c.NormEps}}
		m.places[BlockTensor(l, "attn_norm")], m.places[BlockTensor(l, "ffn_norm")] = []**ggml.Tensor{&b.AttnNorm.Gain}, []**ggml.Tensor{&b.FFNNorm.Gain}
		for _, name := range linears {
			bias := fmt.Sprintf("blk.%d.%s.bias", l, name)
			linear := &nn.Linear{W: w.Get(BlockTensor(l, name)), B: w.Get(bias)}
			*b.Linear(name) = linear
			m.places[BlockTensor(l, name)], m.places[bias] = []**ggml.Tensor{&linear.W}, []**ggml.Tensor{&linear.B}
		}
		m.Blk = append(m.Blk, b)
	}
	return m, nil
}

// Close unmaps the model. It may be called twice; no graph of the model may be computed afterwards.
func (m *Model) Close() {
	if m == nil {
		return
	}
	m.Weights.Store.Close()
	m.File.Close()
}

// Linear returns the place of a linear layer by its GGUF name, or nil.
func (b *Block) Linear(name string) *nn.Module {
	switch name {
	case "attn_q":
		return &b.AttnQ
	case "attn_k":
		return &b.AttnK
	case "attn_v":
		return &b.AttnV
	case "attn_output":
		return &b.AttnOutput
	case "ffn_gate":
		return &b.FFNGate
	case "ffn_up":
		return &b.FFNUp
	case "ffn_down":
		return &b.FFNDown
	}
	return nil
}

// Inputs are what a graph reads: B sequences of T tokens, one behind the other.
type Inputs struct {
	B, T   int64
	Tokens *ggml.Tensor // I32 [T·B]
	Pos    *ggml.Tensor // I32 [T·B], positions for rope
	Mask   *ggml.Tensor // F32 [keys, T, 1, 1 or B], 0 where a token sees a key, −inf where not
	Cache  *Cache       // nil in training: the keys are the T tokens themselves

	Context int64 // tokens that a sequence of this run may reach, which decides RopeFactors; 0 = T
}

func (in *Inputs) context() int64 { return max(in.Context, in.T) }

// Forward returns the final hidden states, normalized: [embd, T·B].
func (m *Model) Forward(g *ggml.Graph, in *Inputs) *ggml.Tensor {
	x := g.GetRows(m.TokenEmbd, in.Tokens)
	for l, b := range m.Blk {
		x = g.Add(x, m.attention(g, l, b, b.AttnNorm.Forward(g, x), in))
		x = g.Add(x, b.feedForward(g, b.FFNNorm.Forward(g, x)))
	}
	return m.OutputNorm.Forward(g, x)
}

// feedForward returns W_down(silu(W_gate x) ⊙ W_up x).
func (b *Block) feedForward(g *ggml.Graph, x *ggml.Tensor) *ggml.Tensor {
	return b.FFNDown.Forward(g, g.SwiGLU(b.FFNGate.Forward(g, x), b.FFNUp.Forward(g, x)))
}

// attention returns W_o·Attention(rope(W_q x), rope(W_k x), W_v x).
func (m *Model) attention(g *ggml.Graph, l int, b *Block, x *ggml.Tensor, in *Inputs) *ggml.Tensor {
	q := m.rope(g, b.AttnQ.Forward(g, x), m.Heads, in)
	k := m.rope(g, b.AttnK.Forward(g, x), m.KVHeads, in)
	v := b.AttnV.Forward(g, x)
	if in.Cache != nil {
		k, v = in.Cache.extend(g, l, k, v, in)
	}
	o := nn.Attention(g, m.heads(g, q, m.Heads, in), m.heads(g, k, m.KVHeads, in), m.heads(g, v, m.KVHeads, in), in.Mask,
		float32(1/math.Sqrt(float64(m.HeadDim))))
	o = g.Cont(g.Permute(o, [4]int32{0, 2, 1, 3}))
	return b.AttnOutput.Forward(g, g.Reshape(o, m.Heads*m.HeadDim, in.T*in.B))
}

// rope rotates each head of x [head·heads, T·B].
func (m *Model) rope(g *ggml.Graph, x *ggml.Tensor, heads int64, in *Inputs) *ggml.Tensor {
	return g.Rope(g.Reshape(x, m.HeadDim, heads, x.Ne[1]), in.Pos, m.RopeFactors(in.context()), m.Rope)
}

// heads views [head·heads, n·B] or [head, heads, n·B] as [head, n, heads, B].
func (m *Model) heads(g *ggml.Graph, x *ggml.Tensor, heads int64, in *Inputs) *ggml.Tensor {
	n := x.Elements() / (m.HeadDim * heads * in.B)
	return g.Permute(g.Reshape(x, m.HeadDim, heads, n, in.B), [4]int32{0, 2, 1, 3})
}
