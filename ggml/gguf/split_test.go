package gguf_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml/gguf"
)

// splitFile is one part to be written: its tensors' names, and what changes its keys.
type splitFile struct {
	tensors []string
	change  func(w *gguf.Writer)
}

// writeSplit writes parts NAME-0000i-of-0000n.gguf with the keys that llama-gguf-split gives them, and returns their paths. Tensors hold
// their name's first byte.
func writeSplit(t testing.TB, dir string, files ...splitFile) []string {
	t.Helper()
	total := 0
	for _, f := range files {
		total += len(f.tensors)
	}
	var paths []string
	for i, f := range files {
		path := filepath.Join(dir, fmt.Sprintf("m-%05d-of-%05d.gguf", i+1, len(files)))
		w := gguf.NewWriter(path)
		if i == 0 {
			w.SetString("general.architecture", "llama")
			w.SetString("general.name", "m")
		}
		w.SetUint16("split.no", uint16(i))
		w.SetUint16("split.count", uint16(len(files)))
		w.SetInt32("split.tensors.count", int32(total))
		for j, name := range f.tensors {
			values := make([]float32, 3+j)
			for k := range values {
				values[k] = float32(name[0])
			}
			w.AddF32(name, []int64{int64(len(values))}, values)
		}
		if f.change != nil {
			f.change(w)
		}
		require.NoError(t, w.Close())
		paths = append(paths, path)
	}
	return paths
}

func TestSplit(t *testing.T) {
	cases := []struct {
		name  string
		files []splitFile
	}{
		{"three parts", []splitFile{{tensors: []string{"a", "b"}}, {tensors: []string{"c"}}, {tensors: []string{"d", "e"}}}},
		{"a first part without tensors", []splitFile{{}, {tensors: []string{"a", "b", "c", "d", "e"}}}},
		{"a part with another alignment", []splitFile{{tensors: []string{"a"}}, {tensors: []string{"b", "c"}, change: func(w *gguf.Writer) { w.SetUint32("general.alignment", 64) }}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			paths := writeSplit(t, dir, c.files...)
			f, err := gguf.Open(paths[0])
			require.NoError(t, err)
			defer f.Close()
			parts := f.Parts()
			require.Len(t, parts, len(c.files))
			var bytes int64
			var names []string
			for i, p := range parts {
				require.Equal(t, paths[i], p.Path)
				require.Equal(t, len(c.files[i].tensors), p.Tensors)
				require.Len(t, p.Mapping, int(p.Bytes))
				bytes += p.Bytes
				names = append(names, c.files[i].tensors...)
			}
			require.Equal(t, bytes, f.Size)
			require.Len(t, f.Tensors, len(names))
			// Joined into one file, the model has the same hash and no keys of a split one.
			whole := filepath.Join(dir, "whole.gguf")
			w := gguf.NewWriter(whole)
			w.CopyKeys(f, nil)
			for i, name := range names {
				info, ok := f.Tensor(name)
				require.True(t, ok)
				require.Equal(t, &f.Tensors[i], info)
				data := f.Data(info)
				require.Len(t, data, int(info.Bytes))
				require.Equal(t, []byte{0, 0}, data[:2])
				w.CopyTensor(f, info)
			}
			require.NoError(t, w.Close())
			joined, err := gguf.Open(whole)
			require.NoError(t, err)
			defer joined.Close()
			require.Len(t, joined.Parts(), 1)
			require.Len(t, joined.Keys, 2)
			a, err := f.SHA256()
			require.NoError(t, err)
			b, err := joined.SHA256()
			require.NoError(t, err)
			require.Equal(t, b, a)
			// A change to any part is seen.
			require.NoError(t, f.CheckUnchanged())
			last := paths[len(paths)-1]
			require.NoError(t, os.Chtimes(last, time.Now(), time.Now().Add(time.Hour)))
			require.ErrorContains(t, f.CheckUnchanged(), last+": the file changed")
			require.NoError(t, f.Close())
			require.Nil(t, f.Data(&f.Tensors[len(names)-1]))
		})
	}
}

func TestSplitFaults(t *testing.T) {
	whole := func() []splitFile {
		return []splitFile{{tensors: []string{"a"}}, {tensors: []string{"b"}}, {tensors: []string{"c"}}}
	}
	set := func(part int, change func(w *gguf.Writer)) []splitFile {
		files := whole()
		files[part].change = change
		return files
	}
	cases := []struct {
		name  string
		files []splitFile
		do    func(t *testing.T, paths []string) string // returns what to open
		want  []string
	}{
		{"a middle part", whole(), func(_ *testing.T, p []string) string { return p[1] }, []string{"part 2 of 3 of a split model; give its first part, m-00001-of-00003.gguf"}},
		{"a part missing", whole(), func(t *testing.T, p []string) string { require.NoError(t, os.Remove(p[2])); return p[0] },
			[]string{"m-00001-of-00003.gguf: m-00003-of-00003.gguf of its 3 parts missing beside it"}},
		{"another name", whole(), func(t *testing.T, p []string) string {
			other := filepath.Join(filepath.Dir(p[0]), "x.gguf")
			require.NoError(t, os.Rename(p[0], other))
			return other
		}, []string{"x.gguf: part 1 of a model split into 3 files, under another name", "NAME-00001-of-00003.gguf"}},
		{"the first under the name of another", whole(), func(t *testing.T, p []string) string {
			require.NoError(t, os.Rename(p[0], p[1]))
			return p[1]
		}, []string{"the first part of a model split into 3 files, under the name of another; give it its name back: m-00001-of-00003.gguf"}},
		{"two parts exchanged", whole(), func(t *testing.T, p []string) string {
			require.NoError(t, os.Rename(p[1], p[2]))
			require.NoError(t, os.WriteFile(p[1], nil, 0o600))
			return p[0]
		}, []string{"m-00002-of-00003.gguf: the file is empty"}},
		{"a part of another number", set(1, func(w *gguf.Writer) { w.SetUint16("split.no", 2) }), nil,
			[]string{"m-00002-of-00003.gguf: part 3 of 3 by its metadata, not part 2 of 3 as its name says"}},
		{"a whole model for a part", whole(), func(t *testing.T, p []string) string {
			w := gguf.NewWriter(p[1])
			w.AddF32("z", []int64{1}, []float32{1})
			require.NoError(t, w.Close())
			return p[0]
		}, []string{"m-00002-of-00003.gguf: part 1 of 1 by its metadata"}},
		{"a part of another split", set(1, func(w *gguf.Writer) { w.SetUint16("split.count", 4) }), nil, []string{"part 2 of 4 by its metadata, not part 2 of 3"}},
		{"a part of a model of another size", set(2, func(w *gguf.Writer) { w.SetInt32("split.tensors.count", 9) }), nil,
			[]string{"m-00003-of-00003.gguf: a part of another model than m-00001-of-00003.gguf: split.tensors.count differs"}},
		{"a part of another model", set(2, func(w *gguf.Writer) { w.SetString("general.name", "n") }), nil, []string{"general.name differs"}},
		{"a tensor twice", []splitFile{{tensors: []string{"a"}}, {tensors: []string{"a"}}}, nil, []string{`tensor "a" is in another part too`}},
		{"a wrong count of tensors", []splitFile{{tensors: []string{"a"}, change: func(w *gguf.Writer) { w.SetInt32("split.tensors.count", 5) }},
			{tensors: []string{"b"}, change: func(w *gguf.Writer) { w.SetInt32("split.tensors.count", 5) }}}, nil, []string{"split.tensors.count is 5, but the 2 parts have 2 tensors"}},
		{"a count of another kind", set(0, func(w *gguf.Writer) { w.SetString("split.count", "3") }), nil, []string{"split.count is string, not uint16"}},
		{"more parts than there are", set(0, func(w *gguf.Writer) { w.SetUint16("split.count", 65535) }), nil, []string{"a model split into 65535 files"}},
		{"a cut part", whole(), func(t *testing.T, p []string) string { require.NoError(t, os.Truncate(p[2], 100)); return p[0] }, []string{"m-00003-of-00003.gguf: truncated"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			paths := writeSplit(t, t.TempDir(), c.files...)
			path := paths[0]
			if c.do != nil {
				path = c.do(t, paths)
			}
			_, err := gguf.Open(path)
			var fault *gguf.Error
			require.ErrorAs(t, err, &fault)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
			require.NotContains(t, err.Error(), "\n")
		})
	}
}
