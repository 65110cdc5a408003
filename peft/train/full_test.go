package train

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/peft"
	"github.com/graft-go/graft/peft/adapter"
	"github.com/graft-go/graft/peft/llama"
)

// patternRows writes rows that a model can learn.
func patternRows(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	rows := `{"input_ids":[1,5,6,7,5,6,7,5,6,7,5,6,7]}` + "\n" + `{"input_ids":[1,8,9,8,9,8,9,8,9,8,9],"labels":[-100,-100,9,8,9,8,9,8,9,8,9]}` + "\n"
	require.NoError(t, os.WriteFile(path, []byte(rows), 0o644))
	return path
}

// trainRows runs method on the rows for some steps and returns the run folder and its losses.
func trainRows(t *testing.T, method, rows string, steps int, lr float64) (folder string, losses []float64) {
	c := DefaultConfig()
	c.Model, c.Data, c.Out = "testdata/peft20/base.gguf", []string{rows}, filepath.Join(t.TempDir(), "run")
	c.Method, c.Steps, c.LR, c.Warmup = []string{method}, steps, Given(lr), 0
	_, err := Run(context.Background(), c, Options{OnStep: func(m Metrics) { losses = append(losses, m.Loss) }})
	require.NoError(t, err)
	return c.Out, losses
}

func lossOf(t *testing.T, rows string, o SessionOptions) float64 {
	s, err := OpenSession(o)
	require.NoError(t, err)
	defer s.Close()
	score, err := s.Evaluate(context.Background(), EvalOptions{Files: []string{rows}, Ctx: 64})
	require.NoError(t, err)
	return score.Loss
}

func TestFullTraining(t *testing.T) {
	rows := patternRows(t)
	folder, losses := trainRows(t, MethodFull, rows, 20, 1e-2)
	require.Less(t, losses[len(losses)-1], losses[0]/2)
	file, err := adapter.Open(filepath.Join(folder, GraftFile))
	require.NoError(t, err)
	base, err := gguf.Open("testdata/peft20/base.gguf")
	require.NoError(t, err)
	defer base.Close()
	require.Equal(t, []string{MethodFull}, file.Methods)
	sum, err := base.SHA256()
	require.NoError(t, err)
	require.Equal(t, sum, file.BaseSHA256)
	for i := range base.Tensors {
		name := base.Tensors[i].Name
		if name == "rope_freqs.weight" {
			require.NotContains(t, file.Names, name, "a constant")
			continue
		}
		require.Contains(t, file.Names, name)
	}

	tuned := lossOf(t, rows, SessionOptions{Model: base.Path, Adapters: []string{folder}})
	before := lossOf(t, rows, SessionOptions{Model: base.Path})
	require.Less(t, tuned, before/2)
	require.Equal(t, before, lossOf(t, rows, SessionOptions{Model: base.Path, Adapters: []string{folder + "=0"}}))

	t.Run("another base is refused", func(t *testing.T) {
		_, err := OpenSession(SessionOptions{Model: "testdata/peft20_nonzero/base.gguf", Adapters: []string{folder}})
		require.ErrorIs(t, err, peft.ErrInput)
	})
	t.Run("no LoRA can be made of it", func(t *testing.T) {
		_, err := ExportLoRA(folder, "", filepath.Join(t.TempDir(), "x.gguf"), false)
		require.ErrorContains(t, err, "--to merged")
	})
	t.Run("it starts a run of the same method alone", func(t *testing.T) {
		c := DefaultConfig()
		c.Model, c.Data, c.Out, c.Init = base.Path, []string{rows}, filepath.Join(t.TempDir(), "run"), folder
		c.Method, c.Steps, c.LR = []string{MethodFull}, 1, Given(1e-9)
		r, err := Run(context.Background(), c, Options{})
		require.NoError(t, err)
		require.InDelta(t, tuned, r.Loss, 1e-5)
		c.Method, c.Out = []string{MethodLoRA}, c.Out+"2"
		_, err = Run(context.Background(), c, Options{})
		require.ErrorIs(t, err, peft.ErrInput)
	})
}

// TestMerged holds a merged model against base and adapter together.
func TestMerged(t *testing.T) {
	rows := patternRows(t)
	for _, method := range methods() {
		folder, _ := trainRows(t, method, rows, 10, 1e-2)
		base := "testdata/peft20/base.gguf"
		want := lossOf(t, rows, SessionOptions{Model: base, Adapters: []string{folder}})
		for _, k := range []struct {
			kind string
			tol  float64
		}{{Keep, 1e-5}, {"f32", 1e-5}, {"f16", 1e-3}, {"q8_0", 2e-2}} {
			t.Run(method+" "+k.kind, func(t *testing.T) {
				out := filepath.Join(t.TempDir(), "merged.gguf")
				m, err := ExportMerged(folder, "", out, k.kind, false)
				require.NoError(t, err)
				require.Positive(t, m.Changed)
				require.InDelta(t, want, lossOf(t, rows, SessionOptions{Model: out}), k.tol)
				_, err = ExportMerged(folder, "", out, k.kind, false)
				require.ErrorContains(t, err, "exists")
			})
		}
	}
}

// TestMergedOther holds what a merged model gets that its base has not: types that can be written.
func TestMergedOther(t *testing.T) {
	dir := t.TempDir()
	rows, base := filepath.Join(dir, "rows.jsonl"), filepath.Join(dir, "base.gguf")
	require.NoError(t, os.WriteFile(rows, []byte(`{"input_ids":[1,5,6,7,5,6,7,5,6,7,5,6,7]}`+"\n"), 0o600))
	shape := llama.Config{Context: 64, Embd: 256, Blocks: 1, FF: 512, Heads: 4, KVHeads: 2, HeadDim: 64, Vocab: 300, NormEps: 1e-5,
		Rope: ggml.Rope{Base: 10000, Scale: 1, Dims: 64}}
	for _, k := range []struct{ base, kind, want string }{
		{"iq2_xs", Keep, "iq2_xs → q3_K"}, {"iq1_s", Keep, "iq1_s → q3_K"}, {"iq3_xxs", Keep, ""}, {"iq4_xs", Keep, ""}, {"q2_k", Keep, ""}, {"q4_0", "q3_k", ""},
	} {
		t.Run(k.base+" "+k.kind, func(t *testing.T) {
			require.NoError(t, llama.WriteRandom(base, shape, k.base, 1))
			c := DefaultConfig()
			c.Model, c.Data, c.Out, c.Steps, c.Force = base, []string{rows}, filepath.Join(dir, "run"), 4, true
			_, err := Run(context.Background(), c, Options{})
			require.NoError(t, err)
			out := filepath.Join(dir, "merged.gguf")
			m, err := ExportMerged(c.Out, "", out, k.kind, true)
			require.NoError(t, err)
			require.Equal(t, 7, m.Changed)
			if k.want == "" {
				require.Empty(t, m.Others)
			} else {
				require.Equal(t, map[string]int{k.want: 7}, m.Others)
			}
			lossOf(t, rows, SessionOptions{Model: out})
		})
	}
}
