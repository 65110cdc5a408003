package gguf_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/graft-go/graft/ggml/gguf"
)

// Write a file with one key and one tensor, and read it back.
func Example() {
	dir, err := os.MkdirTemp("", "gguf")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "tiny.gguf")

	w := gguf.NewWriter(path)
	w.SetString("general.name", "tiny")
	w.AddF32("blk.0.attn_norm.weight", []int64{4}, []float32{1, 2, 3, 4})
	if err := w.Close(); err != nil {
		fmt.Println(err)
		return
	}

	f, err := gguf.Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	name, _ := f.String("general.name")
	t, _ := f.Tensor("blk.0.attn_norm.weight")
	fmt.Println(name, f.Parameters(), t.Type, t.Ne, len(f.Data(t)))
	// Output: tiny 4 f32 [4] 16
}
