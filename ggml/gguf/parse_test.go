package gguf_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml/gguf"
)

// raw builds files byte by byte, faulty ones too.
type raw struct{ b []byte }

func (r *raw) u32(v uint32) *raw { r.b = binary.LittleEndian.AppendUint32(r.b, v); return r }
func (r *raw) u64(v uint64) *raw { r.b = binary.LittleEndian.AppendUint64(r.b, v); return r }
func (r *raw) str(s string) *raw { r.u64(uint64(len(s))); r.b = append(r.b, s...); return r }

// pad fills up with zeros to a multiple of n.
func (r *raw) pad(n int) *raw {
	for len(r.b)%n != 0 {
		r.b = append(r.b, 0)
	}
	return r
}

// zeros adds n zero bytes.
func (r *raw) zeros(n int) *raw { r.b = append(r.b, make([]byte, n)...); return r }

// key adds the start of a key.
func (r *raw) key(name string, kind gguf.Kind) *raw { return r.str(name).u32(uint32(kind)) }

// tensor adds a tensor's line.
func (r *raw) tensor(name string, typ uint32, offset uint64, ne ...uint64) *raw {
	r.str(name).u32(uint32(len(ne)))
	for _, n := range ne {
		r.u64(n)
	}
	return r.u32(typ).u64(offset)
}

// header starts a file of version 3.
func header(tensors, keys uint64) *raw {
	return (&raw{b: []byte("GGUF")}).u32(3).u64(tensors).u64(keys)
}

func TestOpenFaults(t *testing.T) {
	f32 := uint32(0)
	for _, c := range []struct {
		name string
		b    []byte
		want []string
	}{
		{"empty", nil, []string{"the file is empty"}},
		{"text", []byte("hello world, no model"), []string{"not a GGUF file", `"hell"`}},
		{"web page", []byte("\n<!DOCTYPE html><html>"), []string{"a web page"}},
		{"lfs pointer", []byte("version https://git-lfs.github.com/spec/v1\n"), []string{"Git LFS pointer"}},
		{"safetensors", append([]byte{9, 0, 0, 0, 0, 0, 0, 0}, `{"__metadata__":{}}`...), []string{"safetensors"}},
		{"zip", []byte("PK\x03\x04aaaaaaaaaaaa"), []string{"zip archive"}},
		{"old format", []byte("tjgg\x03\x00\x00\x00"), []string{"old GGML format"}},
		{"half a magic", []byte("GG"), []string{"truncated in the header: 22 bytes missing", "download it again"}},
		{"cut after the version", header(0, 0).b[:8], []string{"truncated in the header: 8 bytes missing"}},
		{"version 1", (&raw{b: []byte("GGUF")}).u32(1).u64(0).u64(0).b, []string{"version 1 is not supported"}},
		{"version 9", (&raw{b: []byte("GGUF")}).u32(9).u64(0).u64(0).b, []string{"version 9 is not supported"}},
		{"big-endian", []byte("GGUF\x00\x00\x00\x03aaaaaaaaaaaaaaaa"), []string{"big-endian", "version 3"}},
		{"big-endian magic", []byte("FUGG\x00\x00\x00\x03"), []string{"big-endian"}},
		{"too many keys", header(0, 1<<40).b, []string{"announces 1099511627776 keys"}},
		{"negative tensors", header(math.MaxUint64, 0).b, []string{"truncated or corrupt"}},
		{"key without a name", header(0, 1).key("", gguf.KindUint8).zeros(9).b, []string{"key 1 of 1", "empty"}},
		{"key with a zero byte", header(0, 1).key("a\x00b", gguf.KindUint8).zeros(9).b, []string{"zero byte"}},
		{"key name too long", header(0, 1).u64(1 << 20).zeros(64).b, []string{"at most 65535"}},
		{"unknown kind", header(0, 1).key("a", 99).zeros(9).b, []string{`key "a"`, "kind 99"}},
		{"cut string", header(0, 1).key("a", gguf.KindString).u64(100).zeros(9).b, []string{`key "a": 91 bytes missing`}},
		{"huge string", header(0, 1).key("a", gguf.KindString).u64(1 << 62).zeros(9).b, []string{`key "a" claims 4611686018427387904 bytes`}},
		{"huge array", header(0, 1).key("a", gguf.KindArray).u32(4).u64(1 << 63).zeros(9).b, []string{`key "a" claims`}},
		{"huge array of strings", header(0, 1).key("a", gguf.KindArray).u32(8).u64(1 << 60).zeros(9).b, []string{`key "a" claims`}},
		{"nested array", header(0, 1).key("a", gguf.KindArray).u32(9).u64(1).u32(4).u64(0).b, []string{"array of arrays"}},
		{"bad bool", append(header(0, 1).key("a", gguf.KindBool).b, 7), []string{`key "a" holds a bool of value 7`}},
		{"key twice", header(0, 2).key("a", gguf.KindUint32).u32(1).key("a", gguf.KindUint32).u32(1).b, []string{`key "a" is there twice`}},
		{"alignment 0", header(0, 1).key("general.alignment", gguf.KindUint32).u32(0).b, []string{"general.alignment is 0"}},
		{"alignment 4", header(0, 1).key("general.alignment", gguf.KindUint32).u32(4).b, []string{"general.alignment is 4"}},
		{"alignment 24", header(0, 1).key("general.alignment", gguf.KindUint32).u32(24).b, []string{"general.alignment is 24"}},
		{"alignment kind", header(0, 1).key("general.alignment", gguf.KindUint64).u64(32).b, []string{"uint64, not uint32"}},
		{"tensor name too long", header(1, 0).tensor(strings.Repeat("a", 64), f32, 0, 1).pad(32).zeros(32).b, []string{"64 bytes, at most 63"}},
		{"tensor without a name", header(1, 0).tensor("", f32, 0, 1).pad(32).zeros(32).b, []string{"tensor 1 of 1", "empty"}},
		{"five dimensions", header(1, 0).tensor("a", f32, 0, 1, 1, 1, 1, 1).pad(32).zeros(32).b, []string{"5 dimensions"}},
		{"zero values", header(1, 0).tensor("a", f32, 0, 4, 0).pad(32).zeros(32).b, []string{`tensor "a" has 0 values along dimension 1`}},
		{"negative shape", header(1, 0).tensor("a", f32, 0, math.MaxUint64).pad(32).zeros(32).b, []string{`tensor "a"`}},
		{"shape overflows", header(1, 0).tensor("a", f32, 0, 1<<40, 1<<40).pad(32).zeros(32).b, []string{"too large"}},
		{"size overflows", header(1, 0).tensor("a", f32, 0, 1<<62).pad(32).zeros(32).b, []string{"too large"}},
		{"unknown type", header(1, 0).tensor("a", 777, 0, 4).pad(32).zeros(32).b, []string{"tensor type 777"}},
		{"retired type", header(1, 0).tensor("a", 4, 0, 32).pad(32).zeros(32).b, []string{"tensor type 4"}},
		{"negative type", header(1, 0).tensor("a", math.MaxUint32, 0, 32).pad(32).zeros(32).b, []string{"unknown"}},
		{"no whole blocks", header(1, 0).tensor("a", 2, 0, 33).pad(32).zeros(32).b, []string{"33 is no multiple of 32"}},
		{"misaligned", header(1, 0).tensor("a", f32, 4, 1).pad(32).zeros(64).b, []string{"misaligned"}},
		{"beyond the file", header(1, 0).tensor("a", f32, 0, 16).pad(32).zeros(60).b, []string{`the data of tensor "a": 4 bytes missing`}},
		{"offset overflows", header(1, 0).tensor("a", f32, math.MaxUint64-31, 16).pad(32).zeros(64).b, []string{`tensor "a" claims 64 bytes`}},
		{"overlap", header(2, 0).tensor("a", f32, 0, 16).tensor("b", f32, 32, 8).pad(32).zeros(64).b, []string{"overlap"}},
		{"tensor twice", header(2, 0).tensor("a", f32, 0, 8).tensor("a", f32, 32, 8).pad(32).zeros(64).b, []string{"there twice"}},
		{"no data section", header(1, 0).tensor("a", f32, 0, 8).b, []string{"bytes missing"}},
		{"line breaks in a name", header(0, 1).key("a\nb\x1b", 99).zeros(9).b, []string{`a\nb\x1b`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.gguf")
			require.NoError(t, os.WriteFile(path, c.b, 0o600))
			_, err := gguf.Open(path)
			var e *gguf.Error
			require.ErrorAs(t, err, &e)
			require.True(t, e.BadInput())
			for _, s := range append(c.want, path) {
				require.ErrorContains(t, err, s)
			}
			require.NotContains(t, err.Error(), "\n")
			require.Less(t, len(err.Error()), 1000)
		})
	}
}

// TestEveryTruncation cuts a file at every byte of its header and expects an error each time.
func TestEveryTruncation(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.gguf")
	w := gguf.NewWriter(path)
	w.SetString("general.architecture", "llama")
	w.SetStrings("tokens", []string{"a", "bc"})
	w.SetFloat32s("scores", []float32{1, 2})
	w.AddF32("a", []int64{8}, make([]float32, 8))
	w.AddF32("b", []int64{8}, make([]float32, 8))
	require.NoError(t, w.Close())
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	cut := filepath.Join(dir, "cut.gguf")
	for n := range len(whole) {
		require.NoError(t, os.WriteFile(cut, whole[:n], 0o600))
		_, err := gguf.Open(cut)
		require.Error(t, err, "%d of %d bytes", n, len(whole))
	}
}

func TestOpenPaths(t *testing.T) {
	dir := t.TempDir()
	t.Run("missing", func(t *testing.T) {
		_, err := gguf.Open(filepath.Join(dir, "missing.gguf"))
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.ErrorContains(t, err, "no such file")
	})
	t.Run("folder", func(t *testing.T) {
		_, err := gguf.Open(dir)
		require.ErrorContains(t, err, "is a folder")
	})
	t.Run("below a file", func(t *testing.T) {
		file := filepath.Join(dir, "file")
		require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
		_, err := gguf.Open(filepath.Join(file, "x.gguf"))
		require.ErrorContains(t, err, "load GGUF: "+file)
	})
	t.Run("no permission", func(t *testing.T) {
		file := filepath.Join(dir, "secret.gguf")
		require.NoError(t, os.WriteFile(file, header(0, 0).b, 0o000))
		if _, err := os.ReadFile(file); !errors.Is(err, fs.ErrPermission) {
			t.Skip("this user may read every file")
		}
		_, err := gguf.Open(file)
		require.ErrorIs(t, err, fs.ErrPermission)
		require.ErrorContains(t, err, "permission denied")
	})
	t.Run("pipe", func(t *testing.T) {
		pipe := filepath.Join(dir, "pipe")
		if err := mkfifo(pipe); err != nil {
			t.Skip(err)
		}
		_, err := gguf.Open(pipe)
		require.ErrorContains(t, err, "no regular file")
	})
	t.Run("changed", func(t *testing.T) {
		file := filepath.Join(dir, "changed.gguf")
		require.NoError(t, os.WriteFile(file, header(0, 0).b, 0o600))
		f, err := gguf.Open(file)
		require.NoError(t, err)
		defer f.Close()
		require.NoError(t, f.CheckUnchanged())
		require.NoError(t, os.WriteFile(file, append(header(0, 0).b, 0), 0o600))
		require.ErrorContains(t, f.CheckUnchanged(), "changed while it was in use")
		require.NoError(t, os.Remove(file))
		require.ErrorIs(t, f.CheckUnchanged(), fs.ErrNotExist)
	})
}

// TestOpenBigVocabulary opens a file with 128k tokens and merges without decoding them.
func TestOpenBigVocabulary(t *testing.T) {
	const n = 128 << 10
	path := filepath.Join(t.TempDir(), "big.gguf")
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i] = string(bytes.Repeat([]byte{byte('a' + i%26)}, 1+i%17))
	}
	w := gguf.NewWriter(path)
	w.SetStrings("tokenizer.ggml.tokens", tokens)
	w.SetStrings("tokenizer.ggml.merges", tokens)
	require.NoError(t, w.Close())
	var f *gguf.File
	allocs := testing.AllocsPerRun(3, func() {
		var err error
		f, err = gguf.Open(path)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	})
	require.Less(t, allocs, 200.0, "lists must not be decoded by Open")
	f, err := gguf.Open(path)
	require.NoError(t, err)
	got, ok := f.Strings("tokenizer.ggml.tokens")
	require.True(t, ok)
	require.NoError(t, f.Close())
	require.Equal(t, tokens, got, "strings outlive the file")
}
