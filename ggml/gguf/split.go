package gguf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// A split model is several files NAME-00001-of-00003.gguf … that llama-gguf-split makes of one: the first carries the metadata, each of
// them some of the tensors and three keys of its own (llama-model-loader.cpp).
const (
	keySplitCount   = "split.count"         // uint16: number of parts
	keySplitNo      = "split.no"            // uint16: number of this part, from 0
	keySplitTensors = "split.tensors.count" // int32: tensors of all parts
)

// splitName takes a part's name apart: prefix, number from 1, number of parts.
var splitName = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})\.gguf$`)

// Part is one file of a model.
type Part struct {
	Path    string
	Bytes   int64  // size of the file
	Tensors int    // number of its tensors
	Mapping []byte // the file in memory, page-aligned where the system maps files; nil after Close
}

// Parts lists the files of the model in order: one, or those of a split model.
func (f *File) Parts() []Part {
	out := make([]Part, 0, 1+len(f.rest))
	for _, p := range append([]*File{f}, f.rest...) {
		n := len(p.Tensors)
		if p == f && len(f.rest) > 0 {
			n = f.ownTensors
		}
		out = append(out, Part{Path: p.Path, Bytes: p.ownSize, Tensors: n, Mapping: p.mapping})
	}
	return out
}

// part is the file that holds a tensor.
func (f *File) part(t *TensorInfo) *File {
	if t.Part == 0 {
		return f
	}
	return f.rest[t.Part-1]
}

// isSplitKey tells whether a key says something about one part of a split model.
func isSplitKey(key string) bool {
	return key == keySplitCount || key == keySplitNo || key == keySplitTensors
}

// splitCount is the number of parts of the model that f is the first or another part of; 1 for a whole model.
func (f *File) splitCount() (int, error) {
	for _, key := range []string{keySplitCount, keySplitNo} {
		if kv, ok := f.Key(key); ok && kv.Kind != KindUint16 {
			return 0, corrupt("%s is %s, not uint16", key, kv.TypeName())
		}
	}
	if kv, ok := f.Key(keySplitTensors); ok && kv.Kind != KindInt32 {
		return 0, corrupt("%s is %s, not int32", keySplitTensors, kv.TypeName())
	}
	n, _ := f.Uint(keySplitCount)
	return max(1, int(n)), nil
}

// openParts opens the other parts of a split model whose first part f is, and takes their tensors into f. A whole model is left as it is.
func (f *File) openParts() error {
	count, err := f.splitCount()
	if err != nil || count == 1 {
		return err
	}
	paths, err := f.partPaths(count)
	if err != nil {
		return err
	}
	f.ownTensors = len(f.Tensors)
	for i, path := range paths[1:] {
		p, err := openOne(path)
		if err != nil {
			return asError(path, err)
		}
		f.rest = append(f.rest, p)
		if err := f.checkPart(p, i+1, count); err != nil {
			return asError(path, err)
		}
		if err := f.take(p, i+1); err != nil {
			return asError(path, err)
		}
	}
	if want, ok := f.Int(keySplitTensors); ok && want != int64(len(f.Tensors)) {
		return corrupt("%s is %d, but the %d parts have %d tensors", keySplitTensors, want, count, len(f.Tensors))
	}
	return nil
}

// partPaths checks that f is the first part by key and by name, and that all the others are there.
func (f *File) partPaths(count int) ([]string, error) {
	name := splitName.FindStringSubmatch(filepath.Base(f.Path))
	first := "-" + fmt.Sprintf("%05d-of-%05d.gguf", 1, count)
	no, _ := f.Uint(keySplitNo)
	switch {
	case name == nil || name[3] != fmt.Sprintf("%05d", count):
		return nil, &fault{fmt.Sprintf("part %d of a model split into %d files, under another name than llama.cpp gives it", no+1, count),
			"name the files NAME" + first + " and so on, and give the first"}
	case no != 0:
		return nil, &fault{fmt.Sprintf("part %d of %d of a split model", no+1, count), "give its first part, " + printable(name[1]+first, 4096)}
	case name[2] != "00001":
		return nil, &fault{fmt.Sprintf("the first part of a model split into %d files, under the name of another", count),
			"give it its name back: " + printable(name[1]+first, 4096)}
	}
	var paths, missing []string
	for i := range count {
		path := filepath.Join(filepath.Dir(f.Path), fmt.Sprintf("%s-%05d-of-%05d.gguf", name[1], i+1, count))
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, printable(filepath.Base(path), 255))
		}
		paths = append(paths, path)
	}
	const named = 3
	if n := len(missing); n > named {
		missing = append(missing[:named], fmt.Sprintf("%d more", n-named))
	}
	if len(missing) > 0 {
		return nil, &fault{fmt.Sprintf("%s of its %d parts missing beside it", strings.Join(missing, ", "), count), "download them into the same folder"}
	}
	return paths, nil
}

// checkPart makes sure that p is part number i of the model.
func (f *File) checkPart(p *File, i, count int) error {
	n, err := p.splitCount()
	if err != nil {
		return err
	}
	no, ok := p.Uint(keySplitNo)
	if !ok || n != count || no != uint64(i) {
		return &fault{fmt.Sprintf("part %d of %d by its metadata, not part %d of %d as its name says", no+1, n, i+1, count), "download the parts of one model again"}
	}
	for _, key := range []string{keySplitTensors, "general.architecture", "general.name", "general.file_type"} {
		a, first := f.Key(key)
		b, here := p.Key(key)
		if first && here && a.Value() != b.Value() {
			return &fault{fmt.Sprintf("a part of another model than %s: %s differs", printable(filepath.Base(f.Path), 255), key), "put the parts of one model into one folder"}
		}
	}
	return nil
}

// take adds the tensors of part number i to the model's.
func (f *File) take(p *File, i int) error {
	for _, t := range p.Tensors {
		if _, double := f.tensorAt[t.Name]; double {
			return &fault{"tensor " + quoted(t.Name) + " is in another part too: these are parts of different models", "put the parts of one model into one folder"}
		}
		t.Part = i
		f.tensorAt[t.Name] = len(f.Tensors)
		f.Tensors = append(f.Tensors, t)
	}
	f.Size += p.Size
	return nil
}
