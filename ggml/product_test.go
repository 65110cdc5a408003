package ggml

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func cpu(t testing.TB, o CPUOptions) *Backend {
	t.Helper()
	b, err := NewCPU(o)
	require.NoError(t, err)
	t.Cleanup(b.Close)
	return b
}

func random(n int64, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	v := make([]float32, n)
	for i := range v {
		v[i] = r.Float32()*2 - 1
	}
	return v
}

// at reads value (i, j) of matrix (h, b) of a contiguous tensor of shape ne.
func at(v []float32, ne [4]int64, i, j, h, b int64) float64 {
	return float64(v[((b*ne[3-1]+h)*ne[1]+j)*ne[0]+i])
}

func TestProducts(t *testing.T) {
	const k, m, n = 37, 19, 45
	cases := []struct {
		name            string
		wHeads, heads   int64
		wBatch, batch   int64
		threads         int
		noBLAS, permute bool
	}{
		{"one matrix", 1, 1, 1, 1, 2, false, false},
		{"one matrix, one thread", 1, 1, 1, 1, 1, false, false},
		{"grouped heads", 2, 6, 1, 1, 2, false, false},
		{"grouped heads and batch", 2, 4, 3, 3, 2, false, false},
		{"views of permuted heads", 2, 4, 2, 2, 2, false, true},
		{"kernels: one matrix", 1, 1, 1, 1, 2, true, false},
		{"kernels: grouped heads and batch", 2, 4, 3, 3, 2, true, false},
		{"kernels: views of permuted heads", 2, 4, 2, 2, 2, true, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			be := cpu(t, CPUOptions{Threads: c.threads, NoBLAS: c.noBLAS})
			s, err := NewStore(be, 16)
			require.NoError(t, err)
			defer s.Close()
			leaf := func(name string, seed uint64, ne ...int64) (*Tensor, []float32) {
				x := s.New(name, TypeF32, ne...)
				return x, random(x.Elements(), seed)
			}
			// A permuted operand is stored with heads before rows: [ne0, heads, rows, batch].
			shape := func(a, b, h, bt int64) []int64 {
				if c.permute {
					return []int64{a, h, b, bt}
				}
				return []int64{a, b, h, bt}
			}
			w, wv := leaf("w", 1, shape(k, m, c.wHeads, c.wBatch)...)
			x, xv := leaf("x", 2, shape(k, n, c.heads, c.batch)...)
			z, zv := leaf("z", 3, shape(m, n, c.heads, c.batch)...)
			require.NoError(t, s.Alloc())
			w.SetF32(0, wv)
			x.SetF32(0, xv)
			z.SetF32(0, zv)
			var y1, y2, y3 *Tensor
			g, err := Build(be, nil, 32, func(g *Graph) []*Tensor {
				view := func(a *Tensor) *Tensor {
					if c.permute {
						return g.Permute(a, [4]int32{0, 2, 1, 3})
					}
					return a
				}
				w, x, z := view(w), view(x), view(z)
				y1, y2, y3 = g.MulMat(w, x, 0.5), g.MulMatT(w, z, 2), g.OuterProd(x, z, c.wHeads, c.wBatch, 1)
				return []*Tensor{y1, y2, y3}
			})
			require.NoError(t, err)
			defer g.Close()
			require.NoError(t, g.Run())
			read := func(v []float32, ne0, rows, heads int64) func(i, j, h, b int64) float64 {
				return func(i, j, h, b int64) float64 {
					if c.permute {
						return at(v, [4]int64{ne0, heads, rows}, i, h, j, b)
					}
					return at(v, [4]int64{ne0, rows, heads}, i, j, h, b)
				}
			}
			W, X, Z := read(wv, k, m, c.wHeads), read(xv, k, n, c.heads), read(zv, m, n, c.heads)
			v1, v2, v3 := y1.F32(), y2.F32(), y3.F32()
			gh, gb := c.heads/c.wHeads, c.batch/c.wBatch
			for b := range c.batch {
				for h := range c.heads {
					for j := range int64(n) {
						for i := range int64(m) {
							var want float64
							for l := range int64(k) {
								want += 0.5 * W(l, i, h/gh, b/gb) * X(l, j, h, b)
							}
							require.InDelta(t, want, at(v1, y1.Ne, i, j, h, b), 1e-4, "MulMat %d %d %d %d", i, j, h, b)
						}
						for i := range int64(k) {
							var want float64
							for l := range int64(m) {
								want += 2 * W(i, l, h/gh, b/gb) * Z(l, j, h, b)
							}
							require.InDelta(t, want, at(v2, y2.Ne, i, j, h, b), 1e-4, "MulMatT")
						}
					}
				}
			}
			for b := range c.wBatch {
				for h := range c.wHeads {
					for j := range int64(m) {
						for i := range int64(k) {
							var want float64
							for bb := b * gb; bb < (b+1)*gb; bb++ {
								for hh := h * gh; hh < (h+1)*gh; hh++ {
									for l := range int64(n) {
										want += X(i, l, hh, bb) * Z(j, l, hh, bb)
									}
								}
							}
							require.InDelta(t, want, at(v3, y3.Ne, i, j, h, b), 2e-4, "OuterProd")
						}
					}
				}
			}
		})
	}
}

func BenchmarkProduct(b *testing.B) {
	for _, typ := range []Type{TypeF32, TypeF16, TypeBF16, TypeQ8_0, TypeQ4_K, TypeQ6_K} {
		for _, d := range [][3]int64{{768, 768, 256}, {768, 2048, 256}, {2048, 2048, 512}} {
			b.Run(fmt.Sprintf("%s/%dx%dx%d", typ, d[0], d[1], d[2]), func(b *testing.B) {
				be := cpu(b, CPUOptions{Threads: 2})
				s, _ := NewStore(be, 4)
				defer s.Close()
				w, x, z := s.New("w", typ, d[0], d[1]), s.New("x", TypeF32, d[0], d[2]), s.New("z", TypeF32, d[1], d[2])
				require.NoError(b, s.Alloc())
				g, err := Build(be, nil, 8, func(g *Graph) []*Tensor { return []*Tensor{g.MulMat(w, x, 1), g.MulMatT(w, z, 1)} })
				require.NoError(b, err)
				defer g.Close()
				b.ReportAllocs()
				for b.Loop() {
					_ = g.Run()
				}
				b.ReportMetric(float64(b.N)*4*float64(d[0]*d[1]*d[2])/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
