package train

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/peft"
)

// TestExportKeepsTemplateAndSources holds that a merged model carries the run's chat template, and that faulty exports are refused.
func TestExportKeepsTemplateAndSources(t *testing.T) {
	rows := patternRows(t)
	folder, _ := trainRows(t, MethodLoRA, rows, 2, 1e-3)
	base, loraFile := "testdata/peft20/base.gguf", filepath.Join(folder, AdapterFile)
	e, err := openExport(folder, "", filepath.Join(t.TempDir(), "x.gguf"), false)
	require.NoError(t, err)
	e.tuned.lora.ChatTemplate = "{{ messages[0].content }}"
	with := filepath.Join(t.TempDir(), "with.gguf")
	require.NoError(t, e.tuned.lora.Save(with, "llama", "base"))
	e.Close()
	merged := filepath.Join(t.TempDir(), "merged.gguf")
	_, err = ExportMerged(with, base, merged, Keep, false)
	require.NoError(t, err)
	f, err := gguf.Open(merged)
	require.NoError(t, err)
	defer f.Close()
	template, _ := f.String("tokenizer.chat_template")
	require.Equal(t, "{{ messages[0].content }}", template)

	before, err := os.ReadFile(loraFile)
	require.NoError(t, err)
	_, err = ExportMerged(folder, "", loraFile, Keep, true)
	require.ErrorIs(t, err, peft.ErrInput)
	require.ErrorContains(t, err, "made from this file")
	after, err := os.ReadFile(loraFile)
	require.NoError(t, err)
	require.True(t, bytes.Equal(before, after))
	_, err = ExportMerged(folder, "", filepath.Join(t.TempDir(), "no", "x.gguf"), Keep, false)
	require.ErrorIs(t, err, peft.ErrInput)

	bits := math.Float32bits(float32(math.NaN()))
	for i := range 4 {
		before[len(before)-64+i] = byte(bits >> (8 * i))
	}
	bad := filepath.Join(t.TempDir(), "nan.gguf")
	require.NoError(t, os.WriteFile(bad, before, 0o600))
	_, err = ExportMerged(bad, base, merged, Keep, true)
	require.ErrorIs(t, err, peft.ErrInput)
	require.ErrorContains(t, err, "is NaN")
	_, err = OpenSession(SessionOptions{Model: base, Adapters: []string{bad}})
	require.ErrorContains(t, err, "is NaN")
}
