package llama

import "github.com/graft-go/graft/ggml"

// Head computes the loss against the output matrix in chunks of tokens, forward and gradient in one pass, so that the logits of a
// whole batch never exist. With p = softmax(W·h) for each token, label y and weight w:
//
//	loss = Σ w·(log Σ exp(W·h) − (W·h)[y])
//	dh   = w·Wᵀ(p − onehot(y))
//	dW   = Σ h·w·(p − onehot(y))ᵀ
//
// The one-hot is subtracted from p before the product: as Wᵀp − W[y] the two terms would cancel.
type Head struct {
	W       *ggml.Tensor // [embd, vocab]
	Targets *ggml.Tensor // I32 [tokens], the next token; any id where the weight is 0
	Weights *ggml.Tensor // F32 [tokens]
	One     *ggml.Tensor // F32 [1], holds 1
	NeedDH  bool
	NeedDW  bool
}

// chunkValues bounds the logits of a chunk: 4M values, 16 MiB.
const chunkValues = 4 << 20

// Loss records the loss of h [embd, tokens] and returns its sum over all tokens [1], and where wanted dh and dW.
func (hd *Head) Loss(g *ggml.Graph, h *ggml.Tensor) (loss, dh, dw *ggml.Tensor) {
	tokens := h.Ne[1]
	chunk := min(max(chunkValues/hd.W.Ne[1], 32), tokens)
	var parts []*ggml.Tensor
	for from := int64(0); from < tokens; from += chunk {
		n := min(chunk, tokens-from)
		l, d, w := hd.chunk(g, g.Columns(h, from, n), g.Range(hd.Targets, from, n), g.Range(hd.Weights, from, n))
		loss, dw = plus(g, loss, l), plus(g, dw, w)
		parts = append(parts, d)
	}
	if hd.NeedDH {
		dh = join(g, parts)
	}
	return loss, dh, dw
}

// chunk does the same for n tokens.
func (hd *Head) chunk(g *ggml.Graph, h, targets, weights *ggml.Tensor) (loss, dh, dw *ggml.Tensor) {
	n, vocab := h.Ne[1], hd.W.Ne[1]
	logits := g.MulMat(hd.W, h, 1)
	labels := g.Reshape(targets, 1, n)
	best := g.Reshape(g.ArgMax(logits), 1, n)
	// Single logits are picked from the matrix seen as n columns of vocab rows of one value: [1, vocab, n] → [1, 1, n].
	pick := func(matrix, ids *ggml.Tensor) *ggml.Tensor { return g.GetRows(g.Reshape(matrix, 1, vocab, n), ids) }
	gap := g.Sub(pick(logits, best), pick(logits, labels))
	p := g.SoftMax(logits, nil, 1)
	// log Σ exp(logits) = max − log p[max]; p[max] ≥ 1/vocab, so its logarithm is always finite.
	perToken := g.Sub(gap, g.Log(pick(p, best)))
	loss = g.Sum(g.Mul(g.Reshape(perToken, n), weights))
	if !hd.NeedDH && !hd.NeedDW {
		return loss, nil, nil
	}
	w := g.Reshape(weights, 1, n)
	diff := g.SetRows(g.Reshape(p, 1, vocab, n), g.Sub(pick(p, labels), hd.One), labels)
	diff = g.Reshape(diff, vocab, n)
	if hd.NeedDH {
		dh = g.Mul(g.MulMatT(hd.W, diff, 1), w)
	}
	if hd.NeedDW {
		dw = g.OuterProd(g.Mul(h, w), diff, 1, 1, 1)
	}
	return loss, dh, dw
}

func plus(g *ggml.Graph, a, b *ggml.Tensor) *ggml.Tensor {
	if a == nil || b == nil {
		if a == nil {
			return b
		}
		return a
	}
	return g.Add(a, b)
}

// join concatenates chunks along the tokens, pairwise, so that each value is copied log₂(chunks) times.
func join(g *ggml.Graph, parts []*ggml.Tensor) *ggml.Tensor {
	if len(parts) == 1 {
		return parts[0]
	}
	half := len(parts) / 2
	return g.Concat(join(g, parts[:half]), join(g, parts[half:]), 1)
}
