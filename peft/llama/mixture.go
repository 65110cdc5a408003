package llama

import (
	"fmt"
	"strings"

	"github.com/graft-go/graft/ggml"
)

// A mixture is one of llama.cpp's quantizations that give the matrices of a model different types (llama-quant.cpp): most get base, the
// output matrix Q6_K, and in some blocks attn_v, ffn_down and attn_output get what special says, 0 standing for base.
type mixture struct {
	name    string
	base    ggml.Type
	special func(matrix string, block, blocks int64) ggml.Type
}

// moreBits are the blocks that the "M" mixtures spend more on: the first and the last eighth, and every third between.
func moreBits(block, blocks int64) bool {
	return block < blocks/8 || block >= 7*blocks/8 || (block-blocks/8)%3 == 2
}

func valuesOrDown(matrix string) bool { return matrix == "attn_v" || matrix == "ffn_down" }

// sixBits gives attn_v and ffn_down of the moreBits blocks Q6_K.
func sixBits(matrix string, block, blocks int64) ggml.Type {
	if valuesOrDown(matrix) && moreBits(block, blocks) {
		return ggml.TypeQ6_K
	}
	return 0
}

func mixtures() []mixture {
	return []mixture{
		{"q3_k_s", ggml.TypeQ3_K, func(string, int64, int64) ggml.Type { return 0 }},
		{"q3_k_m", ggml.TypeQ3_K, func(matrix string, block, blocks int64) ggml.Type {
			switch {
			case matrix == "attn_v" && block < 2, matrix == "ffn_down" && block < blocks/16:
				return ggml.TypeQ5_K
			case matrix == "attn_v", matrix == "attn_output", matrix == "ffn_down" && moreBits(block, blocks):
				return ggml.TypeQ4_K
			}
			return 0
		}},
		{"q3_k_l", ggml.TypeQ3_K, func(matrix string, _, _ int64) ggml.Type {
			if valuesOrDown(matrix) || matrix == "attn_output" {
				return ggml.TypeQ5_K
			}
			return 0
		}},
		{"q4_k_s", ggml.TypeQ4_K, func(matrix string, block, blocks int64) ggml.Type {
			if matrix == "attn_v" && block < 4 || matrix == "ffn_down" && block < blocks/8 {
				return ggml.TypeQ5_K
			}
			return 0
		}},
		{"q4_k_m", ggml.TypeQ4_K, sixBits},
		{"q5_k_s", ggml.TypeQ5_K, func(string, int64, int64) ggml.Type { return 0 }},
		{"q5_k_m", ggml.TypeQ5_K, sixBits},
	}
}

// Quantization tells which type each matrix of a model of shape c gets under a name: a ggml type for all of them, or one of llama.cpp's
// mixtures. A name that is neither is an error that lists the usual ones.
func Quantization(name string, c *Config) (func(tensor string) ggml.Type, error) {
	for _, m := range mixtures() {
		if strings.EqualFold(name, m.name) {
			return func(tensor string) ggml.Type { return m.typeOf(tensor, c) }, nil
		}
	}
	typ, err := ggml.ParseType(name)
	if err != nil || !typ.HoldsWeights() {
		return nil, fmt.Errorf("no type for weights; use f32, f16, bf16, q8_0, q6_k, q5_k_m, q4_k_m, q4_0, q3_k_m, iq4_xs or another of ggml's")
	}
	return func(string) ggml.Type { return typ }, nil
}

// typeOf is the type that the mixture gives a matrix.
func (m *mixture) typeOf(tensor string, c *Config) ggml.Type {
	if tensor == "output.weight" || tensor == "token_embd.weight" && c.Tied {
		return ggml.TypeQ6_K
	}
	var block int64
	var rest string
	if n, _ := fmt.Sscanf(tensor, "blk.%d.%s", &block, &rest); n < 2 {
		return m.base
	}
	if t := m.special(strings.TrimSuffix(rest, ".weight"), block, c.Blocks); t != 0 {
		return t
	}
	return m.base
}
