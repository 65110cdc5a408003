package vocab_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/ggml/vocab"
)

// Token types of GGUF (llama.h, enum llama_token_type).
const (
	normal  = 1
	unknown = 2
	control = 3
	byteTok = 6
)

// tiny writes a GGUF that holds nothing but a SentencePiece vocabulary: three control tokens, the 256 bytes and some letters.
// Changes may alter it before it is closed.
func tiny(t testing.TB, changes ...func(*gguf.Writer)) string {
	t.Helper()
	tokens := []string{"<unk>", "<s>", "</s>"}
	types := []int32{unknown, control, control}
	for b := range 256 {
		tokens = append(tokens, fmt.Sprintf("<0x%02X>", b))
		types = append(types, byteTok)
	}
	for _, s := range []string{"▁", "a", "b", "ab", "▁ab", "▁a", "ba", "é"} {
		tokens = append(tokens, s)
		types = append(types, normal)
	}
	scores := make([]float32, len(tokens))
	for i := range scores {
		scores[i] = -float32(i)
	}
	path := filepath.Join(t.TempDir(), "tiny.gguf")
	w := gguf.NewWriter(path)
	w.SetString("general.architecture", "llama")
	w.SetString("general.name", "tiny")
	for key, v := range map[string]uint32{"context_length": 64, "embedding_length": 8, "block_count": 1,
		"feed_forward_length": 16, "attention.head_count": 2} {
		w.SetUint32("llama."+key, v)
	}
	w.SetFloat32("llama.attention.layer_norm_rms_epsilon", 1e-5)
	w.SetString("tokenizer.ggml.model", "llama")
	w.SetStrings("tokenizer.ggml.tokens", tokens)
	w.SetFloat32s("tokenizer.ggml.scores", scores)
	w.SetInt32s("tokenizer.ggml.token_type", types)
	w.SetUint32("tokenizer.ggml.bos_token_id", 1)
	w.SetUint32("tokenizer.ggml.eos_token_id", 2)
	for _, change := range changes {
		change(w)
	}
	require.NoError(t, w.Close())
	return path
}

func TestTinyTokens(t *testing.T) {
	v := open(t, tiny(t))
	require.Equal(t, 3+256+8, v.N())
	cases := []struct {
		name, text string
		want       []string
	}{
		{"words", "ab ba", []string{"<s>", "▁ab", "▁", "ba"}},
		{"a byte without a token", "a!", []string{"<s>", "▁a", "<0x21>"}},
		{"two bytes with a token", "é", []string{"<s>", "▁", "é"}},
		{"two bytes without", "è", []string{"<s>", "▁", "<0xC3>", "<0xA8>"}},
		{"nothing", "", []string{"<s>"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ids, err := v.Tokenize(c.text, true, false)
			require.NoError(t, err)
			var got []string
			for _, id := range ids {
				got = append(got, v.Text(id))
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestStreamHoldsBack(t *testing.T) {
	v := open(t, tiny(t))
	id := func(b byte) int32 { return 3 + int32(b) }
	s := v.NewStream()
	require.Empty(t, s.Next(id(0xC3)))
	require.Equal(t, "è", string(s.Next(id(0xA8))))
	require.Empty(t, s.Next(id(0xF0)))
	require.Empty(t, s.Next(id(0x9F)))
	require.Empty(t, s.Next(id(0x91)))
	require.Equal(t, "👩", string(s.Next(id(0xA9))))
	require.Equal(t, "\xff", string(s.Next(id(0xFF))), "a byte that no character begins with is passed on")
	require.Empty(t, s.Next(id(0xE2)))
	require.Equal(t, "\xe2a", string(s.Next(id('a'))), "a character that is broken off is passed on")
	require.Empty(t, s.Next(id(0xC3)))
	require.Equal(t, "\xc3", string(s.Flush()))
	require.Empty(t, s.Flush())
}

func TestSettings(t *testing.T) {
	cases := []struct {
		name           string
		change         func(*gguf.Writer)
		addBOS, addEOS bool
		tokens         []string
		text           string
	}{
		{"as SentencePiece does", func(*gguf.Writer) {}, true, false, []string{"<s>", "▁ab"}, "ab"},
		{"no BOS", func(w *gguf.Writer) { w.SetBool("tokenizer.ggml.add_bos_token", false) }, false, false, []string{"▁ab"}, "ab"},
		{"EOS", func(w *gguf.Writer) { w.SetBool("tokenizer.ggml.add_eos_token", true) }, true, true, []string{"<s>", "▁ab", "</s>"}, "ab"},
		{"no space before", func(w *gguf.Writer) { w.SetBool("tokenizer.ggml.add_space_prefix", false) }, true, false, []string{"<s>", "ab"}, "ab"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v := open(t, tiny(t, c.change))
			require.Equal(t, c.addBOS, v.AddBOS())
			require.Equal(t, c.addEOS, v.AddEOS())
			ids, err := v.Tokenize(c.text, true, false)
			require.NoError(t, err)
			var got []string
			for _, id := range ids {
				got = append(got, v.Text(id))
			}
			require.Equal(t, c.tokens, got)
			require.Equal(t, c.text, v.Detokenize(ids))
		})
	}
}

func TestRefused(t *testing.T) {
	open(t, tiny(t)) // skips where there is no native library
	cases := []struct {
		name   string
		change func(*gguf.Writer)
		want   string
	}{
		{"an architecture that libllama does not know", func(w *gguf.Writer) { w.SetString("general.architecture", "nonsense") }, "nonsense"},
		{"no tokenizer", func(w *gguf.Writer) { w.SetString("tokenizer.ggml.model", "none") }, "no tokenizer"},
		{"a faulty tokenizer", func(w *gguf.Writer) { w.SetStrings("tokenizer.ggml.tokens", []string{"a", "a"}) }, "both"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f, err := gguf.Open(tiny(t, c.change))
			require.NoError(t, err)
			defer f.Close()
			_, err = vocab.Open(f)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, f.Path)
			require.NotContains(t, err.Error(), "\n")
			require.Less(t, len(err.Error()), 1000)
			t.Log(err)
		})
	}
}
