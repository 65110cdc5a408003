package gguf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
)

const (
	magic            = "GGUF"
	defaultAlignment = 32        // GGUF_DEFAULT_ALIGNMENT, gguf.h
	maxKeyBytes      = 1<<16 - 1 // the format's bound for the length of a key
	headerBytes      = 24        // magic, version, number of tensors, number of keys
	minKeyBytes      = 8 + 1 + 4 + 1
	minTensorBytes   = 8 + 1 + 4 + 4 + 8
	keyAlignment     = "general.alignment"
)

// cursor walks through the header. Its methods never read past the end: they return a fault that says where.
type cursor struct {
	b     []byte
	at    int
	where string // what is being read, for messages
}

// need makes sure that n more bytes exist.
func (c *cursor) need(n uint64) error {
	left := uint64(len(c.b) - c.at)
	if n <= left {
		return nil
	}
	// A length beyond any header is no sign of a cut file, but of damage.
	if n-left > 1<<32 {
		return corrupt("%s claims %d bytes, the file has %d", c.where, n, len(c.b))
	}
	return truncated(c.where, n-left)
}

func (c *cursor) uint32() (uint32, error) {
	if err := c.need(4); err != nil {
		return 0, err
	}
	v := binary.LittleEndian.Uint32(c.b[c.at:])
	c.at += 4
	return v, nil
}

func (c *cursor) uint64() (uint64, error) {
	if err := c.need(8); err != nil {
		return 0, err
	}
	v := binary.LittleEndian.Uint64(c.b[c.at:])
	c.at += 8
	return v, nil
}

// bytes is a view of a string's bytes, at most limit of them.
func (c *cursor) bytes(limit uint64) ([]byte, error) {
	n, err := c.uint64()
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, corrupt("%s has a length of %d bytes, at most %d are allowed", c.where, n, limit)
	}
	if err := c.need(n); err != nil {
		return nil, err
	}
	b := c.b[c.at : c.at+int(n)]
	c.at += int(n)
	return b, nil
}

// parse reads the header from the mapping.
func (f *File) parse() error {
	c := &cursor{b: f.mapping, where: "the header"}
	nTensors, nKeys, err := f.parseStart(c)
	if err != nil {
		return err
	}
	if err := f.parseKeys(c, nKeys); err != nil {
		return err
	}
	if err := f.parseAlignment(); err != nil {
		return err
	}
	if err := f.parseTensors(c, nTensors); err != nil {
		return err
	}
	f.DataOffset = int64(c.at)
	if rest := f.DataOffset % int64(f.Alignment); rest != 0 {
		f.DataOffset += int64(f.Alignment) - rest
	}
	return f.checkData()
}

// parseStart reads magic, version and counts.
func (f *File) parseStart(c *cursor) (nTensors, nKeys uint64, err error) {
	if !bytes.HasPrefix(f.mapping, []byte(magic)) {
		return 0, 0, notGGUF(f.mapping)
	}
	c.at = len(magic)
	if f.Version, err = c.uint32(); err != nil {
		return 0, 0, err
	}
	switch v := f.Version; {
	case v == 2 || v == 3:
	case v == 1:
		return 0, 0, &fault{"GGUF version 1 is not supported (2 and 3 are)", adviceConvert}
	case v&0xFFFF == 0 && v != 0: // as gguf.cpp tells byte order
		return 0, 0, &fault{fmt.Sprintf("a big-endian GGUF file (version %d), which is not supported", bits.ReverseBytes32(v)),
			"use the little-endian file"}
	default:
		return 0, 0, &fault{fmt.Sprintf("GGUF version %d is not supported (2 and 3 are)", v), "use a newer graft or another file"}
	}
	if nTensors, err = c.uint64(); err != nil {
		return 0, 0, err
	}
	if nKeys, err = c.uint64(); err != nil {
		return 0, 0, err
	}
	left := uint64(len(c.b) - c.at)
	if nKeys > math.MaxInt64 || nTensors > math.MaxInt64 || nKeys > left/minKeyBytes || nTensors > left/minTensorBytes {
		return 0, 0, &fault{fmt.Sprintf("truncated or corrupt: the header announces %d keys and %d tensors, the file has %d bytes",
			nKeys, nTensors, f.Size), adviceDownload}
	}
	return nTensors, nKeys, nil
}

// notGGUF tells what a file is instead, as far as its first bytes show.
func notGGUF(b []byte) error {
	has := func(s string) bool { return bytes.HasPrefix(b, []byte(s)) }
	text := bytes.ToLower(bytes.TrimSpace(b[:min(len(b), 64)]))
	switch {
	case len(b) < len(magic) && bytes.HasPrefix([]byte(magic), b):
		return truncated("the header", headerBytes-uint64(len(b)))
	case has("FUGG"):
		return &fault{"a big-endian GGUF file, which is not supported", "use the little-endian file"}
	case has("lmgg") || has("fmgg") || has("tjgg") || has("algg"):
		return &fault{"a model in the old GGML format, not GGUF", adviceConvert}
	case has("version https://git-lfs"):
		return &fault{"a Git LFS pointer, not the model itself", "run git lfs pull"}
	case bytes.HasPrefix(text, []byte("<!doctype")) || bytes.HasPrefix(text, []byte("<html")):
		return &fault{"a web page, not a GGUF file", "download the model file itself"}
	case has("PK\x03\x04"):
		return &fault{"a zip archive (a PyTorch file?), not a GGUF file", adviceConvert}
	case len(b) > 9 && bytes.HasPrefix(b[8:], []byte(`{"`)):
		return &fault{"a safetensors file, not a GGUF file", adviceConvert}
	}
	return &fault{fmt.Sprintf("not a GGUF file: it begins with %q, not %q", b[:min(len(b), 4)], magic), "name a .gguf file"}
}

// parseKeys reads the metadata.
func (f *File) parseKeys(c *cursor, n uint64) error {
	f.Keys = make([]KeyValue, 0, min(n, 1024))
	f.keyAt = make(map[string]int, min(n, 1024))
	for i := range n {
		c.where = fmt.Sprintf("the name of key %d of %d", i+1, n)
		name, err := c.bytes(maxKeyBytes)
		if err != nil {
			return err
		}
		if len(name) == 0 || bytes.IndexByte(name, 0) >= 0 { // C would read it as another key
			return corrupt("the name of key %d of %d, %s, is empty or holds a zero byte", i+1, n, quoted(string(name)))
		}
		kv := KeyValue{Key: string(name)}
		if _, double := f.keyAt[kv.Key]; double {
			return corrupt("key %s is there twice", quoted(kv.Key))
		}
		c.where = "key " + quoted(kv.Key)
		if err := parseValue(c, &kv); err != nil {
			return err
		}
		f.keyAt[kv.Key] = len(f.Keys)
		f.Keys = append(f.Keys, kv)
	}
	return nil
}

// parseValue reads the kind of a value and steps over its bytes, checking every length on the way.
func parseValue(c *cursor, kv *KeyValue) error {
	kind, err := c.uint32()
	if err != nil {
		return err
	}
	kv.Kind, kv.Elem, kv.Len = Kind(kind), Kind(kind), 1
	count := uint64(1)
	if kv.Kind == KindArray {
		if kind, err = c.uint32(); err != nil {
			return err
		}
		if count, err = c.uint64(); err != nil {
			return err
		}
		if kv.Elem = Kind(kind); kv.Elem == KindArray {
			return &fault{fmt.Sprintf("%s is an array of arrays, which llama.cpp does not read either", c.where), "use another file"}
		}
	}
	if !kv.Elem.Valid() {
		return corrupt("%s has the unknown %s", c.where, kv.Elem)
	}
	start, least := c.at, kv.Elem.size()
	if kv.Elem == KindString {
		least = 8 // the length of an empty one
	}
	hi, total := bits.Mul64(count, least)
	if hi != 0 {
		return corrupt("%s claims %d elements, the file has %d bytes", c.where, count, len(c.b))
	}
	if err := c.need(total); err != nil {
		return err
	}
	kv.Len = int(count) // fits: count ≤ len(c.b)
	if kv.Elem == KindString {
		for range count {
			if _, err := c.bytes(math.MaxInt64); err != nil {
				return err
			}
		}
	} else {
		c.at += int(total)
	}
	kv.raw = c.b[start:c.at:c.at]
	if kv.Elem == KindBool {
		for _, b := range kv.raw {
			if b > 1 {
				return corrupt("%s holds a bool of value %d", c.where, b)
			}
		}
	}
	return nil
}

// parseAlignment reads general.alignment, which gguf.cpp asserts to be uint32.
func (f *File) parseAlignment() error {
	f.Alignment = defaultAlignment
	kv, ok := f.Key(keyAlignment)
	if !ok {
		return nil
	}
	if kv.Kind != KindUint32 {
		return corrupt("%s is %s, not uint32", keyAlignment, kv.TypeName())
	}
	a, _ := f.Uint(keyAlignment)
	if a == 0 || a%8 != 0 || bits.OnesCount64(a) != 1 {
		return corrupt("%s is %d, not a power of two and a multiple of 8", keyAlignment, a)
	}
	f.Alignment = a
	return nil
}
