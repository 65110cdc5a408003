package train

import (
	"context"
	"errors"

	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/ggml/vocab"
	"github.com/graft-go/graft/peft/data"
)

// Run trains. Flags, settings, run folder, model and data are checked, in this order, before anything is written.
func Run(ctx context.Context, c Config, o Options) (*Result, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if !c.DryRun {
		if _, err := CheckRunFolder(c.Out, c.Force); err != nil {
			return nil, err
		}
	}
	model, err := gguf.Open(c.Model)
	if err != nil {
		return nil, err
	}
	defer model.Close()
	var tok data.Tokenizer
	if model.HasTokenizer() {
		v, err := vocab.Open(model)
		if err != nil {
			return nil, err
		}
		defer v.Close()
		tok = v
	}
	r, err := Prepare(ctx, c, model, tok)
	if err != nil {
		return nil, err
	}
	if o.OnPlan != nil {
		o.OnPlan(r)
	}
	if c.DryRun {
		return &Result{}, nil
	}
	return nil, errors.New("train: the training loop is not built")
}
