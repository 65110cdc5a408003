package train

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/ggml/stock"
	"github.com/graft-go/graft/peft"
	"github.com/graft-go/graft/peft/data"
	"github.com/graft-go/graft/peft/llama"
	"github.com/graft-go/graft/peft/lora"
	"github.com/graft-go/graft/peft/optim"
)

// quick are the types and mixtures that the tests of every type try where there is little time; GRAFT_SLOW=1 tries all of them, of
// which some need up to 10 s for the library's tables.
var quick = map[string]bool{"q4_1": true, "q5_0": true, "q2_K": true, "q3_K": true, "q5_K": true, "iq4_xs": true, "mxfp4": true, "q3_k_m": true}

// everyType lists all types for weights and the mixtures, or the quick ones.
func everyType() (kinds []string) {
	all := []string{"q3_k_s", "q3_k_m", "q3_k_l", "q4_k_s", "q4_k_m", "q5_k_s", "q5_k_m"}
	for _, typ := range ggml.WeightTypes() {
		all = append(all, typ.String())
	}
	for _, kind := range all {
		if quick[kind] || os.Getenv("GRAFT_SLOW") != "" {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// llama3Shaped writes a trained model in the shape of Llama 3, in a type: the shared model of film reviews, whose feed-forward of 704 is
// filled up with zeros to 768, a multiple of every block, with an output matrix of its own and Llama 3's frequency factors.
func llama3Shaped(t *testing.T, kind string) string {
	t.Helper()
	const ff, wide = 704, 768
	f, err := gguf.Open(shared(t, "models/reviews5M.gguf"))
	require.NoError(t, err)
	defer f.Close()
	c, err := llama.ReadConfig(f)
	require.NoError(t, err)
	c.Tied = false
	typeOf, err := llama.Quantization(kind, c)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), kind+".gguf")
	w := gguf.NewWriter(path)
	w.CopyKeys(f, nil)
	w.SetUint32("llama.feed_forward_length", wide)
	w.AddF32("rope_freqs.weight", []int64{16}, []float32{1, 1, 1, 1, 1, 1, 1, 1.2, 1.6, 2.5, 4, 6, 8, 8, 8, 8})
	add := func(name string, info *gguf.TensorInfo) {
		values := make([]float32, info.Elements())
		require.NoError(t, ggml.Dequantize(info.Type, f.Data(info), values))
		ne := append([]int64(nil), info.Ne...)
		if len(ne) == 1 {
			w.AddF32(name, ne, values)
			return
		}
		if ne[1] == ff { // further rows
			values, ne[1] = append(values, make([]float32, (wide-ff)*ne[0])...), wide
		}
		if ne[0] == ff { // longer rows
			long := make([]float32, wide*ne[1])
			for row := range ne[1] {
				copy(long[row*wide:], values[row*ff:(row+1)*ff])
			}
			values, ne[0] = long, wide
		}
		data := make([]byte, typeOf(name).RowSize(ne[0])*ne[1])
		require.NoError(t, ggml.Quantize(typeOf(name), values, ne[0], data))
		w.AddBytes(name, typeOf(name), ne, data)
	}
	for i := range f.Tensors {
		add(f.Tensors[i].Name, &f.Tensors[i])
		if f.Tensors[i].Name == "token_embd.weight" {
			add("output.weight", &f.Tensors[i])
		}
	}
	require.NoError(t, w.Close())
	return path
}

// TestPerplexityOfEveryType holds graft's perplexity on a trained model in every type against libllama's on the same file, which rounds
// activations to 8 bits where weights are quantized.
func TestPerplexityOfEveryType(t *testing.T) {
	texts := stories(t, shared(t, "data/sst2/test.jsonl"), 60)
	rows := filepath.Join(t.TempDir(), "rows.jsonl")
	var lines []byte
	for _, text := range texts {
		line, err := json.Marshal(map[string]string{"text": text})
		require.NoError(t, err)
		lines = append(append(lines, line...), '\n')
	}
	require.NoError(t, os.WriteFile(rows, lines, 0o600))
	for _, kind := range everyType() {
		t.Run(kind, func(t *testing.T) {
			path := llama3Shaped(t, kind)
			s, err := OpenSession(SessionOptions{Model: path, Threads: 1})
			require.NoError(t, err)
			defer s.Close()
			m, err := stock.Open(path, stock.Options{Ctx: 256, Threads: 1})
			require.NoError(t, err)
			defer m.Close()
			score, err := s.Evaluate(context.Background(), EvalOptions{Files: []string{rows}, Ctx: 256, Data: dataRows(len(texts))})
			require.NoError(t, err)
			want := math.Exp(stockLoss(t, s, m, texts, 256))
			off := score.Perplexity/want - 1
			t.Logf("%-8s perplexity %.3f, libllama %.3f (%+.3f %%) over %d tokens", kind, score.Perplexity, want, 100*off, score.Tokens)
			require.Less(t, math.Abs(off), 5e-3)
			prompt, text := greedy(t, s, "This movie was", 8) // ggml's kernels, a few columns at a time
			require.NotEmpty(t, prompt)
			require.NotEmpty(t, text)
		})
	}
}

// steps trains a LoRA of rank 8 on a model with a backend of its own and returns the losses.
func steps(t *testing.T, path string, o ggml.CPUOptions, n int) (losses []float64) {
	t.Helper()
	be, err := ggml.NewCPU(o)
	require.NoError(t, err)
	defer be.Close()
	m, err := llama.Open(be, path)
	require.NoError(t, err)
	defer m.Close()
	a, err := lora.New(m.Sites(), lora.Config{Rank: 8, Alpha: 16, Targets: llama.Linears()})
	require.NoError(t, err)
	params, err := peft.NewParams(be, a.Specs(), true)
	require.NoError(t, err)
	defer params.Close()
	a.Attach(params)
	a.Init(1)
	const b, tokens = 4, 24
	tr, err := newTrainer(be, m, params, b, tokens, false, optim.AdamWConfig{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Clip: 1})
	require.NoError(t, err)
	defer tr.Close()
	set := &data.Set{LongestRow: tokens}
	for i := range b * n {
		ids := make([]int32, tokens)
		for j := range ids {
			ids[j] = int32((i%16*7 + j*3) % int(m.Vocab))
		}
		set.Rows = append(set.Rows, data.Row{Tokens: ids, Labels: ids})
	}
	plan := data.NewPlan(set, data.PlanOptions{B: b, T: tokens, Accum: 1})
	var x data.Batch
	var met Metrics
	for step := 1; step <= n; step++ {
		require.NoError(t, tr.Step(plan, step, 1e-2, &x, &met))
		losses = append(losses, met.Loss)
	}
	return losses
}

// TestEveryType trains a random model in each type of weights, with a BLAS and without one: the loss goes down, and both ways agree, since
// both are exact.
func TestEveryType(t *testing.T) {
	shape := llama.Config{Context: 64, Embd: 256, Blocks: 2, FF: 512, Heads: 8, KVHeads: 4, HeadDim: 32, Vocab: 512, NormEps: 1e-5,
		Rope: ggml.Rope{Base: 10000, Scale: 1, Dims: 32}}
	for _, kind := range append([]string{"f32", "f16", "bf16", "q8_0", "q4_0", "q4_K", "q6_K", "q4_k_m"}, everyType()...) {
		t.Run(kind, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), kind+".gguf")
			require.NoError(t, llama.WriteRandom(path, shape, kind, 7))
			losses := steps(t, path, ggml.CPUOptions{Threads: 1}, 12)
			t.Logf("%-8s loss %.3f to %.3f", kind, losses[0], losses[len(losses)-1])
			require.Less(t, losses[len(losses)-1], losses[0]*0.9, fmt.Sprint(losses))
			require.InEpsilonSlice(t, losses, steps(t, path, ggml.CPUOptions{Threads: 1, NoBLAS: true}, 12), 1e-3)
		})
	}
}
