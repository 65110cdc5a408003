package llama

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/ggml/grad"
)

func cpu(t testing.TB, o ggml.CPUOptions) *ggml.Backend {
	t.Helper()
	be, err := ggml.NewCPU(o)
	require.NoError(t, err)
	t.Cleanup(be.Close)
	return be
}

func open(t testing.TB, be *ggml.Backend, path string) *Model {
	t.Helper()
	m, err := Open(be, path)
	require.NoError(t, err)
	t.Cleanup(m.Close)
	return m
}

// batch holds the inputs of B sequences of T tokens in a store, with a causal mask.
type batch struct {
	Inputs
	Head
}

func newBatch(t testing.TB, be *ggml.Backend, m *Model, sequences, labels [][]int32) *batch {
	t.Helper()
	b := &batch{Inputs: Inputs{B: int64(len(sequences))}}
	for _, s := range sequences {
		b.T = max(b.T, int64(len(s)))
	}
	n := b.T * b.B
	s, err := ggml.NewStore(be, 8)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	b.Tokens, b.Pos = s.New("tokens", ggml.TypeI32, n), s.New("pos", ggml.TypeI32, n)
	b.Mask = s.New("mask", ggml.TypeF32, b.T, b.T)
	b.Targets, b.Weights = s.New("targets", ggml.TypeI32, n), s.New("weights", ggml.TypeF32, n)
	b.One, b.W = s.New("one", ggml.TypeF32, 1), m.Output
	require.NoError(t, s.Alloc())
	tokens, pos, targets, weights := make([]int32, n), make([]int32, n), make([]int32, n), make([]float32, n)
	for i, seq := range sequences {
		for j := range b.T {
			at := int64(i)*b.T + j
			pos[at] = int32(j)
			if j < int64(len(seq)) {
				tokens[at] = seq[j]
			}
			if labels != nil && j+1 < int64(len(seq)) && labels[i][j+1] >= 0 {
				targets[at], weights[at] = labels[i][j+1], 1
			}
		}
	}
	b.Tokens.SetI32(tokens)
	b.Pos.SetI32(pos)
	b.Targets.SetI32(targets)
	b.Weights.SetF32(0, weights)
	b.One.SetF32(0, []float32{1})
	b.Mask.SetF32(0, causal(b.T))
	return b
}

func causal(n int64) []float32 {
	mask := make([]float32, n*n)
	for q := range n {
		for k := q + 1; k < n; k++ {
			mask[q*n+k] = float32(math.Inf(-1))
		}
	}
	return mask
}

// golden reads the sequences and labels that the PyTorch script stored.
func golden(t testing.TB, f *gguf.File) (sequences, labels [][]int32) {
	t.Helper()
	n, ok := f.Uint("golden.sequences")
	require.True(t, ok)
	ints := func(key string) []int32 {
		values, ok := f.Ints(key)
		require.True(t, ok, key)
		out := make([]int32, len(values))
		for i, v := range values {
			out[i] = int32(v)
		}
		return out
	}
	for i := range n {
		sequences = append(sequences, ints(fmt.Sprintf("golden.tokens.%d", i)))
		labels = append(labels, ints(fmt.Sprintf("golden.labels.%d", i)))
	}
	return sequences, labels
}

func f32(t testing.TB, f *gguf.File, name string) []float32 {
	t.Helper()
	info, ok := f.Tensor(name)
	require.True(t, ok, name)
	out := make([]float32, info.Elements())
	require.NoError(t, ggml.Dequantize(info.Type, f.Data(info), out))
	return out
}

// relative is the L2 distance of got from want over the L2 norm of want.
func relative(got, want []float32) float64 {
	var diff, norm float64
	for i := range want {
		d := float64(got[i]) - float64(want[i])
		diff += d * d
		norm += float64(want[i]) * float64(want[i])
	}
	return math.Sqrt(diff / norm)
}

// TestGolden holds logits, loss and the gradient of every weight of a two-block model against PyTorch in float64
// (scripts/golden/two_block.py).
func TestGolden(t *testing.T) {
	for _, name := range []string{"two_block", "two_block_llama3"} {
		for _, o := range []ggml.CPUOptions{{Threads: 2}, {Threads: 1}, {Threads: 2, NoBLAS: true}} {
			t.Run(fmt.Sprintf("%s, %d threads, without BLAS %v", name, o.Threads, o.NoBLAS), func(t *testing.T) {
				be := cpu(t, o)
				m := open(t, be, "testdata/"+name+".gguf")
				want, err := gguf.Open("testdata/" + name + "_grads.gguf")
				require.NoError(t, err)
				defer want.Close()
				sequences, labels := golden(t, want)
				b := newBatch(t, be, m, sequences, labels)
				var leaves []*ggml.Tensor
				for _, s := range m.specs() {
					if w := m.Weights.Get(s.name); w != nil && s.name != "rope_freqs.weight" {
						leaves = append(leaves, w)
					}
				}
				grads := map[string]*ggml.Tensor{}
				var loss, logits *ggml.Tensor
				g, err := ggml.Build(be, nil, 2000, func(g *ggml.Graph) []*ggml.Tensor {
					h := m.Forward(g, &b.Inputs)
					logits = g.MulMat(m.Output, h, 1)
					b.NeedDH, b.NeedDW = true, true
					var dh, dw *ggml.Tensor
					loss, dh, dw = b.Loss(g, h)
					roots := []*ggml.Tensor{loss, logits}
					grad.Backward(g, []grad.Root{{Y: h, DY: dh}, {Y: m.Output, DY: dw}}, leaves, func(leaf, dy *ggml.Tensor) {
						grads[leaf.Name] = dy
						roots = append(roots, dy)
					})
					return roots
				})
				require.NoError(t, err)
				defer g.Close()
				require.NoError(t, g.Run())

				count, _ := want.Uint("golden.label_count")
				wantLoss, _ := want.Float("golden.loss")
				require.InEpsilon(t, wantLoss, float64(loss.F32()[0])/float64(count), 1e-6)
				wantLogits := f32(t, want, "logits")
				require.Less(t, relative(logits.F32()[:len(wantLogits)], wantLogits), 1e-5)
				require.Len(t, grads, len(leaves))
				for _, leaf := range leaves {
					got := grads[leaf.Name].F32()
					for i := range got {
						got[i] /= float32(count)
					}
					require.Less(t, relative(got, f32(t, want, leaf.Name)), 1e-4, leaf.Name)
				}
			})
		}
	}
}
