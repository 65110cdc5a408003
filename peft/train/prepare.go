package train

import (
	"context"
	"strings"

	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/peft/chat"
	"github.com/graft-go/graft/peft/data"
)

// Prepare reads the data of a run and solves what is auto. tok may be nil for a model without a tokenizer, which takes
// pre-tokenized rows alone. Nothing is written.
func Prepare(ctx context.Context, c Config, model *gguf.File, tok data.Tokenizer) (*Resolved, error) {
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
	set, err := data.Read(c.Data, tok, o)
	if err != nil {
		return nil, err
	}
	var valid *data.Set
	if c.Valid != "" {
		o.Format, o.MaxRows = data.FormatAuto, 0
		if valid, err = data.Read([]string{c.Valid}, tok, o); err != nil {
			return nil, err
		}
	}
	r, err := Resolve(c, set, valid, ContextLength(model))
	if err != nil {
		return nil, err
	}
	r.Chat = template.choice
	r.Reasons = append(append([]string(nil), set.Notes...), r.Reasons...)
	r.Warnings = append(r.Warnings, set.Warnings...)
	if look := template.untrained(model); look != "" {
		r.warn("%s", look)
	}
	return r, nil
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
