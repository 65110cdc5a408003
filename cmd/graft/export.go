package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/graft-go/graft/peft/train"
)

// runExport writes an adapter in a form that other programs load.
func runExport(_ context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("export", "export RUN|ADAPTER --to lora|merged -o OUT.gguf [flags]",
		"Writes what was trained in a form that other programs load: a LoRA GGUF for llama-cli -m base.gguf --lora OUT.gguf, or the whole model merged.")
	to := f.String("to", "lora", "what to write: lora, or merged for a complete model")
	out := f.StringP("out", "o", "", "file to write")
	kind := f.String("type", train.Keep, "type of a merged model's matrices: "+strings.Join(train.MergeTypes(), ", "))
	model := f.StringP("model", "m", "", "base model to check the adapter against; that of a run is known")
	overwrite := f.Bool("overwrite", false, "replace an existing file")
	if done, err := f.parse(args, stdout); done || err != nil {
		return err
	}
	from, err := f.oneArg("run folder or adapter")
	if err != nil {
		return err
	}
	if err := oneOf("export: --to", *to, []string{"lora", "merged"}); err != nil {
		return err
	}
	*kind = strings.ToLower(*kind)
	if err := oneOf("export: --type", *kind, train.MergeTypes()); err != nil {
		return err
	}
	switch {
	case *out == "":
		return &usageError{where: "export: --out", why: "no file given", do: "give one: -o OUT.gguf"}
	case *to == "lora" && f.Changed("type"):
		return &usageError{where: "export: --type", why: "a LoRA is always F32", do: "leave it out, or give --to merged"}
	}
	if *to == "merged" {
		e, err := train.ExportMerged(from, *model, *out, *kind, *overwrite)
		if err != nil {
			return err
		}
		fmt.Fprintf(stderr, "%d tensors of %s changed; use it with: llama-cli -m %s\n", e.Changed, e.Base, *out)
		for _, change := range slices.Sorted(maps.Keys(e.Others)) {
			fmt.Fprintf(stderr, "%d tensors are of another type: %s (rows that do not divide into blocks become f16; trained ones of fewer than three bits a weight q3_K)\n", e.Others[change], change)
		}
	} else {
		e, err := train.ExportLoRA(from, *model, *out, *overwrite)
		if err != nil {
			return err
		}
		fmt.Fprintf(stderr, "%d layers (%s), alpha %g; use it with: llama-cli -m %s --lora %s\n", e.Pairs, e.Kinds, e.Alpha, e.Base, *out)
	}
	_, err = fmt.Fprintln(stdout, *out)
	return err
}
