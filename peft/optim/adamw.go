package optim

import (
	"fmt"
	"math"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/peft"
)

// AdamWConfig are the constants of AdamW (Loshchilov and Hutter 2019; numerics of torch.optim.AdamW).
type AdamWConfig struct {
	Beta1, Beta2, Eps float64
	Decay             float64 // decoupled weight decay of matrices
	Clip              float64 // L2 norm to which the whole gradient is clipped; 0 = off
}

// AdamW updates parameters in two graphs: norm sums the squares of every gradient, apply scales the gradients and steps. Between the
// two the host reads the sums, and refuses what is not finite.
type AdamW struct {
	AdamWConfig
	params  *peft.Params
	scalars *ggml.Store
	factor  *ggml.Tensor   // F32 [1]: what the gradients are multiplied by
	rates   []*ggml.Tensor // F32 [7] a group: {lr, β1, β2, eps, decay, 1/(1−β1^t), 1/(1−β2^t)}
	squares []*ggml.Tensor // F32 [1] for each part of each group
	norm    *ggml.Graph
	apply   *ggml.Graph

	Steps int // updates done: t
	host  [7]float32
}

// normPart is how many of n gradients are squared at once: a part of them, so that the norm takes no memory beside that of the backward.
func normPart(n int64) int64 {
	const least, parts = 1 << 16, 64
	return max(least, (n+parts-1)/parts)
}

// NewAdamW builds the two graphs in arena.
func NewAdamW(be *ggml.Backend, arena *ggml.Arena, params *peft.Params, c AdamWConfig) (o *AdamW, err error) {
	o = &AdamW{AdamWConfig: c, params: params}
	defer func() {
		if err != nil {
			o.Close()
			o = nil
		}
	}()
	if o.scalars, err = ggml.NewStore(be, 1+len(params.Groups)); err != nil {
		return o, err
	}
	o.factor = o.scalars.New("gradient factor", ggml.TypeF32, 1)
	for range params.Groups {
		o.rates = append(o.rates, o.scalars.New("adamw parameters", ggml.TypeF32, 7))
	}
	if err = o.scalars.Alloc(); err != nil {
		return o, err
	}
	var operations int
	for _, group := range params.Groups {
		n := group.G.Elements()
		operations += 3*int(n/normPart(n)+1) + 4
	}
	o.norm, err = ggml.Build(be, arena, operations, func(g *ggml.Graph) []*ggml.Tensor {
		for _, group := range params.Groups {
			n := group.G.Elements()
			part := normPart(n)
			for from := int64(0); from < n; from += part {
				o.squares = append(o.squares, g.Sum(g.Sqr(g.Range(group.G, from, min(part, n-from)))))
			}
		}
		return o.squares
	})
	if err != nil {
		return o, fmt.Errorf("graph of the gradient's norm: %w", err)
	}
	o.apply, err = ggml.Build(be, arena, 4*len(params.Groups), func(g *ggml.Graph) (steps []*ggml.Tensor) {
		for i, group := range params.Groups {
			steps = append(steps, g.OptStepAdamW(group.W, g.MulInplace(group.G, o.factor), group.M, group.V, o.rates[i]))
		}
		return steps
	})
	if err != nil {
		return o, fmt.Errorf("graph of the optimizer: %w", err)
	}
	return o, nil
}

// Norm returns the L2 norm of the gradients divided by count: with gradients that are sums over count label tokens, that of their mean.
func (o *AdamW) Norm(count float64) (float64, error) {
	if err := o.norm.Run(); err != nil {
		return 0, err
	}
	var sum float64
	for _, s := range o.squares {
		s.GetF32(o.host[:1])
		sum += float64(o.host[0])
	}
	return math.Sqrt(sum) / count, nil
}

// Step updates the parameters at rate lr with the gradients divided by count, clipped by min(1, clip/(norm + 1e-6)), as
// torch.nn.utils.clip_grad_norm_ does.
func (o *AdamW) Step(lr, norm, count float64) error {
	factor := 1.0
	if o.Clip > 0 {
		factor = min(1, o.Clip/(norm+1e-6))
	}
	o.host[0] = float32(factor / count)
	o.factor.SetF32(0, o.host[:1])
	o.Steps++
	t := float64(o.Steps)
	for i, group := range o.params.Groups {
		decay := 0.0
		if group.Decay {
			decay = o.Decay
		}
		o.host = [7]float32{float32(lr), float32(o.Beta1), float32(o.Beta2), float32(o.Eps), float32(decay),
			float32(1 / (1 - math.Pow(o.Beta1, t))), float32(1 / (1 - math.Pow(o.Beta2, t)))}
		o.rates[i].SetF32(0, o.host[:])
	}
	return o.apply.Run()
}

// Close frees the graphs. It may be called twice.
func (o *AdamW) Close() {
	o.norm.Close()
	o.apply.Close()
	o.scalars.Close()
}
