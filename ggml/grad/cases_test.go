package grad

import (
	"math"

	"github.com/graft-go/graft/ggml"
)

// A ruleCase is one use of an operation: how graft records it, its reference, and how exactly the two must agree.
type ruleCase struct {
	name   string
	op     ggml.Op    // whose rule it tests
	leaves [][]int64  // shapes of the F32 leaves; each is differentiated
	consts []constant // further operands, not differentiated
	record func(g *ggml.Graph, x, c []*ggml.Tensor) *ggml.Tensor
	refer  func(x []array) array
	step   float64 // of the central difference
	tol    float64 // difference allowed, relative to the size of what is summed
}

// constant is I32 or F32 values.
type constant struct {
	ne  []int64
	i32 []int32
	f32 []float64
}

func (c constant) array() array { return array{shape(c.ne...), c.f32} }

// Steps: what is linear in each leaf has no truncation error, so any step does; a curved operation wants about the cube root of
// float64's precision. Tolerances: one rounding to F32 is 6e-8 and products sum some dozens of them; the library's exp and rope's
// powers of θ are good to a few units.
const (
	linear, curved         = 0.1, 1e-5
	exact, rounded, viaExp = 5e-7, 2e-6, 5e-6
)

var (
	swap        = [4]int32{1, 0, 2, 3}
	byHead      = [4]int32{0, 2, 1, 3}
	cycle       = [4]int32{1, 2, 3, 0}
	ids         = []int32{3, 0, 3, 3, 1}
	inf         = math.Inf(1)
	pairFactors = constant{ne: []int64{3}, f32: []float64{1, 2.5, 0.75}}
	places      = constant{ne: []int64{4}, i32: []int32{0, 1, 7, 300}}
	// The second row sees one value, the third all but one.
	causal   = constant{ne: []int64{5, 3}, f32: []float64{0, 0, 0, -inf, -inf, -inf, -inf, 0, -inf, -inf, -0.5, 0, -inf, 0, 1}}
	yarnless = ggml.Rope{Dims: 8, Base: 10000, Scale: 1, AttnFactor: 1, OrigCtx: 512, BetaFast: 32, BetaSlow: 1}
)

func some(r ggml.Rope, change func(r *ggml.Rope)) ggml.Rope {
	change(&r)
	return r
}

// binary is a case of Add, Sub or Mul.
func binary(name string, op ggml.Op, a, b []int64, f func(x, y float64) float64) ruleCase {
	return ruleCase{name: name, op: op, leaves: [][]int64{a, b}, step: linear, tol: exact,
		record: func(g *ggml.Graph, x, _ []*ggml.Tensor) *ggml.Tensor {
			switch op {
			case ggml.OpAdd:
				return g.Add(x[0], x[1])
			case ggml.OpSub:
				return g.Sub(x[0], x[1])
			}
			return g.Mul(x[0], x[1])
		},
		refer: func(x []array) array { return zip(x[0], x[1], f) }}
}

// unary is a case of an operation with one operand.
func unary(name string, op ggml.Op, step, tol float64, record func(g *ggml.Graph, x *ggml.Tensor) *ggml.Tensor, refer func(x array) array, ne ...int64) ruleCase {
	return ruleCase{name: name, op: op, leaves: [][]int64{ne}, step: step, tol: tol,
		record: func(g *ggml.Graph, x, _ []*ggml.Tensor) *ggml.Tensor { return record(g, x[0]) },
		refer:  func(x []array) array { return refer(x[0]) }}
}

// product is a case of one of the products; view permutes both operands before, outNE are OuterProd's groups.
func product(name string, op ggml.Op, a, b []int64, s float64, view *[4]int32, out ...int64) ruleCase {
	return ruleCase{name: name, op: op, leaves: [][]int64{a, b}, step: linear, tol: rounded,
		record: func(g *ggml.Graph, x, _ []*ggml.Tensor) *ggml.Tensor {
			a, b := x[0], x[1]
			if view != nil {
				a, b = g.Permute(a, *view), g.Permute(b, *view)
			}
			switch op {
			case ggml.OpMulMat:
				return g.MulMat(a, b, float32(s))
			case ggml.OpMulMatT:
				return g.MulMatT(a, b, float32(s))
			}
			return g.OuterProd(a, b, out[0], out[1], float32(s))
		},
		refer: func(x []array) array {
			a, b := x[0], x[1]
			if view != nil {
				a, b = permuted(a, *view), permuted(b, *view)
			}
			switch op {
			case ggml.OpMulMat:
				return matMul(a, b, s)
			case ggml.OpMulMatT:
				return matMulT(a, b, s)
			}
			return outer(a, b, out[0], out[1], s)
		}}
}

func ropeCase(name string, r ggml.Rope, f *constant, ne ...int64) ruleCase {
	c := ruleCase{name: name, op: ggml.OpRope, leaves: [][]int64{ne}, consts: []constant{places}, step: linear, tol: viaExp}
	var values []float64
	if f != nil {
		c.consts, values = append(c.consts, *f), f.f32
	}
	c.record = func(g *ggml.Graph, x, k []*ggml.Tensor) *ggml.Tensor {
		if len(k) == 1 {
			return g.Rope(x[0], k[0], nil, r)
		}
		return g.Rope(x[0], k[0], k[1], r)
	}
	c.refer = func(x []array) array { return rotated(x[0], places.i32, values, r) }
	return c
}

func softMaxCase(name string, m *constant, s float64, ne ...int64) ruleCase {
	c := ruleCase{name: name, op: ggml.OpSoftMax, leaves: [][]int64{ne}, step: curved, tol: viaExp}
	if m != nil {
		c.consts = []constant{*m}
	}
	c.record = func(g *ggml.Graph, x, k []*ggml.Tensor) *ggml.Tensor {
		if len(k) == 0 {
			return g.SoftMax(x[0], nil, float32(s))
		}
		return g.SoftMax(x[0], k[0], float32(s))
	}
	c.refer = func(x []array) array {
		if m == nil {
			return softMaxed(x[0], nil, s)
		}
		a := m.array()
		return softMaxed(x[0], &a, s)
	}
	return c
}

// turned is c with its result permuted, so that the rule receives a gradient that is a view with scattered rows.
func turned(c ruleCase, axes [4]int32) ruleCase {
	record, refer := c.record, c.refer
	c.name += ", its gradient a view"
	c.record = func(g *ggml.Graph, x, k []*ggml.Tensor) *ggml.Tensor { return g.Permute(record(g, x, k), axes) }
	c.refer = func(x []array) array { return permuted(refer(x), axes) }
	return c
}
