package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/graft-go/graft/ggml"
)

// Writer makes a GGUF file (version 3). Keys and tensors are collected first; Close writes header and data to a temporary
// file in the folder of path, syncs it and renames it, so that path is either the old file or the whole new one. Peak
// memory is the header and what a tensor's source holds.
//
// The Set and Add methods remember faults, and Close reports them all. A Writer is used once, by one goroutine.
type Writer struct {
	path    string
	keys    []KeyValue // raw holds the encoded value
	keyAt   map[string]int
	tensors []writerTensor
	names   map[string]bool
	errs    []error
	done    bool
}

type writerTensor struct {
	TensorInfo
	data func(io.Writer) error
}

// NewWriter prepares a file. Nothing is written before Close.
func NewWriter(path string) *Writer {
	return &Writer{path: path, keyAt: map[string]int{}, names: map[string]bool{}}
}

func (w *Writer) fail(format string, a ...any) { w.errs = append(w.errs, fmt.Errorf(format, a...)) }

// set puts a key in its place: the end, or where the key was before.
func (w *Writer) set(kv KeyValue) {
	if kv.Key == "" || len(kv.Key) > maxKeyBytes || strings.Contains(kv.Key, "\x00") {
		w.fail("key %s: the name has %d bytes, 1 to %d and no zero byte are allowed", quoted(kv.Key), len(kv.Key), maxKeyBytes)
		return
	}
	if i, ok := w.keyAt[kv.Key]; ok {
		w.keys[i] = kv
		return
	}
	w.keyAt[kv.Key] = len(w.keys)
	w.keys = append(w.keys, kv)
}

func (w *Writer) setScalar(key string, k Kind, raw []byte) {
	w.set(KeyValue{Key: key, Kind: k, Elem: k, Len: 1, raw: raw})
}

var le = binary.LittleEndian

// SetUint8 sets a key to a uint8.
func (w *Writer) SetUint8(key string, v uint8) { w.setScalar(key, KindUint8, []byte{v}) }

// SetInt8 sets a key to an int8.
func (w *Writer) SetInt8(key string, v int8) { w.setScalar(key, KindInt8, []byte{byte(v)}) }

// SetUint16 sets a key to a uint16.
func (w *Writer) SetUint16(key string, v uint16) {
	w.setScalar(key, KindUint16, le.AppendUint16(nil, v))
}

// SetInt16 sets a key to an int16.
func (w *Writer) SetInt16(key string, v int16) {
	w.setScalar(key, KindInt16, le.AppendUint16(nil, uint16(v)))
}

// SetUint32 sets a key to a uint32.
func (w *Writer) SetUint32(key string, v uint32) {
	w.setScalar(key, KindUint32, le.AppendUint32(nil, v))
}

// SetInt32 sets a key to an int32.
func (w *Writer) SetInt32(key string, v int32) {
	w.setScalar(key, KindInt32, le.AppendUint32(nil, uint32(v)))
}

// SetUint64 sets a key to a uint64.
func (w *Writer) SetUint64(key string, v uint64) {
	w.setScalar(key, KindUint64, le.AppendUint64(nil, v))
}

// SetInt64 sets a key to an int64.
func (w *Writer) SetInt64(key string, v int64) {
	w.setScalar(key, KindInt64, le.AppendUint64(nil, uint64(v)))
}

// SetFloat32 sets a key to a float32.
func (w *Writer) SetFloat32(key string, v float32) {
	w.setScalar(key, KindFloat32, le.AppendUint32(nil, math.Float32bits(v)))
}

// SetFloat64 sets a key to a float64.
func (w *Writer) SetFloat64(key string, v float64) {
	w.setScalar(key, KindFloat64, le.AppendUint64(nil, math.Float64bits(v)))
}

// SetBool sets a key to a bool.
func (w *Writer) SetBool(key string, v bool) { w.setScalar(key, KindBool, appendBool(nil, v)) }

// SetString sets a key to a string.
func (w *Writer) SetString(key, v string) { w.setScalar(key, KindString, appendString(nil, v)) }

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendString(b []byte, v string) []byte {
	return append(le.AppendUint64(b, uint64(len(v))), v...)
}

// setArray encodes a list with one appender for its elements.
func setArray[T any](w *Writer, key string, k Kind, v []T, add func([]byte, T) []byte) {
	raw := make([]byte, 0, len(v)*int(max(8, k.size())))
	for _, e := range v {
		raw = add(raw, e)
	}
	w.set(KeyValue{Key: key, Kind: KindArray, Elem: k, Len: len(v), raw: raw})
}

// SetUint8s sets a key to a list of uint8.
func (w *Writer) SetUint8s(key string, v []uint8) {
	setArray(w, key, KindUint8, v, func(b []byte, e uint8) []byte { return append(b, e) })
}

// SetInt8s sets a key to a list of int8.
func (w *Writer) SetInt8s(key string, v []int8) {
	setArray(w, key, KindInt8, v, func(b []byte, e int8) []byte { return append(b, byte(e)) })
}

// SetUint16s sets a key to a list of uint16.
func (w *Writer) SetUint16s(key string, v []uint16) {
	setArray(w, key, KindUint16, v, le.AppendUint16)
}

// SetInt16s sets a key to a list of int16.
func (w *Writer) SetInt16s(key string, v []int16) {
	setArray(w, key, KindInt16, v, func(b []byte, e int16) []byte { return le.AppendUint16(b, uint16(e)) })
}

// SetUint32s sets a key to a list of uint32.
func (w *Writer) SetUint32s(key string, v []uint32) {
	setArray(w, key, KindUint32, v, le.AppendUint32)
}

// SetInt32s sets a key to a list of int32.
func (w *Writer) SetInt32s(key string, v []int32) {
	setArray(w, key, KindInt32, v, func(b []byte, e int32) []byte { return le.AppendUint32(b, uint32(e)) })
}

// SetUint64s sets a key to a list of uint64.
func (w *Writer) SetUint64s(key string, v []uint64) {
	setArray(w, key, KindUint64, v, le.AppendUint64)
}

// SetInt64s sets a key to a list of int64.
func (w *Writer) SetInt64s(key string, v []int64) {
	setArray(w, key, KindInt64, v, func(b []byte, e int64) []byte { return le.AppendUint64(b, uint64(e)) })
}

// SetFloat32s sets a key to a list of float32.
func (w *Writer) SetFloat32s(key string, v []float32) {
	setArray(w, key, KindFloat32, v, func(b []byte, e float32) []byte { return le.AppendUint32(b, math.Float32bits(e)) })
}

// SetFloat64s sets a key to a list of float64.
func (w *Writer) SetFloat64s(key string, v []float64) {
	setArray(w, key, KindFloat64, v, func(b []byte, e float64) []byte { return le.AppendUint64(b, math.Float64bits(e)) })
}

// SetBools sets a key to a list of bool.
func (w *Writer) SetBools(key string, v []bool) { setArray(w, key, KindBool, v, appendBool) }

// SetStrings sets a key to a list of strings.
func (w *Writer) SetStrings(key string, v []string) { setArray(w, key, KindString, v, appendString) }

// CopyKeys copies the keys of f in their order, but those for which except (may be nil) is true, and those of a split model that speak
// of its parts, since what is written is whole. f stays open until Close.
func (w *Writer) CopyKeys(f *File, except func(key string) bool) {
	for _, kv := range f.Keys {
		if (except == nil || !except(kv.Key)) && (len(f.rest) == 0 || !isSplitKey(kv.Key)) {
			w.set(kv)
		}
	}
}

// AddTensor adds a tensor whose data is the function's output, called once, by Close. ne is row length first; the
// function must write exactly the tensor's size in bytes, little-endian.
func (w *Writer) AddTensor(name string, typ ggml.Type, ne []int64, data func(io.Writer) error) {
	size, err := tensorBytes(typ, ne)
	switch {
	case name == "" || len(name) > maxNameBytes || strings.Contains(name, "\x00"):
		w.fail("tensor %s: the name has %d bytes, 1 to %d and no zero byte are allowed", quoted(name), len(name), maxNameBytes)
		return
	case w.names[name]:
		w.fail("tensor %s is added twice", quoted(name))
		return
	case len(ne) > maxDims:
		w.fail("tensor %s: %d dimensions, at most %d are allowed", quoted(name), len(ne), maxDims)
		return
	case err != nil:
		w.fail("tensor %s: %w", quoted(name), err)
		return
	}
	w.names[name] = true
	w.tensors = append(w.tensors, writerTensor{TensorInfo{Name: name, Type: typ, Ne: slices.Clone(ne), Bytes: size}, data})
}

// AddBytes adds a tensor whose data is there already, in the file's layout. data must stay as it is until Close.
func (w *Writer) AddBytes(name string, typ ggml.Type, ne []int64, data []byte) {
	w.AddTensor(name, typ, ne, func(out io.Writer) error {
		_, err := out.Write(data)
		return err
	})
}

// AddF32 adds an F32 tensor. data must stay as it is until Close.
func (w *Writer) AddF32(name string, ne []int64, data []float32) {
	w.AddTensor(name, ggml.TypeF32, ne, func(out io.Writer) error {
		buf := make([]byte, 0, min(len(data), 1<<14)*4)
		for part := range slices.Chunk(data, 1<<14) {
			buf = buf[:0]
			for _, v := range part {
				buf = le.AppendUint32(buf, math.Float32bits(v))
			}
			if _, err := out.Write(buf); err != nil {
				return err
			}
		}
		return nil
	})
}

// CopyTensor adds a tensor of another file as it is. f stays open until Close.
func (w *Writer) CopyTensor(f *File, t *TensorInfo) {
	w.AddBytes(t.Name, t.Type, t.Ne, f.Data(t))
}

// Abort drops the file; after Close it does nothing, so that it can be deferred.
func (w *Writer) Abort() { w.done = true }

// Close writes the file and puts it in its place. Nothing is left behind on an error.
func (w *Writer) Close() error {
	if w.done {
		return fmt.Errorf("write %s: already closed", printable(w.path, 4096))
	}
	w.done = true
	alignment := w.layout()
	if len(w.errs) > 0 {
		return fmt.Errorf("write %s: %w", printable(w.path, 4096), oneLine(w.errs))
	}
	if err := writeFile(w.path, func(f io.Writer) error { return w.write(f, alignment) }); err != nil {
		return fmt.Errorf("write %s: %w", printable(w.path, 4096), err)
	}
	return nil
}

// oneLine joins faults with semicolons.
func oneLine(errs []error) error {
	all := errs[0]
	for _, err := range errs[1:] {
		all = fmt.Errorf("%w; %w", all, err)
	}
	return all
}

// layout gives every tensor its offset and returns the alignment, which general.alignment may set.
func (w *Writer) layout() uint64 {
	alignment := uint64(defaultAlignment)
	if i, ok := w.keyAt[keyAlignment]; ok {
		kv := &w.keys[i]
		v, isInt := decodeInt(kv.Elem, append(slices.Clone(kv.raw), make([]byte, 8)...))
		if kv.Kind != KindUint32 || !isInt || v < 8 || v&(v-1) != 0 {
			w.fail("%s: is no uint32 that is a power of two and a multiple of 8", keyAlignment)
			return alignment
		}
		alignment = uint64(v)
	}
	at := uint64(0)
	for i := range w.tensors {
		t := &w.tensors[i]
		t.Offset = at
		next := at + uint64(t.Bytes)
		next += pad(next, alignment)
		if next > math.MaxInt64 || next < at {
			w.fail("tensor %s: the file would be too large", quoted(t.Name))
			return alignment
		}
		at = next
	}
	return alignment
}

// pad is the number of bytes from at to the next multiple of alignment.
func pad(at, alignment uint64) uint64 { return (alignment - at%alignment) % alignment }

// errShort is a source that gave too little or too much.
var errShort = errors.New("the data has the wrong length")
