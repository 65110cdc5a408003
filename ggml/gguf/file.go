package gguf

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"time"

	"github.com/graft-go/graft/ggml"
)

// File is an open GGUF model: one file, or the parts of a split one, named by the first. Its methods may be called from several goroutines, Close excepted.
type File struct {
	Path       string
	Version    uint32
	Alignment  uint64 // of the tensors' data, in bytes
	DataOffset int64  // where the data section of the first part begins, in bytes
	Size       int64  // of the file, or of all parts, in bytes
	Keys       []KeyValue
	Tensors    []TensorInfo // in file order, part by part

	keyAt      map[string]int
	tensorAt   map[string]int
	mapping    []byte
	modTime    time.Time
	ownSize    int64
	rest       []*File // further parts of a split model
	ownTensors int     // of a split model: tensors of the first part
}

// TensorInfo is a tensor's line in the header.
type TensorInfo struct {
	Name   string
	Type   ggml.Type
	Ne     []int64 // shape, row length first, 1 to 4 numbers
	Offset uint64  // from the start of its part's data section, in bytes
	Part   int     // which file of a split model holds it, from 0
	Bytes  int64   // length of the data, without padding
}

// Elements is the number of values of the tensor.
func (t *TensorInfo) Elements() int64 {
	n := int64(1)
	for _, d := range t.Ne {
		n *= d
	}
	return n
}

// Open maps a file and reads its whole header. A split model is opened by its first part, the others lying beside it. The error is
// an *Error that says what is wrong and what to do. The caller closes the file.
func Open(path string) (*File, error) {
	f, err := openOne(path)
	if err == nil {
		if err = f.openParts(); err == nil {
			return f, nil
		}
		f.Close()
	}
	return nil, asError(path, err)
}

// asError gives an error its path, if it has none.
func asError(path string, err error) error {
	var ft *fault
	var done *Error
	switch {
	case errors.As(err, &done):
		return done
	case errors.As(err, &ft):
		return &Error{Path: path, Reason: ft.reason, Advice: ft.advice}
	}
	return systemError(path, err)
}

// systemError words what the operating system says of a path.
func systemError(path string, err error) *Error {
	e := &Error{Path: path, Err: err}
	var pe *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Reason, e.Advice = "no such file", "check the path"
	case errors.Is(err, fs.ErrPermission):
		e.Reason, e.Advice = "permission denied", "make the file readable"
	case errors.As(err, &pe):
		e.Reason = pe.Err.Error()
	default:
		e.Reason = err.Error()
	}
	return e
}

// openOne opens a single file.
func openOne(path string) (*File, error) {
	st, err := os.Stat(path) // before opening: a pipe would block
	if err != nil {
		return nil, err
	}
	switch {
	case st.IsDir():
		return nil, &fault{"is a folder", "name the .gguf file inside it"}
	case !st.Mode().IsRegular():
		return nil, &fault{"is no regular file", "name a .gguf file"}
	}
	osf, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer osf.Close() // the mapping outlives the descriptor
	if st, err = osf.Stat(); err != nil {
		return nil, err
	}
	switch {
	case st.Size() == 0:
		return nil, &fault{"the file is empty", adviceDownload}
	case st.Size() > math.MaxInt-1:
		return nil, &fault{fmt.Sprintf("%d bytes are too many to map on this machine", st.Size()), "use a 64-bit build of graft"}
	}
	m, err := mapFile(osf, int(st.Size()))
	if err != nil {
		return nil, err
	}
	f := &File{Path: path, Size: st.Size(), ownSize: st.Size(), mapping: m, modTime: st.ModTime()}
	if err := f.parse(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Close unmaps the file: values of keys and tensor data are gone, strings and slices from the accessors stay. It may be
// called twice.
func (f *File) Close() error {
	if f == nil || f.mapping == nil {
		return nil
	}
	m := f.mapping
	f.mapping = nil
	for i := range f.Keys {
		f.Keys[i].raw = nil
	}
	err := unmap(m)
	for _, p := range f.rest {
		err = errors.Join(err, p.Close())
	}
	return err
}

// CheckUnchanged says whether the file on disk, and every other part, is still the one that was opened, by size and time of change: a
// mapped file that is cut short while in use ends the process with SIGBUS.
func (f *File) CheckUnchanged() error {
	st, err := os.Stat(f.Path)
	if err != nil {
		return systemError(f.Path, err)
	}
	if st.Size() != f.ownSize || !st.ModTime().Equal(f.modTime) {
		return &Error{Path: f.Path, Reason: "the file changed while it was in use", Advice: "leave it alone during a run and start again"}
	}
	for _, p := range f.rest {
		if err := p.CheckUnchanged(); err != nil {
			return err
		}
	}
	return nil
}

// Tensor finds a tensor by name.
func (f *File) Tensor(name string) (*TensorInfo, bool) {
	i, ok := f.tensorAt[name]
	if !ok {
		return nil, false
	}
	return &f.Tensors[i], true
}

// Data is a view of a tensor's bytes in the mapping, never copied; nil after Close.
func (f *File) Data(t *TensorInfo) []byte {
	p := f.part(t)
	if p.mapping == nil {
		return nil
	}
	at := p.DataOffset + int64(t.Offset)
	return p.mapping[at : at+t.Bytes : at+t.Bytes]
}

// Parameters is the number of values of all tensors.
func (f *File) Parameters() int64 {
	n := int64(0)
	for i := range f.Tensors {
		n += f.Tensors[i].Elements()
	}
	return n
}

// SHA256 is the hash over all tensor bytes in file order, part by part and without padding, in lower-case hex: graft's name for a
// base model, independent of its metadata and of how it is split. It reads the whole model.
func (f *File) SHA256() (string, error) {
	if f.mapping == nil {
		return "", &Error{Path: f.Path, Reason: "the file is closed"}
	}
	if err := f.CheckUnchanged(); err != nil {
		return "", err
	}
	h := sha256.New()
	for i := range f.Tensors {
		h.Write(f.Data(&f.Tensors[i]))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
