package train

import (
	"context"
	"strings"

	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/peft/data"
)

// readData reads the rows of a run, whole; valid is nil where no file of them is given. tok may be nil for a model without a
// tokenizer, which takes pre-tokenized rows alone.
func readData(ctx context.Context, c Config, model *gguf.File, tok data.Tokenizer) (set, valid *data.Set, err error) {
	o := data.Options{
		Format: c.Format, MaxRows: c.MaxRows, SkipBad: c.SkipBad, AppendEOS: c.AppendEOS,
		NVocab: VocabSize(model), Fields: c.fieldNames(), Check: ctx.Err,
	}
	if set, err = data.Read(c.Data, tok, o); err != nil {
		return nil, nil, err
	}
	if c.Valid != "" {
		o.Format, o.MaxRows = data.FormatAuto, 0
		if valid, err = data.Read([]string{c.Valid}, tok, o); err != nil {
			return nil, nil, err
		}
	}
	return set, valid, nil
}

// fieldNames is --field as data.Options takes it.
func (c *Config) fieldNames() map[string]string {
	names := map[string]string{}
	for _, f := range c.Fields {
		usual, here, _ := strings.Cut(f, "=")
		names[usual] = here
	}
	return names
}

// VocabSize is the number of token ids of a model: the rows of its embedding.
func VocabSize(model *gguf.File) int {
	if t, ok := model.Tensor("token_embd.weight"); ok && len(t.Ne) > 1 {
		return int(t.Ne[1])
	}
	return 0
}

// ContextLength is the number of tokens that a model was trained with at once, or 0 where its file does not say.
func ContextLength(model *gguf.File) int {
	arch, _ := model.String("general.architecture")
	n, _ := model.Uint(arch + ".context_length")
	return int(min(n, mostCtx))
}
