package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/peft/llama"
)

// shape is the embedded model's: every row of a matrix is a multiple of 256 long, so that each K-quant can hold it. The output matrix
// is one of its own, and two heads share their keys and values, so that both are met in tests.
func shape() llama.Config {
	return llama.Config{Context: 256, Embd: 256, Blocks: 2, FF: 512, Heads: 8, KVHeads: 4, HeadDim: 32, Vocab: 512, NormEps: 1e-5,
		Rope: ggml.Rope{Base: 10000, Scale: 1, Dims: 32}}
}

// vocabTexts is how many texts the pieces are learned from.
const vocabTexts = 20000

// writeStart writes the model before training, with random F32 weights and the vocabulary.
func writeStart(path string, texts []string, seed uint64) error {
	v, err := newVocabulary(texts[:min(vocabTexts, len(texts))], int(shape().Vocab))
	if err != nil {
		return err
	}
	random := filepath.Join(filepath.Dir(path), "random.gguf")
	if err := llama.WriteRandom(random, shape(), "f32", seed); err != nil {
		return err
	}
	defer os.Remove(random)
	f, err := gguf.Open(random)
	if err != nil {
		return err
	}
	defer f.Close()
	w := gguf.NewWriter(path)
	slices.SortFunc(f.Keys, func(a, b gguf.KeyValue) int { return strings.Compare(a.Key, b.Key) }) // the same file each time
	w.CopyKeys(f, func(key string) bool { return strings.HasPrefix(key, "tokenizer.") })
	w.SetString("general.name", "graft demo")
	w.SetString("general.description", "made by scripts/pretrain of graft from a text that it wrote itself")
	v.write(w)
	for i := range f.Tensors {
		w.CopyTensor(f, &f.Tensors[i])
	}
	return w.Close()
}

// writeTexts writes a JSONL data set.
func writeTexts(path string, texts []string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, text := range texts {
		if err := e.Encode(map[string]string{"text": text}); err != nil {
			return err
		}
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}
