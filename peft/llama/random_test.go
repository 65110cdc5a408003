package llama

import (
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
)

// The start of a new model: deviations as HFDeviation says, norms 1, and the values independent of the type.
func TestWriteModel(t *testing.T) {
	c, err := ParseShape("embd=256,ff=512,layers=8,heads=4,kv-heads=2,ctx=64")
	require.NoError(t, err)
	c.Vocab = 300
	dir := t.TempDir()
	write := func(kind string) *gguf.File {
		path := filepath.Join(dir, kind+".gguf")
		require.NoError(t, WriteModel(path, *c, RandomOptions{Name: "m", Type: kind, Seed: 3}))
		f, err := gguf.Open(path)
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		read, err := ReadConfig(f)
		require.NoError(t, err)
		want := *c
		want.Rope = read.Rope
		require.Equal(t, want, *read)
		require.Equal(t, c.Rope.Base, read.Rope.Base)
		return f
	}
	f, q := write("f32"), write("q8_0")
	for name, want := range map[string]float64{"token_embd.weight": 0.02, "output.weight": 0.02, "blk.3.attn_q.weight": 0.02, "blk.3.ffn_up.weight": 0.02,
		"blk.3.attn_output.weight": 0.005, "blk.7.ffn_down.weight": 0.005} {
		exact, rounded := f32(t, f, name), f32(t, q, name)
		var sum, squares float64
		for i, v := range exact {
			sum += float64(v)
			squares += float64(v) * float64(v)
			require.InDelta(t, v, rounded[i], want/10)
		}
		n := float64(len(exact))
		require.InDelta(t, 0, sum/n, 4*want/math.Sqrt(n), name)
		require.InEpsilon(t, want, math.Sqrt(squares/n), 0.02, name)
	}
	for _, v := range f32(t, f, "blk.0.ffn_norm.weight") {
		require.EqualValues(t, 1, v)
	}
}

// The mixtures give the types that llama.cpp gives; the cases of Q4_K_M are those of its file of a 6-block model.
func TestMixtures(t *testing.T) {
	tied := &Config{Blocks: 6, Tied: true}
	deep := &Config{Blocks: 32}
	cases := []struct {
		kind, tensor string
		c            *Config
		want         ggml.Type
	}{
		{"q4_k_m", "token_embd.weight", tied, ggml.TypeQ6_K}, {"Q4_K_M", "token_embd.weight", deep, ggml.TypeQ4_K}, {"q4_k_m", "output.weight", deep, ggml.TypeQ6_K},
		{"q4_k_m", "blk.0.attn_v.weight", deep, ggml.TypeQ6_K}, {"q4_k_m", "blk.4.attn_v.weight", deep, ggml.TypeQ4_K}, {"q4_k_m", "blk.6.ffn_down.weight", deep, ggml.TypeQ6_K},
		{"q4_k_m", "blk.31.ffn_down.weight", deep, ggml.TypeQ6_K}, {"q4_k_m", "blk.0.attn_q.weight", deep, ggml.TypeQ4_K},
		{"q4_k_s", "blk.3.attn_v.weight", deep, ggml.TypeQ5_K}, {"q4_k_s", "blk.4.attn_v.weight", deep, ggml.TypeQ4_K}, {"q4_k_s", "blk.3.ffn_down.weight", deep, ggml.TypeQ5_K},
		{"q5_k_m", "blk.0.attn_v.weight", deep, ggml.TypeQ6_K}, {"q5_k_s", "blk.0.attn_v.weight", deep, ggml.TypeQ5_K},
		{"q3_k_m", "blk.1.attn_v.weight", deep, ggml.TypeQ5_K}, {"q3_k_m", "blk.2.attn_v.weight", deep, ggml.TypeQ4_K}, {"q3_k_m", "blk.1.ffn_down.weight", deep, ggml.TypeQ5_K},
		{"q3_k_m", "blk.4.ffn_down.weight", deep, ggml.TypeQ3_K}, {"q3_k_m", "blk.9.attn_output.weight", deep, ggml.TypeQ4_K},
		{"q3_k_l", "blk.9.attn_output.weight", deep, ggml.TypeQ5_K}, {"q3_k_s", "blk.0.attn_v.weight", deep, ggml.TypeQ3_K},
		{"iq2_xxs", "blk.0.attn_v.weight", deep, ggml.TypeIQ2_XXS}, {"q2_k", "output.weight", deep, ggml.TypeQ2_K},
	}
	for _, x := range cases {
		typeOf, err := Quantization(x.kind, x.c)
		require.NoError(t, err)
		require.Equal(t, x.want, typeOf(x.tensor), "%s %s", x.kind, x.tensor)
	}
	for _, kind := range []string{"", "q4_k_x", "i32", "q8_1"} {
		_, err := Quantization(kind, deep)
		require.ErrorContains(t, err, "no type for weights", kind)
	}
}
