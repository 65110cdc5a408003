package gguf_test

import (
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml/gguf"
)

// spm writes a small sound SentencePiece tokenizer; a test changes it afterwards.
func spm(w *gguf.Writer) {
	tokens := []string{"<unk>", "<s>", "</s>"}
	types := []int32{2, 3, 3}
	for b := range 256 {
		tokens = append(tokens, fmt.Sprintf("<0x%02X>", b))
		types = append(types, 6)
	}
	tokens, types = append(tokens, "▁a"), append(types, 1)
	w.SetString("general.architecture", "llama")
	w.SetString("tokenizer.ggml.model", "llama")
	w.SetStrings("tokenizer.ggml.tokens", tokens)
	w.SetFloat32s("tokenizer.ggml.scores", make([]float32, len(tokens)))
	w.SetInt32s("tokenizer.ggml.token_type", types)
}

// bpe writes a small sound byte-pair tokenizer.
func bpe(w *gguf.Writer) {
	w.SetString("general.architecture", "llama")
	w.SetString("tokenizer.ggml.model", "gpt2")
	w.SetString("tokenizer.ggml.pre", "llama-bpe")
	w.SetStrings("tokenizer.ggml.tokens", []string{"a", "b", "ab", "<|begin_of_text|>"})
	w.SetInt32s("tokenizer.ggml.token_type", []int32{1, 1, 1, 3})
	w.SetStrings("tokenizer.ggml.merges", []string{"a b"})
	w.SetUint32("tokenizer.ggml.bos_token_id", 3)
}

// open writes a file and opens it.
func open(t *testing.T, fill ...func(w *gguf.Writer)) *gguf.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.gguf")
	w := gguf.NewWriter(path)
	for _, f := range fill {
		f(w)
	}
	require.NoError(t, w.Close())
	f, err := gguf.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func TestValidateTokenizerShared(t *testing.T) {
	for _, path := range sharedModels(t) {
		f, err := gguf.Open(path)
		require.NoError(t, err)
		require.True(t, f.HasTokenizer())
		require.NoError(t, f.ValidateTokenizer())
		require.NoError(t, f.Close())
	}
}

func TestValidateTokenizer(t *testing.T) {
	type do = func(w *gguf.Writer)
	for _, c := range []struct {
		name string
		base do
		then do
		want []string // nothing = sound
	}{
		{"spm", spm, nil, nil},
		{"bpe", bpe, nil, nil},
		{"none", func(w *gguf.Writer) { w.SetString("tokenizer.ggml.model", "none") }, nil, nil},
		{"no_vocab", func(w *gguf.Writer) { w.SetString("tokenizer.ggml.model", "no_vocab") }, nil, nil},
		{"padding id of -1", spm, func(w *gguf.Writer) { w.SetUint32("tokenizer.ggml.padding_token_id", math.MaxUint32) }, nil},
		{"nothing at all", func(*gguf.Writer) {}, nil, []string{"missing: general.architecture, tokenizer.ggml.model, tokenizer.ggml.tokens"}},
		{"lists missing", func(w *gguf.Writer) {
			w.SetString("general.architecture", "llama")
			w.SetString("tokenizer.ggml.model", "llama")
		}, nil, []string{"tokenizer.ggml.tokens, tokenizer.ggml.scores, tokenizer.ggml.token_type"}},
		{"merges missing", func(w *gguf.Writer) {
			w.SetString("general.architecture", "llama")
			w.SetString("tokenizer.ggml.model", "gpt2")
		}, nil, []string{"tokenizer.ggml.tokens, tokenizer.ggml.merges"}},
		{"bert", bpe, func(w *gguf.Writer) { w.SetString("tokenizer.ggml.model", "bert") }, []string{`"bert" is not supported`}},
		{"unknown pre", bpe, func(w *gguf.Writer) { w.SetString("tokenizer.ggml.pre", "llama-9") }, []string{`"llama-9" is not known`}},
		{"raw pre", bpe, func(w *gguf.Writer) { w.SetString("tokenizer.ggml.pre", "gemma4") }, []string{`"gemma4" is not known`}},
		{"no tokens", bpe, func(w *gguf.Writer) { w.SetStrings("tokenizer.ggml.tokens", nil) }, []string{"tokens is empty"}},
		{"token twice", bpe, func(w *gguf.Writer) { w.SetStrings("tokenizer.ggml.tokens", []string{"a", "b", "a", "a"}) },
			[]string{`tokens 0 and 2 are both "a"`, "1 more tokens are there twice"}},
		{"token twice for C", bpe, func(w *gguf.Writer) { w.SetStrings("tokenizer.ggml.tokens", []string{"a", "b", "a\x00b", "c"}) },
			[]string{`tokens 0 and 2 are both "a"`}},
		{"empty tokens", bpe, func(w *gguf.Writer) { w.SetStrings("tokenizer.ggml.tokens", []string{"a", "", "\x00", "c"}) },
			[]string{"token 1 is empty", "1 more tokens are empty"}},
		{"few scores", spm, func(w *gguf.Writer) { w.SetFloat32s("tokenizer.ggml.scores", []float32{1}) }, []string{"1 scores for 260 tokens"}},
		{"scores of another kind", spm, func(w *gguf.Writer) { w.SetFloat64s("tokenizer.ggml.scores", []float64{1}) },
			[]string{"tokenizer.ggml.scores is array of float64, not array of float32"}},
		{"score is no number", spm, func(w *gguf.Writer) {
			s := make([]float32, 260)
			s[7] = float32(math.NaN())
			w.SetFloat32s("tokenizer.ggml.scores", s)
		}, []string{"the score of token 7"}},
		{"few types", bpe, func(w *gguf.Writer) { w.SetInt32s("tokenizer.ggml.token_type", []int32{1}) }, []string{"1 token types for 4 tokens"}},
		{"unknown type", bpe, func(w *gguf.Writer) { w.SetInt32s("tokenizer.ggml.token_type", []int32{1, 9, 1, 1}) }, []string{"token 1 has the unknown type 9"}},
		{"no byte token", bpe, func(w *gguf.Writer) { w.SetInt32s("tokenizer.ggml.token_type", []int32{6, 1, 1, 1}) }, []string{"token 0 is a byte token"}},
		{"tokens no list", spm, func(w *gguf.Writer) { w.SetString("tokenizer.ggml.tokens", "a") }, []string{"tokens is string, not array of string"}},
		{"bytes missing", spm, func(w *gguf.Writer) {
			w.SetStrings("tokenizer.ggml.tokens", []string{"<unk>", "<s>", "</s>"})
			w.SetFloat32s("tokenizer.ggml.scores", make([]float32, 3))
			w.SetInt32s("tokenizer.ggml.token_type", make([]int32, 3))
		}, []string{"256 of the 256 byte tokens are missing: <0x00>"}},
		{"merge is no pair", bpe, func(w *gguf.Writer) { w.SetStrings("tokenizer.ggml.merges", []string{"a b", " ab"}) }, []string{`merge 1, " ab", is no pair`}},
		{"special id out of range", bpe, func(w *gguf.Writer) { w.SetUint32("tokenizer.ggml.eos_token_id", 4) }, []string{"eos_token_id is 4, but there are only 4"}},
		{"special id of another kind", bpe, func(w *gguf.Writer) { w.SetInt32("tokenizer.ggml.eos_token_id", 1) }, []string{"eos_token_id is int32, not uint32"}},
		{"adds what is not there", bpe, func(w *gguf.Writer) {
			w.SetBool("tokenizer.ggml.add_eos_token", true)
			w.SetBool("tokenizer.ggml.add_sep_token", true)
		}, []string{"eos_token_id is not set", "seperator_token_id is not set"}},
		{"phi-3", bpe, func(w *gguf.Writer) { w.SetString("general.name", "My Phi-3") }, []string{"needs the token </s>"}},
		{"embedding of another size", bpe, func(w *gguf.Writer) { w.AddF32("token_embd.weight", []int64{2, 3}, make([]float32, 6)) },
			[]string{"4 tokens, but token_embd.weight has the shape [2 3]"}},
		{"kinds of hyper-parameters", bpe, func(w *gguf.Writer) {
			w.SetUint64("llama.context_length", 8)
			w.SetUint32("llama.rope.freq_base", 8)
			w.SetInt32s("llama.attention.head_count", []int32{8})
			w.SetString("llama.attention.head_count_kv", "8")
		}, []string{"context_length is uint64, not uint32", "freq_base is uint32, not float32", "head_count_kv is string, not uint32 or an array of it"}},
		{"values that abort", bpe, func(w *gguf.Writer) {
			w.SetUint32("llama.block_count", 0)
			w.SetString("llama.rope.scaling.type", "su")
			w.SetUint32("llama.expert_used_count", 2)
		}, []string{"block_count is 0", `rope.scaling.type is "su"`, "uses 2 of 0 experts"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fill := []do{c.base}
			if c.then != nil {
				fill = append(fill, c.then)
			}
			f := open(t, fill...)
			err := f.ValidateTokenizer()
			if c.want == nil {
				require.NoError(t, err)
				return
			}
			var e *gguf.Error
			require.ErrorAs(t, err, &e)
			for _, s := range append(c.want, f.Path) {
				require.ErrorContains(t, err, s)
			}
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestHasTokenizer(t *testing.T) {
	require.True(t, open(t, bpe).HasTokenizer())
	require.False(t, open(t).HasTokenizer())
	require.False(t, open(t, func(w *gguf.Writer) { w.SetString("tokenizer.ggml.model", "none") }).HasTokenizer())
}
