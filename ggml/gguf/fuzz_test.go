package gguf_test

import (
	"fmt"
	"runtime/metrics"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
)

// encode gives the bytes of a file for a corpus.
func encode(t testing.TB, fill ...func(w *gguf.Writer)) []byte {
	t.Helper()
	w := gguf.NewWriter("")
	for _, f := range fill {
		f(w)
	}
	b, err := w.Encode()
	require.NoError(t, err)
	return b
}

// allocated is the number of bytes that the process has allocated since its start.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// FuzzOpen reads any bytes: no panic, no allocation beyond a multiple of the input, and whatever opens can be read whole
// and copied to an equal file.
func FuzzOpen(f *testing.F) {
	f.Add(encode(f))
	f.Add(encode(f, bpe, func(w *gguf.Writer) {
		w.SetBools("b", []bool{true})
		w.SetFloat64s("f", []float64{1})
		w.SetUint32("general.alignment", 8)
		w.AddF32("a", []int64{3, 2}, make([]float32, 6))
		w.AddBytes("q", ggml.TypeQ4_0, []int64{32}, make([]byte, 18))
	}))
	f.Add(header(0, 1).key("a", gguf.KindArray).u32(8).u64(1 << 60).zeros(9).b)
	f.Add(header(2, 0).tensor("a", 0, 0, 16).tensor("b", 0, 32, 8).pad(32).zeros(64).b)
	f.Add([]byte("GGUF\x00\x00\x00\x03"))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := allocated()
		file, err := gguf.Parse(b)
		if grown := allocated() - before; grown > 1<<20+uint64(len(b))*64 {
			t.Fatalf("%d bytes allocated for a file of %d", grown, len(b))
		}
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		w := gguf.NewWriter("")
		w.CopyKeys(file, nil)
		for i := range file.Tensors {
			info := &file.Tensors[i]
			require.Len(t, file.Data(info), int(info.Bytes))
			w.CopyTensor(file, info)
		}
		for i := range file.Keys {
			key := file.Keys[i].Key
			file.Keys[i].Value()
			file.Uint(key)
			file.Int(key)
			file.Float(key)
			file.Bool(key)
			file.String(key)
			file.Strings(key)
			file.Ints(key)
			file.Floats(key)
		}
		_ = file.ValidateTokenizer()
		copied, err := w.Encode()
		require.NoError(t, err)
		again, err := gguf.Parse(copied)
		require.NoError(t, err)
		require.Equal(t, file.Keys, again.Keys)
		require.Len(t, again.Tensors, len(file.Tensors))
		for i := range file.Tensors {
			require.Equal(t, file.Data(&file.Tensors[i]), again.Data(&again.Tensors[i]))
		}
	})
}

// FuzzValidateTokenizer tries tokenizers: no panic, and what passes has unique tokens, as C sees them, and lists of equal
// length. Lists are given as one text each, elements divided by "|".
func FuzzValidateTokenizer(f *testing.F) {
	f.Add("llama", "", "<unk>|<s>|</s>|a", "", "x", "", []byte{2, 3, 3, 1}, 4, uint32(1), uint32(2), true)
	f.Add("gpt2", "llama-bpe", "a|b|ab|<s>", "a b", "x", "", []byte{1, 1, 1, 3}, 0, uint32(3), uint32(3), true)
	f.Add("gpt2", "qwen2", "a|b|a\x00|", "ab| b|a ", "Phi-3", "yarn", []byte{6}, 1, uint32(9), uint32(1<<32-1), false)
	f.Add("none", "", "", "", "", "su", []byte{}, 0, uint32(0), uint32(0), false)
	f.Add("bert", "x", "a", "", "", "none", []byte{9}, -1, uint32(0), uint32(0), true)
	f.Fuzz(func(t *testing.T, model, pre, tokens, merges, name, scaling string, types []byte, scores int, bos, eos uint32, add bool) {
		all := strings.Split(tokens, "|")
		w := gguf.NewWriter("")
		w.SetString("general.architecture", "llama")
		w.SetString("general.name", name)
		w.SetString("llama.rope.scaling.type", scaling)
		w.SetString("tokenizer.ggml.model", model)
		w.SetString("tokenizer.ggml.pre", pre)
		if model == "llama" { // the byte tokens are too far for a fuzzer
			for b := range 256 {
				all = append(all, fmt.Sprintf("<0x%02X>", b))
			}
			scores += 256
		}
		kinds := make([]int32, len(all))
		for i := range kinds {
			kinds[i] = 1
			if i < len(types) {
				kinds[i] = int32(int8(types[i]))
			}
		}
		w.SetStrings("tokenizer.ggml.tokens", all)
		w.SetStrings("tokenizer.ggml.merges", strings.Split(merges, "|"))
		w.SetInt32s("tokenizer.ggml.token_type", kinds)
		if scores >= 0 && scores < 1<<12 {
			w.SetFloat32s("tokenizer.ggml.scores", make([]float32, scores))
		}
		w.SetUint32("tokenizer.ggml.bos_token_id", bos)
		w.SetUint32("tokenizer.ggml.eos_token_id", eos)
		w.SetBool("tokenizer.ggml.add_eos_token", add)
		b, err := w.Encode()
		require.NoError(t, err)
		file, err := gguf.Parse(b)
		require.NoError(t, err)
		if err = file.ValidateTokenizer(); err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		if !file.HasTokenizer() {
			return
		}
		seen := map[string]bool{}
		for _, s := range all {
			s, _, _ = strings.Cut(s, "\x00")
			require.NotEmpty(t, s)
			require.False(t, seen[s], "%q passed twice", s)
			seen[s] = true
		}
		if model == "llama" {
			require.Equal(t, len(all), scores)
		}
	})
}
