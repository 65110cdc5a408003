package grad

import "github.com/graft-go/graft/ggml"

// rules holds the gradient of every operation that can be differentiated. Each rule's formula stands above it; dy is the
// gradient of the loss with respect to the result y.
var rules = map[ggml.Op]Rule{
	ggml.OpMulMat:    mulMat,
	ggml.OpMulMatT:   mulMatT,
	ggml.OpOuterProd: outerProd,
	ggml.OpAdd:       add,
	ggml.OpSub:       sub,
	ggml.OpMul:       mul,
	ggml.OpScale:     scale,
	ggml.OpSqr:       sqr,
	ggml.OpSum:       sum,
	ggml.OpRepeat:    repeat,
	ggml.OpSilu:      silu,
	ggml.OpSwiGLU:    swiGLU,
	ggml.OpRMSNorm:   rmsNorm,
	ggml.OpSoftMax:   softMax,
	ggml.OpRope:      rope,
	ggml.OpGetRows:   getRows,
	ggml.OpReshape:   reshape,
	ggml.OpPermute:   permute,
	ggml.OpCont:      cont,
}

// noGradient names the operations that are never differentiated, with the reason.
var noGradient = map[ggml.Op]string{
	ggml.OpAddInplace:   "overwrites its operand; it gathers gradients",
	ggml.OpMulInplace:   "overwrites its operand; it scales gradients",
	ggml.OpLog:          "only in the loss, whose gradient is written out",
	ggml.OpArgMax:       "its result is an index",
	ggml.OpRepeatBack:   "only in gradients",
	ggml.OpSiluBack:     "only in gradients",
	ggml.OpRMSNormBack:  "only in gradients",
	ggml.OpSoftMaxBack:  "only in gradients",
	ggml.OpRopeBack:     "only in gradients",
	ggml.OpGetRowsBack:  "only in gradients",
	ggml.OpSetRows:      "overwrites its operand",
	ggml.OpView:         "only in the loss and in caches",
	ggml.OpConcat:       "only joins gradients",
	ggml.OpOptStepAdamW: "the optimizer's step",
}

// contiguous copies a view; backward operations want contiguous values.
func contiguous(g *ggml.Graph, t *ggml.Tensor) *ggml.Tensor {
	if t.Contiguous() {
		return t
	}
	return g.Cont(t)
}

// rows copies a view whose rows are not contiguous, which no operation takes as its first operand.
func rows(g *ggml.Graph, t *ggml.Tensor) *ggml.Tensor {
	if t.ContiguousRows() {
		return t
	}
	return g.Cont(t)
}

// reduce sums dy over the dimensions along which t was repeated.
func reduce(g *ggml.Graph, dy, t *ggml.Tensor) *ggml.Tensor {
	if dy.Ne == t.Ne {
		return dy
	}
	return g.RepeatBack(contiguous(g, dy), t)
}

// y = s·wᵀx over k:  dw[k, m] = s·Σ_n x[k, n]·dy[m, n],  dx[k, n] = s·Σ_m w[k, m]·dy[m, n]
func mulMat(g *ggml.Graph, y, dy *ggml.Tensor, need []bool) []*ggml.Tensor {
	w, x := y.Src[0], y.Src[1]
	dy = rows(g, dy)
	d := make([]*ggml.Tensor, 2)
	if need[0] {
		d[0] = g.OuterProd(x, dy, w.Ne[2], w.Ne[3], y.F)
	}
	if need[1] {
		d[1] = g.MulMatT(w, dy, y.F)
	}
	return d
}

// y = s·w x over m:  dw[k, m] = s·Σ_n dy[k, n]·x[m, n],  dx[m, n] = s·Σ_k w[k, m]·dy[k, n]
func mulMatT(g *ggml.Graph, y, dy *ggml.Tensor, need []bool) []*ggml.Tensor {
	w, x := y.Src[0], y.Src[1]
	dy = rows(g, dy)
	d := make([]*ggml.Tensor, 2)
	if need[0] {
		d[0] = g.OuterProd(dy, x, w.Ne[2], w.Ne[3], y.F)
	}
	if need[1] {
		d[1] = g.MulMat(w, dy, y.F)
	}
	return d
}

// y[k, m] = s·Σ_n a[k, n]·b[m, n]:  da[k, n] = s·Σ_m dy[k, m]·b[m, n],  db[m, n] = s·Σ_k dy[k, m]·a[k, n]
func outerProd(g *ggml.Graph, y, dy *ggml.Tensor, need []bool) []*ggml.Tensor {
	a, b := y.Src[0], y.Src[1]
	dy = rows(g, dy)
	d := make([]*ggml.Tensor, 2)
	if need[0] {
		d[0] = g.MulMatT(dy, b, y.F)
	}
	if need[1] {
		d[1] = g.MulMat(dy, a, y.F)
	}
	return d
}

// y = a + b:  da = dy,  db = Σ dy over b's repetitions
func add(g *ggml.Graph, y, dy *ggml.Tensor, need []bool) []*ggml.Tensor {
	d := []*ggml.Tensor{dy, nil}
	if need[1] {
		d[1] = reduce(g, dy, y.Src[1])
	}
	return d
}

// y = a − b:  da = dy,  db = −Σ dy over b's repetitions
func sub(g *ggml.Graph, y, dy *ggml.Tensor, need []bool) []*ggml.Tensor {
	d := []*ggml.Tensor{dy, nil}
	if need[1] {
		d[1] = g.Scale(contiguous(g, reduce(g, dy, y.Src[1])), -1)
	}
	return d
}

// y = a ⊙ b:  da = dy ⊙ b,  db = Σ dy ⊙ a over b's repetitions
func mul(g *ggml.Graph, y, dy *ggml.Tensor, need []bool) []*ggml.Tensor {
	a, b := y.Src[0], y.Src[1]
	dy = rows(g, dy)
	d := make([]*ggml.Tensor, 2)
	if need[0] {
		d[0] = g.Mul(dy, b)
	}
	if need[1] {
		d[1] = reduce(g, g.Mul(dy, a), b)
	}
	return d
}

// y = s·a:  da = s·dy
func scale(g *ggml.Graph, y, dy *ggml.Tensor, _ []bool) []*ggml.Tensor {
	return []*ggml.Tensor{g.Scale(contiguous(g, dy), y.F)}
}

// y = a²:  da = 2·a ⊙ dy
func sqr(g *ggml.Graph, y, dy *ggml.Tensor, _ []bool) []*ggml.Tensor {
	return []*ggml.Tensor{g.Scale(g.Mul(rows(g, dy), y.Src[0]), 2)}
}

// y = Σ a:  da = dy everywhere
func sum(g *ggml.Graph, y, dy *ggml.Tensor, _ []bool) []*ggml.Tensor {
	return []*ggml.Tensor{g.Repeat(dy, y.Src[0])}
}

// y = a repeated:  da = Σ dy over the repetitions
func repeat(g *ggml.Graph, y, dy *ggml.Tensor, _ []bool) []*ggml.Tensor {
	return []*ggml.Tensor{reduce(g, dy, y.Src[0])}
}

// y = x·σ(x):  dx = dy ⊙ σ(x)(1 + x(1 − σ(x)))
func silu(g *ggml.Graph, y, dy *ggml.Tensor, _ []bool) []*ggml.Tensor {
	return []*ggml.Tensor{g.SiluBack(contiguous(g, dy), y.Src[0])}
}

// y = silu(gate) ⊙ up:  dgate = (dy ⊙ up) ⊙ silu'(gate),  dup = dy ⊙ silu(gate)
func swiGLU(g *ggml.Graph, y, dy *ggml.Tensor, need []bool) []*ggml.Tensor {
	gate, up := y.Src[0], y.Src[1]
	dy = rows(g, dy)
	d := make([]*ggml.Tensor, 2)
	if need[0] {
		d[0] = g.SiluBack(g.Mul(dy, up), gate)
	}
	if need[1] {
		d[1] = g.Mul(dy, g.Silu(gate))
	}
	return d
}

// y = x/√(mean(x²)+eps):  see ggml.Graph.RMSNormBack
func rmsNorm(g *ggml.Graph, y, dy *ggml.Tensor, _ []bool) []*ggml.Tensor {
	return []*ggml.Tensor{g.RMSNormBack(contiguous(g, dy), y.Src[0], y.F)}
}

// y = softmax(s·x + mask):  dx = s·y ⊙ (dy − Σ y⊙dy);  the mask is constant
func softMax(g *ggml.Graph, y, dy *ggml.Tensor, need []bool) []*ggml.Tensor {
	d := make([]*ggml.Tensor, len(need))
	if need[0] {
		d[0] = g.SoftMaxBack(contiguous(g, dy), y, y.F)
	}
	return d
}

// y = rotation of x:  dx = the inverse rotation of dy;  positions and factors are constant
func rope(g *ggml.Graph, y, dy *ggml.Tensor, need []bool) []*ggml.Tensor {
	d := make([]*ggml.Tensor, len(need))
	if need[0] {
		var factors *ggml.Tensor
		if len(y.Src) > 2 {
			factors = y.Src[2]
		}
		d[0] = g.RopeBack(contiguous(g, dy), y.Src[1], factors, y.Rope)
	}
	return d
}

// y = rows of a table:  dtable = dy's rows added where they came from;  ids are constant
func getRows(g *ggml.Graph, y, dy *ggml.Tensor, need []bool) []*ggml.Tensor {
	d := make([]*ggml.Tensor, 2)
	if need[0] {
		d[0] = g.GetRowsBack(contiguous(g, dy), y.Src[1], y.Src[0])
	}
	return d
}

// y = a in another shape:  da = dy in a's shape
func reshape(g *ggml.Graph, y, dy *ggml.Tensor, _ []bool) []*ggml.Tensor {
	ne := y.Src[0].Ne
	return []*ggml.Tensor{g.Reshape(contiguous(g, dy), ne[0], ne[1], ne[2], ne[3])}
}

// y = a with its dimensions moved:  da = dy with them moved back
func permute(g *ggml.Graph, y, dy *ggml.Tensor, _ []bool) []*ggml.Tensor {
	var back [4]int32
	for from, to := range y.Axes {
		back[to] = int32(from)
	}
	return []*ggml.Tensor{g.Permute(dy, back)}
}

// y = a copied:  da = dy
func cont(_ *ggml.Graph, _, dy *ggml.Tensor, _ []bool) []*ggml.Tensor { return []*ggml.Tensor{dy} }
