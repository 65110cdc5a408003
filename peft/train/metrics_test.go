package train

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMetricsWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.jsonl")
	w, err := NewMetricsWriter(path)
	require.NoError(t, err)
	m := Metrics{Step: 1, Epoch: 0.01, Loss: 4.12, LR: 1e-7 / 3, GradNorm: math.Nextafter(1, 2), Tokens: 1024, LossTokens: 900,
		Seconds: 0.51, TokensPerSecond: 1e21, MemoryBytes: 1 << 40}
	e := Eval{Step: 1, Loss: 3.9, Perplexity: math.Exp(3.9)}
	require.NoError(t, w.Step(m))
	require.NoError(t, w.Eval(e))
	require.NoError(t, w.Eval(Eval{Step: 2, Loss: 1000, Perplexity: math.Inf(1)}))
	text, err := os.ReadFile(path)
	require.NoError(t, err, "a line is in the file before Close")
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	require.Len(t, lines, 3)
	var gotStep Metrics
	require.NoError(t, json.Unmarshal([]byte(lines[0]), &gotStep))
	require.Equal(t, m, gotStep, "every number reads back as the same float64")
	var gotEval Eval
	require.NoError(t, json.Unmarshal([]byte(lines[1]), &gotEval))
	require.Equal(t, e, gotEval)
	require.Equal(t, `{"step":2,"eval_loss":1000,"eval_perplexity":null}`, lines[2])
	std, err := json.Marshal(m)
	require.NoError(t, err)
	require.JSONEq(t, string(std), lines[0], "the tags and the writer name the same fields")
	require.NoError(t, w.Close())

	again, err := NewMetricsWriter(path)
	require.NoError(t, err)
	require.NoError(t, again.Eval(e))
	require.NoError(t, again.Close())
	more, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(more), string(text)), "a file is appended to")
}

func TestRunFolder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	t.Run("new", func(t *testing.T) {
		path := filepath.Join(dir, "a", "b")
		r, err := CheckRunFolder(path+"/", false)
		require.NoError(t, err)
		require.NoDirExists(t, filepath.Join(dir, "a"), "checking leaves nothing")
		require.NoError(t, r.Create())
		require.DirExists(t, path)
	})
	t.Run("existing", func(t *testing.T) {
		_, err := CheckRunFolder(dir, false)
		require.ErrorContains(t, err, "exists; give another folder, or --overwrite")
	})
	t.Run("overwritten: the run goes, what else is there stays", func(t *testing.T) {
		path := filepath.Join(dir, "run[1]")
		require.NoError(t, os.MkdirAll(filepath.Join(path, "checkpoints", "step-000100"), 0o755))
		for _, name := range []string{"adapter.gguf", "metrics.jsonl", "events.out.tfevents.1", "notes.md"} {
			require.NoError(t, os.WriteFile(filepath.Join(path, name), nil, 0o600))
		}
		r, err := CheckRunFolder(path, true)
		require.NoError(t, err)
		require.FileExists(t, filepath.Join(path, "adapter.gguf"))
		require.NoError(t, r.Create())
		r.Close()
		left, err := os.ReadDir(path)
		require.NoError(t, err)
		require.Len(t, left, 1)
		require.Equal(t, "notes.md", left[0].Name())
	})
	t.Run("a file", func(t *testing.T) {
		_, err := CheckRunFolder(file, true)
		require.ErrorContains(t, err, "is no folder")
	})
	t.Run("below a file", func(t *testing.T) {
		_, err := CheckRunFolder(filepath.Join(file, "run"), false)
		require.ErrorContains(t, err, "--out "+file)
	})
	t.Run("a link to nothing", func(t *testing.T) {
		link := filepath.Join(dir, "link")
		require.NoError(t, os.Symlink(filepath.Join(dir, "gone"), link))
		_, err := CheckRunFolder(link, false)
		require.ErrorContains(t, err, "link to nothing")
	})
	if _, err := os.Stat("/proc/self"); err == nil {
		t.Run("not writable", func(t *testing.T) {
			_, err := CheckRunFolder("/proc/graft-run", false)
			require.ErrorContains(t, err, "give a folder that can be written")
		})
	}
}
