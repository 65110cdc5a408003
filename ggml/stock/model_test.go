package stock_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/binding"
	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/ggml/stock"
	"github.com/graft-go/graft/ggml/vocab"
)

// open opens a model of shared/models and its vocabulary, or skips.
func open(t testing.TB, name string, o stock.Options) (*stock.Model, *vocab.Vocab) {
	t.Helper()
	path := shared(t, "models", name)
	m, err := stock.Open(path, o)
	if missing := (*binding.NotFoundError)(nil); errors.As(err, &missing) {
		t.Skip("no native library: ", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	f, err := gguf.Open(path)
	require.NoError(t, err)
	defer f.Close()
	v, err := vocab.Open(f)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, v.Close()) })
	return m, v
}

// perplexity of the field "text" of a JSONL file, each row alone with BOS and cut at the context; and the number of predicted tokens.
func perplexity(t testing.TB, m *stock.Model, v *vocab.Vocab, path string, rows int) (float64, int) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	var sum float64
	var tokens int
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for i := 0; lines.Scan() && (rows == 0 || i < rows); i++ {
		var row struct{ Text string }
		require.NoError(t, json.Unmarshal(lines.Bytes(), &row))
		ids, err := v.Tokenize(row.Text, true, false)
		require.NoError(t, err)
		s, n, err := m.LogLikelihood(ids[:min(len(ids), m.Ctx())])
		require.NoError(t, err)
		sum += s
		tokens += n
	}
	require.NoError(t, lines.Err())
	return math.Exp(-sum / float64(tokens)), tokens
}

// The answers that shared/models/README.md gives for llama.cpp.
func TestPerplexity(t *testing.T) {
	cases := []struct {
		model, data string
		want        float64 // 0 = printed only
		tokens      int
		long        bool
	}{
		{"stories260K.gguf", "tinystories", 4.344, 25079, false},
		{"stories260K-f16.gguf", "tinystories", 0, 25079, true},
		{"stories260K-q8_0.gguf", "tinystories", 0, 25079, true},
		{"stories260K-q4_0.gguf", "tinystories", 0, 25079, true},
		{"reviews5M.gguf", "sst2", 155.22, 49366, true},
		{"reviews5M-q8_0.gguf", "sst2", 155.18, 49366, true},
		{"reviews5M-q4_k_m.gguf", "sst2", 155.77, 49366, true},
	}
	for _, c := range cases {
		t.Run(c.model, func(t *testing.T) {
			if c.long && os.Getenv("GRAFT_SLOW") == "" {
				t.Skip("takes long: runs with GRAFT_SLOW=1 (make test-slow)")
			}
			m, v := open(t, c.model, stock.Options{Threads: 1}) // threads that wait for a busy core cost more than they give
			got, tokens := perplexity(t, m, v, shared(t, "data", c.data, "test.jsonl"), 0)
			t.Logf("%s on %s: perplexity %.5f over %d tokens", c.model, c.data, got, tokens)
			require.Equal(t, c.tokens, tokens)
			if c.want != 0 {
				require.InEpsilon(t, c.want, got, 1e-3)
			}
		})
	}
}

func TestGreedy(t *testing.T) {
	const want = ", there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. She wanted to play with it, but it was too high."
	m, v := open(t, "stories260K.gguf", stock.Options{})
	prompt, err := v.Tokenize("Once upon a time", true, false)
	require.NoError(t, err)
	ids, err := m.Greedy(prompt, 60)
	require.NoError(t, err)
	require.Len(t, ids, 60)
	var b strings.Builder
	s := v.NewStream()
	for _, id := range ids {
		b.Write(s.Next(id))
	}
	b.Write(s.Flush())
	require.True(t, strings.HasPrefix(want, b.String()) || strings.HasPrefix(b.String(), want), b.String())

	// The same by recomputing every position from scratch.
	rows, err := m.Logits(append(prompt, ids...))
	require.NoError(t, err)
	for i, id := range ids {
		row := rows[len(prompt)+i-1]
		for _, x := range row {
			require.LessOrEqual(t, x, row[id])
		}
	}
}

func TestLogLikelihoodIsThatOfLogits(t *testing.T) {
	m, v := open(t, "stories260K.gguf", stock.Options{Ctx: 64, Threads: 1})
	ids, err := v.Tokenize("Lily went to the park.", true, false)
	require.NoError(t, err)
	rows, err := m.Logits(ids)
	require.NoError(t, err)
	require.Len(t, rows, len(ids))
	want := 0.0
	for i := range len(ids) - 1 {
		sum := 0.0
		for _, x := range rows[i] {
			sum += math.Exp(float64(x))
		}
		want += float64(rows[i][ids[i+1]]) - math.Log(sum)
	}
	got, n, err := m.LogLikelihood(ids)
	require.NoError(t, err)
	require.Equal(t, len(ids)-1, n)
	require.InDelta(t, want, got, 1e-9)
}

func TestBadCalls(t *testing.T) {
	m, _ := open(t, "stories260K.gguf", stock.Options{Ctx: 32})
	require.Equal(t, 32, m.Ctx())
	require.Equal(t, 512, m.NVocab())
	cases := []struct {
		name   string
		tokens []int32
		n      int
		want   string
	}{
		{"no tokens", nil, 1, "no tokens"},
		{"negative id", []int32{1, -1}, 1, "token 1 is -1, outside 0…511"},
		{"id too large", []int32{512}, 1, "token 0 is 512, outside 0…511"},
		{"prompt too long", make([]int32, 33), 0, "33 tokens do not fit the context of 32"},
		{"answer too long", make([]int32, 30), 3, "33 tokens do not fit the context of 32"},
		{"negative length", []int32{1}, -1, "-1 tokens"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := m.Greedy(c.tokens, c.n)
			require.ErrorContains(t, err, c.want)
		})
	}
	require.NoError(t, m.Close())
	require.NoError(t, m.Close())
	_, err := m.Logits([]int32{1})
	require.ErrorContains(t, err, "the model is closed")
}
