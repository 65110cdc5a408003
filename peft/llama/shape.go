package llama

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/peft"
)

// Shape110M is the small Llama that benchmarks use: 12 blocks of width 768, vocabulary 32000, tied.
func Shape110M() Config {
	return Config{Context: 2048, Embd: 768, Blocks: 12, FF: 2048, Heads: 12, KVHeads: 12, HeadDim: 64, Vocab: 32000, NormEps: 1e-5, Tied: true,
		Rope: ggml.Rope{Base: 10000, Scale: 1, Dims: 64}}
}

// Shape1B is the shape of Llama-3.2-1B.
func Shape1B() Config {
	return Config{Context: 131072, Embd: 2048, Blocks: 16, FF: 8192, Heads: 32, KVHeads: 8, HeadDim: 64, Vocab: 128256, NormEps: 1e-5, Tied: true,
		Rope: ggml.Rope{Base: 500000, Scale: 1, Dims: 64}}
}

// Shape8B is the shape of Llama-3.1-8B.
func Shape8B() Config {
	return Config{Context: 131072, Embd: 4096, Blocks: 32, FF: 14336, Heads: 32, KVHeads: 8, HeadDim: 128, Vocab: 128256, NormEps: 1e-5,
		Rope: ggml.Rope{Base: 500000, Scale: 1, Dims: 128}}
}

// ShapeSyntax is what ParseShape reads, for messages and help.
const ShapeSyntax = "110m, 1b, 8b, or embd=256,ff=512,layers=2,heads=4,kv-heads=2,ctx=512[,head-dim=64][,tied=true][,rope-base=10000]"

// ParseShape reads a shape: a name, or fields as in ShapeSyntax, of which embd, ff, layers and heads must be there; kv-heads defaults to
// heads, ctx to 2048, head-dim to embd/heads, tied to false, rope-base to 10000. Vocab is left to the caller. A fault is an InputError.
func ParseShape(text string) (*Config, error) {
	fault := func(why, do string) error {
		return &peft.InputError{What: "init", Where: "--shape " + strconv.Quote(text), Why: why, Do: do}
	}
	names := map[string]func() Config{"110m": Shape110M, "1b": Shape1B, "8b": Shape8B}
	if named, ok := names[strings.ToLower(text)]; ok {
		c := named()
		return &c, nil
	}
	if !strings.Contains(text, "=") {
		return nil, fault("no such shape", peft.DidYouMean(text, []string{"110m", "1b", "8b"}, "give "+ShapeSyntax))
	}
	c := &Config{Context: 2048, NormEps: 1e-5, Rope: ggml.Rope{Base: defaultRopeBase, Scale: 1}}
	sizes := map[string]*int64{"embd": &c.Embd, "ff": &c.FF, "layers": &c.Blocks, "heads": &c.Heads, "kv-heads": &c.KVHeads, "ctx": &c.Context, "head-dim": &c.HeadDim}
	seen := map[string]bool{}
	for field := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		if key = strings.ReplaceAll(strings.ToLower(key), "_", "-"); seen[key] {
			return nil, fault(key+" stands twice", "give each field once")
		}
		seen[key] = true
		if err := c.setField(sizes, key, value); err != nil {
			return nil, fault(err.Error(), "give "+ShapeSyntax)
		}
	}
	for _, key := range []string{"embd", "ff", "layers", "heads"} {
		if !seen[key] {
			return nil, fault(key+" is missing", "give "+ShapeSyntax)
		}
	}
	if err := c.complete(); err != nil {
		return nil, fault(err.Error(), "change it")
	}
	return c, nil
}

// setField sets one field of a shape.
func (c *Config) setField(sizes map[string]*int64, key, value string) error {
	if size, ok := sizes[key]; ok {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 1 {
			return fmt.Errorf("%s=%q is not a whole number above 0", key, value)
		}
		*size = n
		return nil
	}
	switch key {
	case "tied":
		tied, err := strconv.ParseBool(value)
		if err != nil {
			return fmt.Errorf("tied=%q is not true or false", value)
		}
		c.Tied = tied
	case "rope-base":
		base, err := strconv.ParseFloat(value, 32)
		if err != nil || !(base > 1 && base < 1e12) {
			return fmt.Errorf("rope-base=%q is not a number between 1 and 1e12", value)
		}
		c.Rope.Base = float32(base)
	default:
		return fmt.Errorf("%q is no field", key)
	}
	return nil
}

// complete fills in what follows from other fields, and checks the whole as ReadConfig and libllama do.
func (c *Config) complete() error {
	if c.KVHeads == 0 {
		c.KVHeads = c.Heads
	}
	if c.HeadDim == 0 {
		if c.Embd%c.Heads != 0 {
			return fmt.Errorf("embd=%d is no multiple of heads=%d, and there is no head-dim", c.Embd, c.Heads)
		}
		c.HeadDim = c.Embd / c.Heads
	}
	c.Rope.Dims = int(c.HeadDim)
	switch {
	case c.Heads%c.KVHeads != 0:
		return fmt.Errorf("heads=%d is no multiple of kv-heads=%d", c.Heads, c.KVHeads)
	case c.HeadDim%2 != 0:
		return fmt.Errorf("heads of an odd width %d cannot be rotated", c.HeadDim)
	}
	for _, limit := range []struct {
		key     string
		n, most int64
	}{{"ctx", c.Context, mostContext}, {"embd", c.Embd, mostEmbd}, {"layers", c.Blocks, mostBlocks}, {"ff", c.FF, mostFF}, {"heads", c.Heads, mostHeads}, {"head-dim", c.HeadDim, mostEmbd}} {
		if limit.n > limit.most {
			return fmt.Errorf("%s=%d is above %d", limit.key, limit.n, limit.most)
		}
	}
	return nil
}
