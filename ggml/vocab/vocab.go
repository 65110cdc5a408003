// Package vocab is a model's vocabulary and tokenizer, read by libllama from the model's own GGUF, so that token ids are exactly
// llama.cpp's. Only the vocabulary is loaded, never a weight.
package vocab

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	bindggml "github.com/graft-go/graft/binding/ggml"
	"github.com/graft-go/graft/binding/llama"
	"github.com/graft-go/graft/ggml/gguf"
)

// Vocab is an open vocabulary. Its methods may be called from several goroutines at once. Close it when done; a token table stays
// readable after that, while Tokenize then returns an error.
type Vocab struct {
	path    string
	api     *llama.API
	limited bool // the pre-tokenizer overflows on long runs, see limit.go
	mixes   bool
	mu      sync.Mutex // held around every call into libllama, and by Close
	model   llama.Model
	handle  llama.Vocab
	table
}

// Open reads the vocabulary of a GGUF file. The file's tokenizer is validated first, because libllama ends the process on one that
// it cannot use; f may be closed afterwards.
func Open(f *gguf.File) (*Vocab, error) {
	if err := f.ValidateTokenizer(); err != nil {
		return nil, err
	}
	if !f.HasTokenizer() {
		return nil, &gguf.Error{Path: f.Path, Reason: "the file has no tokenizer", Advice: "use a model file with one, or pre-tokenized data"}
	}
	api, err := llama.Load()
	if err != nil {
		return nil, err
	}
	v := &Vocab{path: f.Path, api: api}
	texts, _ := f.Strings("tokenizer.ggml.tokens")
	var loadErr error
	err = bindggml.Guard(func() {
		if v.model, loadErr = api.OpenModel(f.Path, true); loadErr == nil {
			v.handle = api.ModelGetVocab(v.model)
			v.table = readTable(api, v.handle, texts)
		}
	})
	if err == nil {
		err = loadErr
	}
	if err != nil {
		return nil, fmt.Errorf("vocabulary of %s: %w", f.Path, err)
	}
	v.spacePrefix = spacePrefix(f)
	pre, _ := f.String("tokenizer.ggml.pre")
	model, _ := f.String("tokenizer.ggml.model")
	v.limited, v.mixes = model == "gpt2" && !slices.Contains(byOwnCode, pre), slices.Contains(mixing, pre)
	return v, nil
}

// spacePrefix tells whether the tokenizer puts a space before a text, which decoding then takes away again: the file's word where it
// has one, else yes for SentencePiece ("llama") and no for the others (llama-vocab.cpp).
func spacePrefix(f *gguf.File) bool {
	if b, ok := f.Bool("tokenizer.ggml.add_space_prefix"); ok {
		return b
	}
	model, _ := f.String("tokenizer.ggml.model")
	return model == "llama"
}

// Close frees the vocabulary. Closing twice is fine.
func (v *Vocab) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.model == 0 {
		return nil
	}
	model := v.model
	v.model, v.handle = 0, 0
	return bindggml.Guard(func() { v.api.ModelFree(model) })
}

// Tokenize turns text into token ids. Any bytes are text: NUL and invalid UTF-8 become tokens of their own. With addSpecial, BOS
// and EOS are added where the tokenizer says so; with parseSpecial, the names of control tokens in the text become those tokens. A text on
// which libllama would run out of stack is an error.
func (v *Vocab) Tokenize(text string, addSpecial, parseSpecial bool) ([]int32, error) {
	if len(text) > math.MaxInt32/2 {
		return nil, fmt.Errorf("tokenize with %s: a text of %d bytes is longer than libllama takes; split it", v.path, len(text))
	}
	if err := v.checkRuns(text); err != nil {
		return nil, err
	}
	// One byte more keeps the address of an empty text valid.
	bytes := make([]byte, len(text)+1)
	copy(bytes, text)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.model == 0 {
		return nil, fmt.Errorf("tokenize with %s: the vocabulary is closed", v.path)
	}
	tokens := make([]int32, len(text)/2+8)
	var n int32
	err := bindggml.Guard(func() {
		n = v.api.Tokenize(v.handle, &bytes[0], int32(len(text)), &tokens[0], int32(len(tokens)), addSpecial, parseSpecial)
		if n < 0 && n != math.MinInt32 { // minus the number of tokens
			tokens = make([]int32, -n)
			n = v.api.Tokenize(v.handle, &bytes[0], int32(len(text)), &tokens[0], int32(len(tokens)), addSpecial, parseSpecial)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("tokenize with %s: %w", v.path, err)
	}
	if n < 0 || int(n) > len(tokens) {
		return nil, fmt.Errorf("tokenize with %s: libllama returned %d for a text of %d bytes", v.path, n, len(text))
	}
	return tokens[:n], nil
}

// Detokenize joins the pieces of ids into a text, as llama_detokenize does without special tokens: control tokens give nothing, and
// the space that the tokenizer put before the text is taken away. Ids out of range give nothing.
func (v *Vocab) Detokenize(ids []int32) string {
	var b strings.Builder
	first := v.spacePrefix
	for _, id := range ids {
		piece := v.Piece(id)
		if first && len(piece) > 0 {
			first = false
			if piece[0] == ' ' {
				piece = piece[1:]
			}
		}
		b.Write(piece)
	}
	return b.String()
}
