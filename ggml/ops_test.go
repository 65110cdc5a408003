package ggml

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// An operand is a leaf of a test: F32 values, random where none are given, or I32 values.
type operand struct {
	ne  []int64
	f32 []float32
	i32 []int32
}

func vals(ne ...int64) operand               { return operand{ne: ne} }
func given(v []float32, ne ...int64) operand { return operand{ne: ne, f32: v} }
func whole(v []int32, ne ...int64) operand   { return operand{ne: ne, i32: v} }
func counting(n int, start, step float32) (v []float32) {
	for i := range n {
		v = append(v, start+step*float32(i))
	}
	return v
}

// leaves makes a store of the operands with their values.
func leaves(t testing.TB, b *Backend, operands ...operand) (tensors []*Tensor, values [][]float64) {
	t.Helper()
	s, err := NewStore(b, len(operands))
	require.NoError(t, err)
	t.Cleanup(s.Close)
	for i, o := range operands {
		typ := TypeF32
		if o.i32 != nil {
			typ = TypeI32
		}
		tensors = append(tensors, s.New(string(rune('a'+i)), typ, o.ne...))
	}
	require.NoError(t, s.Alloc())
	for i, o := range operands {
		x := tensors[i]
		if o.i32 != nil {
			x.SetI32(o.i32)
			values = append(values, nil)
			continue
		}
		if o.f32 == nil {
			o.f32 = random(x.Elements(), uint64(i)+11)
		}
		x.SetF32(0, o.f32)
		v := make([]float64, len(o.f32))
		for j := range v {
			v[j] = float64(o.f32[j])
		}
		values = append(values, v)
	}
	return tensors, values
}

// compute builds and runs a graph and returns a contiguous copy of its result.
func compute(t testing.TB, b *Backend, record func(g *Graph) *Tensor) *Tensor {
	t.Helper()
	g, err := Build(b, nil, 32, func(g *Graph) []*Tensor { return []*Tensor{record(g)} })
	require.NoError(t, err)
	t.Cleanup(g.Close)
	require.NoError(t, g.Run())
	return g.tensors[len(g.tensors)-1]
}

// An opCase is one use of an operation and what each value of its result, in order, must be.
type opCase struct {
	name   string
	op     Op
	in     []operand
	record func(g *Graph, x []*Tensor) *Tensor
	ne     [4]int64
	want   func(n int, x [][]float64) float64
	tol    float64
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func forwardCases() []opCase {
	ids := whole([]int32{3, 0, 3}, 3)
	angle := func(pos, pair int, dims float64) float64 {
		return float64(pos) * math.Pow(10000, -2*float64(pair)/dims)
	}
	turn := func(sign float64) func(n int, x [][]float64) float64 {
		positions := []int{0, 5, 70}
		return func(n int, x [][]float64) float64 {
			i, token := n%6, n/12
			if i >= 4 {
				return x[0][n]
			}
			sin, cos := math.Sincos(sign * angle(positions[token], i/2, 4))
			if i%2 == 0 {
				return x[0][n]*cos - x[0][n+1]*sin
			}
			return x[0][n-1]*sin + x[0][n]*cos
		}
	}
	rope := Rope{Dims: 4, OrigCtx: 128, Base: 10000, Scale: 1, AttnFactor: 1, BetaFast: 32, BetaSlow: 1}
	pos := whole([]int32{0, 5, 70}, 3)
	row := func(x []float64, n, width int) []float64 { return x[n/width*width : (n/width+1)*width] }
	return []opCase{
		{"Add", OpAdd, []operand{vals(5, 3), vals(5)}, func(g *Graph, x []*Tensor) *Tensor { return g.Add(x[0], x[1]) },
			[4]int64{5, 3, 1, 1}, func(n int, x [][]float64) float64 { return x[0][n] + x[1][n%5] }, 1e-6},
		{"Add a scattered view", OpAdd, []operand{vals(5, 3), vals(3, 5)}, func(g *Graph, x []*Tensor) *Tensor { return g.Add(x[0], g.Permute(x[1], [4]int32{1, 0, 2, 3})) },
			[4]int64{5, 3, 1, 1}, func(n int, x [][]float64) float64 { return x[0][n] + x[1][n%5*3+n/5] }, 1e-6},
		{"AddInplace", OpAddInplace, []operand{vals(5, 3), vals(5, 3)}, func(g *Graph, x []*Tensor) *Tensor { return g.AddInplace(x[0], x[1]) },
			[4]int64{5, 3, 1, 1}, func(n int, x [][]float64) float64 { return x[0][n] + x[1][n] }, 1e-6},
		{"Sub", OpSub, []operand{vals(5, 3), vals(1, 3)}, func(g *Graph, x []*Tensor) *Tensor { return g.Sub(x[0], x[1]) },
			[4]int64{5, 3, 1, 1}, func(n int, x [][]float64) float64 { return x[0][n] - x[1][n/5] }, 1e-6},
		{"Mul", OpMul, []operand{vals(5, 3), vals(1)}, func(g *Graph, x []*Tensor) *Tensor { return g.Mul(x[0], x[1]) },
			[4]int64{5, 3, 1, 1}, func(n int, x [][]float64) float64 { return x[0][n] * x[1][0] }, 1e-6},
		{"Scale", OpScale, []operand{vals(5, 3)}, func(g *Graph, x []*Tensor) *Tensor { return g.Scale(x[0], -3) },
			[4]int64{5, 3, 1, 1}, func(n int, x [][]float64) float64 { return -3 * x[0][n] }, 1e-6},
		{"Sqr", OpSqr, []operand{vals(5, 3)}, func(g *Graph, x []*Tensor) *Tensor { return g.Sqr(x[0]) },
			[4]int64{5, 3, 1, 1}, func(n int, x [][]float64) float64 { return x[0][n] * x[0][n] }, 1e-6},
		{"Log", OpLog, []operand{given(counting(15, 1e-6, 0.7), 5, 3)}, func(g *Graph, x []*Tensor) *Tensor { return g.Log(x[0]) },
			[4]int64{5, 3, 1, 1}, func(n int, x [][]float64) float64 { return math.Log(x[0][n]) }, 2e-6},
		{"Sum", OpSum, []operand{vals(5, 3, 2, 2)}, func(g *Graph, x []*Tensor) *Tensor { return g.Sum(x[0]) },
			[4]int64{1, 1, 1, 1}, func(_ int, x [][]float64) (s float64) {
				for _, v := range x[0] {
					s += v
				}
				return s
			}, 1e-5},
		{"Repeat", OpRepeat, []operand{vals(5, 1, 2), vals(10, 3, 2)}, func(g *Graph, x []*Tensor) *Tensor { return g.Repeat(x[0], x[1]) },
			[4]int64{10, 3, 2, 1}, func(n int, x [][]float64) float64 { return x[0][n/30*5+n%5] }, 0},
		{"RepeatBack", OpRepeatBack, []operand{vals(4, 3, 2), vals(2, 1, 2)}, func(g *Graph, x []*Tensor) *Tensor { return g.RepeatBack(x[0], x[1]) },
			[4]int64{2, 1, 2, 1}, func(n int, x [][]float64) (s float64) {
				for j := range 3 {
					s += x[0][n/2*12+j*4+n%2] + x[0][n/2*12+j*4+n%2+2]
				}
				return s
			}, 1e-6},
		{"Silu", OpSilu, []operand{given(counting(21, -20, 2), 7, 3)}, func(g *Graph, x []*Tensor) *Tensor { return g.Silu(x[0]) },
			[4]int64{7, 3, 1, 1}, func(n int, x [][]float64) float64 { return x[0][n] * sigmoid(x[0][n]) }, 2e-6},
		{"SiluBack", OpSiluBack, []operand{vals(7, 3), given(counting(21, -10, 1), 7, 3)}, func(g *Graph, x []*Tensor) *Tensor { return g.SiluBack(x[0], x[1]) },
			[4]int64{7, 3, 1, 1}, func(n int, x [][]float64) float64 {
				s := sigmoid(x[1][n])
				return x[0][n] * s * (1 + x[1][n]*(1-s))
			}, 2e-6},
		{"SwiGLU", OpSwiGLU, []operand{vals(7, 3), vals(7, 3)}, func(g *Graph, x []*Tensor) *Tensor { return g.SwiGLU(x[0], x[1]) },
			[4]int64{7, 3, 1, 1}, func(n int, x [][]float64) float64 { return x[0][n] * sigmoid(x[0][n]) * x[1][n] }, 2e-6},
		{"RMSNorm", OpRMSNorm, []operand{vals(7, 3)}, func(g *Graph, x []*Tensor) *Tensor { return g.RMSNorm(x[0], 0.25) },
			[4]int64{7, 3, 1, 1}, func(n int, x [][]float64) float64 {
				r := row(x[0], n, 7)
				return x[0][n] / math.Sqrt(dot(r, r)/7+0.25)
			}, 2e-6},
		{"RMSNormBack", OpRMSNormBack, []operand{vals(7, 3), vals(7, 3)}, func(g *Graph, x []*Tensor) *Tensor { return g.RMSNormBack(x[0], x[1], 0.25) },
			[4]int64{7, 3, 1, 1}, func(n int, x [][]float64) float64 {
				dy, r := row(x[0], n, 7), row(x[1], n, 7)
				m := dot(r, r)/7 + 0.25
				return (x[0][n] - x[1][n]*dot(r, dy)/7/m) / math.Sqrt(m)
			}, 2e-6},
		{"SoftMax", OpSoftMax, []operand{vals(7, 3)}, func(g *Graph, x []*Tensor) *Tensor { return g.SoftMax(x[0], nil, 3) },
			[4]int64{7, 3, 1, 1}, func(n int, x [][]float64) (y float64) {
				for _, v := range row(x[0], n, 7) {
					y += math.Exp(3 * (v - x[0][n]))
				}
				return 1 / y
			}, 2e-6},
		{"SoftMax of a large mask's first rows", OpSoftMax, []operand{vals(3, 2, 2), given([]float32{0, negInf, negInf, 0, 0, negInf, 0, 0, 0}, 3, 3)},
			func(g *Graph, x []*Tensor) *Tensor { return g.SoftMax(x[0], x[1], 1) },
			[4]int64{3, 2, 2, 1}, func(n int, x [][]float64) (y float64) {
				seen := n / 3 % 2
				if n%3 > seen {
					return 0
				}
				for _, v := range row(x[0], n, 3)[:seen+1] {
					y += math.Exp(v - x[0][n])
				}
				return 1 / y
			}, 2e-6},
		{"SoftMaxBack", OpSoftMaxBack, []operand{vals(7, 3), vals(7, 3)}, func(g *Graph, x []*Tensor) *Tensor { return g.SoftMaxBack(x[0], x[1], 0.5) },
			[4]int64{7, 3, 1, 1}, func(n int, x [][]float64) float64 {
				return 0.5 * x[1][n] * (x[0][n] - dot(row(x[0], n, 7), row(x[1], n, 7)))
			}, 2e-6},
		{"Rope", OpRope, []operand{vals(6, 2, 3), pos}, func(g *Graph, x []*Tensor) *Tensor { return g.Rope(x[0], x[1], nil, rope) }, [4]int64{6, 2, 3, 1}, turn(1), 5e-6},
		{"RopeBack", OpRopeBack, []operand{vals(6, 2, 3), pos}, func(g *Graph, x []*Tensor) *Tensor { return g.RopeBack(x[0], x[1], nil, rope) }, [4]int64{6, 2, 3, 1}, turn(-1), 5e-6},
		{"GetRows", OpGetRows, []operand{vals(5, 4), ids}, func(g *Graph, x []*Tensor) *Tensor { return g.GetRows(x[0], x[1]) },
			[4]int64{5, 3, 1, 1}, func(n int, x [][]float64) float64 { return x[0][int(ids.i32[n/5])*5+n%5] }, 0},
		{"GetRows of each matrix", OpGetRows, []operand{vals(1, 4, 3), whole([]int32{2, 0, 3}, 1, 3)}, func(g *Graph, x []*Tensor) *Tensor { return g.GetRows(x[0], x[1]) },
			[4]int64{1, 1, 3, 1}, func(n int, x [][]float64) float64 { return x[0][n*4+[]int{2, 0, 3}[n]] }, 0},
		{"GetRowsBack", OpGetRowsBack, []operand{vals(5, 3), ids, vals(5, 4)}, func(g *Graph, x []*Tensor) *Tensor { return g.GetRowsBack(x[0], x[1], x[2]) },
			[4]int64{5, 4, 1, 1}, func(n int, x [][]float64) (y float64) {
				for k, id := range ids.i32 {
					if int(id) == n/5 {
						y += x[0][k*5+n%5]
					}
				}
				return y
			}, 1e-6},
		{"SetRows", OpSetRows, []operand{vals(5, 4), vals(5, 2), whole([]int32{3, 1}, 2)}, func(g *Graph, x []*Tensor) *Tensor { return g.SetRows(x[0], x[1], x[2]) },
			[4]int64{5, 4, 1, 1}, func(n int, x [][]float64) float64 {
				switch n / 5 {
				case 3:
					return x[1][n%5]
				case 1:
					return x[1][5+n%5]
				}
				return x[0][n]
			}, 0},
		{"Reshape", OpReshape, []operand{vals(6, 2)}, func(g *Graph, x []*Tensor) *Tensor { return g.Reshape(x[0], 3, 4) },
			[4]int64{3, 4, 1, 1}, func(n int, x [][]float64) float64 { return x[0][n] }, 0},
		{"Columns", OpView, []operand{vals(6, 5)}, func(g *Graph, x []*Tensor) *Tensor { return g.Columns(x[0], 2, 3) },
			[4]int64{6, 3, 1, 1}, func(n int, x [][]float64) float64 { return x[0][12+n] }, 0},
		{"Range", OpView, []operand{vals(9)}, func(g *Graph, x []*Tensor) *Tensor { return g.Range(x[0], 4, 5) },
			[4]int64{5, 1, 1, 1}, func(n int, x [][]float64) float64 { return x[0][4+n] }, 0},
		{"Permute", OpPermute, []operand{vals(2, 3, 5)}, func(g *Graph, x []*Tensor) *Tensor { return g.Cont(g.Permute(x[0], [4]int32{0, 2, 1, 3})) },
			[4]int64{2, 5, 3, 1}, func(n int, x [][]float64) float64 { return x[0][(n/2%5*3+n/10)*2+n%2] }, 0},
		{"Cont", OpCont, []operand{vals(2, 3)}, func(g *Graph, x []*Tensor) *Tensor { return g.Cont(g.Permute(x[0], [4]int32{1, 0, 2, 3})) },
			[4]int64{3, 2, 1, 1}, func(n int, x [][]float64) float64 { return x[0][n%3*2+n/3] }, 0},
		{"Concat", OpConcat, []operand{vals(2, 3), vals(2, 1)}, func(g *Graph, x []*Tensor) *Tensor { return g.Concat(x[0], x[1], 1) },
			[4]int64{2, 4, 1, 1}, func(n int, x [][]float64) float64 { return append(append([]float64{}, x[0]...), x[1]...)[n] }, 0},
		{"OptStepAdamW", OpOptStepAdamW, []operand{vals(5, 2), vals(5, 2), vals(5, 2), given(counting(10, 0.1, 0.1), 5, 2), given([]float32{0.01, 0.9, 0.99, 1e-3, 0.1, 2, 3}, 7)},
			func(g *Graph, x []*Tensor) *Tensor { return g.OptStepAdamW(x[0], x[1], x[2], x[3], x[4]) },
			[4]int64{5, 2, 1, 1}, func(n int, x [][]float64) float64 {
				g := x[1][n]
				m, v := 0.9*x[2][n]+0.1*g, 0.99*x[3][n]+0.01*g*g
				return x[0][n]*(1-0.01*0.1) - 0.01*(m*2)/(math.Sqrt(v*3)+1e-3)
			}, 1e-6},
	}
}

var negInf = float32(math.Inf(-1))

func dot(a, b []float64) (s float64) {
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

func TestForward(t *testing.T) {
	b := cpu(t, CPUOptions{Threads: 2})
	tested := map[Op]bool{OpMulMat: true, OpMulMatT: true, OpOuterProd: true, OpArgMax: true} // TestProducts, TestArgMax
	for _, c := range forwardCases() {
		tested[c.op] = true
		t.Run(c.name, func(t *testing.T) {
			x, values := leaves(t, b, c.in...)
			y := compute(t, b, func(g *Graph) *Tensor { return c.record(g, x) })
			require.Equal(t, c.ne, y.Ne)
			for n, v := range y.F32() {
				want := c.want(n, values)
				require.InDelta(t, want, float64(v), c.tol*max(1, math.Abs(want)), "value %d", n)
			}
		})
	}
	for _, op := range Ops() {
		require.True(t, tested[op], "%s has no case", op)
	}
}

func TestArgMax(t *testing.T) {
	b := cpu(t, CPUOptions{Threads: 2})
	x, _ := leaves(t, b, given([]float32{1, 3, 2, -5, -7, -6, 0, 0, 4}, 3, 3))
	y := compute(t, b, func(g *Graph) *Tensor { return g.GetRows(g.Reshape(x[0], 1, 9), g.ArgMax(x[0])) })
	require.Equal(t, []float32{3, 1, 2}, y.F32()) // the largest are at 1, 0 and 2 of their rows
}
