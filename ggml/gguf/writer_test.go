package gguf_test

import (
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
)

func TestCopyIsEqual(t *testing.T) {
	for _, path := range sharedModels(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			src, err := gguf.Open(path)
			require.NoError(t, err)
			defer src.Close()
			out := filepath.Join(t.TempDir(), "copy.gguf")
			w := gguf.NewWriter(out)
			w.CopyKeys(src, nil)
			for i := range src.Tensors {
				w.CopyTensor(src, &src.Tensors[i])
			}
			require.NoError(t, w.Close())

			dst, err := gguf.Open(out)
			require.NoError(t, err)
			defer dst.Close()
			require.Equal(t, src.Keys, dst.Keys)
			require.Len(t, dst.Tensors, len(src.Tensors))
			for i := range src.Tensors {
				require.Equal(t, src.Tensors[i], dst.Tensors[i])
				require.Equal(t, src.Data(&src.Tensors[i]), dst.Data(&dst.Tensors[i]))
			}
			a, err := src.SHA256()
			require.NoError(t, err)
			b, err := dst.SHA256()
			require.NoError(t, err)
			require.Equal(t, a, b)
		})
	}
}

func TestEveryKindRoundTrips(t *testing.T) {
	out := filepath.Join(t.TempDir(), "kinds.gguf")
	w := gguf.NewWriter(out)
	w.SetUint8("u8", 255)
	w.SetInt8("i8", -128)
	w.SetUint16("u16", 65535)
	w.SetInt16("i16", -32768)
	w.SetUint32("u32", math.MaxUint32)
	w.SetInt32("i32", math.MinInt32)
	w.SetUint64("u64", math.MaxUint64)
	w.SetInt64("i64", math.MinInt64)
	w.SetFloat32("f32", 1.5)
	w.SetFloat64("f64", math.Pi)
	w.SetBool("bool", true)
	w.SetString("string", "replaced below")
	w.SetUint8s("u8s", []uint8{1, 2})
	w.SetInt8s("i8s", []int8{-1, 2})
	w.SetUint16s("u16s", []uint16{1, 2})
	w.SetInt16s("i16s", []int16{-1, 2})
	w.SetUint32s("u32s", []uint32{1, 2})
	w.SetInt32s("i32s", []int32{-1, 2})
	w.SetUint64s("u64s", []uint64{1, 2})
	w.SetInt64s("i64s", []int64{-1, 2})
	w.SetFloat32s("f32s", []float32{-1, 2})
	w.SetFloat64s("f64s", []float64{-1, 2})
	w.SetBools("bools", []bool{true, false})
	w.SetStrings("strings", []string{"", "a\x00b", "ü"})
	w.SetStrings("none", nil)
	w.SetString("string", "ä\n")
	w.SetUint32("general.alignment", 64)
	w.AddF32("a", []int64{3}, []float32{1, 2, 3})
	w.AddF32("b.weight", []int64{2, 1, 1, 2}, []float32{4, 5, 6, 7})
	require.NoError(t, w.Close())

	f, err := gguf.Open(out)
	require.NoError(t, err)
	defer f.Close()
	require.EqualValues(t, 3, f.Version)
	require.EqualValues(t, 64, f.Alignment)
	require.Zero(t, f.DataOffset%64)
	want := map[string]any{
		"u8": uint8(255), "i8": int8(-128), "u16": uint16(65535), "i16": int16(-32768), "u32": uint32(math.MaxUint32),
		"i32": int32(math.MinInt32), "u64": uint64(math.MaxUint64), "i64": int64(math.MinInt64), "f32": float32(1.5),
		"f64": math.Pi, "bool": true, "string": "ä\n", "u8s": []any{uint8(1), uint8(2)}, "i8s": []any{int8(-1), int8(2)},
		"u16s": []any{uint16(1), uint16(2)}, "i16s": []any{int16(-1), int16(2)}, "u32s": []any{uint32(1), uint32(2)},
		"i32s": []any{int32(-1), int32(2)}, "u64s": []any{uint64(1), uint64(2)}, "i64s": []any{int64(-1), int64(2)},
		"f32s": []any{float32(-1), float32(2)}, "f64s": []any{float64(-1), float64(2)}, "bools": []any{true, false},
		"strings": []any{"", "a\x00b", "ü"}, "none": []any{}, "general.alignment": uint32(64),
	}
	require.Len(t, f.Keys, len(want))
	for i := range f.Keys {
		require.Equal(t, want[f.Keys[i].Key], f.Keys[i].Value(), f.Keys[i].Key)
	}
	checkAccessors(t, f)
	b, ok := f.Tensor("b.weight")
	require.True(t, ok)
	require.Equal(t, []int64{2, 1, 1, 2}, b.Ne)
	require.EqualValues(t, 64, b.Offset)
	require.Equal(t, []byte{0, 0, 0x80, 0x40}, f.Data(b)[:4])
	require.EqualValues(t, 7, f.Parameters())
}

// checkAccessors reads the keys of TestEveryKindRoundTrips by the typed methods.
func checkAccessors(t *testing.T, f *gguf.File) {
	t.Helper()
	for _, c := range []struct {
		key string
		i   int64
		iOK bool
		u   uint64
		uOK bool
	}{
		{"u8", 255, true, 255, true}, {"i8", -128, true, 0, false}, {"u16", 65535, true, 65535, true},
		{"i32", math.MinInt32, true, 0, false}, {"u64", 0, false, math.MaxUint64, true}, {"f32", 0, false, 0, false},
		{"i64", math.MinInt64, true, 0, false}, {"missing", 0, false, 0, false}, {"u8s", 0, false, 0, false},
		{"bool", 0, false, 0, false}, {"string", 0, false, 0, false},
	} {
		i, ok := f.Int(c.key)
		require.Equal(t, c.iOK, ok, c.key)
		if ok {
			require.Equal(t, c.i, i, c.key)
		}
		u, ok := f.Uint(c.key)
		require.Equal(t, c.uOK, ok, c.key)
		if ok {
			require.Equal(t, c.u, u, c.key)
		}
	}
	x, ok := f.Float("f32")
	require.True(t, ok)
	require.InDelta(t, 1.5, x, 0)
	_, ok = f.Float("u8")
	require.False(t, ok)
	v, ok := f.Bool("bool")
	require.True(t, v && ok)
	_, ok = f.Bool("u8")
	require.False(t, ok)
	strs, ok := f.Strings("strings")
	require.True(t, ok)
	require.Equal(t, []string{"", "a\x00b", "ü"}, strs)
	_, ok = f.Strings("string")
	require.False(t, ok)
	ints, ok := f.Ints("i16s")
	require.True(t, ok)
	require.Equal(t, []int64{-1, 2}, ints)
	_, ok = f.Ints("f32s")
	require.False(t, ok)
	floats, ok := f.Floats("f32s")
	require.True(t, ok)
	require.Equal(t, []float64{-1, 2}, floats)
	_, ok = f.Floats("i16s")
	require.False(t, ok)
}

func TestWriterFaults(t *testing.T) {
	boom := errors.New("boom")
	long := string(make([]byte, 64))
	for _, c := range []struct {
		name string
		do   func(w *gguf.Writer)
		want []string
	}{
		{"empty key", func(w *gguf.Writer) { w.SetBool("", true) }, []string{"1 to 65535"}},
		{"long tensor name", func(w *gguf.Writer) { w.AddF32(long, []int64{1}, nil) }, []string{"64 bytes, 1 to 63"}},
		{"tensor twice", func(w *gguf.Writer) {
			w.AddF32("a", []int64{1}, []float32{1})
			w.AddF32("a", []int64{1}, []float32{1})
		}, []string{`tensor "a" is added twice`}},
		{"two faults", func(w *gguf.Writer) {
			w.AddF32("a", []int64{0}, nil)
			w.AddBytes("b", ggml.TypeQ4_0, []int64{33}, nil)
		}, []string{`tensor "a"`, `tensor "b": row length 33 is no multiple of 32`}},
		{"too little", func(w *gguf.Writer) { w.AddF32("a", []int64{2}, []float32{1}) }, []string{`tensor "a"`, "4 bytes of 8"}},
		{"too much", func(w *gguf.Writer) { w.AddF32("a", []int64{1}, []float32{1, 2}) }, []string{`tensor "a"`, "wrong length"}},
		{"source fails", func(w *gguf.Writer) {
			w.AddTensor("a", ggml.TypeF32, []int64{1}, func(io.Writer) error { return boom })
		}, []string{"boom"}},
		{"alignment", func(w *gguf.Writer) { w.SetUint32("general.alignment", 12) }, []string{"general.alignment"}},
		{"alignment kind", func(w *gguf.Writer) { w.SetString("general.alignment", "") }, []string{"general.alignment"}},
		{"five dimensions", func(w *gguf.Writer) { w.AddF32("a", []int64{1, 1, 1, 1, 1}, nil) }, []string{"at most 4"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "x.gguf")
			require.NoError(t, os.WriteFile(path, []byte("old"), 0o666))
			w := gguf.NewWriter(path)
			c.do(w)
			err := w.Close()
			require.Error(t, err)
			require.NotContains(t, err.Error(), "\n")
			for _, s := range append(c.want, path) {
				require.ErrorContains(t, err, s)
			}
			old, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, "old", string(old), "the old file stays")
			files, err := os.ReadDir(dir)
			require.NoError(t, err)
			require.Len(t, files, 1, "nothing is left behind")
		})
	}
}

func TestWriterPaths(t *testing.T) {
	dir := t.TempDir()
	for name, path := range map[string]string{
		"no folder":   filepath.Join(dir, "missing", "x.gguf"),
		"is a folder": dir,
		"no name":     dir + string(filepath.Separator),
	} {
		t.Run(name, func(t *testing.T) {
			err := gguf.NewWriter(path).Close()
			require.ErrorContains(t, err, dir)
			require.NotContains(t, err.Error(), ".tmp-")
		})
	}
	t.Run("abort", func(t *testing.T) {
		path := filepath.Join(dir, "aborted.gguf")
		w := gguf.NewWriter(path)
		w.Abort()
		require.Error(t, w.Close())
		require.NoFileExists(t, path)
	})
	t.Run("no keys, no tensors", func(t *testing.T) {
		path := filepath.Join(dir, "empty.gguf")
		require.NoError(t, gguf.NewWriter(path).Close())
		f, err := gguf.Open(path)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	})
}
