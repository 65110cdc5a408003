package train

import (
	"bufio"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/stock"
	"github.com/graft-go/graft/peft/llama"
)

// shared is a file of the real data and models beside the repository; tests that need one are skipped where it is absent.
func shared(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("skipped: %s is absent", path)
	}
	return path
}

// stories are the first n texts of a JSONL file.
func stories(t *testing.T, path string, n int) []string {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	var texts []string
	for lines := bufio.NewScanner(f); len(texts) < n && lines.Scan(); {
		var row struct{ Text string }
		require.NoError(t, json.Unmarshal(lines.Bytes(), &row))
		texts = append(texts, row.Text)
	}
	return texts
}

// stockLoss is libllama's mean loss of the texts, each alone and cut at ctx tokens.
func stockLoss(t *testing.T, s *Session, m *stock.Model, texts []string, ctx int) float64 {
	t.Helper()
	var sum float64
	var tokens int
	for _, text := range texts {
		ids, err := s.Vocab.Tokenize(text, true, true)
		require.NoError(t, err)
		ll, n, err := m.LogLikelihood(ids[:min(ctx, len(ids))])
		require.NoError(t, err)
		sum -= ll
		tokens += n
	}
	return sum / float64(tokens)
}

// greedy is graft's own greedy continuation.
func greedy(t *testing.T, s *Session, prompt string, n int) (ids, continuation []int32) {
	t.Helper()
	ids, err := s.Vocab.Tokenize(prompt, true, true)
	require.NoError(t, err)
	err = s.Generate(context.Background(), ids, GenerateOptions{N: n, TopP: 1}, func(id int32) bool {
		continuation = append(continuation, id)
		return true
	})
	require.NoError(t, err)
	return ids, continuation
}

// TestStockAgrees trains an adapter and holds graft's perplexity and greedy text, without and with it, against stock libllama's.
func TestStockAgrees(t *testing.T) {
	base, rows := shared(t, "models/stories260K.gguf"), shared(t, "data/tinyshakespeare/train.txt")
	test := shared(t, "data/tinystories/test.jsonl")
	c := DefaultConfig()
	c.Model, c.Data, c.Out, c.Steps, c.LR = base, []string{rows}, filepath.Join(t.TempDir(), "run"), 25, Given(1e-3)
	c.Ctx, c.Batch, c.Accum = Given(128), Given(8), Given(1)
	result, err := Run(context.Background(), c, Options{})
	require.NoError(t, err)
	m, err := stock.Open(base, stock.Options{Ctx: 512, Threads: 2})
	require.NoError(t, err)
	defer m.Close()
	texts := stories(t, test, 12)
	for _, adapter := range []string{"", result.Adapter} {
		o := SessionOptions{Model: base}
		if adapter != "" {
			require.NoError(t, m.SetAdapter(adapter, 1))
			o.Adapters = []string{adapter}
		}
		s, err := OpenSession(o)
		require.NoError(t, err)
		score, err := s.Evaluate(context.Background(), EvalOptions{Files: []string{test}, Ctx: 512, Data: dataRows(12)})
		require.NoError(t, err)
		require.InEpsilon(t, math.Exp(stockLoss(t, s, m, texts, 512)), score.Perplexity, 1e-4, "adapter %q", adapter)
		prompt, got := greedy(t, s, "Once upon a time", 60)
		want, err := m.Greedy(prompt, len(got))
		require.NoError(t, err)
		require.Equal(t, want, got, "adapter %q", adapter)
		s.Close()
	}
	s, err := OpenSession(SessionOptions{Model: base, Adapters: []string{c.Out + "=0"}})
	require.NoError(t, err)
	defer s.Close()
	_, got := greedy(t, s, "Once upon a time", 20)
	require.Equal(t, ", there was a little girl named Lily. She loved", s.Vocab.Detokenize(got)[:47], "an adapter of weight 0 changes nothing")
}

// TestQuantizedPerplexity holds graft's exact products on quantized weights against libllama's, which round activations to 8 bits.
func TestQuantizedPerplexity(t *testing.T) {
	test := shared(t, "data/tinystories/test.jsonl")
	for _, name := range []string{"stories260K-f16", "stories260K-q8_0", "stories260K-q4_0"} {
		t.Run(name, func(t *testing.T) {
			base := shared(t, "models/"+name+".gguf")
			s, err := OpenSession(SessionOptions{Model: base})
			require.NoError(t, err)
			defer s.Close()
			m, err := stock.Open(base, stock.Options{Ctx: 512, Threads: 2})
			require.NoError(t, err)
			defer m.Close()
			score, err := s.Evaluate(context.Background(), EvalOptions{Files: []string{test}, Ctx: 512, Data: dataRows(8)})
			require.NoError(t, err)
			require.InEpsilon(t, math.Exp(stockLoss(t, s, m, stories(t, test, 8), 512)), score.Perplexity, 5e-3)
		})
	}
}

// TestStockLogits holds logits of random models with grouped queries, frequency factors and an untied output against libllama's.
func TestStockLogits(t *testing.T) {
	for _, name := range []string{"two_block", "two_block_llama3"} {
		path := filepath.Join("..", "llama", "testdata", name+".gguf")
		s, err := OpenSession(SessionOptions{Model: path})
		require.NoError(t, err)
		defer s.Close()
		m, err := stock.Open(path, stock.Options{Ctx: 64, Threads: 2})
		require.NoError(t, err)
		defer m.Close()
		tokens := []int32{1, 260, 17, 99, 270, 5, 33, 280, 261, 12}
		want, err := m.Logits(tokens)
		require.NoError(t, err)
		g := &generator{s: s, size: cacheStep, graphs: map[[2]int64]*cachedGraph{}, logits: make([]float32, s.Model.Vocab)}
		defer g.Close()
		g.cache, err = llama.NewCache(s.backend, s.Model, g.size)
		require.NoError(t, err)
		for i, id := range tokens {
			require.NoError(t, g.feed(context.Background(), []int32{id}))
			require.InDeltaSlice(t, want[i], g.logits, 1e-3, "%s, token %d", name, i)
		}
	}
}

// TestSteadyState holds that a step allocates nothing in Go and that memory does not grow, once every shape has been seen.
func TestSteadyState(t *testing.T) {
	if raceDetector {
		t.Skip("skipped: allocations cannot be counted under the race detector")
	}
	be, err := ggml.NewCPU(ggml.CPUOptions{Threads: 2})
	require.NoError(t, err)
	defer be.Close()
	j := &job{backend: be}
	c := DefaultConfig()
	dir := filepath.Join("testdata", "peft20")
	c.Model, c.Data, c.DryRun = filepath.Join(dir, "base.gguf"), []string{filepath.Join(dir, "rows.jsonl")}, true
	require.NoError(t, j.load(context.Background(), c))
	defer j.Close()
	x, m := dataBatch(), Metrics{}
	step := 0
	run := func() {
		step++
		require.NoError(t, j.trainer.Step(j.Plan, 1+step%j.Plan.StepsPerEpoch(), 1e-5, x, &m))
	}
	for range 3 * j.Plan.StepsPerEpoch() {
		run()
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const steps = 40
	for range steps {
		run()
	}
	runtime.ReadMemStats(&after)
	require.Less(t, float64(after.Mallocs-before.Mallocs)/steps, 8.0, "allocations a step (the test's own included)")
}
