package grad

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml"
)

// bench is a backend, and a store of leaves for one test of the driver.
type bench struct {
	t *testing.T
	b *ggml.Backend
	s *ggml.Store
}

func newBench(t *testing.T) *bench {
	b, err := ggml.NewCPU(ggml.CPUOptions{Threads: 2})
	require.NoError(t, err)
	s, err := ggml.NewStore(b, 16)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close(); b.Close() })
	return &bench{t, b, s}
}

func (n *bench) leaf(name string, ne ...int64) *ggml.Tensor {
	return n.s.New(name, ggml.TypeF32, ne...)
}

// emission is one call of emit: the leaf, its gradient, and how many operations were recorded by then.
type emission struct {
	leaf, dy *ggml.Tensor
	at       int
}

// build records forward and Backward, and returns what was emitted and the operations that Backward has recorded.
func (n *bench) build(wanted []*ggml.Tensor, forward func(g *ggml.Graph) []Root) (g *ggml.Graph, emitted []emission, ops []ggml.Op) {
	n.t.Helper()
	require.NoError(n.t, n.s.Alloc())
	g, err := ggml.Build(n.b, nil, 64, func(g *ggml.Graph) []*ggml.Tensor {
		roots := forward(g)
		before := len(g.Recorded())
		Backward(g, roots, wanted, func(leaf, dy *ggml.Tensor) { emitted = append(emitted, emission{leaf, dy, len(g.Recorded())}) })
		for _, t := range g.Recorded()[before:] {
			ops = append(ops, t.Op)
		}
		var out []*ggml.Tensor
		for _, e := range emitted {
			if e.dy != nil {
				out = append(out, e.dy)
			}
		}
		return append(out, roots[0].Y)
	})
	require.NoError(n.t, err)
	n.t.Cleanup(g.Close)
	return g, emitted, ops
}

func TestFanOutSums(t *testing.T) {
	n := newBench(t)
	x, dy := n.leaf("x", 3), n.leaf("dy", 3)
	g, emitted, _ := n.build([]*ggml.Tensor{x}, func(g *ggml.Graph) []Root {
		// y = 2x + x² + x⊙x: five uses of x; dy/dx = 2 + 4x.
		y := g.Add(g.Add(g.Scale(x, 2), g.Sqr(x)), g.Mul(x, x))
		return []Root{{y, dy}}
	})
	x.SetF32(0, []float32{1, -2, 0.5})
	dy.SetF32(0, []float32{1, 10, 100})
	require.NoError(t, g.Run())
	require.Len(t, emitted, 1)
	require.Equal(t, []float32{6, -60, 400}, emitted[0].dy.F32())
}

// A sum may begin with a view whose rows are scattered, which Add does not take as its first operand.
func TestSumsOfViews(t *testing.T) {
	n := newBench(t)
	x, a, b := n.leaf("x", 2, 3), n.leaf("a", 3, 2), n.leaf("b", 2, 3)
	g, emitted, _ := n.build([]*ggml.Tensor{x}, func(g *ggml.Graph) []Root {
		direct := g.Cont(x)
		turned := g.Permute(x, swap)
		return []Root{{g.Cont(turned), a}, {direct, b}}
	})
	a.SetF32(0, []float32{1, 2, 3, 4, 5, 6})
	b.SetF32(0, []float32{10, 20, 30, 40, 50, 60})
	require.NoError(t, g.Run())
	require.Equal(t, []float32{11, 24, 32, 45, 53, 66}, emitted[0].dy.F32())
}

// What is emitted lies in order, whatever views the model has made of the leaf.
func TestEmitsContiguousGradients(t *testing.T) {
	n := newBench(t)
	x, dy := n.leaf("x", 2, 3), n.leaf("dy", 3, 2)
	g, emitted, _ := n.build([]*ggml.Tensor{x}, func(g *ggml.Graph) []Root { return []Root{{g.Permute(x, swap), dy}} })
	dy.SetF32(0, []float32{1, 2, 3, 4, 5, 6})
	require.NoError(t, g.Run())
	require.True(t, emitted[0].dy.Contiguous())
	require.Equal(t, []float32{1, 4, 2, 5, 3, 6}, emitted[0].dy.F32())
}

func TestBuildsOnlyWhatIsNeeded(t *testing.T) {
	type chain struct{ w1, w2, w3, x *ggml.Tensor }
	cases := []struct {
		name   string
		wanted func(c chain) []*ggml.Tensor
		ops    []ggml.Op
	}{
		{"the last layer", func(c chain) []*ggml.Tensor { return []*ggml.Tensor{c.w3} }, []ggml.Op{ggml.OpOuterProd}},
		{"the middle layer", func(c chain) []*ggml.Tensor { return []*ggml.Tensor{c.w2} },
			[]ggml.Op{ggml.OpMulMatT, ggml.OpSiluBack, ggml.OpOuterProd}},
		{"the first layer", func(c chain) []*ggml.Tensor { return []*ggml.Tensor{c.w1} },
			[]ggml.Op{ggml.OpMulMatT, ggml.OpSiluBack, ggml.OpMulMatT, ggml.OpSiluBack, ggml.OpOuterProd}},
		{"the first and the last layer", func(c chain) []*ggml.Tensor { return []*ggml.Tensor{c.w1, c.w3} },
			[]ggml.Op{ggml.OpOuterProd, ggml.OpMulMatT, ggml.OpSiluBack, ggml.OpMulMatT, ggml.OpSiluBack, ggml.OpOuterProd}},
		{"only the input", func(c chain) []*ggml.Tensor { return []*ggml.Tensor{c.x} },
			[]ggml.Op{ggml.OpMulMatT, ggml.OpSiluBack, ggml.OpMulMatT, ggml.OpSiluBack, ggml.OpMulMatT}},
		{"nothing", func(chain) []*ggml.Tensor { return nil }, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := newBench(t)
			m := chain{n.leaf("w1", 4, 5), n.leaf("w2", 5, 6), n.leaf("w3", 6, 7), n.leaf("x", 4, 8)}
			dy := n.leaf("dy", 7, 8)
			wanted := c.wanted(m)
			_, emitted, ops := n.build(wanted, func(g *ggml.Graph) []Root {
				y := g.MulMat(m.w3, g.Silu(g.MulMat(m.w2, g.Silu(g.MulMat(m.w1, m.x, 1)), 1)), 1)
				return []Root{{y, dy}}
			})
			require.Equal(t, c.ops, ops)
			require.Len(t, emitted, len(wanted))
			for _, e := range emitted {
				require.Equal(t, e.leaf.Ne, e.dy.Ne)
			}
		})
	}
}

// A side branch that the roots do not depend on gives no gradient, even where it holds a wanted leaf.
func TestUnreachedLeaves(t *testing.T) {
	n := newBench(t)
	x, lost, unused, dy := n.leaf("x", 3), n.leaf("lost", 3), n.leaf("unused", 3), n.leaf("dy", 3)
	_, emitted, ops := n.build([]*ggml.Tensor{lost, x, unused, lost}, func(g *ggml.Graph) []Root {
		g.ArgMax(g.Mul(g.Sqr(x), lost)) // ends in nothing; ArgMax has no gradient, and none is asked of it
		return []Root{{g.Scale(x, 3), dy}}
	})
	require.Equal(t, []ggml.Op{ggml.OpScale}, ops)
	require.Len(t, emitted, 3)
	require.Equal(t, x, emitted[0].leaf)
	require.NotNil(t, emitted[0].dy)
	require.Equal(t, []*ggml.Tensor{lost, unused}, []*ggml.Tensor{emitted[1].leaf, emitted[2].leaf})
	require.Nil(t, emitted[1].dy)
	require.Nil(t, emitted[2].dy)
}

func TestRootsThatAreLeaves(t *testing.T) {
	n := newBench(t)
	x, only, dy, dx := n.leaf("x", 3), n.leaf("only", 3), n.leaf("dy", 3), n.leaf("dx", 3)
	g, emitted, _ := n.build([]*ggml.Tensor{x, only}, func(g *ggml.Graph) []Root {
		return []Root{{g.Scale(x, 2), dy}, {x, dx}, {x, dx}, {only, dx}}
	})
	dy.SetF32(0, []float32{1, 2, 3})
	dx.SetF32(0, []float32{10, 20, 30})
	require.NoError(t, g.Run())
	require.Len(t, emitted, 2)
	require.Equal(t, only, emitted[0].leaf, "complete before anything is computed")
	require.Equal(t, []float32{10, 20, 30}, emitted[0].dy.F32())
	require.Equal(t, x, emitted[1].leaf)
	require.Equal(t, []float32{22, 44, 66}, emitted[1].dy.F32())
}

// Each leaf comes once, in the order in which the last contributions are recorded, and before anything further is.
func TestEmitsAsEarlyAsComplete(t *testing.T) {
	n := newBench(t)
	w1, w2, w3 := n.leaf("w1", 4, 4), n.leaf("w2", 4, 4), n.leaf("w3", 4, 4)
	x, dy := n.leaf("x", 4, 5), n.leaf("dy", 4, 5)
	_, emitted, ops := n.build([]*ggml.Tensor{w1, w2, w3}, func(g *ggml.Graph) []Root {
		h := g.MulMat(w1, x, 1)
		h = g.MulMat(w2, h, 1)
		h = g.MulMat(w3, h, 1)
		return []Root{{g.MulMat(w2, h, 1), dy}} // w2 twice: complete only after its first use from below
	})
	require.Equal(t, []ggml.Op{ggml.OpOuterProd, ggml.OpMulMatT, ggml.OpOuterProd, ggml.OpMulMatT, ggml.OpOuterProd, ggml.OpMulMatT,
		ggml.OpAdd, ggml.OpOuterProd}, ops)
	require.Equal(t, []*ggml.Tensor{w3, w2, w1}, []*ggml.Tensor{emitted[0].leaf, emitted[1].leaf, emitted[2].leaf})
	const forward = 4
	require.Equal(t, []int{forward + 4, forward + 7, forward + 8}, []int{emitted[0].at, emitted[1].at, emitted[2].at})
}

func TestRefusals(t *testing.T) {
	cases := []struct {
		name   string
		record func(g *ggml.Graph, x, dy *ggml.Tensor) ([]Root, []*ggml.Tensor)
		why    string
	}{
		{"an operation without a gradient", func(g *ggml.Graph, x, dy *ggml.Tensor) ([]Root, []*ggml.Tensor) {
			return []Root{{g.Log(x), dy}}, []*ggml.Tensor{x}
		}, "operation Log: has no gradient"},
		{"an operand without a gradient", func(g *ggml.Graph, x, dy *ggml.Tensor) ([]Root, []*ggml.Tensor) {
			return []Root{{g.SoftMax(dy, x, 1), dy}}, []*ggml.Tensor{x}
		}, "operation SoftMax: operand 1 has no gradient"},
		{"a root's gradient of another shape", func(g *ggml.Graph, x, dy *ggml.Tensor) ([]Root, []*ggml.Tensor) {
			return []Root{{g.Sum(x), dy}}, []*ggml.Tensor{x}
		}, "has shape [4]"},
		{"a wanted result", func(g *ggml.Graph, x, dy *ggml.Tensor) ([]Root, []*ggml.Tensor) {
			y := g.Sqr(x)
			return []Root{{g.Sqr(y), dy}}, []*ggml.Tensor{y}
		}, "operation Sqr: only a leaf's gradient"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n := newBench(t)
			x, dy := n.leaf("x", 4), n.leaf("dy", 4)
			require.NoError(t, n.s.Alloc())
			_, err := ggml.Build(n.b, nil, 16, func(g *ggml.Graph) []*ggml.Tensor {
				roots, wanted := c.record(g, x, dy)
				Backward(g, roots, wanted, func(_, _ *ggml.Tensor) {})
				return nil
			})
			var shapeErr *ggml.ShapeError
			require.ErrorAs(t, err, &shapeErr)
			require.ErrorContains(t, err, c.why)
		})
	}
}
