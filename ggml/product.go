package ggml

import (
	"math"

	bind "github.com/graft-go/graft/binding/ggml"
)

// The one seam for matrix products. Three of them are closed under differentiation:
//
//	MulMat     y[m, n] = s·Σ_k w[k, m]·x[k, n]     forward of a linear layer, attention scores
//	MulMatT    y[k, n] = s·Σ_m w[k, m]·x[m, n]     its gradient dx, attention's weighted values
//	OuterProd  y[k, m] = s·Σ_n a[k, n]·b[m, n]     its gradient dw
//
// On the CPU with a BLAS each is one custom operation (product_cpu.go) that reads weights of any type tile by tile in exact F32.
// Without one, ggml's own kernels do the work, on copies where they need F32 or a transposed operand.

// The order in which product_cpu.go registers the products' custom operations with the binding.
const (
	kindMulMat = iota
	kindMulMatT
	kindOuterProd
	kindDequantize
)

// checkProduct checks w [k, m, h, 1 or b] of any type against x [·, n, heads, b] of F32, where h divides heads (grouped queries).
func checkProduct(op Op, w, x *Tensor, inner bool) {
	check(w.convertible(), op, "wants weights of a type that converts to F32", w, x)
	check(isF32(x) && x.ContiguousRows() && w.ContiguousRows() && inner, op, "wants F32 and equal inner dimensions", w, x)
	check(x.Ne[2]%w.Ne[2] == 0 && x.Ne[3]%w.Ne[3] == 0, op, "wants the first operand to repeat over the second's matrices", w, x)
	check(w.Type == TypeF32 || w.Contiguous(), op, "wants contiguous weights", w)
}

// MulMat returns y[m, n] = s·Σ_k w[k, m]·x[k, n] for every matrix of x; w is of any type and repeats over x's third and fourth dimension.
func (g *Graph) MulMat(w, x *Tensor, s float32) *Tensor {
	checkProduct(OpMulMat, w, x, w.Ne[0] == x.Ne[0])
	if g.useBLAS(w, x) {
		return g.record(OpMulMat, g.custom(kindMulMat, s, [4]int64{w.Ne[1], x.Ne[1], x.Ne[2], x.Ne[3]}, w, x), Params{F: s}, w, x)
	}
	a := g.plain(w)
	if !g.fast && w.Type != TypeF32 {
		a = g.plain32(w)
	}
	return g.record(OpMulMat, g.scaled(g.lib.MulMat(g.c, a, x.c), s), Params{F: s}, w, x)
}

// MulMatT returns y[k, n] = s·Σ_m w[k, m]·x[m, n] for every matrix of x.
func (g *Graph) MulMatT(w, x *Tensor, s float32) *Tensor {
	checkProduct(OpMulMatT, w, x, w.Ne[1] == x.Ne[0])
	if g.useBLAS(w, x) {
		return g.record(OpMulMatT, g.custom(kindMulMatT, s, [4]int64{w.Ne[0], x.Ne[1], x.Ne[2], x.Ne[3]}, w, x), Params{F: s}, w, x)
	}
	return g.record(OpMulMatT, g.scaled(g.lib.MulMat(g.c, g.transposed(g.plain32(w)), x.c), s), Params{F: s}, w, x)
}

// OuterProd returns y[k, m] = s·Σ_n a[k, n]·b[m, n]: a [k, n, heads, batch], b [m, n, heads, batch] → [k, m, out2, out3]; where out2
// or out3 is smaller than heads or batch, the matrices of a group are summed, the inverse of how MulMat repeats w.
func (g *Graph) OuterProd(a, b *Tensor, out2, out3 int64, s float32) *Tensor {
	check(isF32(a, b) && a.ContiguousRows() && b.ContiguousRows() && a.Ne[1] == b.Ne[1] && a.Ne[2] == b.Ne[2] && a.Ne[3] == b.Ne[3],
		OpOuterProd, "wants F32 with equal outer dimensions", a, b)
	check(out2 > 0 && out3 > 0 && a.Ne[2]%out2 == 0 && a.Ne[3]%out3 == 0 && (out3 == a.Ne[3] || out2 == 1 || (a.Ne[2] == out2 && out3 == 1)), OpOuterProd, "cannot sum its matrices so", a, b)
	shape := [4]int64{a.Ne[0], b.Ne[0], out2, out3}
	if g.backend.BLAS != nil {
		return g.record(OpOuterProd, g.custom(kindOuterProd, s, shape, a, b), Params{F: s}, a, b)
	}
	return g.record(OpOuterProd, g.scaled(g.outerKernels(a, b, out2, out3), s), Params{F: s}, a, b)
}

// A product of few columns is bound by reading the weights: ggml's kernels read them as they are, the tile path would expand them.
const fewColumns = 4

// Fast lets the products of this graph, from here on, leave the exact F32 path where ggml's own kernels are faster: with few columns, or
// without a BLAS. On weights that are not F32 those round the activations to 8 bits or to half precision. It is for generating text;
// a graph that trains or scores stays exact, so that its forward and its backward belong to the same function.
func (g *Graph) Fast() { g.fast = true }

func (g *Graph) useBLAS(w, x *Tensor) bool {
	return g.backend.BLAS != nil && !(g.fast && w.Type != TypeF32 && x.Ne[1] <= fewColumns)
}

// custom adds a custom operation of a kind; the scale travels with the node.
func (g *Graph) custom(kind int, s float32, ne [4]int64, operands ...*Tensor) *bind.Tensor {
	var args [2]*bind.Tensor
	for i, t := range operands {
		args[i] = t.c
	}
	const allThreads = -1 // GGML_N_TASKS_MAX
	return g.lib.Custom4D(g.c, int32(TypeF32), ne[0], ne[1], ne[2], ne[3], &args[0], int32(len(operands)), bind.CustomAddr(), allThreads,
		bind.CustomData(g.backend.products+kind, math.Float32bits(s)))
}

func (g *Graph) scaled(c *bind.Tensor, s float32) *bind.Tensor {
	if s == 1 {
		return c
	}
	return g.lib.Scale(g.c, c, s)
}

// plain returns w with contiguous values, as ggml's kernels want their first operand.
func (g *Graph) plain(w *Tensor) *bind.Tensor {
	if w.Contiguous() {
		return w.c
	}
	return g.lib.Cont(g.c, w.c)
}

// plain32 returns w in F32. The conversion is the library's own for the type, called by graft, since its CPY does not take
// every type (IQ1_M).
func (g *Graph) plain32(w *Tensor) *bind.Tensor {
	if w.Type == TypeF32 {
		return w.c
	}
	return g.custom(kindDequantize, 0, w.Ne, w)
}

func (g *Graph) transposed(c *bind.Tensor) *bind.Tensor {
	return g.lib.Cont(g.c, g.lib.Permute(g.c, c, 1, 0, 2, 3))
}

// outerKernels computes OuterProd with ggml's MUL_MAT on transposed copies. A group of matrices that is summed lies one behind the
// other along n once a is contiguous, so the sum is part of the product; where whole batches are summed head by head, the batches
// come before the heads first.
func (g *Graph) outerKernels(a, b *Tensor, out2, out3 int64) *bind.Tensor {
	groups := a.Ne[2] * a.Ne[3] / (out2 * out3)
	fold := func(t *Tensor) *bind.Tensor {
		c := t.c
		if out2 > 1 && out3 < a.Ne[3] {
			c = g.lib.Permute(g.c, c, 0, 1, 3, 2)
		}
		c = g.lib.Cont(g.c, c)
		return g.transposed(g.lib.Reshape4D(g.c, c, t.Ne[0], t.Ne[1]*groups, out2, out3))
	}
	return g.lib.MulMat(g.c, fold(a), fold(b))
}
