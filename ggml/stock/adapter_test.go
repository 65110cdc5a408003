package stock_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/ggml/stock"
)

// pair is one LoRA pair of stories260K: its base tensor and shape [in, out].
type pair struct {
	name    string
	in, out int64
}

const (
	rank  = 4
	alpha = 8
)

// pairs of an attention and a feed-forward matrix; the key-value matrices are half as wide there.
var pairs = []pair{{"blk.0.attn_q.weight", 64, 64}, {"blk.1.attn_k.weight", 64, 32}, {"blk.4.ffn_up.weight", 64, 172}, {"blk.2.ffn_down.weight", 172, 64}}

// adapter writes a LoRA GGUF of random values; change may alter the header, and tensors adds what it likes.
func adapter(t *testing.T, change func(*gguf.Writer), tensors func(*gguf.Writer)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "adapter.gguf")
	w := gguf.NewWriter(path)
	w.SetString("general.type", "adapter")
	w.SetString("general.architecture", "llama")
	w.SetString("adapter.type", "lora")
	w.SetFloat32("adapter.lora.alpha", alpha)
	if change != nil {
		change(w)
	}
	if tensors == nil {
		tensors = func(w *gguf.Writer) {
			for i, p := range pairs {
				addPair(w, p, uint64(i))
			}
		}
	}
	tensors(w)
	require.NoError(t, w.Close())
	return path
}

// values are n numbers of a normal distribution with deviation 0.1.
func values(n int64, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 7))
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(r.NormFloat64() * 0.1)
	}
	return out
}

func addPair(w *gguf.Writer, p pair, seed uint64) {
	w.AddF32(p.name+".lora_a", []int64{p.in, rank}, values(p.in*rank, 2*seed))
	w.AddF32(p.name+".lora_b", []int64{rank, p.out}, values(rank*p.out, 2*seed+1))
}

// merged writes stories260K with scale·(alpha/rank)·B·A added to the weights of the pairs.
func merged(t *testing.T, base string, scale float64) string {
	t.Helper()
	f, err := gguf.Open(base)
	require.NoError(t, err)
	defer f.Close()
	path := filepath.Join(t.TempDir(), "merged.gguf")
	w := gguf.NewWriter(path)
	w.CopyKeys(f, nil)
	for i := range f.Tensors {
		info := &f.Tensors[i]
		n := -1
		for j, p := range pairs {
			if p.name == info.Name {
				n = j
			}
		}
		if n < 0 {
			w.CopyTensor(f, info)
			continue
		}
		require.Equal(t, ggml.TypeF32, info.Type)
		p := pairs[n]
		a, b := values(p.in*rank, 2*uint64(n)), values(rank*p.out, 2*uint64(n)+1)
		weight := floats(f.Data(info))
		for o := range p.out {
			for i := range p.in {
				sum := 0.0
				for r := range int64(rank) {
					sum += float64(b[o*rank+r]) * float64(a[r*p.in+i])
				}
				weight[o*p.in+i] += float32(scale * alpha / rank * sum)
			}
		}
		w.AddF32(info.Name, info.Ne, weight)
	}
	require.NoError(t, w.Close())
	return path
}

// An adapter on the base gives the logits of the weights it stands for.
func TestSetAdapter(t *testing.T) {
	base := shared(t, "models", "stories260K.gguf")
	m, v := open(t, "stories260K.gguf", stock.Options{Ctx: 64, Threads: 1})
	ids, err := v.Tokenize("Once upon a time, Lily went to the park.", true, false)
	require.NoError(t, err)
	plain, err := m.Logits(ids)
	require.NoError(t, err)
	// The chat template that graft's adapters carry is a key that the loader does not know, and lets stand.
	path := adapter(t, func(w *gguf.Writer) { w.SetString("tokenizer.chat_template", "{% for m in messages %}…{% endfor %}") }, nil)
	for _, scale := range []float32{1, -0.5} {
		require.NoError(t, m.SetAdapter(path, scale))
		got, err := m.Logits(ids)
		require.NoError(t, err)
		ref, err := stock.Open(merged(t, base, float64(scale)), stock.Options{Ctx: 64, Threads: 1})
		require.NoError(t, err)
		want, err := ref.Logits(ids)
		require.NoError(t, err)
		require.NoError(t, ref.Close())
		difference, change := farthest(want, got), farthest(plain, got)
		t.Logf("scale %g: %.2g from the merged model, %.2g from the base", scale, difference, change)
		require.Less(t, difference, 1e-3)
		require.Greater(t, change, 0.1)
	}
	require.NoError(t, m.SetAdapter("", 0))
	again, err := m.Logits(ids)
	require.NoError(t, err)
	require.Zero(t, farthest(plain, again))
}

func TestAdapterRefused(t *testing.T) {
	m, _ := open(t, "stories260K.gguf", stock.Options{Ctx: 32, Threads: 1})
	f32 := func(name string, ne ...int64) func(*gguf.Writer) {
		n := int64(1)
		for _, d := range ne {
			n *= d
		}
		return func(w *gguf.Writer) { w.AddF32(name, ne, make([]float32, n)) }
	}
	all := func(fns ...func(*gguf.Writer)) func(*gguf.Writer) {
		return func(w *gguf.Writer) {
			for _, fn := range fns {
				fn(w)
			}
		}
	}
	q := "blk.0.attn_q.weight"
	cases := []struct {
		name    string
		change  func(*gguf.Writer)
		tensors func(*gguf.Writer)
		want    string
	}{
		{"alpha of the wrong kind", func(w *gguf.Writer) { w.SetUint32("adapter.lora.alpha", 8) }, nil, "adapter.lora.alpha is uint32 instead of float32"},
		{"a type that is a number", func(w *gguf.Writer) { w.SetUint32("adapter.type", 1) }, nil, "adapter.type is missing or no string"},
		{"no adapter", func(w *gguf.Writer) { w.SetString("general.type", "model") }, nil, `general.type is "model" instead of "adapter"`},
		{"another architecture", func(w *gguf.Writer) { w.SetString("general.architecture", "qwen2") }, nil, `general.architecture is "qwen2" instead of "llama"`},
		{"no tensors", nil, func(*gguf.Writer) {}, "it has no tensors"},
		{"A alone", nil, f32(q+".lora_a", 64, 4), "without its " + q + ".lora_b"},
		{"B alone", nil, f32(q+".lora_b", 4, 64), "without its " + q + ".lora_a"},
		{"another tensor", nil, all(f32(q+".lora_a", 64, 4), f32(q+".lora_b", 4, 64), f32("blk.0.attn_norm.weight", 64)), "neither .lora_a nor .lora_b"},
		{"no such base tensor", nil, all(f32("output.weight.lora_a", 64, 4), f32("output.weight.lora_b", 4, 512)), "no such tensor in the base"},
		{"A too narrow", nil, all(f32(q+".lora_a", 32, 4), f32(q+".lora_b", 4, 64)), "do not fit the base's [64, 64]"},
		{"ranks differ", nil, all(f32(q+".lora_a", 64, 4), f32(q+".lora_b", 2, 64)), "do not fit the base's [64, 64]"},
		{"token_embd not transposed", nil, all(f32("token_embd.weight.lora_a", 64, 4), f32("token_embd.weight.lora_b", 4, 512)), "do not fit the base's [64, 512]"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := adapter(t, c.change, c.tensors)
			err := m.SetAdapter(path, 1)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, path)
			require.False(t, strings.Contains(err.Error(), "\n"))
		})
	}
	for name, path := range map[string]string{"missing": filepath.Join(t.TempDir(), "none.gguf"), "a folder": t.TempDir()} {
		require.ErrorContains(t, m.SetAdapter(path, 1), path, name)
	}
	cut := adapter(t, nil, nil)
	require.NoError(t, os.Truncate(cut, 700))
	require.ErrorContains(t, m.SetAdapter(cut, 1), cut)
	_, err := m.Logits([]int32{1, 2}) // the model still works
	require.NoError(t, err)
}
