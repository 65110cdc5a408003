package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Kind is the type of a metadata value, numbered as enum gguf_type (gguf.h).
type Kind uint32

// The kinds of metadata values.
const (
	KindUint8   Kind = 0
	KindInt8    Kind = 1
	KindUint16  Kind = 2
	KindInt16   Kind = 3
	KindUint32  Kind = 4
	KindInt32   Kind = 5
	KindFloat32 Kind = 6
	KindBool    Kind = 7
	KindString  Kind = 8
	KindArray   Kind = 9
	KindUint64  Kind = 10
	KindInt64   Kind = 11
	KindFloat64 Kind = 12
)

// kinds holds name and size in bytes of each kind; size 0 = of variable length.
var kinds = [...]struct {
	name string
	size uint64
}{
	{"uint8", 1}, {"int8", 1}, {"uint16", 2}, {"int16", 2}, {"uint32", 4}, {"int32", 4}, {"float32", 4},
	{"bool", 1}, {"string", 0}, {"array", 0}, {"uint64", 8}, {"int64", 8}, {"float64", 8},
}

// Valid tells whether GGUF knows the kind.
func (k Kind) Valid() bool { return int64(k) < int64(len(kinds)) }

// String is the kind's name in Go's spelling ("uint32"), or "kind 99".
func (k Kind) String() string {
	if !k.Valid() {
		return fmt.Sprintf("kind %d", uint32(k))
	}
	return kinds[k].name
}

// size is the length in bytes of a value; 0 for strings, arrays and unknown kinds.
func (k Kind) size() uint64 {
	if !k.Valid() {
		return 0
	}
	return kinds[k].size
}

// IsInt tells whether the kind is a whole number of any width.
func (k Kind) IsInt() bool {
	switch k {
	case KindUint8, KindInt8, KindUint16, KindInt16, KindUint32, KindInt32, KindUint64, KindInt64:
		return true
	}
	return false
}

// IsFloat tells whether the kind is float32 or float64.
func (k Kind) IsFloat() bool { return k == KindFloat32 || k == KindFloat64 }

// KeyValue is one line of metadata. Its value stays in the file's mapping until it is asked for, and is gone after Close.
type KeyValue struct {
	Key  string
	Kind Kind   // of the value; KindArray for a list
	Elem Kind   // of a list's elements; equal to Kind where the value is none
	Len  int    // number of elements of a list; 1 where the value is none
	raw  []byte // the value's bytes; strings with their 8-byte lengths
}

// IsArray tells whether the value is a list.
func (kv *KeyValue) IsArray() bool { return kv.Kind == KindArray }

// TypeName is the kind for a message: "uint32", or "array of string".
func (kv *KeyValue) TypeName() string {
	if kv.IsArray() {
		return "array of " + kv.Elem.String()
	}
	return kv.Kind.String()
}

// Value is the value as uint8 … uint64, int8 … int64, float32, float64, bool or string, or a slice of one of these.
// Strings are copies. It is nil after the file's Close.
func (kv *KeyValue) Value() any {
	if kv.IsArray() {
		return kv.Head(kv.Len)
	}
	if kv.raw == nil {
		return nil
	}
	if kv.Kind == KindString {
		return string(kv.raw[8:])
	}
	return decode(kv.Kind, kv.raw)
}

// Head is the first n elements of a list (all, if it has fewer), or nil where the value is none.
func (kv *KeyValue) Head(n int) []any {
	if !kv.IsArray() || (kv.raw == nil && kv.Len > 0) {
		return nil
	}
	n = max(0, min(n, kv.Len))
	out := make([]any, 0, n)
	raw := kv.raw
	for range n {
		if kv.Elem == KindString {
			end := 8 + binary.LittleEndian.Uint64(raw)
			out = append(out, string(raw[8:end]))
			raw = raw[end:]
			continue
		}
		out = append(out, decode(kv.Elem, raw))
		raw = raw[kv.Elem.size():]
	}
	return out
}

// decode reads one number or bool.
func decode(k Kind, b []byte) any {
	le := binary.LittleEndian
	switch k {
	case KindUint8:
		return b[0]
	case KindInt8:
		return int8(b[0])
	case KindUint16:
		return le.Uint16(b)
	case KindInt16:
		return int16(le.Uint16(b))
	case KindUint32:
		return le.Uint32(b)
	case KindInt32:
		return int32(le.Uint32(b))
	case KindUint64:
		return le.Uint64(b)
	case KindInt64:
		return int64(le.Uint64(b))
	case KindFloat32:
		return math.Float32frombits(le.Uint32(b))
	case KindFloat64:
		return math.Float64frombits(le.Uint64(b))
	case KindBool:
		return b[0] != 0
	}
	return nil
}

// decodeInt reads a whole number; ok is false for other kinds and above math.MaxInt64.
func decodeInt(k Kind, b []byte) (v int64, ok bool) {
	le := binary.LittleEndian
	switch k {
	case KindUint8:
		return int64(b[0]), true
	case KindInt8:
		return int64(int8(b[0])), true
	case KindUint16:
		return int64(le.Uint16(b)), true
	case KindInt16:
		return int64(int16(le.Uint16(b))), true
	case KindUint32:
		return int64(le.Uint32(b)), true
	case KindInt32:
		return int64(int32(le.Uint32(b))), true
	case KindUint64:
		u := le.Uint64(b)
		return int64(u), u <= math.MaxInt64
	case KindInt64:
		return int64(le.Uint64(b)), true
	}
	return 0, false
}

// decodeFloat reads a float32 or float64.
func decodeFloat(k Kind, b []byte) (v float64, ok bool) {
	switch k {
	case KindFloat32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))), true
	case KindFloat64:
		return math.Float64frombits(binary.LittleEndian.Uint64(b)), true
	}
	return 0, false
}
