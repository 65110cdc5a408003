package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/peft/llama"
)

// randomModel writes a small model without a tokenizer, whose vocabulary has 256 tokens.
func randomModel(path, kind string, embd int64) error {
	return llama.WriteRandom(path, llama.Config{Context: 128, Embd: embd, Blocks: 2, FF: 2 * embd, Heads: 4, KVHeads: 2, HeadDim: embd / 4, Vocab: 256, NormEps: 1e-5,
		Rope: ggml.Rope{Base: 10000, Scale: 1, Dims: int(embd / 4)}}, kind, 3)
}

// randomRows writes n rows of tokens of that model.
func randomRows(path string, n int) error {
	var text bytes.Buffer
	for i := range n {
		ids := make([]int, 10+i*7%40)
		for j := range ids {
			ids[j] = (i*i*11 + j*5) % 256
		}
		if err := json.NewEncoder(&text).Encode(map[string]any{"input_ids": ids}); err != nil {
			return err
		}
	}
	return os.WriteFile(path, text.Bytes(), 0o600)
}

// TestKill kills runs of the built binary at random instants, among them many while a checkpoint is being written, and resumes them: every
// number and the adapter must be those of a run that was never killed.
func TestKill(t *testing.T) {
	if os.Getenv("GRAFT_SLOW") == "" {
		t.Skip("takes long: runs with GRAFT_SLOW=1 (make test-slow)")
	}
	graft := filepath.Join(t.TempDir(), "graft")
	build := exec.Command("go", "build", "-o", graft, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	for i, k := range []struct {
		name, kind string
		flags      []string
	}{
		{"F32, a checkpoint each step", "f32", []string{"--save-every", "1", "--eval-every", "7", "--valid-split", "0.05"}},
		{"quantized, packed, now and then a checkpoint", "q8_0", []string{"--save-every", "4", "--keep", "3", "--eval-every", "10", "--valid-split", "0.05", "--packing", "true", "--grad-accum", "3"}},
		{"by the clock, early stop", "q4_0", []string{"--save-every", "30ms", "--eval-every", "1", "--valid-split", "0.02", "--early-stop", "40", "--keep", "1"}},
	} {
		t.Run(k.name, func(t *testing.T) {
			dir := t.TempDir()
			model, rows := filepath.Join(dir, "model.gguf"), filepath.Join(dir, "rows.jsonl")
			require.NoError(t, randomModel(model, k.kind, 128))
			require.NoError(t, randomRows(rows, 300))
			r := &killedRun{t: t, graft: graft, rng: rand.New(rand.NewPCG(uint64(i), 20)), folder: filepath.Join(dir, "killed"), keep: 2}
			if k.kind == "q8_0" {
				r.keep = 3
			}
			r.args = append([]string{"train", "-m", model, "-d", rows, "--steps", "60", "--ctx", "64", "--batch-size", "4", "--lr", "5e-3", "--threads", "2"}, k.flags...)
			whole := filepath.Join(dir, "whole")
			out, err := exec.Command(graft, append(r.args, "-o", whole)...).CombinedOutput()
			require.NoError(t, err, string(out))
			r.whole = whole
			const kills = 20
			for len(r.steps) < kills {
				r.kill()
			}
			out, err = r.command().CombinedOutput()
			require.NoError(t, err, string(out))
			require.NotContains(t, string(out), "may differ")
			t.Logf("%d kills after steps %v, %d of them while a checkpoint was being written; begun %d times", kills, r.steps, r.writing, r.begun)
			require.GreaterOrEqual(t, r.writing, 3, "kills while a checkpoint was being written")
			r.requireSame()
		})
	}
}

// killedRun is a run that is killed again and again.
type killedRun struct {
	t             *testing.T
	graft, folder string
	whole         string // folder of the run that is not killed
	args          []string
	rng           *rand.Rand
	keep          int

	steps   []int // done at each kill
	writing int   // kills that left a half-written checkpoint
	begun   int   // times the run began, for want of a checkpoint
}

// command goes on with the run, or begins it where there is no checkpoint yet.
func (r *killedRun) command() *exec.Cmd {
	how := "--resume"
	if whole, _ := filepath.Glob(filepath.Join(r.folder, "checkpoints", "step-*")); len(whole) == 0 {
		how = "--overwrite"
		r.begun++
	}
	return exec.Command(r.graft, append(r.args, "-o", r.folder, how)...)
}

// kill starts the run and kills it: after a random number of steps and a random time, or in every other case as soon as it writes a
// checkpoint after that.
func (r *killedRun) kill() {
	cmd := r.command()
	require.NoError(r.t, cmd.Start())
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	first := len(r.lines())
	steps, wait, onWrite := r.rng.IntN(4), time.Duration(r.rng.IntN(60_000))*time.Microsecond, r.rng.IntN(2) == 0
	deadline := time.Now().Add(time.Minute)
	for len(r.lines()) < first+steps && time.Now().Before(deadline) && len(exited) == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(wait)
	for onWrite && !r.half() && time.Now().Before(deadline) && len(exited) == 0 {
		time.Sleep(20 * time.Microsecond)
	}
	err := cmd.Process.Kill()
	exit := <-exited
	if exit == nil { // it was done before
		r.requireSame()
		require.NoError(r.t, os.RemoveAll(r.folder))
		return
	}
	require.NoError(r.t, err, "it ended by itself: %v", exit)
	if r.half() {
		r.writing++
	}
	r.steps = append(r.steps, len(r.lines()))
	r.requireWhole()
}

// requireSame holds the run against the one that was not killed.
func (r *killedRun) requireSame() {
	require.Equal(r.t, numbers(r.t, r.whole), numbers(r.t, r.folder))
	want, err := os.ReadFile(filepath.Join(r.whole, "adapter.gguf"))
	require.NoError(r.t, err)
	got, err := os.ReadFile(filepath.Join(r.folder, "adapter.gguf"))
	require.NoError(r.t, err)
	require.True(r.t, bytes.Equal(want, got), "the adapter")
	left, err := filepath.Glob(filepath.Join(r.folder, "checkpoints", ".*"))
	require.NoError(r.t, err)
	require.Empty(r.t, left)
}

// half tells whether a checkpoint is half-written.
func (r *killedRun) half() bool {
	half, _ := filepath.Glob(filepath.Join(r.folder, "checkpoints", ".step-*.tmp"))
	return len(half) > 0
}

// requireWhole holds that every checkpoint is whole, and that there are no more than promised and the one being written.
func (r *killedRun) requireWhole() {
	whole, err := filepath.Glob(filepath.Join(r.folder, "checkpoints", "step-*"))
	require.NoError(r.t, err)
	require.LessOrEqual(r.t, len(whole), r.keep+1)
	for _, dir := range whole {
		text, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
		require.NoError(r.t, err)
		require.GreaterOrEqual(r.t, bytes.Count(text, []byte("\n")), 5)
		for line := range strings.Lines(string(text)) {
			sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
			content, err := os.ReadFile(filepath.Join(dir, name))
			require.NoError(r.t, err)
			got := sha256.Sum256(content)
			require.Equal(r.t, sum, hex.EncodeToString(got[:]), "%s/%s", dir, name)
		}
	}
}

// lines are the steps in metrics.jsonl so far.
func (r *killedRun) lines() (steps []string) {
	text, err := os.ReadFile(filepath.Join(r.folder, "metrics.jsonl"))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, `"loss"`) {
			steps = append(steps, line)
		}
	}
	return steps
}

// numbers are the lines of metrics.jsonl without what the clock and the system say.
func numbers(t *testing.T, folder string) (lines []string) {
	t.Helper()
	f, err := os.Open(filepath.Join(folder, "metrics.jsonl"))
	require.NoError(t, err)
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var all map[string]any
		require.NoError(t, json.Unmarshal(s.Bytes(), &all), s.Text())
		line, _, _ := strings.Cut(s.Text(), `,"seconds"`)
		lines = append(lines, line)
	}
	require.Greater(t, len(lines), 40, fmt.Sprint(lines))
	return lines
}
