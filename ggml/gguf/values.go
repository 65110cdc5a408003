package gguf

import "encoding/binary"

// Key finds a line of metadata by name.
func (f *File) Key(key string) (*KeyValue, bool) {
	i, ok := f.keyAt[key]
	if !ok || f.mapping == nil {
		return nil, false
	}
	return &f.Keys[i], true
}

// scalar finds a key whose value is no list.
func (f *File) scalar(key string) (*KeyValue, bool) {
	kv, ok := f.Key(key)
	return kv, ok && !kv.IsArray()
}

// array finds a key whose value is a list.
func (f *File) array(key string) (*KeyValue, bool) {
	kv, ok := f.Key(key)
	return kv, ok && kv.IsArray()
}

// Uint is a whole number of any width that is not negative; false where the key is missing or of another kind.
func (f *File) Uint(key string) (uint64, bool) {
	kv, ok := f.scalar(key)
	if !ok {
		return 0, false
	}
	if kv.Kind == KindUint64 {
		return binary.LittleEndian.Uint64(kv.raw), true
	}
	v, ok := decodeInt(kv.Kind, kv.raw)
	return uint64(v), ok && v >= 0
}

// Int is a whole number of any width; false where the key is missing, of another kind or above math.MaxInt64.
func (f *File) Int(key string) (int64, bool) {
	kv, ok := f.scalar(key)
	if !ok {
		return 0, false
	}
	return decodeInt(kv.Kind, kv.raw)
}

// Float is a float32 or float64; false where the key is missing or of another kind.
func (f *File) Float(key string) (float64, bool) {
	kv, ok := f.scalar(key)
	if !ok {
		return 0, false
	}
	return decodeFloat(kv.Kind, kv.raw)
}

// Bool is a bool; the second result is false where the key is missing or of another kind.
func (f *File) Bool(key string) (value, ok bool) {
	kv, ok := f.scalar(key)
	if !ok || kv.Kind != KindBool {
		return false, false
	}
	return kv.raw[0] != 0, true
}

// String is a copy of a string; false where the key is missing or of another kind.
func (f *File) String(key string) (string, bool) {
	kv, ok := f.scalar(key)
	if !ok || kv.Kind != KindString {
		return "", false
	}
	return string(kv.raw[8:]), true
}

// Strings is a list of strings, which outlive the file; false where the key is missing or of another kind. The list is
// copied in one piece, so 128k tokens take about a millisecond.
func (f *File) Strings(key string) ([]string, bool) {
	kv, ok := f.array(key)
	if !ok || kv.Elem != KindString {
		return nil, false
	}
	all := string(kv.raw)
	out := make([]string, kv.Len)
	at := 0
	for i := range out {
		n := int(binary.LittleEndian.Uint64(kv.raw[at:]))
		out[i] = all[at+8 : at+8+n]
		at += 8 + n
	}
	return out, true
}

// Ints is a list of whole numbers of any width; false where the key is missing, of another kind, or one is above
// math.MaxInt64.
func (f *File) Ints(key string) ([]int64, bool) {
	kv, ok := f.array(key)
	if !ok || !kv.Elem.IsInt() {
		return nil, false
	}
	out := make([]int64, kv.Len)
	size := int(kv.Elem.size())
	for i := range out {
		if out[i], ok = decodeInt(kv.Elem, kv.raw[i*size:]); !ok {
			return nil, false
		}
	}
	return out, true
}

// Floats is a list of float32 or float64; false where the key is missing or of another kind.
func (f *File) Floats(key string) ([]float64, bool) {
	kv, ok := f.array(key)
	if !ok || !kv.Elem.IsFloat() {
		return nil, false
	}
	out := make([]float64, kv.Len)
	size := int(kv.Elem.size())
	for i := range out {
		out[i], _ = decodeFloat(kv.Elem, kv.raw[i*size:])
	}
	return out, true
}
