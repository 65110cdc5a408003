package train

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/ggml/stock"
	"github.com/graft-go/graft/peft/llama"
)

// changed writes a copy of a GGUF file with further keys and tensors.
func changed(t *testing.T, path string, change func(w *gguf.Writer)) string {
	t.Helper()
	f, err := gguf.Open(path)
	require.NoError(t, err)
	defer f.Close()
	out := filepath.Join(t.TempDir(), "changed.gguf")
	w := gguf.NewWriter(out)
	w.CopyKeys(f, nil)
	for i := range f.Tensors {
		w.CopyTensor(f, &f.Tensors[i])
	}
	change(w)
	require.NoError(t, w.Close())
	return out
}

// logits are graft's at every position of a sequence, token by token through the cache.
func logits(t *testing.T, s *Session, tokens []int32) [][]float32 {
	t.Helper()
	size := int64((len(tokens) + 31) / 32 * 32)
	g := &generator{s: s, size: size, graphs: map[[2]int64]*cachedGraph{}, logits: make([]float32, s.Model.Vocab)}
	defer g.Close()
	var err error
	g.cache, err = llama.NewCache(s.backend, s.Model, g.size)
	require.NoError(t, err)
	var rows [][]float32
	for _, id := range tokens {
		require.NoError(t, g.feed(context.Background(), []int32{id}))
		rows = append(rows, append([]float32(nil), g.logits...))
	}
	return rows
}

// stockLogits are libllama's of the same.
func stockLogits(t *testing.T, path string, tokens []int32, ctx int) [][]float32 {
	t.Helper()
	m, err := stock.Open(path, stock.Options{Ctx: ctx, Threads: 1})
	require.NoError(t, err)
	defer m.Close()
	rows, err := m.Logits(tokens)
	require.NoError(t, err)
	return rows
}

// farthest is the largest difference.
func farthest(a, b [][]float32) (d float64) {
	for i := range a {
		for j := range a[i] {
			d = max(d, float64(max(a[i][j]-b[i][j], b[i][j]-a[i][j])))
		}
	}
	return d
}

func randomTokens(n, vocab int, seed uint64) []int32 {
	r := rand.New(rand.NewPCG(seed, 3))
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(r.IntN(vocab))
	}
	return ids
}

// addBiases adds a bias to every linear layer, as libllama loads them for this architecture.
func addBiases(t *testing.T, path string) func(w *gguf.Writer) {
	t.Helper()
	f, err := gguf.Open(path)
	require.NoError(t, err)
	defer f.Close()
	c, err := llama.ReadConfig(f)
	require.NoError(t, err)
	return func(w *gguf.Writer) {
		r := rand.New(rand.NewPCG(5, 5))
		for l := range c.Blocks {
			for _, name := range llama.Linears() {
				_, out := c.LinearShape(name)
				bias := make([]float32, out)
				for i := range bias {
					bias[i] = 0.3 * float32(r.NormFloat64())
				}
				w.AddF32(fmt.Sprintf("blk.%d.%s.bias", l, name), []int64{out}, bias)
			}
		}
	}
}

// ropeKeys sets the scaling of the rotary embedding.
func ropeKeys(w *gguf.Writer, kind string, factor float32) {
	w.SetUint32("llama.context_length", 256)
	w.SetUint32("llama.rope.scaling.original_context_length", 32)
	w.SetString("llama.rope.scaling.type", kind)
	if factor != 0 {
		w.SetFloat32("llama.rope.scaling.factor", factor)
	}
}

// TestStockVariants holds the logits of every kind of rope scaling, and of biases, against libllama's, over sequences longer than the
// original context; and that each of them changes the logits at all, where libllama reads it.
func TestStockVariants(t *testing.T) {
	plain := filepath.Join("..", "llama", "testdata", "two_block.gguf")
	llama3 := filepath.Join("..", "llama", "testdata", "two_block_llama3.gguf")
	longFactors := func(w *gguf.Writer) {
		w.AddF32("rope_factors_long.weight", []int64{4}, []float32{1, 1.3, 2.5, 6})
		w.AddF32("rope_factors_short.weight", []int64{4}, []float32{1, 1.05, 1.2, 1.4})
	}
	cases := []struct {
		name, base string
		change     func(w *gguf.Writer)
		tokens     int // of the sequence, and libllama's context: its multiple of 32
		same       bool
	}{
		{"nothing", plain, func(*gguf.Writer) {}, 60, true},
		{"linear", plain, func(w *gguf.Writer) { ropeKeys(w, "linear", 4) }, 60, false},
		{"linear, by the older key", plain, func(w *gguf.Writer) { w.SetFloat32("llama.rope.scale_linear", 4) }, 60, false},
		{"linear with a magnitude", plain, func(w *gguf.Writer) { ropeKeys(w, "linear", 4); w.SetFloat32("llama.rope.scaling.attn_factor", 1.3) }, 60, false},
		{"none with a factor", plain, func(w *gguf.Writer) { ropeKeys(w, "none", 4) }, 60, true},
		{"yarn", plain, func(w *gguf.Writer) { ropeKeys(w, "yarn", 8) }, 100, false},
		{"yarn without a factor", plain, func(w *gguf.Writer) { ropeKeys(w, "yarn", 0) }, 60, true},
		{"yarn that shrinks", plain, func(w *gguf.Writer) { ropeKeys(w, "yarn", 0.5) }, 60, false},
		{"yarn with a magnitude", plain, func(w *gguf.Writer) { ropeKeys(w, "yarn", 4); w.SetFloat32("llama.rope.scaling.attn_factor", 0.8) }, 60, false},
		{"yarn with Llama 3's factors", llama3, func(w *gguf.Writer) { ropeKeys(w, "yarn", 4) }, 60, false},
		{"yarn with keys that libllama reads for other architectures", plain, func(w *gguf.Writer) {
			ropeKeys(w, "yarn", 8)
			w.SetFloat32("llama.rope.scaling.yarn_ext_factor", 0.3)
			w.SetFloat32("llama.rope.scaling.yarn_attn_factor", 0.3)
			w.SetFloat32("llama.rope.scaling.yarn_beta_fast", 3)
			w.SetFloat32("llama.rope.scaling.yarn_beta_slow", 0.3)
			w.SetFloat32("llama.rope.scaling.yarn_log_multiplier", 0.3)
		}, 60, false},
		{"yarn, original context 0", plain, func(w *gguf.Writer) {
			ropeKeys(w, "yarn", 8)
			w.SetUint32("llama.rope.scaling.original_context_length", 0)
		}, 60, false},
		{"longrope, a long context", plain, func(w *gguf.Writer) { ropeKeys(w, "longrope", 0); longFactors(w) }, 60, false},
		{"longrope, a short context", plain, func(w *gguf.Writer) { // libllama rounds its context up to 256
			ropeKeys(w, "longrope", 0)
			w.SetUint32("llama.rope.scaling.original_context_length", 256)
			longFactors(w)
		}, 60, false},
		{"longrope with a factor and a magnitude", plain, func(w *gguf.Writer) {
			ropeKeys(w, "longrope", 2)
			w.SetFloat32("llama.rope.scaling.attn_factor", 1.2)
			longFactors(w)
		}, 60, false},
		{"longrope without factors", plain, func(w *gguf.Writer) { ropeKeys(w, "longrope", 0) }, 60, true},
		{"biases", plain, addBiases(t, plain), 60, false},
		{"biases, Llama 3", llama3, addBiases(t, llama3), 60, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := changed(t, c.base, c.change)
			tokens := randomTokens(c.tokens, 256, 1)
			want := stockLogits(t, path, tokens, (c.tokens+31)/32*32)
			s, err := OpenSession(SessionOptions{Model: path, Threads: 1})
			require.NoError(t, err)
			defer s.Close()
			off := farthest(want, logits(t, s, tokens))
			t.Logf("largest difference of logits from libllama's: %.2g", off)
			require.Less(t, off, 1e-3)
			moved := farthest(want, stockLogits(t, c.base, tokens, (c.tokens+31)/32*32))
			require.Equal(t, c.same, moved < 1e-4, "the variant changes logits by %g", moved)
		})
	}
}

// TestVariantsTrain trains a LoRA on models with YaRN and with biases.
func TestVariantsTrain(t *testing.T) {
	base := filepath.Join("..", "llama", "testdata", "two_block.gguf")
	biases := addBiases(t, base)
	rows := ramps(t, 256)
	for name, change := range map[string]func(w *gguf.Writer){"yarn": func(w *gguf.Writer) { ropeKeys(w, "yarn", 8) }, "biases": biases} {
		t.Run(name, func(t *testing.T) {
			losses := train(t, changed(t, base, change), rows, 12)
			require.Less(t, losses[len(losses)-1], losses[0]*0.95, losses)
		})
	}
}

// ramps are rows of token ids that a model can learn in a few steps, below vocab.
func ramps(t *testing.T, vocab int) string {
	t.Helper()
	var text []byte
	for i := range 16 {
		ids := make([]int, 24)
		for j := range ids {
			ids[j] = (i*7 + j*3) % vocab
		}
		line, err := json.Marshal(map[string]any{"input_ids": ids})
		require.NoError(t, err)
		text = append(append(text, line...), '\n')
	}
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

// train runs LoRA for some steps and returns the losses.
func train(t *testing.T, model, rows string, steps int) (losses []float64) {
	t.Helper()
	c := DefaultConfig()
	c.Model, c.Data, c.Out = model, []string{rows}, filepath.Join(t.TempDir(), "run")
	c.Steps, c.LR, c.Batch, c.Accum = steps, Given(1e-2), Given(8), Given(1)
	_, err := Run(context.Background(), c, Options{OnStep: func(m Metrics) { losses = append(losses, m.Loss) }})
	require.NoError(t, err)
	return losses
}

// splitModel cuts a model into parts of equal numbers of tensors, as llama-gguf-split does, and returns the first part.
func splitModel(t *testing.T, path string, parts int) string {
	t.Helper()
	f, err := gguf.Open(path)
	require.NoError(t, err)
	defer f.Close()
	dir := t.TempDir()
	name := func(i int) string { return filepath.Join(dir, fmt.Sprintf("model-%05d-of-%05d.gguf", i+1, parts)) }
	for i := range parts {
		w := gguf.NewWriter(name(i))
		if i == 0 {
			w.CopyKeys(f, nil)
		}
		w.SetUint16("split.no", uint16(i))
		w.SetUint16("split.count", uint16(parts))
		w.SetInt32("split.tensors.count", int32(len(f.Tensors)))
		for j := i * len(f.Tensors) / parts; j < (i+1)*len(f.Tensors)/parts; j++ {
			w.CopyTensor(f, &f.Tensors[j])
		}
		require.NoError(t, w.Close())
	}
	return name(0)
}

// TestSplitModel trains, scores and generates on a split model exactly as on the whole one, and libllama reads it the same.
func TestSplitModel(t *testing.T) {
	whole := filepath.Join("testdata", "peft20", "base.gguf")
	rows := filepath.Join("testdata", "peft20", "rows.jsonl")
	parts := splitModel(t, whole, 3)
	type outcome struct {
		hash       string
		losses     []float64
		perplexity float64
		text       []int32
	}
	run := func(model string) (o outcome) {
		s, err := OpenSession(SessionOptions{Model: model, Threads: 1})
		require.NoError(t, err)
		defer s.Close()
		o.hash, err = s.Model.File.SHA256()
		require.NoError(t, err)
		score, err := s.Evaluate(context.Background(), EvalOptions{Files: []string{rows}, Ctx: 64, Data: dataRows(8)})
		require.NoError(t, err)
		o.perplexity = score.Perplexity
		require.NotNil(t, s.Vocab)
		_, o.text = greedy(t, s, "ab", 12)
		o.losses = train(t, model, rows, 4)
		return o
	}
	want := run(whole)
	require.Equal(t, want, run(parts))
	tokens := randomTokens(20, 200, 2)
	require.Equal(t, stockLogits(t, whole, tokens, 64), stockLogits(t, parts, tokens, 64))
	_, err := OpenSession(SessionOptions{Model: strings.Replace(parts, "-00001-", "-00002-", 1)})
	require.ErrorContains(t, err, "give its first part, model-00001-of-00003.gguf")
}

// TestNewModel holds that a model of `graft init`'s, with and without a tokenizer, is one that libllama loads and computes alike.
func TestNewModel(t *testing.T) {
	from, err := gguf.Open(filepath.Join("testdata", "peft20", "base.gguf"))
	require.NoError(t, err)
	defer from.Close()
	c, err := llama.ParseShape("embd=64,ff=96,layers=2,heads=4,kv-heads=2,head-dim=32,ctx=128,rope-base=500000")
	require.NoError(t, err)
	for name, vocab := range map[string]*gguf.File{"with a tokenizer": from, "without": nil} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "new.gguf")
			names, ok := from.Strings("tokenizer.ggml.tokens")
			require.True(t, ok)
			c.Vocab = int64(len(names))
			require.NoError(t, llama.WriteModel(path, *c, llama.RandomOptions{Name: "new", Type: "f32", Seed: 1, Vocab: vocab}))
			s, err := OpenSession(SessionOptions{Model: path, Threads: 1})
			require.NoError(t, err)
			defer s.Close()
			require.Equal(t, vocab != nil, s.Vocab != nil)
			tokens := randomTokens(40, len(names), 4)
			require.Less(t, farthest(stockLogits(t, path, tokens, 64), logits(t, s, tokens)), 1e-4)
		})
	}
}
