// Command lib installs the pinned native libraries into third_party/lib of this repository; `make lib` runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/graft-go/graft/binding"
	"github.com/graft-go/graft/third_party"
)

func main() {
	gpu := flag.String("gpu", "", "GPU variant to install: cuda, cuda-ext, vulkan")
	from := flag.String("from", "", "packed package, folder of packages, or folder of libraries instead of the npm and pip clients")
	platform := flag.String("platform", binding.Platform(), "platform to install for")
	root := flag.String("root", "third_party/lib", "folder to install below")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o := third_party.Options{
		Root: *root, Platform: *platform, Variant: *gpu, From: *from,
		Note: func(line string) { fmt.Println(line) },
	}
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "make lib:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, o third_party.Options) error {
	m, err := third_party.Load()
	if err != nil {
		return err
	}
	lib, err := m.Install(ctx, o)
	if err != nil {
		return err
	}
	fmt.Println(lib)
	blas, err := m.InstallBLAS(ctx, o)
	if without := (*third_party.NoBLASError)(nil); errors.As(err, &without) {
		fmt.Println("note:", err)
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Println(blas)
	return nil
}
