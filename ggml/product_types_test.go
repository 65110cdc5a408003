package ggml

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	bind "github.com/graft-go/graft/binding/ggml"
)

// weights returns random weights [k, m] of a type: their bytes, and the values the bytes stand for.
func weights(t testing.TB, typ Type, k, m int64, seed uint64) ([]byte, []float32) {
	t.Helper()
	// The library takes milliseconds to quantize a row to some types: a prime number of rows is repeated, so that no tile's border meets it.
	rows := min(m, 13)
	data := make([]byte, rows*typ.RowSize(k))
	if slowTables(typ) {
		randomBlocks(typ, data, seed)
	} else {
		require.NoError(t, Quantize(typ, random(k*rows, seed), k, data))
	}
	data = bytes.Repeat(data, int(m/rows+1))[:m*typ.RowSize(k)]
	exact := make([]float32, k*m)
	require.NoError(t, Dequantize(typ, data, exact))
	return data, exact
}

// slowTables are the types for which the library takes 1 to 10 s to build the tables it quantizes with.
func slowTables(typ Type) bool {
	switch typ {
	case TypeIQ2_XXS, TypeIQ2_XS, TypeIQ2_S, TypeIQ1_S, TypeIQ1_M:
		return true
	}
	return false
}

// randomBlocks fills data with blocks of one of these types: any bits are codes, and the scale is 1/16 in F16.
func randomBlocks(typ Type, data []byte, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 2))
	size := int(typ.BlockBytes())
	for at := 0; at < len(data); at += size {
		block := data[at : at+size]
		for i := range block {
			block[i] = byte(r.Uint32())
		}
		if typ != TypeIQ1_M { // block_iq2_xxs … block_iq1_s begin with it
			block[0], block[1] = 0x00, 0x2c
			continue
		}
		for i, nibble := range []byte{0x0, 0x0, 0xc, 0x2} { // block_iq1_m spreads it over the top bits of its four last uint16
			high := &block[size-8+2*i+1]
			*high = *high&0x0f | nibble<<4
		}
	}
}

// checkProducts compares MulMat and MulMatT of weights [k, m] with n columns with float64 sums over the weights' values. tol is
// relative to Σ|w·x|; fast asks for Graph.Fast.
func checkProducts(t *testing.T, b *Backend, typ Type, k, m, n int64, fast bool, tol float64) {
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
		if fast {
			g.Fast()
		}
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

// Weights of every type, with tiles smaller than the matrix: 1000 rows of 768 values are more than tileValues. All of it is exact, few
// columns and no BLAS included, unless the graph is to be fast: then ggml's kernels round the activations to 8 bits, or half precision.
func TestWeightTypes(t *testing.T) {
	const inF32, in8Bits = 1e-6, 2e-2
	b, kernels := cpu(t, CPUOptions{Threads: 2}), cpu(t, CPUOptions{Threads: 2, NoBLAS: true})
	require.NotNil(t, b.BLAS)
	for _, typ := range WeightTypes() {
		t.Run(typ.String(), func(t *testing.T) {
			checkProducts(t, b, typ, 768, 1000, 5, false, inF32)
			checkProducts(t, b, typ, 256, 33, 40, false, inF32)
			checkProducts(t, b, typ, 512, 200, 1, false, inF32)
			checkProducts(t, kernels, typ, 512, 200, 5, false, inF32)
			checkProducts(t, kernels, typ, 256, 33, 1, false, inF32)
			checkProducts(t, b, typ, 512, 200, fewColumns, true, in8Bits)
			checkProducts(t, b, typ, 512, 200, fewColumns+1, true, inF32)
			checkProducts(t, kernels, typ, 512, 200, 5, true, in8Bits)
		})
	}
	for _, typ := range []Type{TypeF16, TypeQ8_0, TypeQ4_K} {
		for _, threads := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s, %d threads", typ, threads), func(t *testing.T) {
				checkProducts(t, cpu(t, CPUOptions{Threads: threads}), typ, 768, 1000, 5, false, inF32)
			})
		}
	}
}

// The list of types for weights is what the library converts to F32, and the list of those that want an importance matrix its own.
func TestWeightTypesAreTheLibrarys(t *testing.T) {
	lib, err := load()
	require.NoError(t, err)
	for _, info := range bind.Types {
		typ := Type(info.Number)
		traits := lib.GetTypeTraits(info.Number)
		require.NotNil(t, traits)
		require.Equal(t, typ == TypeF32 || traits.ToFloat != 0, typ.HoldsWeights(), info.Name)
		require.Equal(t, lib.QuantizeRequiresImatrix(info.Number), typ.NeedsImportance(), info.Name)
	}
}

// Rows of a table of every type.
func TestRowsOfEveryType(t *testing.T) {
	b := cpu(t, CPUOptions{Threads: 2})
	ids := []int32{7, 0, 12, 7, 40}
	for _, typ := range WeightTypes() {
		t.Run(typ.String(), func(t *testing.T) {
			data, exact := weights(t, typ, 512, 41, 4)
			s, err := NewStore(b, 2)
			require.NoError(t, err)
			defer s.Close()
			table, index := s.New("table", typ, 512, 41), s.New("ids", TypeI32, int64(len(ids)))
			require.NoError(t, s.Alloc())
			table.SetBytes(data)
			index.SetI32(ids)
			y := compute(t, b, func(g *Graph) *Tensor { return g.GetRows(table, index) })
			got := y.F32()
			for i, id := range ids {
				require.Equal(t, exact[int(id)*512:int(id+1)*512], got[i*512:(i+1)*512])
			}
		})
	}
}

// What the library would abort on is refused.
func TestQuantizeRefusesValues(t *testing.T) {
	row := func(v float32) []float32 { r := random(256, 1); r[100] = v; return r }
	cases := []struct {
		name string
		typ  Type
		src  []float32
		size int64
		want string
	}{
		{"not a number", TypeIQ3_S, row(float32(math.NaN())), 110, "value 100 is NaN"},
		{"infinite", TypeQ4_K, row(float32(math.Inf(-1))), 144, "value 100 is -Inf"},
		{"too large", TypeIQ1_S, row(1e30), 50, "value 100 is 1e+30"},
		{"a type of activations", TypeQ8_K, row(1), 292, "quantize to q8_K: not a type for weights"},
		{"integers", TypeI8, row(1), 256, "quantize to i8: not a type for weights"},
		{"a row that fits no block", TypeQ4_K, row(1)[:32], 18, "do not fit blocks of 256"},
		{"too little room", TypeQ8_0, row(1), 34, "34 bytes instead of 272"},
		{"nothing", TypeQ8_0, nil, 0, "0 values"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			require.ErrorContains(t, Quantize(c.typ, c.src, int64(max(1, len(c.src))), make([]byte, c.size)), c.want)
		})
	}
}

// Shapes that fit no tile and no share: one row, one column, width 1, more threads than rows.
func TestOddShapes(t *testing.T) {
	for _, threads := range []int{1, 2, 7} {
		b := cpu(t, CPUOptions{Threads: threads})
		for _, d := range [][3]int64{{1, 1, 1}, {1, 1, 5}, {1, 7, 5}, {5, 1, 7}, {5, 1, 1}, {7, 5, 1}, {3, 2, 300}, {3, 300, 2}, {300, 3, 2}, {17, 31, 63}, {33, 129, 15}, {129, 17, 257}} {
			t.Run(fmt.Sprintf("%d threads, %v", threads, d), func(t *testing.T) { checkProducts(t, b, TypeF32, d[0], d[1], d[2], false, 1e-6) })
		}
		for _, d := range [][3]int64{{32, 1, 6}, {32, 1, 1}, {32, 5, 5}, {64, 3, 300}, {96, 300, 6}} {
			t.Run(fmt.Sprintf("Q8_0, %d threads, %v", threads, d), func(t *testing.T) { checkProducts(t, b, TypeQ8_0, d[0], d[1], d[2], false, 1e-6) })
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
