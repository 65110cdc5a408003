package train

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/peft"
	"github.com/graft-go/graft/peft/llama"
	"github.com/graft-go/graft/peft/optim"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{"8GB": 8e9, "6GiB": 6 << 30, "500m": 500e6, "1.5 gb": 1.5e9, "123456": 123456, "2kib": 2048, "7B": 7} {
		got, err := parseSize(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "auto", "GB", "-1GB", "0", "8TBs", "1e300gb", "nan"} {
		_, err := parseSize(text)
		require.Error(t, err, text)
	}
}

// TestForecast holds the forecast of each part against what training then takes.
func TestForecast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.gguf")
	shape := llama.Config{Context: 512, Embd: 256, Blocks: 3, FF: 512, Heads: 4, KVHeads: 2, HeadDim: 64, Vocab: 1000, NormEps: 1e-5, Tied: true,
		Rope: ggml.Rope{Base: 10000, Scale: 1, Dims: 64}}
	require.NoError(t, llama.WriteRandom(path, shape, "q8_0", 1))
	be, err := ggml.NewCPU(ggml.CPUOptions{Threads: 2})
	require.NoError(t, err)
	defer be.Close()
	for _, method := range methods() {
		m, err := llama.Open(be, path)
		require.NoError(t, err)
		c := DefaultConfig()
		c.Method = []string{method}
		tuned, err := newTuned(be, m, &c)
		require.NoError(t, err)
		b := newBudget(be, m, tuned.params, 0, 1)
		for _, k := range []struct {
			n, t   int
			packed bool
		}{{1, 64, false}, {4, 100, true}, {2, 333, false}} {
			got, err := b.forecast(k.n, k.t, k.packed)
			require.NoError(t, err)
			tr, err := newTrainer(be, m, tuned.params, k.n, k.t, k.packed, optim.AdamWConfig{})
			require.NoError(t, err)
			require.InEpsilon(t, tr.arena.Bytes()+2*tr.inputs.store.Bytes(), got.Activations+got.Inputs, 0.1, "%s %+v", method, k)
			require.Equal(t, tuned.params.Count()*4, got.Trained-slack(tuned.params), method)
			tr.Close()
		}
		if method == MethodFull {
			require.Zero(t, b.base.Weights, "every weight is replaced by its master")
		}
		_, err = b.check(64, 512, true)
		require.ErrorIs(t, err, peft.ErrInput)
		tuned.Close()
		m.Close()
	}
}

// slack is the alignment between the tensors of params.
func slack(p *peft.Params) (bytes int64) {
	for _, g := range p.Groups {
		bytes += g.W.Bytes()
	}
	return bytes - 4*p.Count()
}

// TestMemoryLimit holds that what is auto is chosen to fit, and that what is given and does not fit is refused by name.
func TestMemoryLimit(t *testing.T) {
	rows := patternRows(t)
	c := DefaultConfig()
	c.Model, c.Data, c.Out = "testdata/peft20/base.gguf", []string{rows}, filepath.Join(t.TempDir(), "run")
	c.MemoryMax, c.Batch, c.Ctx = "1MB", Given(8), Given(64)
	_, err := Run(context.Background(), c, Options{})
	require.ErrorIs(t, err, peft.ErrInput)
	require.ErrorContains(t, err, "--memory-limit")
	require.NoDirExists(t, c.Out)
	c.Method, c.MemoryMax = []string{MethodFull}, "100kB"
	_, err = Run(context.Background(), c, Options{})
	require.ErrorIs(t, err, peft.ErrInput)
	require.ErrorContains(t, err, "--method full: what it trains, with gradients and moments, needs")
	require.NoDirExists(t, c.Out)
}
