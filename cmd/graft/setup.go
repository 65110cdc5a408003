package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/graft-go/graft/binding"
	"github.com/graft-go/graft/third_party"
)

// runSetup installs the pinned native libraries into the user's cache: ggml and libllama through npm, the BLAS through pip.
func runSetup(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("setup", "setup [--gpu cuda|vulkan] [--from DIR|FILE.tgz]",
		"Installs the native libraries that graft runs on into the user's cache: ggml and llama.cpp through the npm client,\n"+
			"OpenBLAS through the pip client where there is one. Running it again changes nothing.")
	gpu := f.String("gpu", "", "also install a GPU backend: cuda, cuda-ext (older GPUs and drivers) or vulkan")
	from := f.String("from", "", "take the libraries from a packed package (.tgz), a folder of packages, or a llama.cpp build folder")
	if done, err := f.parse(args, stdout); done || err != nil {
		return err
	}
	if err := f.noArgs(); err != nil {
		return err
	}
	if f.Changed("from") && *from == "" {
		return &usageError{where: "setup: --from", why: "is empty", do: "give a file or folder"}
	}
	root, err := binding.CacheLib()
	if err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	return install(ctx, third_party.Options{
		Root: root, Variant: *gpu, From: *from,
		Note: func(line string) { fmt.Fprintln(stderr, line) },
	}, stdout, stderr)
}

// install installs both libraries and says on stdout what is where. A BLAS that cannot be had is a note, not an error.
func install(ctx context.Context, o third_party.Options, stdout, stderr io.Writer) error {
	m, err := third_party.Load()
	if err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	lib, err := m.Install(ctx, o)
	if err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	fmt.Fprintln(stdout, lib)
	blas, err := m.InstallBLAS(ctx, o)
	switch without := (*third_party.NoBLASError)(nil); {
	case errors.As(err, &without):
		fmt.Fprintln(stderr, "note:", err)
	case err != nil:
		return fmt.Errorf("setup: %w", err)
	default:
		fmt.Fprintln(stdout, blas)
	}
	if found, err := binding.FindGGML(); err == nil && found.Path != lib.Path {
		fmt.Fprintf(stderr, "note: graft uses %s (%s), which comes before it\n", found.Path, found.Source)
	}
	return nil
}
