package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/peft"
	"github.com/graft-go/graft/peft/llama"
)

// writeRows makes n rows of tokens below 256, of different lengths.
func writeRows(t *testing.T, path string, n int) string {
	t.Helper()
	var text []byte
	for i := range n {
		ids := make([]int, 8+i*5%17)
		for j := range ids {
			ids[j] = (i*i*7 + j*3) % 256
		}
		line, err := json.Marshal(map[string]any{"input_ids": ids})
		require.NoError(t, err)
		text = append(append(text, line...), '\n')
	}
	require.NoError(t, os.WriteFile(path, text, 0o600))
	return path
}

// smallRun is a run of 12 steps of two micro-batches on a random model.
func smallRun(t *testing.T, dir, kind string) Config {
	t.Helper()
	c := DefaultConfig()
	c.Model = filepath.Join(dir, kind+".gguf")
	shape := llama.Config{Context: 64, Embd: 64, Blocks: 2, FF: 128, Heads: 4, KVHeads: 2, HeadDim: 16, Vocab: 256, NormEps: 1e-5, Rope: ggml.Rope{Base: 10000, Scale: 1, Dims: 16}}
	require.NoError(t, llama.WriteRandom(c.Model, shape, kind, 7))
	c.Data, c.Out = []string{writeRows(t, filepath.Join(dir, "rows.jsonl"), 60)}, filepath.Join(dir, "whole")
	c.Steps, c.LR, c.Rank, c.Decay, c.Ctx, c.Batch, c.Accum, c.NumThreads = 12, Given(1e-2), 4, 0.01, Given(32), Given(2), Given(2), Given(2)
	return c
}

// withoutTimes are the lines of metrics.jsonl without what the clock and the system say.
func withoutTimes(t *testing.T, folder string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, metricsFile))
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(string(text), "\n"))
	var lines []string
	for line := range strings.Lines(string(text)) {
		var whole map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &whole), line)
		line, _, _ = strings.Cut(line, `,"seconds"`)
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

// requireSame holds that two runs wrote the same numbers, to the last bit.
func requireSame(t *testing.T, want, got string) {
	t.Helper()
	require.Equal(t, withoutTimes(t, want), withoutTimes(t, got))
	a, err := os.ReadFile(filepath.Join(want, AdapterFile))
	require.NoError(t, err)
	b, err := os.ReadFile(filepath.Join(got, AdapterFile))
	require.NoError(t, err)
	require.Equal(t, a, b, "the adapter")
	require.NoFileExists(t, filepath.Join(got, lockFile))
}

// interrupt runs until after step, and returns what was said.
func interrupt(t *testing.T, c Config, step int) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var said strings.Builder
	_, err := Run(ctx, c, Options{
		Log: func(format string, a ...any) { fmt.Fprintf(&said, format+"\n", a...) },
		OnPlan: func(*Resolved) {
			if step == 0 {
				cancel()
			}
		},
		OnStep: func(m Metrics) {
			if m.Step == step {
				cancel()
			}
		},
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Contains(t, said.String(), fmt.Sprintf("interrupted after step %d", step))
	return said.String()
}

// TestResume interrupts runs of every kind at several steps, before, on and after those that evaluate, and holds them against runs that were
// not interrupted.
func TestResume(t *testing.T) {
	for _, k := range []struct {
		name, kind string
		change     func(t *testing.T, c *Config)
	}{
		{"F32", "f32", func(*testing.T, *Config) {}},
		{"quantized base, validation from the data", "q8_0", func(_ *testing.T, c *Config) { c.Split, c.EvalEvery = Given(0.11), Given(5) }},
		{"packing, all steps accumulate", "f32", func(_ *testing.T, c *Config) { c.Packing, c.Accum = Given(1), Given(3) }},
		{"epochs and a validation file", "q4_0", func(t *testing.T, c *Config) {
			c.Steps, c.Epochs, c.Schedule, c.Shuffle = 0, 0.8, "linear", false
			c.Valid, c.EvalEvery = writeRows(t, filepath.Join(filepath.Dir(c.Model), "valid.jsonl"), 5), Given(4)
		}},
		{"early stop", "f32", func(_ *testing.T, c *Config) {
			c.Split, c.EvalEvery, c.LR, c.EarlyStop = Given(0.2), Given(1), Given(0.3), 4
		}},
	} {
		t.Run(k.name, func(t *testing.T) {
			dir := t.TempDir()
			c := smallRun(t, dir, k.kind)
			k.change(t, &c)
			whole, err := Run(context.Background(), c, Options{})
			require.NoError(t, err)
			if k.name == "early stop" {
				require.Less(t, whole.Steps, 12)
				require.Greater(t, whole.Steps, 5)
			}
			again := c
			again.Out = filepath.Join(dir, "again")
			_, err = Run(context.Background(), again, Options{})
			require.NoError(t, err)
			requireSame(t, c.Out, again.Out)
			cut := c
			cut.Out = filepath.Join(dir, "cut")
			steps := []int{0, 3, 5}
			if whole.Eval != nil { // else nothing is left to be interrupted after the last step
				steps = append(steps, whole.Steps)
			}
			for i, step := range steps {
				cut.Resume = i > 0
				interrupt(t, cut, step)
			}
			var plan *Resolved
			result, err := Run(context.Background(), Config{Out: cut.Out, Resume: true}, Options{Given: []string{"out"}, OnPlan: func(r *Resolved) { plan = r }})
			require.NoError(t, err)
			require.Empty(t, slices.DeleteFunc(plan.Reasons, func(s string) bool { return strings.HasPrefix(s, "steps ") || strings.Contains(s, "were cut") }), "nothing is guessed again")
			requireSame(t, c.Out, cut.Out)
			require.Equal(t, whole.Verdict, result.Verdict)
			require.Equal(t, whole.Eval, result.Eval)
			require.Equal(t, whole.Steps, result.Steps)
		})
	}
}

// TestResumeFromOlder kills runs in effect: the folder as it was at a checkpoint, or a part of it, goes on to the same end.
func TestResumeFromOlder(t *testing.T) {
	dir := t.TempDir()
	c := smallRun(t, dir, "f32")
	c.Split, c.EvalEvery, c.SaveEvery, c.Keep = Given(0.1), Given(4), "3", 9
	_, err := Run(context.Background(), c, Options{})
	require.NoError(t, err)
	list, err := checkpointFolder{path: filepath.Join(c.Out, checkpointsFolder)}.list()
	require.NoError(t, err)
	require.Equal(t, []int{3, 6, 9, 12}, list)
	for _, k := range []struct {
		name   string
		damage func(t *testing.T, folder string)
		from   int
		say    string
	}{
		{"the last file was not written", func(t *testing.T, folder string) { require.NoError(t, os.Remove(filepath.Join(folder, AdapterFile))) }, 12, ""},
		{"only the record was not written", func(*testing.T, string) {}, 12, ""},
		{"half a checkpoint and half a file are left over", func(t *testing.T, folder string) {
			require.NoError(t, os.RemoveAll(checkpointPath(folder, 12)))
			require.NoError(t, os.Rename(checkpointPath(folder, 9), filepath.Join(folder, checkpointsFolder, ".step-000009.tmp")))
			require.NoError(t, os.WriteFile(filepath.Join(folder, "run.json.123.tmp"), nil, 0o600))
			require.NoError(t, os.WriteFile(filepath.Join(folder, ".adapter.gguf.tmp-abc"), nil, 0o600))
		}, 6, ""},
		{"the newest are damaged", func(t *testing.T, folder string) {
			require.NoError(t, os.Truncate(filepath.Join(checkpointPath(folder, 12), weightsFile), 100))
			require.NoError(t, os.Truncate(filepath.Join(checkpointPath(folder, 9), meanFile), 0))
		}, 6, "step-000012 is damaged (weights.gguf has another hash than was written)"},
		{"a line of the metrics is torn", func(t *testing.T, folder string) {
			require.NoError(t, os.RemoveAll(checkpointPath(folder, 12)))
			f, err := os.OpenFile(filepath.Join(folder, metricsFile), os.O_APPEND|os.O_WRONLY, 0)
			require.NoError(t, err)
			_, err = f.WriteString(`{"step":13,"epo`)
			require.NoError(t, errors.Join(err, f.Close()))
		}, 9, ""},
	} {
		t.Run(k.name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "run")
			require.NoError(t, os.CopyFS(folder, os.DirFS(c.Out)))
			r, err := readRecord(folder)
			require.NoError(t, err)
			r.State = "running"
			require.NoError(t, (&output{folder: folder, record: r}).writeRecord())
			k.damage(t, folder)
			again := c
			again.Out, again.Resume, again.Keep, again.SaveEvery = folder, true, 3, "off"
			var said strings.Builder
			_, err = Run(context.Background(), again, Options{Log: func(format string, a ...any) { fmt.Fprintf(&said, format+"\n", a...) }})
			require.NoError(t, err)
			require.Contains(t, said.String(), fmt.Sprintf("after step %d of 12", k.from))
			require.Contains(t, said.String(), k.say)
			require.NotContains(t, said.String(), "may differ")
			requireSame(t, c.Out, folder)
			left, err := checkpointFolder{path: filepath.Join(folder, checkpointsFolder)}.list()
			require.NoError(t, err)
			require.Equal(t, 12, left[len(left)-1])
			require.Empty(t, filesMatching(t, folder, "tmp"))
			r, err = readRecord(folder)
			require.NoError(t, err)
			require.Equal(t, "done", r.State)
			require.Equal(t, k.from, r.Resumed[0].Step)
		})
	}
}

func checkpointPath(folder string, step int) string {
	return filepath.Join(folder, checkpointsFolder, checkpointName(step))
}

// filesMatching lists the files below a folder whose name holds a text.
func filesMatching(t *testing.T, folder, part string) (found []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if strings.Contains(d.Name(), part) {
			found = append(found, path)
		}
		return err
	}))
	return found
}

// snapshot is every file below a folder with its content.
func snapshot(t *testing.T, folder string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	}))
	return all
}

// TestResumeRefused holds that whatever does not fit is bad input, and leaves the folder as it was.
func TestResumeRefused(t *testing.T) {
	dir := t.TempDir()
	c := smallRun(t, dir, "f32")
	c.Valid, c.Init = writeRows(t, filepath.Join(dir, "valid.jsonl"), 3), ""
	interrupt(t, c, 4)
	other := writeRows(t, filepath.Join(dir, "other.jsonl"), 61)
	q8 := smallRun(t, t.TempDir(), "q8_0").Model
	empty := t.TempDir()
	for _, k := range []struct {
		name   string
		change func(c *Config)
		why    string
	}{
		{"together with --overwrite", func(c *Config) { c.Force = true }, "--resume: goes on with a run, --overwrite replaces it"},
		{"no folder given", func(c *Config) { c.Out = "" }, "--resume: no run folder given"},
		{"a missing folder", func(c *Config) { c.Out = filepath.Join(dir, "none") }, "none: no such run folder"},
		{"a folder without a run", func(c *Config) { c.Out = empty }, "no run is in this folder"},
		{"another rank", func(c *Config) { c.Rank = 16 }, "--rank 16: the run in " + c.Out + ` has "4"; leave the flag out`},
		{"everything that contradicts is named", func(c *Config) { c.Steps, c.LR, c.Targets = 20, Given(1e-3), []string{"attn_q"} }, `--targets attn_q: the run in ` + c.Out + ` has "all-linear"; leave the flag out, or begin another run | --steps 20`},
		{"another number that was automatic", func(c *Config) { c.Alpha = Given(9) }, `--alpha 9: the run in ` + c.Out + ` has "8"`},
		{"another adapter to start from", func(c *Config) { c.Init = "x.gguf" }, "--init-adapter x.gguf"},
		{"other training rows", func(c *Config) { c.Data = []string{other} }, "--data " + other + ": is not the " + c.Data[0] + " that the run began with"},
		{"one file more", func(c *Config) { c.Data = []string{c.Data[0], other} }, "--data " + other + ": the run began without this file"},
		{"other validation rows", func(c *Config) { c.Valid = other }, "--valid " + other + ": is not the"},
		{"missing training rows", func(c *Config) { c.Data = []string{"gone.jsonl"} }, "data: gone.jsonl: no such file"},
		{"another model", func(c *Config) { c.Model = q8 }, "--model " + q8 + ": is not the model that the run began with"},
		{"a missing model", func(c *Config) { c.Model = "gone.gguf" }, "gone.gguf: no such file"},
		{"a setting out of range", func(c *Config) { c.Keep = -1 }, "--keep -1"},
	} {
		t.Run(k.name, func(t *testing.T) {
			before := snapshot(t, c.Out)
			again := c
			again.Resume = true
			k.change(&again)
			_, err := Run(context.Background(), again, Options{})
			require.ErrorContains(t, err, k.why)
			var file *gguf.Error
			require.True(t, errors.Is(err, peft.ErrInput) || errors.As(err, &file), "bad input")
			require.Equal(t, before, snapshot(t, c.Out))
		})
	}
	t.Run("a default that is stated", func(t *testing.T) {
		again := c
		again.Resume, again.Rank = true, 8
		_, err := Run(context.Background(), again, Options{Given: []string{"rank"}})
		require.ErrorContains(t, err, "--rank 8: the run in")
	})
	t.Run("metadata of the model", func(t *testing.T) {
		text, err := os.ReadFile(c.Model)
		require.NoError(t, err)
		changed := strings.Replace(string(text), "general.name", "general.nome", 1)
		require.NotEqual(t, string(text), changed)
		again := c
		again.Resume, again.Model = true, filepath.Join(dir, "changed.gguf")
		require.NoError(t, os.WriteFile(again.Model, []byte(changed), 0o600))
		_, err = Run(context.Background(), again, Options{})
		require.ErrorContains(t, err, "is not the model that the run began with")
	})
	t.Run("no checkpoint", func(t *testing.T) {
		folder := filepath.Join(t.TempDir(), "run")
		require.NoError(t, os.CopyFS(folder, os.DirFS(c.Out)))
		require.NoError(t, os.RemoveAll(filepath.Join(folder, checkpointsFolder)))
		again := c
		again.Resume, again.Out = true, folder
		_, err := Run(context.Background(), again, Options{})
		require.ErrorContains(t, err, "no whole checkpoint is in this folder; begin again with --overwrite")
		require.ErrorIs(t, err, peft.ErrInput)
	})
	t.Run("what may change", func(t *testing.T) {
		again := c
		again.Resume, again.Keep, again.SaveEvery, again.NumThreads = true, 1, "1", Given(1)
		moved := filepath.Join(t.TempDir(), "moved.jsonl")
		text, err := os.ReadFile(c.Data[0])
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(moved, text, 0o600))
		again.Data = []string{moved}
		var said strings.Builder
		_, err = Run(context.Background(), again, Options{Log: func(format string, a ...any) { fmt.Fprintf(&said, format+"\n", a...) }})
		require.NoError(t, err)
		require.Contains(t, said.String(), "the last bits may differ from those of an uninterrupted run: threads 1, was 2\n")
		left, err := checkpointFolder{path: filepath.Join(c.Out, checkpointsFolder)}.list()
		require.NoError(t, err)
		require.Equal(t, []int{12}, left)
		stored := DefaultConfig()
		require.NoError(t, LoadSettings(filepath.Join(c.Out, settingsFile), &stored))
		require.Equal(t, 1, stored.Keep)
	})
	t.Run("a run that is done", func(t *testing.T) {
		before := snapshot(t, c.Out)
		result, err := Run(context.Background(), Config{Out: c.Out, Resume: true}, Options{Given: []string{"out"}})
		require.NoError(t, err)
		require.Equal(t, filepath.Join(c.Out, AdapterFile), result.Adapter)
		require.Equal(t, 12, result.Steps)
		require.NotEmpty(t, result.Verdict)
		require.Equal(t, before, snapshot(t, c.Out))
	})
}

// TestStopped holds that a run that fails keeps its checkpoints and says how to go on.
func TestStopped(t *testing.T) {
	c := smallRun(t, t.TempDir(), "f32")
	c.SaveEvery = "5"
	var said strings.Builder
	checkpoints := filepath.Join(c.Out, checkpointsFolder)
	_, err := Run(context.Background(), c, Options{
		Log: func(format string, a ...any) { fmt.Fprintf(&said, format+"\n", a...) },
		OnStep: func(m Metrics) {
			if m.Step == 7 { // what is in the way makes the next checkpoint fail
				require.NoError(t, os.MkdirAll(filepath.Join(checkpoints, ".step-000010.tmp"), 0o755))
				require.NoError(t, os.Rename(checkpoints, checkpoints+".aside"))
				require.NoError(t, os.WriteFile(checkpoints, nil, 0o600))
			}
		},
	})
	require.ErrorContains(t, err, "save checkpoint "+checkpointPath(c.Out, 10))
	require.NotErrorIs(t, err, peft.ErrInput)
	require.Contains(t, said.String(), "stopped after step 10; the same command with --resume goes on from "+checkpointPath(c.Out, 5))
	require.NoError(t, os.Remove(checkpoints))
	require.NoError(t, os.Rename(checkpoints+".aside", checkpoints))
	c.Resume = true
	_, err = Run(context.Background(), c, Options{})
	require.NoError(t, err)
	c.Resume, c.SaveEvery = false, "off"
	cut := c.Out
	c.Out += "2"
	_, err = Run(context.Background(), c, Options{})
	require.NoError(t, err)
	requireSame(t, c.Out, cut)
}

func TestEarlyStopNeedsValidation(t *testing.T) {
	c := smallRun(t, t.TempDir(), "f32")
	c.EarlyStop = 3
	_, err := Run(context.Background(), c, Options{})
	require.ErrorContains(t, err, "--early-stop 3: there are no validation rows to judge by; give --valid")
	require.ErrorIs(t, err, peft.ErrInput)
	require.NoDirExists(t, c.Out)
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	first, err := lockFolder(dir)
	require.NoError(t, err)
	_, err = lockFolder(dir)
	require.ErrorContains(t, err, fmt.Sprintf("--out %s: another run is using it, process %d", dir, os.Getpid()))
	require.ErrorIs(t, err, peft.ErrInput)
	_, err = CheckRunFolder(dir, true)
	require.ErrorContains(t, err, "another run is using it")
	first.Close()
	first.Close()
	require.NoFileExists(t, filepath.Join(dir, lockFile))
	t.Run("a file that a killed run left", func(t *testing.T) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, lockFile), []byte("1\n"), 0o600))
		again, err := lockFolder(dir)
		require.NoError(t, err)
		require.Equal(t, os.Getpid(), readPID(filepath.Join(dir, lockFile)))
		again.Close()
	})
	require.True(t, alive(os.Getpid()))
	require.False(t, alive(0))
	require.False(t, alive(1<<22+1), "beyond the highest number of a process")
}
