package llama

import (
	"math"

	"github.com/graft-go/graft/ggml"
)

// What libllama takes where a file does not say (llama-hparams.h).
const (
	defaultRopeBase = 10000
	yarnBetaFast    = 32 // rotations over the original context above which a pair is left as it is
	yarnBetaSlow    = 1  // rotations below which it is stretched by the whole factor
)

// readRope reads the rotary embedding as libllama does for this architecture: base, dimensions, and the scaling by its type. "none"
// scales nothing; "linear", which a factor without a type is too, divides positions by the factor; "yarn" and "longrope" see below.
// Llama 3's frequency factors are a tensor. rope.scaling.attn_factor multiplies the rotated vectors, whatever the type.
func (c *Config) readRope(r *reader) {
	c.Rope = ggml.Rope{Base: float32(r.optionalFloat("llama.rope.freq_base", defaultRopeBase)), Scale: 1, BetaFast: yarnBetaFast, BetaSlow: yarnBetaSlow,
		AttnFactor: float32(r.optionalFloat("llama.rope.scaling.attn_factor", 1)), OrigCtx: int(c.Context)}
	c.Rope.Dims = int(r.optionalSize("llama.rope.dimension_count", c.HeadDim))
	if n, _ := r.f.Uint("llama.rope.scaling.original_context_length"); n != 0 {
		c.Rope.OrigCtx = int(r.size("llama.rope.scaling.original_context_length", 1<<24))
	}
	kind, _ := r.f.String("llama.rope.scaling.type")
	if kind != "none" {
		if factor := readRopeFactor(r); factor > 0 {
			c.Rope.Scale = float32(1 / factor)
		}
	}
	switch kind {
	case "", "linear", "none":
	case "yarn":
		c.Rope = yarn(c.Rope)
	case "longrope":
		c.Long = true
	default:
		r.fault("rope scaling %q is not known; none, linear, yarn, longrope and Llama 3's frequency factors are", kind)
	}
	if c.Rope.Dims%2 != 0 || int64(c.Rope.Dims) > c.HeadDim {
		r.fault("rope of %d dimensions does not fit heads of width %d", c.Rope.Dims, c.HeadDim)
	}
}

// readRopeFactor reads the factor of the scaling under its name or its older one; 0 is none.
func readRopeFactor(r *reader) float64 {
	factor, ok := r.f.Float("llama.rope.scaling.factor")
	if !ok {
		factor, _ = r.f.Float("llama.rope.scale_linear")
	}
	if factor < 0 || math.IsNaN(factor) || math.IsInf(factor, 0) {
		r.fault("the rope scaling factor is %g", factor)
		return 0
	}
	return factor
}

// yarn turns linear scaling into YaRN (Peng et al. 2023, section 3): pairs that turn more than BetaFast times over the original context
// keep their angle, those below BetaSlow get all of the scaling, those between a mix; and the vectors grow by m(s) = 1 + ln(s)/10 for a
// factor s above 1. ggml's ROPE multiplies AttnFactor by m(s) of any s itself, so libllama (llama-context.cpp) divides by it.
func yarn(r ggml.Rope) ggml.Rope {
	factor := 1 / r.Scale
	log := float32(math.Log(float64(factor)))
	magnitude := float32(1)
	if factor > 1 {
		magnitude = 0.1*log + 1
	}
	r.ExtFactor = 1
	r.AttnFactor *= magnitude * (1 / (1 + 0.1*log))
	return r
}

// RopeFactors are the frequency factors [rope dims/2] for sequences of up to context tokens, or nil: rope_freqs, or with "longrope" the
// long ones where the context is longer than the original one, else the short ones. libllama decides so too, by the size of its context.
func (m *Model) RopeFactors(context int64) *ggml.Tensor {
	switch {
	case !m.Long:
		return m.Weights.Get("rope_freqs.weight")
	case context > int64(m.Rope.OrigCtx):
		return m.Weights.Get("rope_factors_long.weight")
	}
	return m.Weights.Get("rope_factors_short.weight")
}
