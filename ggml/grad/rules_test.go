package grad

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml"
)

// ruleCases lists every use of every operation that has a rule.
func ruleCases() []ruleCase {
	n := func(ne ...int64) []int64 { return ne }
	batchMask := constant{ne: n(5, 3, 1, 2), f32: append(append([]float64{}, causal.f32...), make([]float64, 15)...)}
	cases := []ruleCase{
		binary("Add", ggml.OpAdd, n(5, 3, 2), n(5, 3, 2), plus),
		binary("Add a bias", ggml.OpAdd, n(5, 3, 2, 2), n(5), plus),
		binary("Add a column", ggml.OpAdd, n(5, 3), n(1, 3), plus),
		binary("Add a matrix to each head", ggml.OpAdd, n(5, 3, 2, 2), n(5, 3, 1, 2), plus),
		binary("Sub", ggml.OpSub, n(5, 3), n(5, 3), minus),
		binary("Sub a row", ggml.OpSub, n(5, 3, 2), n(5), minus),
		binary("Sub half a row, twice", ggml.OpSub, n(6, 4), n(3, 2), minus),
		binary("Mul", ggml.OpMul, n(5, 3, 2), n(5, 3, 2), times),
		binary("Mul by a gain", ggml.OpMul, n(7, 4, 1, 2), n(7), times),
		binary("Mul by a column", ggml.OpMul, n(7, 4), n(1, 4), times),
		binary("Mul by a scalar", ggml.OpMul, n(7, 4), n(1), times),

		product("MulMat", ggml.OpMulMat, n(13, 7), n(13, 9), 1, nil),
		product("MulMat scaled", ggml.OpMulMat, n(13, 7), n(13, 9), -0.25, nil),
		product("MulMat one column", ggml.OpMulMat, n(13, 7), n(13), 1, nil),
		product("MulMat one row", ggml.OpMulMat, n(13), n(13, 6), 1, nil),
		product("MulMat of width 1", ggml.OpMulMat, n(1, 7), n(1, 9), 1, nil),
		product("MulMat grouped heads and batch", ggml.OpMulMat, n(5, 7, 2, 3), n(5, 4, 6, 3), 0.5, nil),
		product("MulMat one weight for all", ggml.OpMulMat, n(5, 7), n(5, 4, 2, 3), 1, nil),
		product("MulMat a weight a head for a batch", ggml.OpMulMat, n(5, 7, 2), n(5, 4, 2, 3), 1, nil),
		product("MulMat views of heads", ggml.OpMulMat, n(5, 2, 7, 2), n(5, 4, 3, 2), 0.5, &byHead),
		product("MulMatT", ggml.OpMulMatT, n(13, 7), n(7, 9), 1, nil),
		product("MulMatT scaled", ggml.OpMulMatT, n(13, 7), n(7, 9), 3, nil),
		product("MulMatT one column", ggml.OpMulMatT, n(13, 7), n(7), 1, nil),
		product("MulMatT grouped heads and batch", ggml.OpMulMatT, n(5, 7, 2, 3), n(7, 4, 6, 3), 0.5, nil),
		product("MulMatT a weight a head for a batch", ggml.OpMulMatT, n(5, 7, 2), n(7, 4, 2, 3), 1, nil),
		product("MulMatT views of heads", ggml.OpMulMatT, n(5, 2, 7, 2), n(7, 4, 3, 2), 2, &byHead),
		product("OuterProd", ggml.OpOuterProd, n(6, 9), n(5, 9), 1, nil, 1, 1),
		product("OuterProd scaled", ggml.OpOuterProd, n(6, 9), n(5, 9), 0.5, nil, 1, 1),
		product("OuterProd of one column", ggml.OpOuterProd, n(6), n(5), 1, nil, 1, 1),
		product("OuterProd of heads", ggml.OpOuterProd, n(6, 9, 4, 2), n(5, 9, 4, 2), 1, nil, 4, 2),
		product("OuterProd of groups", ggml.OpOuterProd, n(6, 9, 4, 2), n(5, 9, 4, 2), 1, nil, 2, 2),
		product("OuterProd summed over the batch", ggml.OpOuterProd, n(6, 9, 4, 2), n(5, 9, 4, 2), 1, nil, 4, 1),
		product("OuterProd summed over all", ggml.OpOuterProd, n(6, 9, 4, 2), n(5, 9, 4, 2), 1, nil, 1, 1),
		product("OuterProd of views", ggml.OpOuterProd, n(6, 4, 9), n(5, 4, 9), 1, &byHead, 2, 1),

		unary("Scale", ggml.OpScale, linear, exact, func(g *ggml.Graph, x *ggml.Tensor) *ggml.Tensor { return g.Scale(x, -2.5) },
			func(x array) array { return each(x, func(v float64) float64 { return -2.5 * v }) }, 5, 3, 2),
		unary("Sqr", ggml.OpSqr, linear, exact, func(g *ggml.Graph, x *ggml.Tensor) *ggml.Tensor { return g.Sqr(x) },
			func(x array) array { return each(x, func(v float64) float64 { return v * v }) }, 5, 3),
		unary("Sum", ggml.OpSum, linear, exact, func(g *ggml.Graph, x *ggml.Tensor) *ggml.Tensor { return g.Sum(x) }, sumOf, 5, 3, 2, 2),
		{name: "Repeat a row", op: ggml.OpRepeat, leaves: [][]int64{n(5, 1, 2)}, step: linear, tol: exact, consts: []constant{{ne: n(5, 3, 4), f32: make([]float64, 60)}},
			record: func(g *ggml.Graph, x, c []*ggml.Tensor) *ggml.Tensor { return g.Repeat(x[0], c[0]) },
			refer:  func(x []array) array { return repeated(x[0], shape(5, 3, 4)) }},
		{name: "Repeat to its own shape", op: ggml.OpRepeat, leaves: [][]int64{n(5, 3)}, step: linear, tol: exact, consts: []constant{{ne: n(5, 3), f32: make([]float64, 15)}},
			record: func(g *ggml.Graph, x, c []*ggml.Tensor) *ggml.Tensor { return g.Repeat(x[0], c[0]) },
			refer:  func(x []array) array { return x[0] }},
		unary("Silu", ggml.OpSilu, curved, viaExp, func(g *ggml.Graph, x *ggml.Tensor) *ggml.Tensor { return g.Silu(x) },
			func(x array) array { return each(x, siluOf) }, 37, 3),
		{name: "SwiGLU", op: ggml.OpSwiGLU, leaves: [][]int64{n(9, 4), n(9, 4)}, step: curved, tol: viaExp,
			record: func(g *ggml.Graph, x, _ []*ggml.Tensor) *ggml.Tensor { return g.SwiGLU(x[0], x[1]) },
			refer:  func(x []array) array { return zip(each(x[0], siluOf), x[1], times) }},
		unary("RMSNorm", ggml.OpRMSNorm, curved, rounded, func(g *ggml.Graph, x *ggml.Tensor) *ggml.Tensor { return g.RMSNorm(x, 1e-5) },
			func(x array) array { return rmsNormed(x, float64(float32(1e-5))) }, 16, 3, 2),
		unary("RMSNorm with a large eps", ggml.OpRMSNorm, curved, rounded, func(g *ggml.Graph, x *ggml.Tensor) *ggml.Tensor { return g.RMSNorm(x, 0.5) },
			func(x array) array { return rmsNormed(x, 0.5) }, 5, 3),

		softMaxCase("SoftMax", nil, 1, 5, 3),
		softMaxCase("SoftMax scaled", nil, 0.125, 5, 3, 2),
		softMaxCase("SoftMax with a mask for all heads", &causal, 0.5, 5, 3, 4, 2),
		softMaxCase("SoftMax with a mask a batch", &batchMask, 2, 5, 3, 4, 2),

		ropeCase("Rope", yarnless, nil, 8, 3, 4),
		ropeCase("Rope of a part of the head", some(yarnless, func(r *ggml.Rope) { r.Dims = 6 }), nil, 10, 3, 4),
		ropeCase("Rope with factors", some(yarnless, func(r *ggml.Rope) { r.Dims = 6 }), &pairFactors, 8, 2, 4),
		ropeCase("Rope with a scale and a magnitude", some(yarnless, func(r *ggml.Rope) { r.Scale, r.AttnFactor, r.Base = 0.25, 1.5, 500 }), nil, 8, 1, 4),
		ropeCase("Rope with YaRN", some(yarnless, func(r *ggml.Rope) { r.Scale, r.ExtFactor = 0.125, 1 }), nil, 8, 2, 4),
		ropeCase("Rope with YaRN, a part of it, factors and a magnitude", some(yarnless, func(r *ggml.Rope) { r.Dims, r.Scale, r.ExtFactor, r.AttnFactor, r.OrigCtx = 6, 0.25, 0.75, 0.9, 4096 }), &pairFactors, 8, 2, 4),

		{name: "GetRows with repeated ids", op: ggml.OpGetRows, leaves: [][]int64{n(6, 4)}, step: linear, tol: exact, consts: []constant{{ne: n(5), i32: ids}},
			record: func(g *ggml.Graph, x, c []*ggml.Tensor) *ggml.Tensor { return g.GetRows(x[0], c[0]) },
			refer:  func(x []array) array { return rowsOf(x[0], ids, 1) }},
		unary("Reshape", ggml.OpReshape, linear, exact, func(g *ggml.Graph, x *ggml.Tensor) *ggml.Tensor { return g.Reshape(x, 3, 2, 5) },
			func(x array) array { return reshaped(x, 3, 2, 5) }, 6, 5),
		unary("Permute", ggml.OpPermute, linear, exact, func(g *ggml.Graph, x *ggml.Tensor) *ggml.Tensor { return g.Permute(x, cycle) },
			func(x array) array { return permuted(x, cycle) }, 2, 3, 4, 5),
		unary("Cont", ggml.OpCont, linear, exact, func(g *ggml.Graph, x *ggml.Tensor) *ggml.Tensor { return g.Cont(g.Permute(x, swap)) },
			func(x array) array { return permuted(x, swap) }, 5, 3, 2),
	}
	for _, c := range cases {
		if c.op != ggml.OpSum {
			cases = append(cases, turned(c, swap))
		}
	}
	return cases
}

func TestRules(t *testing.T) {
	for _, o := range []struct {
		name string
		ggml.CPUOptions
	}{{"blas", ggml.CPUOptions{Threads: 2}}, {"kernels", ggml.CPUOptions{Threads: 2, NoBLAS: true}}} {
		t.Run(o.name, func(t *testing.T) {
			b, err := ggml.NewCPU(o.CPUOptions)
			require.NoError(t, err)
			defer b.Close()
			for i, c := range ruleCases() {
				t.Run(c.name, func(t *testing.T) { checkRule(t, b, c, uint64(i)) })
			}
		})
	}
}

// checkRule compares the forward of a case with its reference value by value, and the gradient of L = Σ r ⊙ y, for some r, with
// the reference's central differences along random directions of each leaf: Σ dL/dx ⊙ d = (L(x + h·d) − L(x − h·d))/2h.
func checkRule(t *testing.T, b *ggml.Backend, c ruleCase, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 7))
	x := make([]array, len(c.leaves))
	for i, ne := range c.leaves {
		x[i] = randomArray(rnd, shape(ne...))
	}
	want := c.refer(x)
	r := randomArray(rnd, want.ne)

	s, err := ggml.NewStore(b, 16)
	require.NoError(t, err)
	defer s.Close()
	leaves, consts := make([]*ggml.Tensor, len(x)), make([]*ggml.Tensor, len(c.consts))
	for i := range x {
		leaves[i] = s.New("x", ggml.TypeF32, x[i].ne[:]...)
	}
	for i, k := range c.consts {
		typ := ggml.TypeF32
		if k.i32 != nil {
			typ = ggml.TypeI32
		}
		consts[i] = s.New("c", typ, k.ne...)
	}
	dy := s.New("dy", ggml.TypeF32, r.ne[:]...)
	require.NoError(t, s.Alloc())
	for i := range x {
		leaves[i].SetF32(0, floats(x[i].v))
	}
	for i, k := range c.consts {
		if k.i32 != nil {
			consts[i].SetI32(k.i32)
		} else {
			consts[i].SetF32(0, floats(k.f32))
		}
	}
	dy.SetF32(0, floats(r.v))

	var y *ggml.Tensor
	grads := map[*ggml.Tensor]*ggml.Tensor{}
	g, err := ggml.Build(b, nil, 64, func(g *ggml.Graph) []*ggml.Tensor {
		result := c.record(g, leaves, consts)
		Backward(g, []Root{{result, dy}}, leaves, func(leaf, d *ggml.Tensor) { grads[leaf] = g.Cont(d) })
		y = g.Cont(result)
		roots := []*ggml.Tensor{y}
		for _, leaf := range leaves {
			roots = append(roots, grads[leaf])
		}
		return roots
	})
	require.NoError(t, err)
	defer g.Close()
	require.NoError(t, g.Run())

	require.Equal(t, want.ne, y.Ne)
	size := 0.0
	for _, v := range want.v {
		size = max(size, math.Abs(v))
	}
	for i, v := range y.F32() {
		require.InDelta(t, want.v[i], float64(v), c.tol*max(size, 1), "forward, value %d", i)
	}
	loss := func(x []array) (l float64) {
		for i, v := range c.refer(x).v {
			l += r.v[i] * v
		}
		return l
	}
	for i, leaf := range leaves {
		got, at := grads[leaf].F32(), x[i]
		for range 4 {
			d := randomArray(rnd, at.ne)
			along := func(h float64) float64 {
				moved := append([]array(nil), x...)
				moved[i] = zip(at, d, func(x, d float64) float64 { return x + h*d })
				return loss(moved)
			}
			var have, scale float64
			for j, v := range got {
				have += float64(v) * d.v[j]
				scale += math.Abs(float64(v) * d.v[j])
			}
			require.InDelta(t, (along(c.step)-along(-c.step))/(2*c.step), have, c.tol*max(scale, 1), "gradient of leaf %d", i)
		}
	}
}

// randomArray holds values between −1 and 1 that are exact in F32.
func randomArray(rnd *rand.Rand, ne [4]int64) array {
	return fill(ne, func(_, _, _, _ int64) float64 { return float64(rnd.Float32()*2 - 1) })
}

func floats(v []float64) []float32 {
	f := make([]float32, len(v))
	for i := range v {
		f[i] = float32(v[i])
	}
	return f
}

// Each operation that can be recorded is either differentiated, and then tested here, or is named as one that is not.
func TestEveryOperationHasARuleOrAReason(t *testing.T) {
	tested := map[ggml.Op]bool{}
	for _, c := range ruleCases() {
		tested[c.op] = true
	}
	known := map[ggml.Op]bool{}
	for _, op := range ggml.Ops() {
		known[op] = true
		_, rule := rules[op]
		_, none := noGradient[op]
		require.True(t, rule != none, "%s: rule %v, noGradient %v", op, rule, none)
		require.Equal(t, rule, tested[op], "%s: rule %v, tested %v", op, rule, tested[op])
	}
	for op := range rules {
		require.True(t, known[op], "%s has a rule but is not in ggml.Ops", op)
	}
	for op := range noGradient {
		require.True(t, known[op], "%s has an entry but is not in ggml.Ops", op)
	}
}
