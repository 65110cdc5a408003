package main

import (
	"context"
	"fmt"
	"io"

	"github.com/graft-go/graft/peft/train"
)

// runTrain fine-tunes a model: flags and the settings file become a train.Config, which train.Run does.
func runTrain(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("train", "train --model BASE.gguf --data ROWS.jsonl --out RUN [flags]",
		"Fine-tunes a Llama-family GGUF model with LoRA, or every weight of it. Everything but model, data and out has a sensible default.")
	given := bindSettings(f)
	if done, err := f.parse(args, stdout); done || err != nil {
		return err
	}
	if err := f.noArgs(); err != nil {
		return err
	}
	config, names, err := given.config()
	if err != nil {
		return err
	}
	show := newProgress(stderr)
	defer show.end()
	result, err := train.Run(ctx, config, train.Options{
		Log: show.note, OnPlan: show.plan, OnStep: show.step, OnEval: show.eval, Given: names,
	})
	if err != nil {
		return err
	}
	show.end()
	if result.Verdict != "" {
		show.note("%s", result.Verdict)
	}
	if result.Adapter != "" {
		_, err = fmt.Fprintln(stdout, result.Adapter)
	}
	return err
}
