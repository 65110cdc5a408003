package train

import (
	"context"
	"slices"
	"strings"

	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/ggml/vocab"
	"github.com/graft-go/graft/peft/chat"
	"github.com/graft-go/graft/peft/data"
)

// runData are the rows of a run, whole, and the chat template they were written by.
type runData struct {
	train, valid *data.Set // valid is nil where no file of it is given
	template     *templates
}

// readData reads the rows of a run. tok may be nil for a model without a tokenizer, which takes pre-tokenized rows alone. Today's date
// becomes that of c where it has none.
func readData(ctx context.Context, c *Config, model *gguf.File, tok data.Tokenizer) (*runData, error) {
	o := data.Options{
		Format: c.Format, MaxRows: c.MaxRows, SkipBad: c.SkipBad, AppendEOS: c.AppendEOS,
		NVocab: VocabSize(model), Fields: c.fieldNames(), Check: ctx.Err, LossAll: c.LossOn == LossOnAll,
	}
	if c.ChatDate == "" {
		c.ChatDate = chat.Today()
	}
	template, err := newTemplates(c.ChatTemplate, c.ChatDate, model, tok)
	if err != nil {
		return nil, err
	}
	o.Chat = template.choose
	r := &runData{template: template}
	if r.train, err = data.Read(c.Data, tok, o); err != nil {
		return nil, err
	}
	if c.Valid != "" {
		o.Format, o.MaxRows = data.FormatAuto, 0
		if r.valid, err = data.Read([]string{c.Valid}, tok, o); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// explain puts what is to be said of the rows and their template into a solved run.
func (d *runData) explain(r *Resolved, model *gguf.File, v *vocab.Vocab) {
	if v != nil {
		r.speller = v
	}
	r.Chat = d.template.choice
	r.Reasons = append(slices.Clone(d.train.Notes), r.Reasons...)
	r.Warnings = append(r.Warnings, d.train.Warnings...)
	if look := d.template.untrained(model); look != "" {
		r.warn("%s", look)
	}
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
