package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/graft-go/graft/peft"
	"github.com/graft-go/graft/peft/data"
	"github.com/graft-go/graft/peft/train"
)

// runEval scores a model, with or without adapters, on a data set.
func runEval(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("eval", "eval -m BASE.gguf --data TEST.jsonl [--adapter RUN|ADAPTER]… [flags]",
		"Scores a model on a data set: the mean loss of a label token, and its perplexity. Each row stands alone.")
	open := bindSession(f)
	files := f.StringArrayP("data", "d", nil, "data file; repeatable")
	task := f.String("task", "auto", "what is scored: auto or lm")
	ctxSize := f.Int("ctx", 512, "tokens a row; what is longer is cut at its end")
	format := f.String("format", data.FormatAuto, "format of the files: "+strings.Join(data.Formats(), ", "))
	skipBad := f.Bool("skip-bad", false, "count bad rows and go on, instead of stopping at the first")
	maxRows := f.Int("max-rows", 0, "rows to read; 0 = all")
	appendEOS := f.Bool("append-eos", false, "end every text row with the end-of-sequence token")
	fields := f.StringArray("field", nil, "other name of a field, as prompt=question; repeatable")
	template := f.String("chat-template", "", "how conversations are written: a name or a file; left out, as the adapter's run did, else the model's own")
	lossOn := f.String("loss-on", train.LossOnCompletion, "what of a conversation is scored: completion (the assistant's turns) or all")
	asJSON := f.Bool("json", false, "one JSON document on stdout")
	f.alias("ctx-size", "ctx")
	f.alias("max-seq-length", "ctx")
	f.alias("lora", "adapter")
	f.rare("threads", "format", "skip-bad", "max-rows", "append-eos", "task", "field", "chat-template", "loss-on")
	if done, err := f.parse(args, stdout); done || err != nil {
		return err
	}
	if err := f.noArgs(); err != nil {
		return err
	}
	switch {
	case len(*files) == 0:
		return &usageError{where: "eval: --data", why: "no data given", do: "give a file: -d test.jsonl"}
	case *ctxSize < 2:
		return &usageError{where: fmt.Sprintf("eval: --ctx %d", *ctxSize), why: "below 2", do: "give 2 tokens or more"}
	case *maxRows < 0:
		return &usageError{where: fmt.Sprintf("eval: --max-rows %d", *maxRows), why: "below 0", do: "give a number of rows, or 0 for all"}
	}
	if err := oneOf("eval: --task", *task, []string{"auto", "lm"}); err != nil {
		return err
	}
	if err := oneOf("eval: --format", data.CanonicalFormat(*format), data.Formats()); err != nil {
		return err
	}
	if err := oneOf("eval: --loss-on", *lossOn, []string{train.LossOnCompletion, train.LossOnAll}); err != nil {
		return err
	}
	names := map[string]string{}
	for _, pair := range *fields {
		usual, here, ok := strings.Cut(pair, "=")
		if !ok || here == "" || !slices.Contains(data.FieldNames(), usual) {
			return &usageError{where: "eval: --field " + quote(pair), why: "renames nothing that graft reads", do: "write prompt=NAME, with one of " + strings.Join(data.FieldNames(), ", ")}
		}
		names[usual] = here
	}
	s, err := open()
	if err != nil {
		return err
	}
	defer s.Close()
	score, err := s.Evaluate(ctx, train.EvalOptions{Files: *files, Ctx: *ctxSize, Chat: *template,
		Data: data.Options{Format: *format, Fields: names, LossAll: *lossOn == train.LossOnAll, SkipBad: *skipBad, MaxRows: *maxRows, AppendEOS: *appendEOS}})
	if err != nil {
		return err
	}
	for _, line := range append(score.Set.Notes, score.Set.Warnings...) {
		fmt.Fprintln(stderr, line)
	}
	if n := score.Set.RowsCut; n > 0 {
		fmt.Fprintf(stderr, "%d of %d rows are longer than --ctx %d and were cut; --ctx %d would cut none\n", n, score.Set.RowsRead, *ctxSize, score.Set.LongestRow)
	}
	if n := score.Set.RowsBad; n > 0 {
		fmt.Fprintf(stderr, "%d bad rows were skipped, the first: %v\n", n, score.Set.FirstBad)
	}
	if *asJSON {
		return json.NewEncoder(stdout).Encode(score)
	}
	_, err = fmt.Fprintf(stdout, "examples    %d\ntokens      %d\nloss        %.6f\nperplexity  %.4f\n", score.Examples, score.Tokens, score.Loss, score.Perplexity)
	return err
}

// bindSession adds the flags that name a model and its adapters, and returns what opens them once the flags are read.
func bindSession(f *flags) func() (*train.Session, error) {
	model := f.StringP("model", "m", "", "base model, a GGUF file; may be left out where --adapter is a run folder")
	adapters := f.StringArray("adapter", nil, "LoRA GGUF or run folder, with =0.7 behind it for another weight than 1; repeatable")
	threads := f.Int("threads", 0, "threads of the processor; 0 = the physical cores that this process may use")
	return func() (*train.Session, error) {
		if *threads < 0 || *threads > 512 {
			return nil, &usageError{where: fmt.Sprintf("%s: --threads %d", f.Name(), *threads), why: "not between 1 and 512", do: "leave it out"}
		}
		base := *model
		if base == "" {
			for _, a := range *adapters {
				var err error
				if base, err = train.BaseOf(a); err != nil {
					return nil, err
				}
				if base != "" {
					break
				}
			}
		}
		if base == "" {
			return nil, &usageError{where: f.Name() + ": --model", why: "no model given", do: "give a GGUF file: -m base.gguf"}
		}
		return train.OpenSession(train.SessionOptions{Model: base, Adapters: *adapters, Threads: *threads})
	}
}

// oneOf refuses a value that is none of the choices, with the one that was probably meant.
func oneOf(where, value string, choices []string) error {
	for _, c := range choices {
		if c == value {
			return nil
		}
	}
	list := strings.Join(choices, ", ")
	return &usageError{where: where + " " + quote(value), why: "not one of " + list, do: peft.DidYouMean(value, choices, "give one of "+list)}
}
