// Command pretrain makes the model that graft carries (peft/demo/model.gguf) from nothing: it writes the pretraining text, learns a
// vocabulary from it, draws random weights, trains every weight with graft itself, and writes the result in Q8_0.
//
//	go run ./scripts/pretrain -o peft/demo/model.gguf
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/graft-go/graft/peft/demo"
)

func main() {
	texts := flag.Int("texts", 200000, "pieces of text")
	seed := flag.Uint64("seed", 1, "seed of the text, the weights and the order")
	work := flag.String("work", "", "folder for text, start and run; empty = a temporary one")
	flag.Parse()
	t := demo.Text(*texts, *seed)
	if err := writeStart(filepath.Join(*work, "start.gguf"), t, *seed); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if err := writeTexts(filepath.Join(*work, "text.jsonl"), t); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
