package demo

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/binding"
	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/ggml/stock"
	"github.com/graft-go/graft/ggml/vocab"
	"github.com/graft-go/graft/peft/data"
	"github.com/graft-go/graft/peft/llama"
	"github.com/graft-go/graft/peft/train"
)

// needLibrary skips a test where the native library is not installed.
func needLibrary(t *testing.T) {
	t.Helper()
	if _, err := binding.FindGGML(); err != nil {
		t.Skipf("skipped: %v", err)
	}
}

// modelFile writes the embedded model and opens it.
func modelFile(t *testing.T) *gguf.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), ModelFile)
	require.NoError(t, WriteModel(path))
	f, err := gguf.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func TestModelFile(t *testing.T) {
	f := modelFile(t)
	require.LessOrEqual(t, Size(), 2<<20)
	require.NoError(t, f.ValidateTokenizer())
	c, err := llama.ReadConfig(f)
	require.NoError(t, err)
	require.Equal(t, []int64{256, 512, 2, 512, 256, 8, 4}, []int64{c.Embd, c.FF, c.Blocks, c.Vocab, c.Context, c.Heads, c.KVHeads})
	require.False(t, c.Tied)
	for _, tensor := range f.Tensors {
		want := ggml.TypeQ8_0
		if len(tensor.Ne) == 1 {
			want = ggml.TypeF32
		}
		require.Equal(t, want, tensor.Type, tensor.Name)
		require.Zero(t, tensor.Ne[0]%256, tensor.Name)
	}
	template, _ := f.String("tokenizer.chat_template")
	require.Equal(t, ChatTemplate, template, "make the model again: go run ./scripts/pretrain -o peft/demo/model.gguf")
}

func TestTokenizer(t *testing.T) {
	needLibrary(t)
	v, err := vocab.Open(modelFile(t))
	require.NoError(t, err)
	defer v.Close()
	training, held := Household(200, 50, 4)
	var texts []string
	for _, r := range append(training, held...) {
		texts = append(texts, r.Prompt, r.Completion)
	}
	for _, text := range append(texts, "", " ", "  two  spaces ", "tab\tline\n", "Größe 日本 👩‍🚀", "\x00\xff", "▁") {
		ids, err := v.Tokenize(text, false, false)
		require.NoError(t, err)
		if text == "▁" {
			continue // SentencePiece's sign for a space, which comes back as one
		}
		require.Equal(t, text, v.Detokenize(ids))
	}
	ids, err := v.Tokenize(MarkUser+" hello"+MarkEnd+MarkAssistant, true, true)
	require.NoError(t, err)
	bos, _ := v.BOS()
	require.Equal(t, bos, ids[0])
	require.Equal(t, MarkUser, v.Text(ids[1]))
	require.True(t, v.IsControl(ids[1]))
	require.Equal(t, MarkAssistant, v.Text(ids[len(ids)-1]))
	require.Equal(t, MarkEnd, v.Text(ids[len(ids)-2]))
	require.True(t, v.IsEOG(ids[len(ids)-2]), "the mark of a turn's end ends a generation")
	require.False(t, v.IsEOG(ids[len(ids)-1]))
	kitchen, err := v.Tokenize("kitchen", false, false)
	require.NoError(t, err)
	require.Len(t, kitchen, 1)
	inText, err := v.Tokenize("the kitchen", false, false)
	require.NoError(t, err)
	require.Equal(t, kitchen[0], inText[len(inText)-1], "a word is the same token wherever it stands")
}

// TestAskedAsTrained holds that a question is asked in the form in which conversations stand in the pretraining text.
func TestAskedAsTrained(t *testing.T) {
	needLibrary(t)
	s, err := train.OpenSession(train.SessionOptions{Model: modelFile(t).Path, Threads: 1})
	require.NoError(t, err)
	defer s.Close()
	got, _, err := s.ChatPrompt("", "", "is it late?")
	require.NoError(t, err)
	want, err := s.Vocab.Tokenize(conversation("> is it late?")+MarkAssistant, true, true)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// TestModelAgreesWithLibllama holds graft's perplexity of unseen text against stock libllama's, and both against what a trained model reaches.
func TestModelAgreesWithLibllama(t *testing.T) {
	needLibrary(t)
	f := modelFile(t)
	texts := Text(100, 77)
	rows := filepath.Join(t.TempDir(), "rows.jsonl")
	var lines []byte
	for _, text := range texts {
		line, err := json.Marshal(map[string]string{"text": text})
		require.NoError(t, err)
		lines = append(append(lines, line...), '\n')
	}
	require.NoError(t, os.WriteFile(rows, lines, 0o600))
	s, err := train.OpenSession(train.SessionOptions{Model: f.Path, Threads: 1})
	require.NoError(t, err)
	defer s.Close()
	score, err := s.Evaluate(context.Background(), train.EvalOptions{Files: []string{rows}, Ctx: 256, Data: data.Options{Format: data.FormatAuto}})
	require.NoError(t, err)
	m, err := stock.Open(f.Path, stock.Options{Threads: 1})
	require.NoError(t, err)
	defer m.Close()
	var sum float64
	var tokens int
	for _, text := range texts {
		ids, err := s.Vocab.Tokenize(text, true, true)
		require.NoError(t, err)
		ll, n, err := m.LogLikelihood(ids)
		require.NoError(t, err)
		sum, tokens = sum-ll, tokens+n
	}
	require.Equal(t, tokens, score.Tokens)
	require.InEpsilon(t, math.Exp(sum/float64(tokens)), score.Perplexity, 5e-3)
	require.Less(t, score.Perplexity, 2.0, "an untrained model has 512")
	t.Logf("perplexity %.4f, libllama %.4f", score.Perplexity, math.Exp(sum/float64(tokens)))
}

// TestEveryKQuantTrains re-quantizes the model to each K-quant: it must still know its text, and learn the task.
func TestEveryKQuantTrains(t *testing.T) {
	needLibrary(t)
	for _, name := range []string{"q2_K", "q3_K", "q4_K", "q5_K", "q6_K"} {
		t.Run(name, func(t *testing.T) {
			typ, err := ggml.ParseType(name)
			require.NoError(t, err)
			folder := t.TempDir()
			rows, held := Household(100, 1, 5)
			require.NoError(t, writeFolder(Options{Folder: folder, Overwrite: true}, rows, held))
			requantize(t, modelFile(t), filepath.Join(folder, ModelFile), typ)
			c := Config(folder)
			c.Steps, c.NumThreads = 12, train.Given(1)
			var losses []float64
			_, err = train.Run(context.Background(), c, train.Options{OnStep: func(m train.Metrics) { losses = append(losses, m.Loss) }})
			require.NoError(t, err)
			require.Less(t, losses[len(losses)-1], losses[0]*0.8, "%v", losses)
		})
	}
}

// requantize writes a model with its matrices in another type.
func requantize(t *testing.T, f *gguf.File, path string, typ ggml.Type) {
	t.Helper()
	w := gguf.NewWriter(path)
	w.CopyKeys(f, nil)
	for i := range f.Tensors {
		tensor := &f.Tensors[i]
		if len(tensor.Ne) == 1 {
			w.CopyTensor(f, tensor)
			continue
		}
		w.AddTensor(tensor.Name, typ, tensor.Ne, func(out io.Writer) error {
			values, packed := make([]float32, tensor.Elements()), make([]byte, typ.RowSize(tensor.Elements()))
			if err := ggml.Dequantize(tensor.Type, f.Data(tensor), values); err != nil {
				return err
			}
			if err := ggml.Quantize(typ, values, tensor.Ne[0], packed); err != nil {
				return err
			}
			_, err := out.Write(packed)
			return err
		})
	}
	require.NoError(t, w.Close())
}
