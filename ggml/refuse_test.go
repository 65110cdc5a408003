package ggml

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	bind "github.com/graft-go/graft/binding/ggml"
)

// operands holds leaves of many shapes and types for wrong calls. The names say the shape: m53 is [5, 3].
type operands struct {
	m53, m35, m54, m73, m51, m15, h532, h542, b5322, v5, v7, one, odd *Tensor // F32
	ids3, ids53, ids32                                                *Tensor // I32
	f16, bf16, q8, q8x                                                *Tensor
	i8, i64, f64, q8k, q81                                            *Tensor // nothing computes with these
	view                                                              *Tensor // a store's view of m53
}

func newOperands(t *testing.T, b *Backend) operands {
	s, err := NewStore(b, 32)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	f := func(ne ...int64) *Tensor { return s.New("f", TypeF32, ne...) }
	o := operands{m53: f(5, 3), m35: f(3, 5), m54: f(5, 4), m73: f(7, 3), m51: f(5, 1), m15: f(1, 5), h532: f(5, 3, 2), h542: f(5, 4, 2), b5322: f(5, 3, 2, 2),
		v5: f(5), v7: f(7), one: f(1), odd: f(9, 3, 3),
		ids3: s.New("i", TypeI32, 3), ids53: s.New("i", TypeI32, 5, 3), ids32: s.New("i", TypeI32, 3, 2),
		f16: s.New("h", TypeF16, 5, 3), bf16: s.New("h", TypeBF16, 5, 3), q8: s.New("q", TypeQ8_0, 32, 3), q8x: s.New("q", TypeQ8_0, 64, 3),
		i8: s.New("n", TypeI8, 5, 3), i64: s.New("n", TypeI64, 5, 3), f64: s.New("n", TypeF64, 5, 3), q8k: s.New("n", Type(15), 256, 3), q81: s.New("n", Type(9), 32, 3)}
	o.view = s.View("view", o.m53, 0, 5, 3)
	require.NoError(t, s.Alloc())
	return o
}

// What the library would answer with an assertion, in the graph's construction or on its worker threads, where nothing can be
// saved, must be an error of Build.
func TestWrongOperands(t *testing.T) {
	rope := Rope{Dims: 4, OrigCtx: 128, Base: 10000, Scale: 1, AttnFactor: 1}
	with := func(dims int) Rope { r := rope; r.Dims = dims; return r }
	cases := []struct {
		name   string
		record func(g *Graph, o operands)
	}{
		{"Add: b does not repeat", func(g *Graph, o operands) { g.Add(o.m53, o.m73) }},
		{"Add: a is smaller", func(g *Graph, o operands) { g.Add(o.v5, o.m53) }},
		{"Add: F16", func(g *Graph, o operands) { g.Add(o.m53, o.f16) }},
		{"Add: scattered rows", func(g *Graph, o operands) { g.Add(g.Permute(o.m53, transpose), o.m35) }},
		{"Add: scattered rows of one value", func(g *Graph, o operands) { p := g.Permute(o.m51, transpose); g.Add(p, p) }},
		{"AddInplace: repeats", func(g *Graph, o operands) { g.AddInplace(o.m53, o.v5) }},
		{"AddInplace: scattered rows", func(g *Graph, o operands) { g.AddInplace(g.Permute(o.m53, transpose), o.m35) }},
		{"AddInplace: quantized", func(g *Graph, o operands) { g.AddInplace(o.q8, o.q8) }},
		{"Sub: b does not repeat", func(g *Graph, o operands) { g.Sub(o.m53, o.m54) }},
		{"Sub: scattered rows", func(g *Graph, o operands) { g.Sub(g.Permute(o.m53, transpose), o.m35) }},
		{"Mul: b does not repeat", func(g *Graph, o operands) { g.Mul(o.m53, o.m35) }},
		{"Mul: I32", func(g *Graph, o operands) { g.Mul(o.m53, o.ids53) }},
		{"Mul: scattered rows", func(g *Graph, o operands) { g.Mul(g.Permute(o.m53, transpose), o.m35) }},
		{"Scale: a view", func(g *Graph, o operands) { g.Scale(g.Permute(o.m53, transpose), 2) }},
		{"Scale: F16", func(g *Graph, o operands) { g.Scale(o.f16, 2) }},
		{"Sqr: a view", func(g *Graph, o operands) { g.Sqr(g.Permute(o.m53, transpose)) }},
		{"Sqr: I32", func(g *Graph, o operands) { g.Sqr(o.ids3) }},
		{"Log: a view", func(g *Graph, o operands) { g.Log(g.Permute(o.m53, transpose)) }},
		{"Sum: a view", func(g *Graph, o operands) { g.Sum(g.Permute(o.m53, transpose)) }},
		{"Sum: F64", func(g *Graph, o operands) { g.Sum(o.f64) }},
		{"ArgMax: three dimensions", func(g *Graph, o operands) { g.ArgMax(o.h532) }},
		{"ArgMax: I32", func(g *Graph, o operands) { g.ArgMax(o.ids53) }},
		{"Repeat: does not repeat", func(g *Graph, o operands) { g.Repeat(o.v5, o.m73) }},
		{"Repeat: scattered rows", func(g *Graph, o operands) { g.Repeat(g.Permute(o.m53, transpose), o.m35) }},
		{"Repeat: F16", func(g *Graph, o operands) { g.Repeat(o.f16, o.m53) }},
		{"RepeatBack: does not repeat", func(g *Graph, o operands) { g.RepeatBack(o.m73, o.v5) }},
		{"RepeatBack: scattered rows", func(g *Graph, o operands) { g.RepeatBack(g.Permute(o.m53, transpose), o.one) }},
		{"Silu: a view", func(g *Graph, o operands) { g.Silu(g.Permute(o.m53, transpose)) }},
		{"Silu: I8", func(g *Graph, o operands) { g.Silu(o.i8) }},
		{"SiluBack: other shapes", func(g *Graph, o operands) { g.SiluBack(o.m53, o.v5) }},
		{"SwiGLU: other shapes", func(g *Graph, o operands) { g.SwiGLU(o.m53, o.m54) }},
		{"SwiGLU: a view", func(g *Graph, o operands) { g.SwiGLU(o.m35, g.Permute(o.m53, transpose)) }},
		{"RMSNorm: negative eps", func(g *Graph, o operands) { g.RMSNorm(o.m53, -1) }},
		{"RMSNorm: eps is no number", func(g *Graph, o operands) { g.RMSNorm(o.m53, float32(math.NaN())) }},
		{"RMSNorm: a view", func(g *Graph, o operands) { g.RMSNorm(g.Permute(o.m53, transpose), 1e-5) }},
		{"RMSNormBack: other shapes", func(g *Graph, o operands) { g.RMSNormBack(o.m53, o.m35, 1e-5) }},
		{"SoftMax: a view", func(g *Graph, o operands) { g.SoftMax(g.Permute(o.m53, transpose), nil, 1) }},
		{"SoftMax: a mask of another width", func(g *Graph, o operands) { g.SoftMax(o.m53, o.m73, 1) }},
		{"SoftMax: a mask with too few rows", func(g *Graph, o operands) { g.SoftMax(o.m54, o.m53, 1) }},
		{"SoftMax: a mask for more heads", func(g *Graph, o operands) { g.SoftMax(o.m53, o.h532, 1) }},
		{"SoftMax: an F16 mask", func(g *Graph, o operands) { g.SoftMax(o.m53, o.f16, 1) }},
		{"SoftMaxBack: other shapes", func(g *Graph, o operands) { g.SoftMaxBack(o.m53, o.m54, 1) }},
		{"Rope: an odd number of dimensions", func(g *Graph, o operands) { g.Rope(o.odd, o.ids3, nil, with(3)) }},
		{"Rope: an odd head", func(g *Graph, o operands) { g.Rope(o.odd, o.ids3, nil, with(4)) }},
		{"Rope: more dimensions than the head", func(g *Graph, o operands) { g.Rope(g.Reshape(o.b5322, 4, 5, 3), o.ids3, nil, with(6)) }},
		{"Rope: no dimensions", func(g *Graph, o operands) { g.Rope(g.Reshape(o.b5322, 4, 5, 3), o.ids3, nil, with(0)) }},
		{"Rope: other positions", func(g *Graph, o operands) { g.Rope(g.Reshape(o.b5322, 6, 5, 2), o.ids3, nil, rope) }},
		{"Rope: F32 positions", func(g *Graph, o operands) { g.Rope(g.Reshape(o.b5322, 4, 3, 5), o.v5, nil, rope) }},
		{"Rope: too few factors", func(g *Graph, o operands) { g.Rope(g.Reshape(o.b5322, 4, 5, 3), o.ids3, o.one, rope) }},
		{"Rope: scattered rows", func(g *Graph, o operands) {
			g.Rope(g.Permute(g.Reshape(o.b5322, 5, 4, 3), transpose), o.ids3, nil, rope)
		}},
		{"RopeBack: a batch", func(g *Graph, o operands) { g.RopeBack(g.Reshape(o.b5322, 2, 5, 3, 2), o.ids3, nil, with(2)) }},
		{"GetRows: F32 ids", func(g *Graph, o operands) { g.GetRows(o.m53, o.v5) }},
		{"GetRows: ids of another batch", func(g *Graph, o operands) { g.GetRows(o.m53, o.ids53) }},
		{"GetRows: I8", func(g *Graph, o operands) { g.GetRows(o.i8, o.ids3) }},
		{"GetRows: I64", func(g *Graph, o operands) { g.GetRows(o.i64, o.ids3) }},
		{"GetRows: F64", func(g *Graph, o operands) { g.GetRows(o.f64, o.ids3) }},
		{"GetRows: Q8_K", func(g *Graph, o operands) { g.GetRows(o.q8k, o.ids3) }},
		{"GetRows: Q8_1", func(g *Graph, o operands) { g.GetRows(o.q81, o.ids3) }},
		{"GetRows: scattered rows", func(g *Graph, o operands) { g.GetRows(g.Permute(o.m53, transpose), o.ids3) }},
		{"GetRowsBack: another width", func(g *Graph, o operands) { g.GetRowsBack(o.m53, o.ids3, o.m73) }},
		{"GetRowsBack: another number of ids", func(g *Graph, o operands) { g.GetRowsBack(o.m54, o.ids3, o.m54) }},
		{"GetRowsBack: a matrix of ids", func(g *Graph, o operands) { g.GetRowsBack(o.m53, o.ids32, o.m54) }},
		{"GetRowsBack: matrices of rows", func(g *Graph, o operands) { g.GetRowsBack(o.h532, o.ids3, o.m54) }},
		{"GetRowsBack: a frozen type", func(g *Graph, o operands) { g.GetRowsBack(o.m53, o.ids3, o.f16) }},
		{"SetRows: another width", func(g *Graph, o operands) { g.SetRows(o.m53, o.m73, o.ids3) }},
		{"SetRows: another number of ids", func(g *Graph, o operands) { g.SetRows(o.m53, o.m54, o.ids3) }},
		{"SetRows: F32 ids", func(g *Graph, o operands) { g.SetRows(o.m53, o.m35, o.v5) }},
		{"SetRows: into F16", func(g *Graph, o operands) { g.SetRows(o.f16, o.m53, o.ids3) }},
		{"SetRows: other matrices", func(g *Graph, o operands) { g.SetRows(o.h532, o.m53, o.ids3) }},
		{"SetRows: ids that do not repeat", func(g *Graph, o operands) { g.SetRows(o.m53, o.m53, o.ids32) }},
		{"Reshape: another number of values", func(g *Graph, o operands) { g.Reshape(o.m53, 4, 4) }},
		{"Reshape: negative dimensions", func(g *Graph, o operands) { g.Reshape(o.m53, -5, -3) }},
		{"Reshape: dimensions that overflow", func(g *Graph, o operands) { g.Reshape(o.one, 1<<33, 1<<33, 1<<33, 1<<29) }},
		{"Reshape: five dimensions", func(g *Graph, o operands) { g.Reshape(o.m53, 5, 3, 1, 1, 1) }},
		{"Reshape: a view", func(g *Graph, o operands) { g.Reshape(g.Permute(o.m53, transpose), 15) }},
		{"Reshape: broken blocks", func(g *Graph, o operands) { g.Reshape(o.q8, 16, 6) }},
		{"Columns: beyond the end", func(g *Graph, o operands) { g.Columns(o.m53, 2, 2) }},
		{"Columns: none", func(g *Graph, o operands) { g.Columns(o.m53, 0, 0) }},
		{"Columns: before the start", func(g *Graph, o operands) { g.Columns(o.m53, -1, 2) }},
		{"Columns: so many that they overflow", func(g *Graph, o operands) { g.Columns(o.m53, 2, math.MaxInt64) }},
		{"Columns: scattered rows", func(g *Graph, o operands) { g.Columns(g.Permute(o.m53, transpose), 0, 2) }},
		{"Columns: three dimensions", func(g *Graph, o operands) { g.Columns(o.h532, 0, 2) }},
		{"Range: beyond the end", func(g *Graph, o operands) { g.Range(o.v5, 4, 2) }},
		{"Range: a matrix", func(g *Graph, o operands) { g.Range(o.m53, 0, 2) }},
		{"Range: within a block", func(g *Graph, o operands) { g.Range(g.Reshape(o.q8, 96), 0, 4) }},
		{"Permute: an axis twice", func(g *Graph, o operands) { g.Permute(o.m53, [4]int32{0, 0, 2, 3}) }},
		{"Permute: an axis too many", func(g *Graph, o operands) { g.Permute(o.m53, [4]int32{0, 1, 2, 4}) }},
		{"Permute: the rows of blocks", func(g *Graph, o operands) { g.Permute(o.q8, transpose) }},
		{"Concat: another type", func(g *Graph, o operands) { g.Concat(o.m53, o.f16, 1) }},
		{"Concat: other dimensions", func(g *Graph, o operands) { g.Concat(o.m53, o.m73, 1) }},
		{"Concat: no such dimension", func(g *Graph, o operands) { g.Concat(o.m53, o.m53, 4) }},
		{"Concat: a negative dimension", func(g *Graph, o operands) { g.Concat(o.m53, o.m53, -1) }},
		{"OptStepAdamW: another shape", func(g *Graph, o operands) { g.OptStepAdamW(o.m53, o.m53, o.m53, o.v5, o.v7) }},
		{"OptStepAdamW: a gradient of another shape", func(g *Graph, o operands) { g.OptStepAdamW(o.m53, o.m35, o.m53, o.m53, o.v7) }},
		{"OptStepAdamW: too few parameters", func(g *Graph, o operands) { g.OptStepAdamW(o.m53, o.m53, o.m53, o.m53, o.v5) }},
		{"OptStepAdamW: a result", func(g *Graph, o operands) { g.OptStepAdamW(g.Sqr(o.m53), o.m53, o.m53, o.m53, o.v7) }},
		{"OptStepAdamW: a view of a leaf", func(g *Graph, o operands) { g.OptStepAdamW(o.view, o.m53, o.m53, o.m53, o.v7) }},
		{"OptStepAdamW: F16", func(g *Graph, o operands) { g.OptStepAdamW(o.f16, o.m53, o.m53, o.m53, o.v7) }},
		{"OptStepAdamW: a moment that is a view", func(g *Graph, o operands) { g.OptStepAdamW(o.m53, o.m53, g.Permute(o.m35, transpose), o.m53, o.v7) }},

		{"MulMat: other inner dimensions", func(g *Graph, o operands) { g.MulMat(o.m53, o.m73, 1) }},
		{"MulMat: x is not F32", func(g *Graph, o operands) { g.MulMat(o.m53, o.f16, 1) }},
		{"MulMat: heads that do not repeat", func(g *Graph, o operands) { g.MulMat(o.h532, g.Reshape(o.b5322, 5, 4, 3), 1) }},
		{"MulMat: more matrices of w than of x", func(g *Graph, o operands) { g.MulMat(o.h532, o.m53, 1) }},
		{"MulMat: scattered rows of x", func(g *Graph, o operands) { g.MulMat(o.m35, g.Permute(o.m53, transpose), 1) }},
		{"MulMat: scattered rows of w", func(g *Graph, o operands) { g.MulMat(g.Permute(o.m53, transpose), o.m35, 1) }},
		{"MulMat: scattered rows of one value", func(g *Graph, o operands) { g.MulMat(g.Permute(o.m51, transpose), o.m15, 1) }},
		{"MulMat: I8", func(g *Graph, o operands) { g.MulMat(o.i8, o.m54, 1) }},
		{"MulMat: I32", func(g *Graph, o operands) { g.MulMat(o.ids53, o.m54, 1) }},
		{"MulMat: F64", func(g *Graph, o operands) { g.MulMat(o.f64, o.m54, 1) }},
		{"MulMat: a view of half-precision heads", func(g *Graph, o operands) {
			g.MulMat(g.Permute(g.Reshape(o.bf16, 5, 3, 1), [4]int32{0, 2, 3, 1}), g.Reshape(o.b5322, 5, 2, 2, 3), 1)
		}},
		{"MulMatT: other inner dimensions", func(g *Graph, o operands) { g.MulMatT(o.m53, o.m53, 1) }},
		{"MulMatT: Q8_K", func(g *Graph, o operands) { g.MulMatT(o.q8k, o.m35, 1) }},
		{"OuterProd: other outer dimensions", func(g *Graph, o operands) { g.OuterProd(o.m53, o.m54, 1, 1, 1) }},
		{"OuterProd: other heads", func(g *Graph, o operands) { g.OuterProd(o.m53, o.h532, 1, 1, 1) }},
		{"OuterProd: groups that do not divide", func(g *Graph, o operands) { g.OuterProd(o.h532, o.h532, 3, 1, 1) }},
		{"OuterProd: no groups", func(g *Graph, o operands) { g.OuterProd(o.h532, o.h532, 0, 1, 1) }},
		{"OuterProd: F16", func(g *Graph, o operands) { g.OuterProd(o.f16, o.m53, 1, 1, 1) }},
		{"a full graph", func(g *Graph, o operands) {
			for range 1000 {
				g.Sqr(o.m53)
			}
		}},
	}
	for _, kernels := range []bool{false, true} {
		b := cpu(t, CPUOptions{Threads: 2, NoBLAS: kernels})
		o := newOperands(t, b)
		for _, c := range cases {
			t.Run(c.name, func(t *testing.T) {
				_, err := Build(b, nil, 8, func(g *Graph) []*Tensor { c.record(g, o); return nil })
				var shapeErr *ShapeError
				require.ErrorAs(t, err, &shapeErr)
				require.False(t, bind.Poisoned(), "the library has aborted")
			})
		}
	}
}
