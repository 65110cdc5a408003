package train

import (
	"bufio"
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
)

// peftRun is what scripts/golden/peft_lora.py wrote of a run of HF PEFT on PyTorch.
type peftRun struct {
	Losses    []float64      `json:"losses"`
	GradNorms []float64      `json:"grad_norms"`
	LRs       []float64      `json:"lrs"`
	Settings  map[string]any `json:"settings"`
}

// settingsFrom applies the settings a golden run was made with, by the names of the flags.
func settingsFrom(t *testing.T, c *Config, values map[string]any) {
	t.Helper()
	for name, v := range values {
		s, ok := settingsByName()[name]
		require.True(t, ok, "setting %s", name)
		text := fmt.Sprint(v)
		if list, ok := v.([]any); ok {
			text = ""
			for i, item := range list {
				if i > 0 {
					text += ","
				}
				text += fmt.Sprint(item)
			}
		}
		require.NoError(t, s.Set(c, text), name)
	}
}

func tensors(t *testing.T, path string) map[string][]float32 {
	t.Helper()
	f, err := gguf.Open(path)
	require.NoError(t, err)
	defer f.Close()
	all := map[string][]float32{}
	for i := range f.Tensors {
		info := &f.Tensors[i]
		values := make([]float32, info.Elements())
		require.NoError(t, ggml.Dequantize(info.Type, f.Data(info), values))
		all[info.Name] = values
	}
	return all
}

// TestPEFT holds 20-step runs from the same start on the same batches against HF PEFT: every loss, norm and rate, and the adapter.
// The bars are a hundred times below what the smallest mistake in AdamW's constants costs.
func TestPEFT(t *testing.T) {
	for _, name := range []string{"peft20", "peft20_nonzero"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join("testdata", name)
			var want peftRun
			text, err := os.ReadFile(filepath.Join(dir, "losses.json"))
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(text, &want))
			c := DefaultConfig()
			settingsFrom(t, &c, want.Settings)
			c.Model, c.Data, c.Init = filepath.Join(dir, "base.gguf"), []string{filepath.Join(dir, "rows.jsonl")}, filepath.Join(dir, "start.gguf")
			c.Out = filepath.Join(t.TempDir(), "run")
			var steps []Metrics
			result, err := Run(context.Background(), c, Options{OnStep: func(m Metrics) { steps = append(steps, m) }})
			require.NoError(t, err)
			require.Len(t, steps, len(want.Losses))
			for i, m := range steps {
				require.InEpsilon(t, want.Losses[i], m.Loss, 1e-5, "loss of step %d", i+1)
				require.InEpsilon(t, want.GradNorms[i], m.GradNorm, 1e-4, "norm of step %d", i+1)
				require.InDelta(t, want.LRs[i], m.LR, 1e-12, "rate of step %d", i+1)
			}
			final, got := tensors(t, filepath.Join(dir, "final.gguf")), tensors(t, result.Adapter)
			require.Len(t, got, len(final))
			var diff, norm float64
			for name, values := range final {
				require.Len(t, got[name], len(values), name)
				for i, v := range values {
					diff += math.Pow(float64(got[name][i])-float64(v), 2)
					norm += float64(v) * float64(v)
				}
			}
			require.Less(t, math.Sqrt(diff/norm), 1e-4)
			requireMetrics(t, filepath.Join(c.Out, "metrics.jsonl"), steps)
		})
	}
}

// requireMetrics reads metrics.jsonl back: whole lines, and losses that are the same float64.
func requireMetrics(t *testing.T, path string, steps []Metrics) {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	for _, want := range steps {
		require.True(t, lines.Scan())
		var got Metrics
		require.NoError(t, json.Unmarshal(lines.Bytes(), &got))
		require.Equal(t, want, got)
	}
	require.False(t, lines.Scan())
}
