package vocab_test

import (
	"testing"

	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/ggml/vocab"
)

func BenchmarkOpen4096(b *testing.B) {
	path := shared(b, "models", "reviews5M.gguf")
	open(b, path)
	for b.Loop() {
		f, _ := gguf.Open(path)
		v, err := vocab.Open(f)
		if err != nil {
			b.Fatal(err)
		}
		v.Close()
		f.Close()
	}
}

func BenchmarkTokenize1000(b *testing.B) {
	v := open(b, shared(b, "models", "reviews5M.gguf"))
	text := "It was a great movie, and we had a good time at the theatre. "
	for len(text) < 1000 {
		text += text
	}
	b.SetBytes(1000)
	for b.Loop() {
		if _, err := v.Tokenize(text[:1000], true, false); err != nil {
			b.Fatal(err)
		}
	}
}
