package vocab_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/binding"
	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/ggml/vocab"
)

// open opens the vocabulary of a file, closed at the end of the test, or skips where there is no native library.
func open(t testing.TB, path string) *vocab.Vocab {
	t.Helper()
	f, err := gguf.Open(path)
	require.NoError(t, err)
	defer f.Close()
	v, err := vocab.Open(f)
	if missing := (*binding.NotFoundError)(nil); errors.As(err, &missing) {
		t.Skip("no native library: ", err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, v.Close()) })
	return v
}

// texts reads the field "text" of a JSONL file.
func texts(t testing.TB, path string) []string {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	var out []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var row struct{ Text string }
		require.NoError(t, json.Unmarshal(lines.Bytes(), &row))
		out = append(out, row.Text)
	}
	require.NoError(t, lines.Err())
	return out
}

func TestSharedModels(t *testing.T) {
	cases := []struct {
		file string
		n    int
	}{{"stories260K.gguf", 512}, {"reviews5M.gguf", 4096}}
	for _, c := range cases {
		t.Run(c.file, func(t *testing.T) {
			v := open(t, shared(t, "models", c.file))
			require.Equal(t, c.n, v.N())
			bos, ok := v.BOS()
			require.True(t, ok)
			require.EqualValues(t, 1, bos)
			eos, ok := v.EOS()
			require.True(t, ok)
			require.EqualValues(t, 2, eos)
			require.True(t, v.AddBOS())
			require.False(t, v.AddEOS())
			require.True(t, v.IsEOG(eos))
			require.True(t, v.IsControl(bos))
			require.Empty(t, v.Piece(bos))
			for _, story := range texts(t, shared(t, "data", "tinystories", "test.jsonl")) {
				ids, err := v.Tokenize(story, true, false)
				require.NoError(t, err)
				require.Equal(t, bos, ids[0])
				require.Equal(t, story, v.Detokenize(ids))
				plain, err := v.Tokenize(story, false, false)
				require.NoError(t, err)
				require.Equal(t, ids[1:], plain)
			}
		})
	}
}

func TestAnyBytes(t *testing.T) {
	v := open(t, tiny(t))
	cases := []struct{ name, text string }{
		{"empty", ""}, {"one space", " "}, {"NUL inside", "ab\x00ba"}, {"only NUL", "\x00\x00"}, {"newlines", "\n\n\r\n"},
		{"leading spaces", "   a b"}, {"accents", "é à ü"}, {"emoji", "a 👩‍👩‍👧 b"}, {"the name of a control token", "a</s>b<s>"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ids, err := v.Tokenize(c.text, true, false)
			require.NoError(t, err)
			for _, id := range ids {
				require.True(t, id >= 0 && int(id) < v.N())
			}
			require.Equal(t, c.text, v.Detokenize(ids))
			s := v.NewStream()
			var b strings.Builder
			for _, id := range ids {
				out := s.Next(id)
				require.True(t, utf8.Valid(out), "%q", out)
				b.Write(out)
			}
			b.Write(s.Flush())
			require.Equal(t, c.text, strings.TrimPrefix(b.String(), " "[:min(1, len(c.text))]))
		})
	}
	for _, bad := range []string{"\xff", "a\xc3", "\xed\xa0\x80", strings.Repeat("\x80", 1000), "\xf0\x9f\x91"} {
		ids, err := v.Tokenize(bad, true, true)
		require.NoError(t, err, "%q", bad)
		require.NotEmpty(t, ids)
	}
}

func TestParseSpecial(t *testing.T) {
	v := open(t, tiny(t))
	for _, c := range []struct {
		name  string
		parse bool
		count int
	}{{"as text", false, 0}, {"as tokens", true, 1}} {
		t.Run(c.name, func(t *testing.T) {
			ids, err := v.Tokenize("a</s>", false, c.parse)
			require.NoError(t, err)
			n := 0
			for _, id := range ids {
				if v.IsEOG(id) {
					n++
				}
			}
			require.Equal(t, c.count, n)
		})
	}
}

func TestLongText(t *testing.T) {
	v := open(t, tiny(t))
	text := strings.Repeat("\x01é", 200_000) // three byte tokens for three bytes: more tokens than half the bytes
	ids, err := v.Tokenize(text, false, false)
	require.NoError(t, err)
	require.Greater(t, len(ids), len(text)/2+8)
	require.Equal(t, text, v.Detokenize(ids))
}

func TestOutOfRange(t *testing.T) {
	v := open(t, tiny(t))
	for _, id := range []int32{-1, int32(v.N()), 1 << 30, -1 << 31} {
		require.Empty(t, v.Piece(id))
		require.Empty(t, v.Text(id))
		require.False(t, v.IsEOG(id))
		require.False(t, v.IsControl(id))
		require.Empty(t, v.NewStream().Next(id))
	}
	nl, ok := v.NL()
	require.True(t, ok)
	require.Equal(t, "\n", string(v.Piece(nl)))
}

func TestClose(t *testing.T) {
	v, other := open(t, tiny(t)), open(t, tiny(t))
	require.NoError(t, v.Close())
	require.NoError(t, v.Close())
	_, err := v.Tokenize("a", true, false)
	require.ErrorContains(t, err, "the vocabulary is closed")
	require.Equal(t, "<s>", v.Text(1))
	ids, err := other.Tokenize("ab", false, false)
	require.NoError(t, err)
	require.NotEmpty(t, ids)
}

func TestConcurrent(t *testing.T) {
	v := open(t, tiny(t))
	want, err := v.Tokenize("ab ba ab", true, false)
	require.NoError(t, err)
	var wg sync.WaitGroup
	got := make([][]int32, 32)
	errs := make([]error, len(got))
	for i := range got {
		wg.Go(func() { got[i], errs[i] = v.Tokenize("ab ba ab", true, false) })
	}
	wg.Wait()
	for i := range got {
		require.NoError(t, errs[i])
		require.True(t, slices.Equal(want, got[i]))
	}
}

func TestDecodingAllocatesNothing(t *testing.T) {
	v := open(t, tiny(t))
	ids, err := v.Tokenize("ab é ba", false, false)
	require.NoError(t, err)
	s := v.NewStream()
	run := func() {
		for _, id := range ids {
			s.Next(id)
		}
		s.Flush()
	}
	run()
	require.Zero(t, testing.AllocsPerRun(100, run))
}
