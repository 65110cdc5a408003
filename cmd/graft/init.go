package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/peft"
	"github.com/graft-go/graft/peft/llama"
)

// initOptions are the flags of `graft init`.
type initOptions struct {
	shape, vocabFrom, out, kind string
	vocab                       int64
	seed                        uint64
	overwrite                   bool
}

// created is what `graft init --json` prints.
type created struct {
	File       string `json:"file"`
	Bytes      int64  `json:"bytes"`
	Parameters int64  `json:"parameters"`
	Type       string `json:"type"`
	Vocab      int64  `json:"vocab"`
	Tokenizer  string `json:"tokenizer,omitempty"` // the file it was taken from
	Seed       uint64 `json:"seed"`
	SHA256     string `json:"sha256"`
}

// runInit makes a new model with random weights.
func runInit(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("init", "init --shape SHAPE --vocab-from X.gguf -o NEW.gguf [flags]",
		"Makes a new Llama with random weights and the tokenizer of another model, ready to be trained: "+
			"matrices normal with deviation 0.02 (attn_output and ffn_down divided by the root of twice the layers), norms 1.")
	var o initOptions
	f.StringVar(&o.shape, "shape", "", llama.ShapeSyntax)
	f.StringVar(&o.vocabFrom, "vocab-from", "", "GGUF whose tokenizer and chat template the new model gets")
	f.Int64Var(&o.vocab, "vocab", 0, "instead of --vocab-from: this many token ids and no tokenizer, for pre-tokenized data")
	f.StringVarP(&o.out, "out", "o", "", "file to write")
	f.StringVar(&o.kind, "type", "f32", "type of the matrices: f32, f16, q8_0, q4_k_m and so on")
	f.Uint64Var(&o.seed, "seed", 42, "seed of the random weights")
	f.BoolVar(&o.overwrite, "overwrite", false, "replace an existing file")
	asJSON := f.Bool("json", false, "one JSON document on stdout")
	if done, err := f.parse(args, stdout); done || err != nil {
		return err
	}
	if err := f.noArgs(); err != nil {
		return err
	}
	shape, err := o.check(f.Changed("vocab"))
	if err != nil {
		return err
	}
	made, err := o.write(ctx, shape)
	if err != nil {
		return err
	}
	if *asJSON {
		return json.NewEncoder(stdout).Encode(made)
	}
	fmt.Fprintf(stderr, "%s parameters in %s, %s; train it with: graft train -m %s -d DATA -o RUN\n", thousands(made.Parameters), made.Type, binarySize(made.Bytes), o.out)
	_, err = fmt.Fprintln(stdout, made.File)
	return err
}

// check refuses everything that can be seen in the flags.
func (o *initOptions) check(vocabGiven bool) (*llama.Config, error) {
	const mostVocab = 1 << 24 // far above any tokenizer
	switch {
	case o.shape == "":
		return nil, &usageError{where: "init: --shape", why: "no shape given", do: "give " + llama.ShapeSyntax}
	case o.out == "":
		return nil, &usageError{where: "init: --out", why: "no file given", do: "give one: -o new.gguf"}
	case o.vocabFrom != "" && vocabGiven:
		return nil, &usageError{where: "init: --vocab", why: "beside --vocab-from, which says how many tokens there are", do: "give one of the two"}
	case o.vocabFrom == "" && !vocabGiven:
		return nil, &usageError{where: "init: --vocab-from", why: "no tokenizer given", do: "give a GGUF that has one, or --vocab N for a model without"}
	case vocabGiven && (o.vocab < 2 || o.vocab > mostVocab):
		return nil, &usageError{where: fmt.Sprintf("init: --vocab %d", o.vocab), why: fmt.Sprintf("not a number of tokens between 2 and %d", mostVocab), do: "give another"}
	}
	c, err := llama.ParseShape(o.shape)
	if err != nil {
		return nil, err
	}
	c.Vocab = o.vocab
	typeOf, err := llama.Quantization(o.kind, c)
	if err != nil {
		return nil, &usageError{where: "init: --type " + quote(o.kind), why: err.Error(), do: "f32 is the default"}
	}
	if tensor, values, block := c.Misfit(typeOf); tensor != "" {
		return nil, &usageError{where: "init: --type " + quote(o.kind), why: fmt.Sprintf("the rows of %s have %d values, no multiple of %d", tensor, values, block),
			do: "give --shape sizes that are, or another type such as f16 or q8_0"}
	}
	if st, err := os.Stat(o.out); err == nil && (st.IsDir() || !o.overwrite) {
		return nil, &peft.InputError{What: "init", Where: "--out " + o.out, Why: "exists", Do: "give another name, or --overwrite"}
	}
	if st, err := os.Stat(filepath.Dir(filepath.Clean(o.out))); err != nil || !st.IsDir() {
		return nil, &peft.InputError{What: "init", Where: "--out " + o.out, Why: "its folder is missing", Do: "make it, or give another"}
	}
	return c, nil
}

// write makes the file and reads it back as every other command would.
func (o *initOptions) write(ctx context.Context, c *llama.Config) (*created, error) {
	options := llama.RandomOptions{Name: strings.TrimSuffix(filepath.Base(o.out), ".gguf"), Type: o.kind, Seed: o.seed}
	if o.vocabFrom != "" {
		from, err := gguf.Open(o.vocabFrom)
		if err != nil {
			return nil, err
		}
		defer from.Close()
		if err := from.ValidateTokenizer(); err != nil {
			return nil, err
		}
		tokens, ok := from.Strings("tokenizer.ggml.tokens")
		if !from.HasTokenizer() || !ok {
			return nil, &peft.InputError{What: "init", Where: "--vocab-from " + o.vocabFrom, Why: "the file has no tokenizer", Do: "give a model with one, or --vocab N"}
		}
		options.Vocab, c.Vocab = from, int64(len(tokens))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := llama.WriteModel(o.out, *c, options); err != nil {
		return nil, err
	}
	f, err := gguf.Open(o.out)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum, err := f.SHA256()
	if err != nil {
		return nil, err
	}
	return &created{File: o.out, Bytes: f.Size, Parameters: f.Parameters(), Type: strings.ToLower(o.kind), Vocab: c.Vocab, Tokenizer: o.vocabFrom, Seed: o.seed, SHA256: sum}, nil
}
