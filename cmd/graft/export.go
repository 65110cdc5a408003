package main

import (
	"context"
	"fmt"
	"io"

	"github.com/graft-go/graft/peft/train"
)

// runExport writes an adapter in a form that other programs load.
func runExport(_ context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("export", "export RUN|ADAPTER --to lora -o OUT.gguf [flags]",
		"Writes an adapter as a LoRA GGUF that stock llama.cpp loads: llama-cli -m base.gguf --lora OUT.gguf")
	to := f.String("to", "lora", "what to write: lora")
	out := f.StringP("out", "o", "", "file to write")
	model := f.StringP("model", "m", "", "base model to check the adapter against; that of a run is known")
	overwrite := f.Bool("overwrite", false, "replace an existing file")
	if done, err := f.parse(args, stdout); done || err != nil {
		return err
	}
	from, err := f.oneArg("run folder or adapter")
	if err != nil {
		return err
	}
	if err := oneOf("export: --to", *to, []string{"lora"}); err != nil {
		return err
	}
	if *out == "" {
		return &usageError{where: "export: --out", why: "no file given", do: "give one: -o lora.gguf"}
	}
	e, err := train.ExportLoRA(from, *model, *out, *overwrite)
	if err != nil {
		return err
	}
	fmt.Fprintf(stderr, "%d layers (%s), alpha %g; use it with: llama-cli -m %s --lora %s\n", e.Pairs, e.Kinds, e.Alpha, e.Base, *out)
	_, err = fmt.Fprintln(stdout, *out)
	return err
}
