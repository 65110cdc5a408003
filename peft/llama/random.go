package llama

import (
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
)

// RandomOptions choose how WriteModel fills a model.
type RandomOptions struct {
	Name string // general.name
	Type string // a ggml type, or one of llama.cpp's mixtures such as q4_k_m
	Seed uint64

	// Deviation is that of a matrix [in, out]'s normal values; nil is HF's start of a Llama, see HFDeviation.
	Deviation func(c *Config, tensor string, in int64) float64

	// Vocab is an open model whose tokenizer goes into the file, chat template included; nil writes a model without one.
	Vocab *gguf.File
}

// HFDeviation is the start that transformers gives a Llama (initializer_range 0.02), with the two matrices of each block that write into
// the residual scaled by 1/√(2·blocks), as GPT-2 does (Radford et al. 2019, section 2.3): their 2·blocks contributions then add up
// to the same variance at any depth.
func HFDeviation(c *Config, tensor string, _ int64) float64 {
	const initializerRange = 0.02
	if strings.HasSuffix(tensor, ".attn_output.weight") || strings.HasSuffix(tensor, ".ffn_down.weight") {
		return initializerRange / math.Sqrt(2*float64(c.Blocks))
	}
	return initializerRange
}

// fanIn keeps the size of activations: 1/√in.
func fanIn(_ *Config, _ string, in int64) float64 { return 1 / math.Sqrt(float64(in)) }

// WriteRandom writes a model of a shape with random weights and no tokenizer: matrices normal with deviation 1/√in, norms 1. kind is a
// ggml type or a mixture.
func WriteRandom(path string, c Config, kind string, seed uint64) error {
	return WriteModel(path, c, RandomOptions{Name: "random", Type: kind, Seed: seed, Deviation: fanIn})
}

// WriteModel writes a new model of a shape with random weights: matrices normal, norms 1, no biases. Each matrix has a stream of random
// numbers of its own, so that the values depend on seed and shape alone, up to the rounding of the type. Memory does not depend on the
// model's size.
func WriteModel(path string, c Config, o RandomOptions) error {
	typeOf, err := Quantization(o.Type, &c)
	if err != nil {
		return err
	}
	if o.Deviation == nil {
		o.Deviation = HFDeviation
	}
	if tensor, values, block := c.Misfit(typeOf); tensor != "" {
		return fmt.Errorf("the rows of %s have %d values, no multiple of %d, the block of %s", tensor, values, block, typeOf(tensor))
	}
	w := gguf.NewWriter(path)
	c.writeKeys(w, o)
	for i, s := range c.specs() {
		if s.optional && (s.name != "output.weight" || c.Tied) {
			continue
		}
		if s.f32 {
			w.AddF32(s.name, []int64{s.ne[0]}, ones(s.ne[0]))
			continue
		}
		t := typeOf(s.name)
		w.AddTensor(s.name, t, s.ne[:2], randomRows(t, s.ne[0], s.ne[1], o.Deviation(&c, s.name, s.ne[0]), rand.New(rand.NewPCG(o.Seed, uint64(i)))))
	}
	return w.Close()
}

// Misfit is the first matrix whose rows do not fit the blocks of its type, their length, and the block's; "" where all do.
func (c *Config) Misfit(typeOf func(tensor string) ggml.Type) (tensor string, values, block int64) {
	for _, s := range c.specs() {
		if n := typeOf(s.name).BlockSize(); !s.f32 && s.ne[0]%n != 0 {
			return s.name, s.ne[0], n
		}
	}
	return "", 0, 0
}

// writeKeys sets the metadata of a model of shape c.
func (c *Config) writeKeys(w *gguf.Writer, o RandomOptions) {
	w.SetString("general.architecture", "llama")
	w.SetString("general.type", "model")
	w.SetString("general.name", o.Name)
	for _, kv := range []struct {
		key string
		n   int64
	}{{"context_length", c.Context}, {"embedding_length", c.Embd}, {"block_count", c.Blocks}, {"feed_forward_length", c.FF},
		{"attention.head_count", c.Heads}, {"attention.head_count_kv", c.KVHeads}, {"attention.key_length", c.HeadDim},
		{"attention.value_length", c.HeadDim}, {"rope.dimension_count", int64(c.Rope.Dims)}, {"vocab_size", c.Vocab}} {
		w.SetUint32("llama."+kv.key, uint32(kv.n))
	}
	w.SetFloat32("llama.attention.layer_norm_rms_epsilon", c.NormEps)
	w.SetFloat32("llama.rope.freq_base", c.Rope.Base)
	if o.Vocab == nil {
		w.SetString("tokenizer.ggml.model", "no_vocab")
		return
	}
	w.CopyKeys(o.Vocab, func(key string) bool { return !strings.HasPrefix(key, "tokenizer.") })
}

func ones(n int64) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = 1
	}
	return v
}

// randomRows writes rows of normal values, some at a time.
func randomRows(typ ggml.Type, in, out int64, deviation float64, r *rand.Rand) func(io.Writer) error {
	return func(w io.Writer) error {
		const atOnce = 64
		values := make([]float32, in*atOnce)
		packed := make([]byte, typ.RowSize(in)*atOnce)
		for row := int64(0); row < out; row += atOnce {
			n := min(atOnce, out-row)
			for i := range values[:n*in] {
				values[i] = float32(r.NormFloat64() * deviation)
			}
			if err := ggml.Quantize(typ, values[:n*in], in, packed[:n*typ.RowSize(in)]); err != nil {
				return err
			}
			if _, err := w.Write(packed[:n*typ.RowSize(in)]); err != nil {
				return err
			}
		}
		return nil
	}
}
