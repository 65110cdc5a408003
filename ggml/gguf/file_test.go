package gguf_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml/gguf"
)

func TestOpenSharedModels(t *testing.T) {
	for _, path := range sharedModels(t) {
		f, err := gguf.Open(path)
		require.NoError(t, err)
		arch, ok := f.String("general.architecture")
		require.True(t, ok)
		require.Equal(t, "llama", arch)
		tokens, ok := f.Strings("tokenizer.ggml.tokens")
		require.True(t, ok)
		emb, ok := f.Tensor("token_embd.weight")
		require.True(t, ok)
		require.Equal(t, int64(len(tokens)), emb.Ne[1])
		require.Len(t, f.Data(emb), int(emb.Bytes))
		sum, err := f.SHA256()
		require.NoError(t, err)
		require.Len(t, sum, 64)
		require.NoError(t, f.CheckUnchanged())
		require.NoError(t, f.Close())
		require.NoError(t, f.Close())
		_, ok = f.String("general.architecture")
		require.False(t, ok, "values are gone after Close")
	}
}
