package vocab_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml/gguf"
)

// bytePairs writes a GGUF that holds nothing but a byte-pair vocabulary: the 256 bytes in GPT-2's alphabet, "ab", and two control tokens.
func bytePairs(t testing.TB, pre string) string {
	t.Helper()
	var tokens []string
	moved := 0
	for b := range 256 {
		if b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE {
			tokens = append(tokens, string(rune(b)))
			continue
		}
		tokens = append(tokens, string(rune(256+moved)))
		moved++
	}
	tokens = append(tokens, "ab", "<s>", "</s>")
	types := make([]int32, len(tokens))
	for i := range types {
		types[i] = normal
	}
	types[257], types[258] = control, control
	path := filepath.Join(t.TempDir(), "pairs.gguf")
	w := gguf.NewWriter(path)
	w.SetString("general.architecture", "llama")
	for key, v := range map[string]uint32{"context_length": 64, "embedding_length": 8, "block_count": 1, "feed_forward_length": 16, "attention.head_count": 2} {
		w.SetUint32("llama."+key, v)
	}
	w.SetFloat32("llama.attention.layer_norm_rms_epsilon", 1e-5)
	w.SetString("tokenizer.ggml.model", "gpt2")
	w.SetString("tokenizer.ggml.pre", pre)
	w.SetStrings("tokenizer.ggml.tokens", tokens)
	w.SetStrings("tokenizer.ggml.merges", []string{"a b"})
	w.SetInt32s("tokenizer.ggml.token_type", types)
	w.SetUint32("tokenizer.ggml.bos_token_id", 257)
	w.SetUint32("tokenizer.ggml.eos_token_id", 258)
	require.NoError(t, w.Close())
	return path
}

// Long texts without a break end the process in libllama with some pre-tokenizers: those are refused, and whatever passes is tokenized.
func TestLongRuns(t *testing.T) {
	const long = 300_000
	cases := []struct {
		pre, name, text string
		refused         bool
	}{
		{"deepseek-v3", "letters", strings.Repeat("a", long), true},
		{"deepseek-v3", "letters up to the limit", strings.Repeat("a", 4096), false},
		{"deepseek-v3", "one letter more", strings.Repeat("a", 4097), true},
		{"deepseek-v3", "letters of three bytes", strings.Repeat("中", 4096), false},
		{"deepseek-v3", "sentences without spaces", strings.Repeat("中文字符，都是。", long/24), false},
		{"deepseek-v3", "words", strings.Repeat("ab ", long/3), false},
		{"deepseek-v3", "spaces", strings.Repeat(" ", long), true},
		{"deepseek-v3", "line breaks", strings.Repeat("\n", long), true},
		{"tekken", "letters", strings.Repeat("aB", long/2), true},
		{"tekken", "marks", strings.Repeat("=", long), true},
		{"tekken", "marks up to the limit, then line breaks up to it", strings.Repeat("=", 4096) + strings.Repeat("\n", 4096), false},
		{"gpt-4o", "letters", strings.Repeat("a", long), true},
		{"default", "digits", strings.Repeat("1", long), true},
		{"", "digits, no name", strings.Repeat("1", long), true},
		{"superbpe", "digits up to the limit", strings.Repeat("1", 4096), false},
		{"bloom", "letters and digits", strings.Repeat("a1", long/2), true},
		{"bloom", "sentences without spaces", strings.Repeat("a1b2.", long/5), false},
		{"bloom", "letters and digits up to the limit", strings.Repeat("a1", 2048), false},
		{"llama-bpe", "letters", strings.Repeat("a", long), false},
		{"llama-bpe", "spaces", strings.Repeat(" ", long), false},
		{"qwen2", "marks", strings.Repeat("=", long), false},
	}
	for _, c := range cases {
		t.Run(c.pre+", "+c.name, func(t *testing.T) {
			v := open(t, bytePairs(t, c.pre))
			ids, err := v.Tokenize(c.text, false, false)
			if c.refused {
				require.ErrorContains(t, err, "more than 4096 characters in a row")
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.text, v.Detokenize(ids))
		})
	}
}
