package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/graft-go/graft/peft/llama"
	"github.com/graft-go/graft/peft/train"
)

// runBench measures training on this machine.
func runBench(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("bench", "bench [-m BASE.gguf] [--shape 110m|1b|8b] [--type f32|q4_k_m|…] [flags]",
		"Measures LoRA training on this machine: tokens a second, memory, and the share of the BLAS's own rate.")
	var o train.BenchOptions
	f.StringVarP(&o.Model, "model", "m", "", "model to train on; without one, a random one is made")
	shape := f.String("shape", "110m", "shape of the random model: 110m, 1b or 8b")
	kind := f.String("type", "f32", "type of its weights, such as f32, f16, q8_0, q4_0, q4_k, q6_k or q4_k_m")
	f.IntVar(&o.Tokens, "ctx", 256, "tokens a step")
	f.IntVar(&o.Steps, "steps", 5, "steps to measure, after two that are not")
	f.IntVar(&o.Rank, "rank", 8, "rank of the LoRA")
	f.IntVar(&o.Threads, "threads", 0, "threads of the processor; 0 = the physical cores that this process may use")
	f.BoolVar(&o.NoBLAS, "no-blas", false, "measure ggml's own kernels")
	asJSON := f.Bool("json", false, "one JSON document on stdout")
	if done, err := f.parse(args, stdout); done || err != nil {
		return err
	}
	if err := f.noArgs(); err != nil {
		return err
	}
	if o.Tokens < 2 || o.Steps < 1 || o.Rank < 1 || o.Threads < 0 {
		return &usageError{where: "bench", why: "a number is below what makes sense", do: "give --ctx 2 or more, --steps, --rank 1 or more, --threads 0 or more"}
	}
	if o.Model == "" {
		shapes := map[string]llama.Config{"110m": llama.Shape110M(), "1b": llama.Shape1B(), "8b": llama.Shape8B()}
		if err := oneOf("bench: --shape", *shape, []string{"110m", "1b", "8b"}); err != nil {
			return err
		}
		dir, err := os.MkdirTemp("", "graft-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.Model = filepath.Join(dir, "random.gguf")
		fmt.Fprintf(stderr, "making a random %s model in %s\n", *shape, *kind)
		if err := llama.WriteRandom(o.Model, shapes[*shape], *kind, 1); err != nil {
			return &usageError{where: "bench: --type " + quote(*kind), why: err.Error(), do: "give another type"}
		}
	}
	r, err := train.Bench(ctx, o)
	if err != nil {
		return err
	}
	if *asJSON {
		return json.NewEncoder(stdout).Encode(r)
	}
	_, err = fmt.Fprintf(stdout, "tokens/s       %.1f (median of %d steps of %d tokens, %d threads)\nmemory         %.0f MB resident, %.0f MB of it activations\n"+
		"products       %.1f GFLOP/s\nBLAS           %.1f GFLOP/s: %s\nshare of BLAS  %.1f %%\n",
		r.TokensPerSecond, r.Steps, r.Tokens, r.Threads, float64(r.MemoryBytes)/1e6, float64(r.GraphBytes)/1e6, r.GFLOPS, r.BLASGFLOPS, r.BLAS, 100*r.ShareOfBLAS)
	return err
}
