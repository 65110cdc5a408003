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

// Shape110M is the small Llama that benchmarks use: 12 blocks of width 768, vocabulary 32000, tied.
func Shape110M() Config {
	return Config{Context: 2048, Embd: 768, Blocks: 12, FF: 2048, Heads: 12, KVHeads: 12, HeadDim: 64, Vocab: 32000, NormEps: 1e-5, Tied: true,
		Rope: ggml.Rope{Base: 10000, Scale: 1, Dims: 64}}
}

// Shape1B is the shape of Llama-3.2-1B.
func Shape1B() Config {
	return Config{Context: 131072, Embd: 2048, Blocks: 16, FF: 8192, Heads: 32, KVHeads: 8, HeadDim: 64, Vocab: 128256, NormEps: 1e-5, Tied: true,
		Rope: ggml.Rope{Base: 500000, Scale: 1, Dims: 64}}
}

// WriteRandom writes a model of a shape with random weights and no tokenizer: matrices normal with deviation 1/√in, norms 1. kind is a
// ggml type, or "q4_k_m" for llama.cpp's mixture (Q6_K for the output matrix, attn_v and ffn_down of a half of the blocks, else Q4_K).
func WriteRandom(path string, c Config, kind string, seed uint64) error {
	typ := ggml.TypeQ4_K
	mixed := strings.EqualFold(kind, "q4_k_m")
	if !mixed {
		var err error
		if typ, err = ggml.ParseType(kind); err != nil {
			return err
		}
	}
	w := gguf.NewWriter(path)
	w.SetString("general.architecture", "llama")
	w.SetString("general.name", "random")
	for key, n := range map[string]int64{"context_length": c.Context, "embedding_length": c.Embd, "block_count": c.Blocks, "feed_forward_length": c.FF,
		"attention.head_count": c.Heads, "attention.head_count_kv": c.KVHeads, "attention.key_length": c.HeadDim,
		"attention.value_length": c.HeadDim, "rope.dimension_count": int64(c.Rope.Dims), "vocab_size": c.Vocab} {
		w.SetUint32("llama."+key, uint32(n))
	}
	w.SetFloat32("llama.attention.layer_norm_rms_epsilon", c.NormEps)
	w.SetFloat32("llama.rope.freq_base", c.Rope.Base)
	w.SetString("tokenizer.ggml.model", "no_vocab")
	for i, s := range c.specs() {
		if s.optional && (s.name != "output.weight" || c.Tied) {
			continue
		}
		if s.f32 {
			w.AddF32(s.name, []int64{s.ne[0]}, ones(s.ne[0]))
			continue
		}
		t := typ
		if mixed && sixBits(s.name, c) {
			t = ggml.TypeQ6_K
		}
		w.AddTensor(s.name, t, s.ne[:2], randomRows(t, s.ne[0], s.ne[1], rand.New(rand.NewPCG(seed, uint64(i)))))
	}
	return w.Close()
}

// sixBits tells which matrices Q4_K_M keeps in Q6_K, as llama.cpp chooses them for half of the blocks.
func sixBits(name string, c Config) bool {
	if name == "output.weight" || name == "token_embd.weight" && c.Tied {
		return true
	}
	var block int64
	var rest string
	if n, _ := fmt.Sscanf(name, "blk.%d.%s", &block, &rest); n < 2 || rest != "attn_v.weight" && rest != "ffn_down.weight" {
		return false
	}
	return block < c.Blocks/8 || block >= 7*c.Blocks/8 || (block-c.Blocks/8)%3 == 2
}

func ones(n int64) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = 1
	}
	return v
}

// randomRows writes rows of normal values, some at a time.
func randomRows(typ ggml.Type, in, out int64, r *rand.Rand) func(io.Writer) error {
	return func(w io.Writer) error {
		const atOnce = 64
		values := make([]float32, in*atOnce)
		packed := make([]byte, typ.RowSize(in)*atOnce)
		deviation := 1 / math.Sqrt(float64(in))
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
