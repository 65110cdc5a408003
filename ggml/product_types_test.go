package ggml

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// weights returns random weights [k, m] of a type: their bytes, and the values the bytes stand for.
func weights(t testing.TB, typ Type, k, m int64, seed uint64) ([]byte, []float32) {
	t.Helper()
	v := random(k*m, seed)
	data := make([]byte, m*typ.RowSize(k))
	require.NoError(t, Quantize(typ, v, k, data))
	exact := make([]float32, k*m)
	require.NoError(t, Dequantize(typ, data, exact))
	return data, exact
}

// checkProducts compares MulMat and MulMatT of weights [k, m] with n columns with float64 sums over the weights' values. tol is
// relative to Σ|w·x|.
func checkProducts(t *testing.T, b *Backend, typ Type, k, m, n int64, tol float64) {
	t.Helper()
	data, exact := weights(t, typ, k, m, 1)
	s, err := NewStore(b, 3)
	require.NoError(t, err)
	defer s.Close()
	w, x, z := s.New("w", typ, k, m), s.New("x", TypeF32, k, n), s.New("z", TypeF32, m, n)
	require.NoError(t, s.Alloc())
	xv, zv := random(k*n, 2), random(m*n, 3)
	w.SetBytes(data)
	x.SetF32(0, xv)
	z.SetF32(0, zv)
	var y, yt *Tensor
	g, err := Build(b, nil, 8, func(g *Graph) []*Tensor {
		y, yt = g.MulMat(w, x, 0.5), g.MulMatT(w, z, 0.5)
		return []*Tensor{y, yt}
	})
	require.NoError(t, err)
	defer g.Close()
	require.NoError(t, g.Run())
	compare := func(got []float32, rows, inner int64, weight func(row, l int64) float32, x []float32) {
		t.Helper()
		for j := range n {
			for i := range rows {
				var want, size float64
				for l := range inner {
					p := 0.5 * float64(weight(i, l)) * float64(x[j*inner+l])
					want, size = want+p, size+math.Abs(p)
				}
				if d := math.Abs(want - float64(got[j*rows+i])); !(d <= tol*size+1e-6) {
					require.Failf(t, "wrong", "row %d, column %d: %g instead of %g", i, j, got[j*rows+i], want)
				}
			}
		}
	}
	compare(y.F32(), m, k, func(row, l int64) float32 { return exact[row*k+l] }, xv)
	compare(yt.F32(), k, m, func(row, l int64) float32 { return exact[l*k+row] }, zv)
}

// Weights of every type, with tiles smaller than the matrix: 1000 rows of 768 values are more than tileValues.
func TestWeightTypes(t *testing.T) {
	// Without a BLAS, ggml's kernels round the activations to the weights' precision: 8 bits, or half.
	const inF32, in8Bits = 1e-6, 2e-2
	for _, typ := range []Type{TypeF32, TypeF16, TypeBF16, TypeQ4_0, TypeQ8_0, TypeQ4_K, TypeQ6_K} {
		for _, threads := range []int{1, 2, 3} {
			t.Run(fmt.Sprintf("%s, %d threads", typ, threads), func(t *testing.T) {
				b := cpu(t, CPUOptions{Threads: threads})
				require.NotNil(t, b.BLAS)
				checkProducts(t, b, typ, 768, 1000, 5, inF32)
				checkProducts(t, b, typ, 256, 33, 40, inF32)
			})
		}
		t.Run(fmt.Sprintf("%s, kernels", typ), func(t *testing.T) {
			checkProducts(t, cpu(t, CPUOptions{Threads: 2, NoBLAS: true}), typ, 512, 200, 5, in8Bits)
		})
		t.Run(fmt.Sprintf("%s, few columns", typ), func(t *testing.T) {
			checkProducts(t, cpu(t, CPUOptions{Threads: 2}), typ, 512, 200, fewColumns, in8Bits)
		})
	}
}

// Shapes that fit no tile and no share: one row, one column, width 1, more threads than rows.
func TestOddShapes(t *testing.T) {
	for _, threads := range []int{1, 2, 7} {
		b := cpu(t, CPUOptions{Threads: threads})
		for _, d := range [][3]int64{{1, 1, 1}, {1, 1, 5}, {1, 7, 5}, {5, 1, 7}, {5, 1, 1}, {7, 5, 1}, {3, 2, 300}, {3, 300, 2}, {300, 3, 2}, {17, 31, 63}, {33, 129, 15}, {129, 17, 257}} {
			t.Run(fmt.Sprintf("%d threads, %v", threads, d), func(t *testing.T) { checkProducts(t, b, TypeF32, d[0], d[1], d[2], 1e-6) })
		}
		for _, d := range [][3]int64{{32, 1, 6}, {32, 1, 1}, {32, 5, 5}, {64, 3, 300}, {96, 300, 6}} {
			t.Run(fmt.Sprintf("Q8_0, %d threads, %v", threads, d), func(t *testing.T) { checkProducts(t, b, TypeQ8_0, d[0], d[1], d[2], 2e-2) })
		}
	}
}

func TestOuterProdOddShapes(t *testing.T) {
	for _, o := range []CPUOptions{{Threads: 7}, {Threads: 2, NoBLAS: true}} {
		b := cpu(t, o)
		for _, d := range [][3]int64{{1, 1, 1}, {1, 9, 1}, {9, 1, 1}, {1, 1, 9}, {40, 3, 2}, {3, 40, 65}, {129, 130, 3}} {
			t.Run(fmt.Sprint(o.NoBLAS, d), func(t *testing.T) {
				k, m, cols := d[0], d[1], d[2]
				x, v := leaves(t, b, n(k, cols), n(m, cols))
				y := compute(t, b, func(g *Graph) *Tensor { return g.OuterProd(x[0], x[1], 1, 1, 2) })
				require.Equal(t, [4]int64{k, m, 1, 1}, y.Ne)
				for at, got := range y.F32() {
					var want float64
					for l := range int(cols) {
						want += 2 * v[0][l*int(k)+at%int(k)] * v[1][l*int(m)+at/int(k)]
					}
					require.InDelta(t, want, got, 1e-5)
				}
			})
		}
	}
}

// A view's stride of its only row or column means nothing; sgemm refuses a leading dimension below the number of rows.
func TestProductsOfDegenerateViews(t *testing.T) {
	for _, o := range []CPUOptions{{Threads: 2}, {Threads: 2, NoBLAS: true}} {
		t.Run(fmt.Sprint("kernels ", o.NoBLAS), func(t *testing.T) {
			b := cpu(t, o)
			x, v := leaves(t, b, n(1, 6), n(6, 4), n(1, 4))
			column := func(g *Graph, a *Tensor) *Tensor { return g.Permute(a, transpose) } // [1, n] → [n, 1]
			y := compute(t, b, func(g *Graph) *Tensor { return g.MulMat(x[1], column(g, x[0]), 1) })
			for i, got := range y.F32() {
				require.InDelta(t, dot(v[1][i*6:i*6+6], v[0]), got, 1e-5, "x is one column")
			}
			y = compute(t, b, func(g *Graph) *Tensor { return g.MulMat(column(g, x[0]), x[1], 1) })
			for i, got := range y.F32() {
				require.InDelta(t, dot(v[1][i*6:i*6+6], v[0]), got, 1e-5, "w is one row")
			}
			y = compute(t, b, func(g *Graph) *Tensor { return g.MulMatT(x[1], column(g, x[2]), 1) })
			for i, got := range y.F32() {
				var want float64
				for l := range 4 {
					want += v[1][l*6+i] * v[2][l]
				}
				require.InDelta(t, want, got, 1e-5, "x is one column, transposed")
			}
			y = compute(t, b, func(g *Graph) *Tensor { return g.OuterProd(column(g, x[0]), column(g, x[2]), 1, 1, 1) })
			for i, got := range y.F32() {
				require.InDelta(t, v[0][i%6]*v[2][i/6], got, 1e-5, "OuterProd")
			}
		})
	}
}

// Each recorded operation may hide several nodes; even a graph of nothing but the largest has room for them.
func TestGraphOfLargestOperations(t *testing.T) {
	b := cpu(t, CPUOptions{Threads: 2, NoBLAS: true})
	s, err := NewStore(b, 4)
	require.NoError(t, err)
	defer s.Close()
	x, z := s.New("x", TypeF32, 60), s.New("z", TypeF32, 60)
	a, c := s.View("a", x, 0, 5, 3, 2, 2), s.View("c", z, 0, 5, 3, 2, 2)
	require.NoError(t, s.Alloc())
	const n = 50
	g, err := Build(b, nil, n, func(g *Graph) (roots []*Tensor) {
		for range n {
			roots = append(roots, g.OuterProd(a, c, 2, 1, 0.5))
		}
		return roots
	})
	require.NoError(t, err)
	defer g.Close()
	require.NoError(t, g.Run())
}

// The result that a view shows stays as it was, whatever is computed after the view was used.
func TestRootsThatAreViewsSurvive(t *testing.T) {
	b := cpu(t, CPUOptions{Threads: 2})
	x, v := leaves(t, b, n(8, 4))
	var root, last *Tensor
	g, err := Build(b, nil, 64, func(g *Graph) []*Tensor {
		root = g.Reshape(g.Scale(x[0], 2), 4, 8)
		last = g.Scale(root, 3)
		for range 10 {
			last = g.Add(g.Scale(last, 1.5), g.Sqr(last))
		}
		return []*Tensor{last, root}
	})
	require.NoError(t, err)
	defer g.Close()
	require.NoError(t, g.Run())
	for i, got := range root.F32() {
		require.Equal(t, float32(2*v[0][i]), got)
	}
}
