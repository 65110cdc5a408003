package ggml

import (
	"math"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// ref is a tensor of the float64 references: contiguous, ne0 first.
type ref struct {
	ne [4]int64
	v  []float64
}

func dims(ne ...int64) [4]int64 {
	shape := [4]int64{1, 1, 1, 1}
	copy(shape[:], ne)
	return shape
}

// get reads value i of each dimension, modulo the dimension: broadcasting.
func (a ref) get(i, j, h, b int64) float64 {
	return a.v[((b%a.ne[3]*a.ne[2]+h%a.ne[2])*a.ne[1]+j%a.ne[1])*a.ne[0]+i%a.ne[0]]
}

func refOf(ne [4]int64, f func(i, j, h, b int64) float64) ref {
	a := ref{ne: ne}
	for n := range ne[0] * ne[1] * ne[2] * ne[3] {
		a.v = append(a.v, f(n%ne[0], n/ne[0]%ne[1], n/(ne[0]*ne[1])%ne[2], n/(ne[0]*ne[1]*ne[2])))
	}
	return a
}

// zipped combines a with b, repeated to a's shape.
func zipped(a, b ref, f func(x, y float64) float64) ref {
	return refOf(a.ne, func(i, j, h, c int64) float64 { return f(a.get(i, j, h, c), b.get(i, j, h, c)) })
}

func mapped(a ref, f func(x float64) float64) ref {
	return zipped(a, a, func(x, _ float64) float64 { return f(x) })
}

// byRow computes each row of a result from the rows of a and b.
func byRow(a, b ref, f func(a, b, y []float64)) ref {
	y := ref{a.ne, make([]float64, len(a.v))}
	for n, w := 0, int(a.ne[0]); n < len(a.v); n += w {
		f(a.v[n:n+w], b.v[n:n+w], y.v[n:n+w])
	}
	return y
}

func dot(a, b []float64) (s float64) {
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// opCase is one use of an operation. x are its F32 leaves with random values, ids an I32 leaf of the given values.
type opCase struct {
	name    string
	op      Op
	in      [][]int64
	ids     []int32
	idsNe   []int64 // nil = a vector
	record  func(g *Graph, x []*Tensor, ids *Tensor) *Tensor
	want    func(x []ref) ref
	tol     float64
	inplace bool // the first leaf holds the result too
}

const fine, viaExp = 5e-7, 3e-6

func n(ne ...int64) []int64 { return ne }

// one is a case with one operand, two with two.
func one(name string, op Op, tol float64, record func(g *Graph, x *Tensor) *Tensor, want func(x ref) ref, ne ...int64) opCase {
	return opCase{name: name, op: op, in: [][]int64{ne}, tol: tol,
		record: func(g *Graph, x []*Tensor, _ *Tensor) *Tensor { return record(g, x[0]) }, want: func(x []ref) ref { return want(x[0]) }}
}

func two(name string, op Op, tol float64, a, b []int64, record func(g *Graph, a, b *Tensor) *Tensor, want func(a, b ref) ref) opCase {
	return opCase{name: name, op: op, in: [][]int64{a, b}, tol: tol,
		record: func(g *Graph, x []*Tensor, _ *Tensor) *Tensor { return record(g, x[0], x[1]) }, want: func(x []ref) ref { return want(x[0], x[1]) }}
}

func (c opCase) overwriting() opCase { c.inplace = true; return c }

func elementwise() []opCase {
	binary := func(name string, op Op, b []int64, record func(g *Graph, a, b *Tensor) *Tensor, f func(x, y float64) float64) opCase {
		return two(name, op, fine, n(6, 4, 2), b, record, func(a, b ref) ref { return zipped(a, b, f) })
	}
	plus, minus, times := func(x, y float64) float64 { return x + y }, func(x, y float64) float64 { return x - y }, func(x, y float64) float64 { return x * y }
	return []opCase{
		binary("Add", OpAdd, n(6, 4, 2), (*Graph).Add, plus),
		binary("Add a row", OpAdd, n(6), (*Graph).Add, plus),
		binary("Add half a row", OpAdd, n(3, 2), (*Graph).Add, plus),
		binary("Add a view", OpAdd, n(4, 6, 2), func(g *Graph, a, b *Tensor) *Tensor { return g.Add(a, g.Permute(b, transpose)) }, nil).wanting(
			func(x []ref) ref {
				return refOf(x[0].ne, func(i, j, h, b int64) float64 { return x[0].get(i, j, h, b) + x[1].get(j, i, h, b) })
			}),
		binary("AddInplace", OpAddInplace, n(6, 4, 2), (*Graph).AddInplace, plus).overwriting(),
		binary("Sub", OpSub, n(6, 1, 2), (*Graph).Sub, minus),
		binary("Mul", OpMul, n(1, 4), (*Graph).Mul, times),
		binary("MulInplace", OpMulInplace, n(1), (*Graph).MulInplace, times).overwriting(),
		one("Scale", OpScale, fine, func(g *Graph, x *Tensor) *Tensor { return g.Scale(x, -2.5) },
			func(x ref) ref { return mapped(x, func(v float64) float64 { return -2.5 * v }) }, 5, 3),
		one("Sqr", OpSqr, fine, (*Graph).Sqr, func(x ref) ref { return mapped(x, func(v float64) float64 { return v * v }) }, 5, 3),
		one("Log", OpLog, viaExp, func(g *Graph, x *Tensor) *Tensor { return g.Log(g.Sqr(x)) },
			func(x ref) ref { return mapped(x, func(v float64) float64 { return 2 * math.Log(math.Abs(v)) }) }, 5, 3),
		one("Silu", OpSilu, viaExp, (*Graph).Silu, func(x ref) ref { return mapped(x, func(v float64) float64 { return v * sigmoid(v) }) }, 37, 3),
		two("SiluBack", OpSiluBack, viaExp, n(37, 3), n(37, 3), (*Graph).SiluBack, func(dy, x ref) ref {
			return zipped(dy, x, func(dy, x float64) float64 { return dy * sigmoid(x) * (1 + x*(1-sigmoid(x))) })
		}),
		two("SwiGLU", OpSwiGLU, viaExp, n(9, 4), n(9, 4), (*Graph).SwiGLU, func(gate, up ref) ref {
			return zipped(gate, up, func(g, u float64) float64 { return g * sigmoid(g) * u })
		}),
	}
}

func (c opCase) wanting(want func(x []ref) ref) opCase { c.want = want; return c }

func byRows() []opCase {
	sum := func(x ref) ref {
		s := 0.0
		for _, v := range x.v {
			s += v
		}
		return ref{dims(1), []float64{s}}
	}
	largest := func(x ref) ref {
		return refOf(dims(x.ne[1]), func(j, _, _, _ int64) (best float64) {
			for i := range x.ne[0] {
				if x.get(i, j, 0, 0) > x.get(int64(best), j, 0, 0) {
					best = float64(i)
				}
			}
			return best
		})
	}
	square := func(x []float64, eps float64) float64 { return dot(x, x)/float64(len(x)) + eps }
	const eps = 0.25 // exact in F32
	softMax := func(x, mask ref) ref {
		return byRow(x, zipped(x, mask, func(x, m float64) float64 { return 0.5*x + m }), func(_, z, y []float64) {
			total := 0.0
			for i := range z {
				y[i] = math.Exp(z[i])
				total += y[i]
			}
			for i := range y {
				y[i] /= total
			}
		})
	}
	return []opCase{
		one("Sum", OpSum, fine, (*Graph).Sum, sum, 7, 5, 3, 2),
		one("ArgMax", OpArgMax, 0, (*Graph).ArgMax, largest, 19, 11),
		one("RMSNorm", OpRMSNorm, fine, func(g *Graph, x *Tensor) *Tensor { return g.RMSNorm(x, eps) }, func(x ref) ref {
			return byRow(x, x, func(x, _, y []float64) {
				for i := range x {
					y[i] = x[i] / math.Sqrt(square(x, eps))
				}
			})
		}, 16, 3, 2),
		two("RMSNormBack", OpRMSNormBack, viaExp, n(16, 3), n(16, 3), func(g *Graph, dy, x *Tensor) *Tensor { return g.RMSNormBack(dy, x, eps) },
			func(dy, x ref) ref {
				return byRow(dy, x, func(dy, x, y []float64) {
					for i := range x {
						y[i] = (dy[i] - x[i]*dot(x, dy)/float64(len(x))/square(x, eps)) / math.Sqrt(square(x, eps))
					}
				})
			}),
		two("SoftMax", OpSoftMax, viaExp, n(9, 4, 3), n(9, 4), func(g *Graph, x, m *Tensor) *Tensor { return g.SoftMax(x, m, 0.5) }, softMax),
		one("SoftMax without a mask", OpSoftMax, viaExp, func(g *Graph, x *Tensor) *Tensor { return g.SoftMax(x, nil, 0.5) },
			func(x ref) ref { return softMax(x, ref{dims(1), []float64{0}}) }, 9, 4),
		two("SoftMaxBack", OpSoftMaxBack, viaExp, n(9, 4), n(9, 4), func(g *Graph, dy, y *Tensor) *Tensor { return g.SoftMaxBack(dy, y, 0.5) },
			func(dy, y ref) ref {
				return byRow(dy, y, func(dy, y, dx []float64) {
					for i := range y {
						dx[i] = 0.5 * y[i] * (dy[i] - dot(y, dy))
					}
				})
			}),
	}
}

// rotation is Rope's reference; sign −1 turns back.
func rotation(sign float64, pos []int32, r Rope) func(x []ref) ref {
	return func(in []ref) ref {
		x := in[0]
		return refOf(x.ne, func(i, j, h, b int64) float64 {
			if i >= int64(r.Dims) {
				return x.get(i, j, h, b)
			}
			angle := sign * float64(pos[h]) * math.Pow(float64(r.Base), -float64(i/2*2)/float64(r.Dims))
			if len(in) > 1 {
				angle /= in[1].v[i/2]
			}
			sin, cos := math.Sincos(angle)
			if i%2 == 0 {
				return x.get(i, j, h, b)*cos - x.get(i+1, j, h, b)*sin
			}
			return x.get(i-1, j, h, b)*sin + x.get(i, j, h, b)*cos
		})
	}
}

func indexed() []opCase {
	r, pos := Rope{Dims: 6, Base: 10000, Scale: 1, AttnFactor: 1, OrigCtx: 512, BetaFast: 32, BetaSlow: 1}, []int32{0, 1, 7, 90}
	rope := func(f func(*Graph, *Tensor, *Tensor, *Tensor, Rope) *Tensor) func(g *Graph, x []*Tensor, ids *Tensor) *Tensor {
		return func(g *Graph, x []*Tensor, ids *Tensor) *Tensor {
			if len(x) == 1 {
				return f(g, x[0], ids, nil, r)
			}
			return f(g, x[0], ids, x[1], r)
		}
	}
	near := []int32{0, 1, 2, 3} // random factors may be small, and a large angle has few digits left in float32
	rows := []int32{3, 0, 3, 1}
	distinct := []int32{3, 0, 2, 1}
	return []opCase{
		{name: "Rope", op: OpRope, in: [][]int64{n(8, 3, 4)}, ids: pos, record: rope((*Graph).Rope), want: rotation(1, pos, r), tol: viaExp},
		{name: "Rope with factors", op: OpRope, in: [][]int64{n(8, 3, 4), n(3)}, ids: near, record: rope((*Graph).Rope), want: rotation(1, near, r), tol: 3e-5},
		{name: "RopeBack", op: OpRopeBack, in: [][]int64{n(8, 3, 4)}, ids: pos, record: rope((*Graph).RopeBack), want: rotation(-1, pos, r), tol: viaExp},
		{name: "GetRows", op: OpGetRows, in: [][]int64{n(5, 4)}, ids: rows, record: func(g *Graph, x []*Tensor, ids *Tensor) *Tensor { return g.GetRows(x[0], ids) },
			want: func(x []ref) ref {
				return refOf(dims(5, 4), func(i, j, _, _ int64) float64 { return x[0].get(i, int64(rows[j]), 0, 0) })
			}},
		{name: "GetRows of two matrices", op: OpGetRows, in: [][]int64{n(5, 4, 2)}, ids: rows, idsNe: n(2, 2), record: func(g *Graph, x []*Tensor, ids *Tensor) *Tensor { return g.GetRows(x[0], ids) },
			want: func(x []ref) ref {
				return refOf(dims(5, 2, 2), func(i, j, h, _ int64) float64 { return x[0].get(i, int64(rows[h*2+j]), h, 0) })
			}},
		{name: "GetRowsBack", op: OpGetRowsBack, in: [][]int64{n(5, 4), n(5, 6)}, ids: rows, tol: fine,
			record: func(g *Graph, x []*Tensor, ids *Tensor) *Tensor { return g.GetRowsBack(x[0], ids, x[1]) },
			want: func(x []ref) ref {
				return refOf(dims(5, 6), func(i, j, _, _ int64) (s float64) {
					for k, row := range rows {
						if int64(row) == j {
							s += x[0].get(i, int64(k), 0, 0)
						}
					}
					return s
				})
			}},
		{name: "SetRows", op: OpSetRows, in: [][]int64{n(5, 6), n(5, 4)}, ids: distinct, inplace: true,
			record: func(g *Graph, x []*Tensor, ids *Tensor) *Tensor { return g.SetRows(x[0], x[1], ids) },
			want: func(x []ref) ref {
				return refOf(dims(5, 6), func(i, j, _, _ int64) float64 {
					for k, row := range distinct {
						if int64(row) == j {
							return x[1].get(i, int64(k), 0, 0)
						}
					}
					return x[0].get(i, j, 0, 0)
				})
			}},
	}
}

var transpose = [4]int32{1, 0, 2, 3}

func shapes() []opCase {
	return []opCase{
		two("Repeat", OpRepeat, 0, n(3, 1, 2), n(6, 4, 2), (*Graph).Repeat, func(a, b ref) ref { return refOf(b.ne, a.get) }),
		two("RepeatBack", OpRepeatBack, fine, n(6, 4, 2), n(3, 1, 2), (*Graph).RepeatBack, func(a, b ref) ref {
			return refOf(b.ne, func(i, _, h, _ int64) (s float64) {
				for j := range int64(4) {
					s += a.get(i, j, h, 0) + a.get(i+3, j, h, 0)
				}
				return s
			})
		}),
		one("Reshape", OpReshape, 0, func(g *Graph, x *Tensor) *Tensor { return g.Reshape(x, 3, 10) }, func(x ref) ref { return ref{dims(3, 10), x.v} }, 6, 5),
		one("Columns", OpView, 0, func(g *Graph, x *Tensor) *Tensor { return g.Columns(x, 2, 3) },
			func(x ref) ref { return ref{dims(6, 3), x.v[12:30]} }, 6, 5),
		one("Range", OpView, 0, func(g *Graph, x *Tensor) *Tensor { return g.Range(x, 2, 3) }, func(x ref) ref { return ref{dims(3), x.v[2:5]} }, 6),
		one("Permute", OpPermute, 0, func(g *Graph, x *Tensor) *Tensor { return g.Permute(x, [4]int32{1, 2, 3, 0}) },
			func(x ref) ref {
				return refOf([4]int64{5, 2, 3, 4}, func(i, j, h, b int64) float64 { return x.get(j, h, b, i) })
			}, 2, 3, 4, 5),
		one("Cont", OpCont, 0, func(g *Graph, x *Tensor) *Tensor { return g.Cont(g.Permute(x, transpose)) },
			func(x ref) ref {
				return refOf(dims(5, 6), func(i, j, _, _ int64) float64 { return x.get(j, i, 0, 0) })
			}, 6, 5),
		two("Concat rows", OpConcat, 0, n(6, 2), n(6, 3), func(g *Graph, a, b *Tensor) *Tensor { return g.Concat(a, b, 1) },
			func(a, b ref) ref { return ref{dims(6, 5), append(append([]float64{}, a.v...), b.v...)} }),
		two("Concat within rows", OpConcat, 0, n(2, 3), n(4, 3), func(g *Graph, a, b *Tensor) *Tensor { return g.Concat(a, b, 0) },
			func(a, b ref) ref {
				return refOf(dims(6, 3), func(i, j, _, _ int64) float64 {
					if i < 2 {
						return a.get(i, j, 0, 0)
					}
					return b.get(i-2, j, 0, 0)
				})
			}),
	}
}

// products are one case each; TestProducts and TestQuantizedProducts have the rest.
func products() []opCase {
	sum := func(ne [4]int64, k int64, f func(i, j, k int64) float64) ref {
		return refOf(ne, func(i, j, _, _ int64) (s float64) {
			for l := range k {
				s += 0.5 * f(i, j, l)
			}
			return s
		})
	}
	return []opCase{
		two("MulMat", OpMulMat, fine, n(13, 7), n(13, 9), func(g *Graph, a, b *Tensor) *Tensor { return g.MulMat(a, b, 0.5) },
			func(a, b ref) ref {
				return sum(dims(7, 9), 13, func(i, j, k int64) float64 { return a.get(k, i, 0, 0) * b.get(k, j, 0, 0) })
			}),
		two("MulMatT", OpMulMatT, fine, n(13, 7), n(7, 9), func(g *Graph, a, b *Tensor) *Tensor { return g.MulMatT(a, b, 0.5) },
			func(a, b ref) ref {
				return sum(dims(13, 9), 7, func(i, j, k int64) float64 { return a.get(i, k, 0, 0) * b.get(k, j, 0, 0) })
			}),
		two("OuterProd", OpOuterProd, fine, n(13, 9), n(7, 9), func(g *Graph, a, b *Tensor) *Tensor { return g.OuterProd(a, b, 1, 1, 0.5) },
			func(a, b ref) ref {
				return sum(dims(13, 7), 9, func(i, j, k int64) float64 { return a.get(i, k, 0, 0) * b.get(j, k, 0, 0) })
			}),
	}
}

func TestForward(t *testing.T) {
	covered := map[Op]bool{OpOptStepAdamW: true} // TestOptStepAdamW
	for _, noBLAS := range []bool{false, true} {
		be := cpu(t, CPUOptions{Threads: 2, NoBLAS: noBLAS})
		var cases []opCase
		for _, group := range [][]opCase{elementwise(), byRows(), indexed(), shapes(), products()} {
			cases = append(cases, group...)
		}
		for i, c := range cases {
			covered[c.op] = true
			t.Run(map[bool]string{false: "blas: ", true: "kernels: "}[noBLAS]+c.name, func(t *testing.T) { c.run(t, be, uint64(i)) })
		}
	}
	for _, op := range Ops() {
		require.True(t, covered[op], "%s has no case", op)
	}
}

func (c opCase) run(t *testing.T, be *Backend, seed uint64) {
	s, err := NewStore(be, 8)
	require.NoError(t, err)
	defer s.Close()
	x, in := make([]*Tensor, len(c.in)), make([]ref, len(c.in))
	for i, ne := range c.in {
		x[i] = s.New("x", TypeF32, ne...)
	}
	idsNe := c.idsNe
	if idsNe == nil {
		idsNe = n(max(int64(len(c.ids)), 1))
	}
	ids := s.New("ids", TypeI32, idsNe...)
	require.NoError(t, s.Alloc())
	ids.SetI32(c.ids)
	for i := range x {
		values := random(x[i].Elements(), seed*10+uint64(i))
		x[i].SetF32(0, values)
		in[i] = refOf(x[i].Ne, func(j, k, h, b int64) float64 { return at(values, x[i].Ne, j, k, h, b) })
	}
	var y *Tensor
	found := false
	g, err := Build(be, nil, 16, func(g *Graph) []*Tensor {
		y = c.record(g, x, ids)
		for _, r := range g.Recorded() {
			found = found || r.Op == c.op
		}
		if !y.Contiguous() {
			y = g.Cont(y)
		}
		return []*Tensor{y}
	})
	require.NoError(t, err)
	defer g.Close()
	require.True(t, found, "the case does not record %s", c.op)
	want := c.want(in)
	require.NoError(t, g.Run())
	require.Equal(t, want.ne, y.Ne)
	requireNear(t, want.v, valuesOf(y), c.tol)
	if c.inplace {
		requireNear(t, want.v, valuesOf(x[0]), c.tol)
	}
}

// valuesOf reads an F32 or I32 tensor.
func valuesOf(y *Tensor) []float64 {
	raw := make([]uint32, y.Elements())
	y.lib.TensorGet(y.c, unsafe.Pointer(&raw[0]), 0, uint64(len(raw))*4)
	v := make([]float64, len(raw))
	for i, bits := range raw {
		v[i] = float64(math.Float32frombits(bits))
		if y.Type == TypeI32 {
			v[i] = float64(int32(bits))
		}
	}
	return v
}

// requireNear compares value by value; tol is relative to the largest value, or absolute where that is below 1.
func requireNear(t *testing.T, want, got []float64, tol float64) {
	t.Helper()
	require.Len(t, got, len(want))
	size, worst, place := 1.0, 0.0, 0
	for i := range want {
		size = max(size, math.Abs(want[i]))
		if d := math.Abs(want[i] - got[i]); !(d <= worst) {
			worst, place = d, i
		}
	}
	require.LessOrEqual(t, worst, tol*size, "value %d: want %g, got %g", place, want[place], got[place])
}

// Three steps against PyTorch's formula (torch.optim.AdamW) in float64.
func TestOptStepAdamW(t *testing.T) {
	be := cpu(t, CPUOptions{Threads: 2})
	s, err := NewStore(be, 8)
	require.NoError(t, err)
	defer s.Close()
	const size = 37
	w, d, m, v, p := s.New("w", TypeF32, size), s.New("g", TypeF32, size), s.New("m", TypeF32, size), s.New("v", TypeF32, size), s.New("p", TypeF32, 7)
	require.NoError(t, s.Alloc())
	start := random(size, 1)
	w.SetF32(0, start)
	g, err := Build(be, nil, 4, func(g *Graph) []*Tensor { return []*Tensor{g.OptStepAdamW(w, d, m, v, p)} })
	require.NoError(t, err)
	defer g.Close()
	const lr, beta1, beta2, eps, decay = 0.01, 0.9, 0.95, 1e-8, 0.1
	W, M, V := make([]float64, size), make([]float64, size), make([]float64, size)
	for i := range W {
		W[i] = float64(start[i])
	}
	for step := 1; step <= 3; step++ {
		c1, c2 := 1/(1-math.Pow(beta1, float64(step))), 1/(1-math.Pow(beta2, float64(step)))
		p.SetF32(0, []float32{lr, beta1, beta2, eps, decay, float32(c1), float32(c2)})
		grad := random(size, uint64(step)+1)
		d.SetF32(0, grad)
		require.NoError(t, g.Run())
		for i := range W {
			x := float64(grad[i])
			M[i] = beta1*M[i] + (1-beta1)*x
			V[i] = beta2*V[i] + (1-beta2)*x*x
			W[i] = W[i]*(1-lr*decay) - lr*M[i]*c1/(math.Sqrt(V[i]*c2)+eps)
		}
		requireNear(t, W, valuesOf(w), fine)
		requireNear(t, M, valuesOf(m), fine)
		requireNear(t, V, valuesOf(v), fine)
	}
}
