package ggml

import (
	"math"

	bind "github.com/graft-go/graft/binding/ggml"
)

func isF32(ts ...*Tensor) bool {
	for _, t := range ts {
		if t.Type != TypeF32 {
			return false
		}
	}
	return true
}

// convertible tells whether the library converts values of t's type to F32.
func (t *Tensor) convertible() bool {
	if t.Type == TypeF32 {
		return true
	}
	traits := t.lib.GetTypeTraits(int32(t.Type))
	return traits != nil && traits.ToFloat != 0
}

// product returns the number of values of a shape, and whether it is a shape: each dimension is positive and the size in bytes fits.
func product(ne [4]int64) (n int64, ok bool) {
	const most = math.MaxInt64 / 8
	n = 1
	for _, d := range ne {
		if d < 1 || n > most/d {
			return 0, false
		}
		n *= d
	}
	return n, true
}

// broadcasts tells whether b repeats to a's shape (ggml_can_repeat).
func broadcasts(a, b *Tensor) bool {
	for i := range a.Ne {
		if a.Ne[i]%b.Ne[i] != 0 {
			return false
		}
	}
	return true
}

// Add returns a + b; b is repeated to a's shape.
func (g *Graph) Add(a, b *Tensor) *Tensor {
	check(isF32(a, b) && broadcasts(a, b) && a.ContiguousRows(), OpAdd, "wants F32, contiguous rows of a and b repeating to a", a, b)
	return g.record(OpAdd, g.lib.Add(g.c, a.c, b.c), Params{}, a, b)
}

// AddInplace adds b to a in a's own memory and returns a view of it; a is usually a leaf that gathers a sum from run to run.
func (g *Graph) AddInplace(a, b *Tensor) *Tensor {
	check(isF32(a, b) && a.Ne == b.Ne && a.ContiguousRows(), OpAddInplace, "wants F32 of one shape and contiguous rows of a", a, b)
	return g.record(OpAddInplace, g.lib.AddInplace(g.c, a.c, b.c), Params{}, a, b)
}

// Sub returns a − b; b is repeated to a's shape.
func (g *Graph) Sub(a, b *Tensor) *Tensor {
	check(isF32(a, b) && broadcasts(a, b) && a.ContiguousRows(), OpSub, "wants F32, contiguous rows of a and b repeating to a", a, b)
	return g.record(OpSub, g.lib.Sub(g.c, a.c, b.c), Params{}, a, b)
}

// Mul returns a ⊙ b; b is repeated to a's shape.
func (g *Graph) Mul(a, b *Tensor) *Tensor {
	check(isF32(a, b) && broadcasts(a, b) && a.ContiguousRows(), OpMul, "wants F32, contiguous rows of a and b repeating to a", a, b)
	return g.record(OpMul, g.lib.Mul(g.c, a.c, b.c), Params{}, a, b)
}

// MulInplace multiplies a by b, repeated to a's shape, in a's own memory and returns a view of it.
func (g *Graph) MulInplace(a, b *Tensor) *Tensor {
	check(isF32(a, b) && broadcasts(a, b) && a.ContiguousRows(), OpMulInplace, "wants F32, contiguous rows of a and b repeating to a", a, b)
	return g.record(OpMulInplace, g.lib.MulInplace(g.c, a.c, b.c), Params{}, a, b)
}

// Scale returns s·a.
func (g *Graph) Scale(a *Tensor, s float32) *Tensor {
	check(isF32(a) && a.Contiguous(), OpScale, "wants contiguous F32", a)
	return g.record(OpScale, g.lib.Scale(g.c, a.c, s), Params{F: s}, a)
}

// Sqr returns a².
func (g *Graph) Sqr(a *Tensor) *Tensor {
	check(isF32(a) && a.Contiguous(), OpSqr, "wants contiguous F32", a)
	return g.record(OpSqr, g.lib.Sqr(g.c, a.c), Params{}, a)
}

// Log returns the natural logarithm of a.
func (g *Graph) Log(a *Tensor) *Tensor {
	check(isF32(a) && a.Contiguous(), OpLog, "wants contiguous F32", a)
	return g.record(OpLog, g.lib.Log(g.c, a.c), Params{}, a)
}

// Sum returns the sum of all values, [1]; the CPU sums in float64.
func (g *Graph) Sum(a *Tensor) *Tensor {
	check(isF32(a) && a.Contiguous(), OpSum, "wants contiguous F32", a)
	return g.record(OpSum, g.lib.Sum(g.c, a.c), Params{}, a)
}

// ArgMax returns the index of the largest value of each row: [n, rows] → I32 [rows].
func (g *Graph) ArgMax(a *Tensor) *Tensor {
	check(isF32(a) && a.Contiguous() && a.Ne[2]*a.Ne[3] == 1, OpArgMax, "wants a contiguous F32 matrix", a)
	return g.record(OpArgMax, g.lib.ArgMax(g.c, a.c), Params{}, a)
}

// Repeat returns a repeated to b's shape.
func (g *Graph) Repeat(a, b *Tensor) *Tensor {
	check(isF32(a, b) && broadcasts(b, a) && a.ContiguousRows(), OpRepeat, "wants F32, contiguous rows and a repeating to b", a, b)
	return g.record(OpRepeat, g.lib.Repeat(g.c, a.c, b.c), Params{}, a, b)
}

// RepeatBack sums the repetitions of a down to b's shape: the gradient of Repeat.
func (g *Graph) RepeatBack(a, b *Tensor) *Tensor {
	check(isF32(a, b) && broadcasts(a, b) && a.ContiguousRows(), OpRepeatBack, "wants F32 and b repeating to a", a, b)
	return g.record(OpRepeatBack, g.lib.RepeatBack(g.c, a.c, b.c), Params{}, a, b)
}

// Silu returns a·σ(a).
func (g *Graph) Silu(a *Tensor) *Tensor {
	check(isF32(a) && a.Contiguous(), OpSilu, "wants contiguous F32", a)
	return g.record(OpSilu, g.lib.Silu(g.c, a.c), Params{}, a)
}

// SiluBack returns dy ⊙ silu'(x) = dy ⊙ σ(x)(1 + x(1 − σ(x))).
func (g *Graph) SiluBack(dy, x *Tensor) *Tensor {
	check(isF32(dy, x) && dy.Ne == x.Ne && dy.Contiguous() && x.Contiguous(), OpSiluBack, "wants contiguous F32 of one shape", dy, x)
	return g.record(OpSiluBack, g.lib.SiluBack(g.c, dy.c, x.c), Params{}, dy, x)
}

// SwiGLU returns silu(gate) ⊙ up.
func (g *Graph) SwiGLU(gate, up *Tensor) *Tensor {
	check(isF32(gate, up) && gate.Ne == up.Ne && gate.Contiguous() && up.Contiguous(), OpSwiGLU, "wants contiguous F32 of one shape", gate, up)
	return g.record(OpSwiGLU, g.lib.SwiGLUSplit(g.c, gate.c, up.c), Params{}, gate, up)
}

// RMSNorm returns each row divided by its root mean square: x / √(mean(x²) + eps).
func (g *Graph) RMSNorm(x *Tensor, eps float32) *Tensor {
	check(isF32(x) && x.Contiguous() && eps >= 0, OpRMSNorm, "wants contiguous F32 and eps ≥ 0", x)
	return g.record(OpRMSNorm, g.lib.RMSNorm(g.c, x.c, eps), Params{F: eps}, x)
}

// RMSNormBack returns the gradient of RMSNorm: (dy − x·mean(x⊙dy)/(mean(x²)+eps)) / √(mean(x²) + eps), row by row.
// Like all of ggml's backward operations it takes the upstream gradient first.
func (g *Graph) RMSNormBack(dy, x *Tensor, eps float32) *Tensor {
	check(isF32(dy, x) && dy.Ne == x.Ne && dy.Contiguous() && x.Contiguous(), OpRMSNormBack, "wants contiguous F32 of one shape", dy, x)
	return g.record(OpRMSNormBack, g.lib.RMSNormBack(g.c, dy.c, x.c, eps), Params{F: eps}, dy, x)
}

// SoftMax returns softmax(scale·x + mask) over each row; mask may be nil or F32 [ne0, ne1, 1 or ne2, 1 or ne3], added to every head.
// A row that the mask hides whole, −inf everywhere, comes out as NaN; see nn.CheckMask.
func (g *Graph) SoftMax(x, mask *Tensor, scale float32) *Tensor {
	check(isF32(x) && x.Contiguous(), OpSoftMax, "wants contiguous F32", x)
	if mask == nil {
		return g.record(OpSoftMax, g.lib.SoftMaxExt(g.c, x.c, nil, scale, 0), Params{F: scale}, x)
	}
	check(isF32(mask) && mask.Contiguous() && mask.Ne[0] == x.Ne[0] && mask.Ne[1] >= x.Ne[1] && x.Ne[2]%mask.Ne[2] == 0 && x.Ne[3]%mask.Ne[3] == 0,
		OpSoftMax, "wants a contiguous F32 mask of the row's width", x, mask)
	return g.record(OpSoftMax, g.lib.SoftMaxExt(g.c, x.c, mask.c, scale, 0), Params{F: scale}, x, mask)
}

// SoftMaxBack returns the gradient with respect to x of y = SoftMax(x, mask, scale): scale·y ⊙ (dy − Σ y⊙dy), row by row.
func (g *Graph) SoftMaxBack(dy, y *Tensor, scale float32) *Tensor {
	check(isF32(dy, y) && dy.Ne == y.Ne && dy.Contiguous() && y.Contiguous(), OpSoftMaxBack, "wants contiguous F32 of one shape", dy, y)
	return g.record(OpSoftMaxBack, g.lib.SoftMaxExtBack(g.c, dy.c, y.c, scale, 0), Params{F: scale}, dy, y)
}

func checkRope(op Op, x, pos, factors *Tensor, r Rope) {
	check(isF32(x) && x.ContiguousRows() && x.Ne[3] == 1 && x.Ne[0]%2 == 0 && r.Dims > 0 && r.Dims%2 == 0 && int64(r.Dims) <= x.Ne[0],
		op, "wants F32 [head, heads, tokens] with an even head and an even number of dimensions", x)
	check(pos.Type == TypeI32 && pos.Ne == [4]int64{x.Ne[2], 1, 1, 1} && pos.Contiguous(), op, "wants one I32 position a token", x, pos)
	if factors != nil {
		check(isF32(factors) && factors.Ne[0] >= int64(r.Dims/2) && factors.Contiguous(), op, "wants one F32 factor a pair", x, factors)
	}
}

func ropeSrc(x, pos, factors *Tensor) []*Tensor {
	if factors == nil {
		return []*Tensor{x, pos}
	}
	return []*Tensor{x, pos, factors}
}

func optional(t *Tensor) *bind.Tensor {
	if t == nil {
		return nil
	}
	return t.c
}

// Rope rotates pairs (2i, 2i+1) of the first Dims values of each head by pos·θ^(−2i/Dims)/factors[i]: x [head, heads, tokens],
// pos I32 [tokens], factors nil or F32 [Dims/2].
func (g *Graph) Rope(x, pos, factors *Tensor, r Rope) *Tensor {
	checkRope(OpRope, x, pos, factors, r)
	c := g.lib.RopeExt(g.c, x.c, pos.c, optional(factors), int32(r.Dims), 0, int32(r.OrigCtx), r.Base, r.Scale, r.ExtFactor, r.AttnFactor, r.BetaFast, r.BetaSlow)
	return g.record(OpRope, c, Params{Rope: r}, ropeSrc(x, pos, factors)...)
}

// RopeBack rotates back: the gradient of Rope with respect to x.
func (g *Graph) RopeBack(dy, pos, factors *Tensor, r Rope) *Tensor {
	checkRope(OpRopeBack, dy, pos, factors, r)
	c := g.lib.RopeExtBack(g.c, dy.c, pos.c, optional(factors), int32(r.Dims), 0, int32(r.OrigCtx), r.Base, r.Scale, r.ExtFactor, r.AttnFactor, r.BetaFast, r.BetaSlow)
	return g.record(OpRopeBack, c, Params{Rope: r}, ropeSrc(dy, pos, factors)...)
}

// GetRows picks rows of a table of any type and converts them to F32: table [d, n, b], ids I32 [k, b] → [d, k, b].
func (g *Graph) GetRows(table, ids *Tensor) *Tensor {
	check(table.convertible() && table.Ne[2] == ids.Ne[1] && table.Ne[3] == ids.Ne[2] && ids.Ne[3] == 1 && table.ContiguousRows() && ids.Type == TypeI32, OpGetRows, "wants I32 ids for each matrix", table, ids)
	return g.record(OpGetRows, g.lib.GetRows(g.c, table.c, ids.c), Params{}, table, ids)
}

// GetRowsBack adds each row of dy [d, k] to the row of a zeroed tensor of table's shape that ids [k] names.
func (g *Graph) GetRowsBack(dy, ids, table *Tensor) *Tensor {
	check(isF32(dy, table) && dy.Contiguous() && dy.Ne[0] == table.Ne[0] && dy.Ne[2]*dy.Ne[3] == 1 && table.Ne[2]*table.Ne[3] == 1 &&
		ids.Type == TypeI32 && ids.Ne == [4]int64{dy.Ne[1], 1, 1, 1} && ids.Contiguous(),
		OpGetRowsBack, "wants F32 and one I32 id a row", dy, ids, table)
	return g.record(OpGetRowsBack, g.lib.GetRowsBack(g.c, dy.c, ids.c, table.c), Params{}, dy, ids, table)
}

// SetRows writes the rows of src [d, k] into the rows of dst [d, n] that ids I32 [k] names and returns a view of dst.
func (g *Graph) SetRows(dst, src, ids *Tensor) *Tensor {
	check(isF32(dst, src) && dst.Ne[0] == src.Ne[0] && dst.Ne[2] == src.Ne[2] && dst.Ne[3] == src.Ne[3] && ids.Type == TypeI32 &&
		ids.Ne[0] == src.Ne[1] && src.Ne[2]%ids.Ne[1] == 0 && src.Ne[3]%ids.Ne[2] == 0 && ids.Ne[3] == 1 && dst.ContiguousRows() && src.ContiguousRows(),
		OpSetRows, "wants F32 rows of one width and an I32 id a row", dst, src, ids)
	return g.record(OpSetRows, g.lib.SetRows(g.c, dst.c, src.c, ids.c), Params{}, dst, src, ids)
}

// Reshape gives contiguous values another shape of as many elements, without copying.
func (g *Graph) Reshape(a *Tensor, ne ...int64) *Tensor {
	shape := [4]int64{1, 1, 1, 1}
	copy(shape[:], ne)
	n, ok := product(shape)
	check(a.Contiguous() && len(ne) <= 4 && ok && n == a.Elements() && shape[0]%a.Type.BlockSize() == 0, OpReshape, "wants contiguous values and as many of them as "+ShapeString(shape), a)
	return g.record(OpReshape, g.lib.Reshape4D(g.c, a.c, shape[0], shape[1], shape[2], shape[3]), Params{}, a)
}

// Columns is the view of rows from … from+n−1 of a matrix [d, rows], without copying: a chunk of tokens.
func (g *Graph) Columns(a *Tensor, from, n int64) *Tensor {
	check(a.Ne[2]*a.Ne[3] == 1 && a.ContiguousRows() && from >= 0 && n > 0 && from <= a.Ne[1]-n, OpView, "wants a matrix with those rows", a)
	c := g.lib.View4D(g.c, a.c, a.Ne[0], n, 1, 1, a.c.Nb[1], a.c.Nb[1]*uint64(n), a.c.Nb[1]*uint64(n), a.c.Nb[1]*uint64(from))
	return g.record(OpView, c, Params{}, a)
}

// Range is the view of values from … from+n−1 of a vector.
func (g *Graph) Range(a *Tensor, from, n int64) *Tensor {
	check(a.Rows() == 1 && a.Type.BlockSize() == 1 && a.ContiguousRows() && from >= 0 && n > 0 && from <= a.Ne[0]-n, OpView, "wants a vector with those values", a)
	size := uint64(a.Type.BlockBytes())
	c := g.lib.View4D(g.c, a.c, n, 1, 1, 1, size*uint64(n), size*uint64(n), size*uint64(n), size*uint64(from))
	return g.record(OpView, c, Params{}, a)
}

// Permute moves dimension i to place axes[i], without copying.
func (g *Graph) Permute(a *Tensor, axes [4]int32) *Tensor {
	var seen [4]bool
	for _, axis := range axes {
		check(axis >= 0 && axis < 4 && !seen[axis], OpPermute, "wants each axis once", a)
		seen[axis] = true
	}
	check(axes[0] == 0 || !a.Type.Quantized(), OpPermute, "cannot move the rows of blocks", a)
	for i := range a.Ne {
		check(a.Ne[i] <= math.MaxInt32 && a.c.Nb[i] <= math.MaxInt32, OpPermute, "wants strides below 2 GiB, which the library keeps as int", a)
	}
	return g.record(OpPermute, g.lib.Permute(g.c, a.c, axes[0], axes[1], axes[2], axes[3]), Params{Axes: axes}, a)
}

// Cont copies a view into contiguous memory.
func (g *Graph) Cont(a *Tensor) *Tensor {
	return g.record(OpCont, g.lib.Cont(g.c, a.c), Params{}, a)
}

// Concat joins a and b along dimension dim.
func (g *Graph) Concat(a, b *Tensor, dim int) *Tensor {
	ok := dim >= 0 && dim < 4 && a.Type == b.Type
	for i := range a.Ne {
		ok = ok && (i == dim || a.Ne[i] == b.Ne[i])
	}
	ok = ok && (!a.Type.Quantized() || a.ContiguousRows() && b.ContiguousRows())
	check(ok, OpConcat, "wants one type and the same other dimensions", a, b)
	return g.record(OpConcat, g.lib.Concat(g.c, a.c, b.c, int32(dim)), Params{Axes: [4]int32{int32(dim)}}, a, b)
}

// OptStepAdamW updates the leaf w and its moments m, v in place with gradient grad by PyTorch's AdamW (decoupled decay):
// m = β1·m + (1−β1)·g, v = β2·v + (1−β2)·g², w = w·(1 − lr·wd) − lr·(m·c1)/(√(v·c2) + eps), where params is F32 [7] =
// {lr, β1, β2, eps, wd, c1 = 1/(1−β1^t), c2 = 1/(1−β2^t)}.
func (g *Graph) OptStepAdamW(w, grad, m, v, params *Tensor) *Tensor {
	check(isF32(w, grad, m, v, params) && w.Ne == grad.Ne && w.Ne == m.Ne && w.Ne == v.Ne && params.Elements() == 7 && w.graph == nil && w.c.Op == bind.OpNone &&
		w.Contiguous() && grad.Contiguous() && m.Contiguous() && v.Contiguous() && params.Contiguous(),
		OpOptStepAdamW, "wants a leaf, not a view, contiguous F32 of one shape and 7 parameters", w, grad, m, v, params)
	g.lib.SetParam(w.c)
	return g.record(OpOptStepAdamW, g.lib.OptStepAdamW(g.c, w.c, grad.c, m.c, v.c, params.c), Params{}, w, grad, m, v, params)
}
