// Package nn holds the blocks a network is made of. Module is the place where a method plugs in: whatever turns [in, tokens] into
// [out, tokens] can stand where a Linear stood.
package nn

import (
	"fmt"
	"math"

	"github.com/graft-go/graft/ggml"
)

// Module maps x [in, tokens] to [out, tokens].
type Module interface {
	Forward(g *ggml.Graph, x *ggml.Tensor) *ggml.Tensor
}

// Linear is y = Wx + b with W [in, out] of any type, b F32 [out] or nil.
type Linear struct {
	W, B *ggml.Tensor
}

// Forward returns Wx + b, [out, tokens].
func (l *Linear) Forward(g *ggml.Graph, x *ggml.Tensor) *ggml.Tensor {
	y := g.MulMat(l.W, x, 1)
	if l.B != nil {
		y = g.Add(y, l.B)
	}
	return y
}

// RMSNorm is y = x/√(mean(x²) + eps) ⊙ gain (Zhang and Sennrich 2019); Gain is F32 [width].
type RMSNorm struct {
	Gain *ggml.Tensor
	Eps  float32
}

// Forward normalizes each token of x [width, tokens].
func (n *RMSNorm) Forward(g *ggml.Graph, x *ggml.Tensor) *ggml.Tensor {
	return g.Mul(g.RMSNorm(x, n.Eps), n.Gain)
}

// CheckMask makes sure that every row of a mask, of keys values each, lets its query see a key: ggml's softmax of a row that is hidden
// whole is NaN (it takes exp(−∞ − (−∞))), which would reach every weight at the first step. It is called where masks are filled.
func CheckMask(mask []float32, keys int) error {
	for row := 0; row*keys < len(mask); row++ {
		seen := false
		for _, v := range mask[row*keys : (row+1)*keys] {
			if v > float32(math.Inf(-1)) {
				seen = true
				break
			}
		}
		if !seen {
			return fmt.Errorf("attention mask: query %d sees no key", row)
		}
	}
	return nil
}

// Attention returns softmax(KᵀQ·scale + mask)·V head by head: q [head, tokens, heads, batch], k and v [head, keys, kvHeads, batch]
// with heads a multiple of kvHeads (each key head serves a group of query heads, uncopied), mask F32 [keys, tokens, 1, 1 or batch] →
// [head, tokens, heads, batch].
func Attention(g *ggml.Graph, q, k, v, mask *ggml.Tensor, scale float32) *ggml.Tensor {
	scores := g.MulMat(k, q, 1)
	return g.MulMatT(v, g.SoftMax(scores, mask, scale), 1)
}
