package main

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/binding"
	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/ggml/vocab"
	"github.com/graft-go/graft/peft/demo"
)

func TestLearnPieces(t *testing.T) {
	cases := []struct {
		name  string
		texts []string
		n     int
		least int
		want  []string
	}{
		{"characters by frequency, then the most frequent pair", []string{"abab ab"}, 4, 1, []string{"a", "b", space, "ab"}},
		{"digits and spaces stay alone", []string{"11 11 11"}, 9, 1, []string{"1", space}},
		{"letters and marks stay apart", []string{"a,,a,,a,,"}, 9, 2, []string{",", "a", ",,"}},
		{"rare characters are left out", []string{"aaab"}, 9, 2, []string{"a", "aa"}},
		{"an equal count goes by the alphabet", []string{"ba", "cd"}, 5, 1, []string{"a", "b", "c", "d", "ba"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, learnPieces(c.texts, c.n, c.least))
		})
	}
}

// TestLibllamaJoinsAsLearned holds libllama's tokens of unseen text against the joins in the order in which they were learned.
func TestLibllamaJoinsAsLearned(t *testing.T) {
	if _, err := binding.FindGGML(); err != nil {
		t.Skipf("skipped: %v", err)
	}
	texts := demo.Text(3000, 1)
	path := filepath.Join(t.TempDir(), "start.gguf")
	require.NoError(t, writeStart(path, texts, 1))
	f, err := gguf.Open(path)
	require.NoError(t, err)
	defer f.Close()
	v, err := vocab.Open(f)
	require.NoError(t, err)
	defer v.Close()
	pieces := learnPieces(texts, 512-specials-256, 20)
	training, _ := demo.Household(100, 0, 1)
	for _, r := range training {
		for _, text := range []string{r.Prompt, r.Completion} {
			ids, err := v.Tokenize(text, false, false)
			require.NoError(t, err)
			var got []string
			for _, id := range ids {
				got = append(got, v.Text(id))
			}
			require.Equal(t, encode(pieces, text), got)
		}
	}
}

// encode applies the joins as byte-pair encoding does: always the one that was learned first.
func encode(pieces []string, text string) []string {
	var all []string
	for _, c := range countChunksInOrder(text) {
		for {
			best := -1
			var join pair
			for i := 1; i < len(c.parts); i++ {
				if at := slices.Index(pieces, c.parts[i-1]+c.parts[i]); at >= 0 && (best < 0 || at < best) {
					best, join = at, pair{c.parts[i-1], c.parts[i]}
				}
			}
			if best < 0 {
				break
			}
			c.join(join)
		}
		all = append(all, c.parts...)
	}
	return all
}

func countChunksInOrder(text string) []chunk {
	var list []chunk
	for _, c := range chunks(text) {
		parts := []string{}
		for _, r := range c {
			parts = append(parts, string(r))
		}
		list = append(list, chunk{parts, 1})
	}
	return list
}

// TestSameStart holds that the model before training depends on nothing but the seed.
func TestSameStart(t *testing.T) {
	if _, err := binding.FindGGML(); err != nil {
		t.Skipf("skipped: %v", err)
	}
	texts := demo.Text(1500, 1)
	var sums [3]string
	var keys [3][]byte
	for i, seed := range []uint64{1, 1, 2} {
		path := filepath.Join(t.TempDir(), "start.gguf")
		require.NoError(t, writeStart(path, texts, seed))
		f, err := gguf.Open(path)
		require.NoError(t, err)
		sums[i], err = f.SHA256()
		require.NoError(t, err)
		for _, kv := range f.Keys {
			keys[i] = append(keys[i], kv.Key...)
		}
		require.NoError(t, f.Close())
	}
	require.Equal(t, sums[0], sums[1])
	require.Equal(t, keys[0], keys[1])
	require.NotEqual(t, sums[0], sums[2])
}
