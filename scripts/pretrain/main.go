// Command pretrain makes the model that graft carries (peft/demo/model.gguf) from nothing: it writes the pretraining text, learns a
// vocabulary from it, draws random weights, trains every weight with graft itself, and writes the result in Q8_0.
//
//	go run ./scripts/pretrain -o peft/demo/model.gguf
//
// It needs the native libraries (make lib), and about ten minutes on two quiet cores. The same seed and number of threads make the same file on the
// same kind of processor.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/graft-go/graft/peft/demo"
	"github.com/graft-go/graft/peft/train"
)

func main() {
	var o options
	flag.StringVar(&o.out, "o", "", "file to write")
	flag.IntVar(&o.texts, "texts", 130000, "pieces of text to train on")
	flag.Uint64Var(&o.seed, "seed", 1, "seed of text, weights and order")
	flag.Float64Var(&o.lr, "lr", 3e-3, "highest learning rate")
	flag.IntVar(&o.threads, "threads", 2, "threads of the processor")
	flag.StringVar(&o.kind, "type", "q8_0", "type of the matrices")
	flag.StringVar(&o.work, "work", "", "folder for text, start and run, which stays; empty = a temporary one")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	if err := o.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "pretrain:", err)
		os.Exit(1)
	}
}

type options struct {
	out, work, kind string
	texts, threads  int
	seed            uint64
	lr              float64
}

// heldOutTexts is how many texts are kept apart to measure the model on.
const heldOutTexts = 500

func (o *options) run(ctx context.Context) (err error) {
	if o.out == "" {
		return errors.New("give a file to write: -o model.gguf")
	}
	work := o.work
	if work == "" {
		if work, err = os.MkdirTemp("", "pretrain"); err != nil {
			return err
		}
		defer os.RemoveAll(work)
	} else if err := os.MkdirAll(work, 0o755); err != nil {
		return err
	}
	texts := demo.Text(o.texts, o.seed)
	c := train.DefaultConfig()
	c.Model, c.Data, c.Valid = filepath.Join(work, "start.gguf"), []string{filepath.Join(work, "text.jsonl")}, filepath.Join(work, "valid.jsonl")
	if err := errors.Join(writeStart(c.Model, texts, o.seed), writeTexts(c.Data[0], texts), writeTexts(c.Valid, demo.Text(heldOutTexts, o.seed+1))); err != nil {
		return err
	}
	c.Out, c.Force = filepath.Join(work, "run"), true
	c.Method, c.LR, c.Beta2, c.Seed = []string{train.MethodFull}, train.Given(o.lr), 0.95, o.seed
	c.AppendEOS, c.Packing, c.Epochs = true, train.Given(1), 1
	c.Ctx, c.Batch, c.Accum = train.Given(128), train.Given(16), train.Given(1)
	c.NumThreads = train.Given(float64(o.threads))
	start, tokens, last := time.Now(), 0, time.Time{}
	result, err := train.Run(ctx, c, train.Options{
		Log: func(format string, a ...any) { fmt.Printf(format+"\n", a...) },
		OnStep: func(m train.Metrics) {
			tokens += m.Tokens
			if time.Since(last) > 10*time.Second {
				last = time.Now()
				fmt.Printf("step %d  loss %.4f  %.0f tok/s  %.1f million tokens  %.0f %%\n", m.Step, m.Loss, m.TokensPerSecond, float64(tokens)/1e6, 100*m.Epoch)
			}
		},
		OnEval: func(e train.Eval) { fmt.Printf("step %d  loss on other text %.4f\n", e.Step, e.Loss) },
	})
	if err != nil {
		return err
	}
	fmt.Printf("%d steps, %.2f million tokens, %.0f s\n", result.Steps, float64(tokens)/1e6, time.Since(start).Seconds())
	if _, err := train.ExportMerged(c.Out, "", o.out, o.kind, true); err != nil {
		return err
	}
	info, err := os.Stat(o.out)
	if err != nil {
		return err
	}
	fmt.Printf("%s, %d bytes\n", o.out, info.Size())
	return nil
}
