// Package llama builds the Llama network from a GGUF file: hyper-parameters from its metadata, weights by their GGUF names, the
// forward graph, and the loss in chunks against the output matrix.
package llama

import (
	"fmt"
	"math"
	"strings"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
)

// Config are the hyper-parameters of a Llama (keys llama.* of the GGUF specification).
type Config struct {
	Context int64   // llama.context_length
	Embd    int64   // llama.embedding_length
	Blocks  int64   // llama.block_count
	FF      int64   // llama.feed_forward_length
	Heads   int64   // llama.attention.head_count
	KVHeads int64   // llama.attention.head_count_kv
	HeadDim int64   // llama.attention.key_length, else Embd/Heads
	Vocab   int64   // columns of token_embd.weight
	NormEps float32 // llama.attention.layer_norm_rms_epsilon
	Rope    ggml.Rope
	Long    bool // rope scaling "longrope": factors by the length of the context (rope_factors_long, rope_factors_short)
	Tied    bool // no output.weight: the head uses token_embd.weight
}

// UnsupportedError says why graft cannot train a model that is a valid file.
type UnsupportedError struct {
	Path   string
	Reason string
}

func (e *UnsupportedError) Error() string { return fmt.Sprintf("model: %s: %s", e.Path, e.Reason) }

// BadInput marks the error as one of the user's input.
func (e *UnsupportedError) BadInput() bool { return true }

// trainable names models of the architecture, for people whose model is of another.
const trainable = "use a model that trains: Llama 2 or 3.x, classic Mistral 7B, TinyLlama, SmolLM2, R1-Distill-Llama"

// Limits of sizes, far above any model; those of blocks and heads are LLAMA_MAX_LAYERS and a multiple of the largest Llama's heads.
const (
	mostContext = 1 << 24
	mostEmbd    = 1 << 20
	mostBlocks  = 512
	mostFF      = 1 << 24
	mostHeads   = 1 << 12
)

// ReadConfig reads and checks the hyper-parameters and every tensor's presence, shape and type. All faults are named at once, in an
// *UnsupportedError.
func ReadConfig(f *gguf.File) (*Config, error) {
	if kind, _ := f.String("general.type"); kind == "adapter" || kind == "graft" {
		return nil, &UnsupportedError{f.Path, "this is an adapter, not a model; give its base model here and the adapter with --adapter or --init-adapter"}
	}
	arch, ok := f.String("general.architecture")
	if !ok {
		return nil, &UnsupportedError{f.Path, "the key general.architecture is missing; " + trainable}
	}
	if arch != "llama" {
		return nil, &UnsupportedError{f.Path, fmt.Sprintf("architecture %q is not built; %s", arch, trainable)}
	}
	r := reader{f: f}
	c := &Config{
		Context: r.size("llama.context_length", mostContext), Embd: r.size("llama.embedding_length", mostEmbd),
		Blocks: r.size("llama.block_count", mostBlocks), FF: r.size("llama.feed_forward_length", mostFF), Heads: r.size("llama.attention.head_count", mostHeads),
		NormEps: float32(r.float("llama.attention.layer_norm_rms_epsilon")),
	}
	c.KVHeads = r.optionalSize("llama.attention.head_count_kv", c.Heads)
	if c.Heads > 0 {
		c.HeadDim = r.optionalSize("llama.attention.key_length", c.Embd/c.Heads)
	}
	if n, ok := f.Uint("llama.expert_count"); ok && n > 0 {
		r.fault("it is a mixture of %d experts, which is not built; %s", n, trainable)
	}
	if n, ok := f.Uint("llama.attention.value_length"); ok && int64(n) != c.HeadDim {
		r.fault("values of width %d beside keys of width %d are not built", n, c.HeadDim)
	}
	if w, ok := f.Uint("llama.attention.sliding_window"); ok && w > 0 && int64(w) < c.Context {
		r.fault("attention in a sliding window is not built")
	}
	c.readRope(&r)
	if len(r.faults) == 0 && (c.Heads%c.KVHeads != 0 || c.HeadDim < 2) {
		r.fault("%d heads of width %d cannot share %d key-value heads", c.Heads, c.HeadDim, c.KVHeads)
	}
	if len(r.faults) == 0 {
		c.checkTensors(&r)
	}
	if len(r.faults) > 0 {
		return nil, &UnsupportedError{f.Path, strings.Join(r.faults, "; ")}
	}
	return c, nil
}

// reader reads keys and gathers faults.
type reader struct {
	f      *gguf.File
	faults []string
}

func (r *reader) fault(format string, a ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, a...))
}

// size reads a required positive integer below limit.
func (r *reader) size(key string, limit uint64) int64 {
	n, ok := r.f.Uint(key)
	if !ok {
		r.fault("the key %s is missing", key)
		return 0
	}
	if n == 0 || n > limit {
		r.fault("the key %s is %d, out of 1…%d", key, n, limit)
		return 0
	}
	return int64(n)
}

func (r *reader) optionalSize(key string, fallback int64) int64 {
	if _, ok := r.f.Uint(key); !ok {
		return fallback
	}
	return r.size(key, 1<<20)
}

// optionalFloat reads a positive finite number.
func (r *reader) optionalFloat(key string, fallback float64) float64 {
	v, ok := r.f.Float(key)
	if !ok {
		return fallback
	}
	if !(v > 0) || math.IsInf(v, 0) {
		r.fault("the key %s is %g, not a number above 0", key, v)
		return fallback
	}
	return v
}

func (r *reader) float(key string) float64 {
	v, ok := r.f.Float(key)
	if !ok || !(v >= 0 && v < 1) {
		r.fault("the key %s is missing or not between 0 and 1", key)
	}
	return v
}
