package main

import (
	"errors"

	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/peft/llama"
)

// untrainable says why graft cannot train what is in a file, or returns nil: what it is, hyper-parameters and tensors,
// the tokenizer.
func untrainable(f *gguf.File, kind string) error {
	switch kind {
	case "model":
	case "adapter", "graft":
		return errors.New("this is an adapter, not a model: what trains is its base model")
	default:
		return errors.New("this is " + quote(kind) + " data, not a language model")
	}
	if _, err := llama.ReadConfig(f); err != nil {
		return reason(err)
	}
	if !f.HasTokenizer() {
		if model, there := f.String("tokenizer.ggml.model"); there {
			return errors.New("the file has no tokenizer (tokenizer.ggml.model is " + quote(model) + "); convert the model again with its tokenizer")
		}
	}
	return reason(f.ValidateTokenizer())
}

// reason is an error about a file without the file's name, which stands at the top of the output already.
func reason(err error) error {
	var unsupported *llama.UnsupportedError
	var fault *gguf.Error
	switch {
	case errors.As(err, &unsupported):
		return errors.New(unsupported.Reason)
	case errors.As(err, &fault) && fault.Advice != "":
		return errors.New(fault.Reason + "; " + fault.Advice)
	case errors.As(err, &fault):
		return errors.New(fault.Reason)
	}
	return err
}
