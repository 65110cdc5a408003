package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml/gguf"
)

// writeGGUF makes a file for a test.
func writeGGUF(t *testing.T, fill func(w *gguf.Writer)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.gguf")
	w := gguf.NewWriter(path)
	fill(w)
	require.NoError(t, w.Close())
	return path
}

// inspectJSON runs `graft inspect --json` and reads its output.
func inspectJSON(t *testing.T, path string) inspection {
	t.Helper()
	var out, stderr bytes.Buffer
	require.Equal(t, exitDone, inspectRun(&out, &stderr, path, "--json"), stderr.String())
	require.Empty(t, stderr.String())
	var in inspection
	require.NoError(t, json.Unmarshal(out.Bytes(), &in))
	return in
}

// inspectRun is the exit code of `graft inspect`.
func inspectRun(stdout, stderr *bytes.Buffer, args ...string) int {
	ctx := context.Background()
	err := runInspect(ctx, args, stdout, stderr)
	if err != nil {
		stderr.WriteString(errorLine(err))
	}
	return exitCode(ctx, err)
}

func TestInspectSharedModels(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/models/*.gguf")
	if len(files) == 0 {
		t.Skip("no shared/models beside the module: nothing to inspect")
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			in := inspectJSON(t, path)
			require.True(t, in.Trainable, in.Reason)
			require.Equal(t, "llama", in.Architecture)
			require.Equal(t, "model", in.Type)
			require.Len(t, in.SHA256, 64)
			n := 0
			for _, count := range in.Types {
				n += count
			}
			require.Len(t, in.Tensors, n)
			if strings.HasPrefix(filepath.Base(path), "stories260K") {
				require.EqualValues(t, 260032, in.Parameters)
			}
			var out, stderr bytes.Buffer
			require.Equal(t, exitDone, inspectRun(&out, &stderr, path))
			for _, s := range []string{"trainable", "yes", "token_embd.weight", "of string)", in.SHA256} {
				require.Contains(t, out.String(), s)
			}
		})
	}
}

func TestInspectNotTrainable(t *testing.T) {
	for _, c := range []struct {
		name string
		fill func(w *gguf.Writer)
		want []string
	}{
		{"another architecture", func(w *gguf.Writer) { w.SetString("general.architecture", "qwen2") }, []string{"qwen2", "Llama 2 or 3.x", "TinyLlama"}},
		{"hyper-parameters missing", func(w *gguf.Writer) { w.SetString("general.architecture", "llama") }, []string{"llama.block_count is missing"}},
		{"nothing", func(*gguf.Writer) {}, []string{"general.architecture"}},
		{"an image encoder", func(w *gguf.Writer) { w.SetString("general.type", "mmproj") }, []string{`"mmproj"`}},
		{"an adapter", func(w *gguf.Writer) { w.SetString("general.type", "adapter") }, []string{"adapter, not a model"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := writeGGUF(t, c.fill)
			in := inspectJSON(t, path)
			require.False(t, in.Trainable)
			for _, s := range c.want {
				require.Contains(t, in.Reason, s)
			}
			require.NotContains(t, in.Reason, path)
			var out, stderr bytes.Buffer
			require.Equal(t, exitDone, inspectRun(&out, &stderr, path))
			require.Contains(t, out.String(), "no: ")
		})
	}
}

func TestInspectAdapters(t *testing.T) {
	pair := func(w *gguf.Writer, name string, r int64) {
		w.AddF32(name+".lora_a", []int64{4, r}, make([]float32, 4*r))
		w.AddF32(name+".lora_b", []int64{r, 4}, make([]float32, 4*r))
	}
	lora := inspectJSON(t, writeGGUF(t, func(w *gguf.Writer) {
		w.SetString("general.type", "adapter")
		w.SetString("general.architecture", "llama")
		w.SetString("adapter.type", "lora")
		w.SetFloat32("adapter.lora.alpha", 16)
		pair(w, "blk.0.attn_q.weight", 8)
		pair(w, "blk.1.attn_q.weight", 8)
		pair(w, "output.weight", 4)
	}))
	require.Equal(t, []string{"lora"}, lora.Adapter.Methods)
	require.Equal(t, []int64{4, 8}, lora.Adapter.Ranks)
	require.Equal(t, []string{"attn_q", "output"}, lora.Adapter.Targets)
	require.InDelta(t, 16, *lora.Adapter.Alpha, 0)
	require.Equal(t, 3, lora.Adapter.Pairs)

	path := writeGGUF(t, func(w *gguf.Writer) {
		w.SetString("general.type", "graft")
		w.SetStrings("graft.methods", []string{"lora", "freeze"})
		w.SetString("graft.base.name", "tiny")
		w.SetString("graft.base.sha256", "00ff")
		pair(w, "blk.0.ffn_up.weight", 2)
	})
	own := inspectJSON(t, path)
	require.Equal(t, "graft", own.Type)
	require.Equal(t, []string{"lora", "freeze"}, own.Adapter.Methods)
	require.Equal(t, "tiny", own.Adapter.BaseName)
	require.Equal(t, "00ff", own.Adapter.BaseSHA256)
	var out, stderr bytes.Buffer
	require.Equal(t, exitDone, inspectRun(&out, &stderr, path))
	require.Contains(t, out.String(), "ffn_up (1 pairs)")
}

func TestInspectMetadata(t *testing.T) {
	path := writeGGUF(t, func(w *gguf.Writer) {
		w.SetInt32s("short", []int32{1, 2})
		w.SetInt32s("long", make([]int32, 100))
		w.SetFloat32("nan", float32(math.NaN()))
		w.SetFloat64s("inf", []float64{math.Inf(1)})
		w.SetString("text", "\x1b[31m"+strings.Repeat("x", 200))
		w.SetString("broken", "\xff\xfe")
	})
	in := inspectJSON(t, path)
	require.Equal(t, []any{1.0, 2.0}, in.Metadata["short"])
	require.EqualValues(t, 100, in.Metadata["long"].(map[string]any)["length"])
	require.Equal(t, "NaN", in.Metadata["nan"])
	require.Equal(t, []any{"+Inf"}, in.Metadata["inf"])
	var out, stderr bytes.Buffer
	require.Equal(t, exitDone, inspectRun(&out, &stderr, path))
	require.NotContains(t, out.String(), "\x1b", "control characters stay off the terminal")
	require.Contains(t, out.String(), "(205 bytes)")
	require.Contains(t, out.String(), "(100 of int32)")
}

func TestInspectFaults(t *testing.T) {
	dir := t.TempDir()
	good := writeGGUF(t, func(w *gguf.Writer) { w.AddF32("a", []int64{8}, make([]float32, 8)) })
	whole, err := os.ReadFile(good)
	require.NoError(t, err)
	cut := filepath.Join(dir, "cut.gguf")
	require.NoError(t, os.WriteFile(cut, whole[:len(whole)-8], 0o600))
	text := filepath.Join(dir, "text.gguf")
	require.NoError(t, os.WriteFile(text, []byte("no model"), 0o600))
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"no file given", nil, []string{"no GGUF file given"}},
		{"two files", []string{good, good}, []string{"one argument too many"}},
		{"missing", []string{filepath.Join(dir, "none.gguf")}, []string{"none.gguf", "no such file"}},
		{"folder", []string{dir}, []string{"is a folder"}},
		{"truncated", []string{cut}, []string{"cut.gguf", "8 bytes missing", "download it again"}},
		{"text", []string{text, "--json"}, []string{"text.gguf", "not a GGUF file"}},
		{"unknown flag", []string{good, "--jsno"}, []string{"--jsno", "--json"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, stderr bytes.Buffer
			require.Equal(t, exitInput, inspectRun(&out, &stderr, c.args...))
			require.Empty(t, out.String())
			require.True(t, strings.HasPrefix(stderr.String(), "graft: "), stderr.String())
			for _, s := range c.want {
				require.Contains(t, stderr.String(), s)
			}
		})
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000"} {
		require.Equal(t, want, thousands(n))
	}
	require.Equal(t, "1.5 KiB", binarySize(1536))
	require.Equal(t, "12 B", binarySize(12))
	require.Equal(t, "4.0 GiB", binarySize(4<<30))
}
