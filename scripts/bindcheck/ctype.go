package main

import (
	"fmt"
	"strings"
)

// kind is the class of a C or Go value as a call sees it.
type kind string

const (
	kindVoid   kind = "void"
	kindInt    kind = "int"   // signed
	kindUint   kind = "uint"  // unsigned
	kindChar   kind = "char"  // char, whose sign the platform chooses
	kindEnum   kind = "enum"  // 32 bits
	kindBool   kind = "bool"  // 8 bits
	kindFloat  kind = "float" // 32 or 64 bits
	kindStruct kind = "struct"
	kindFunc   kind = "func"
	kindString kind = "string" // Go only
	kindBlob   kind = "blob"   // union, or anything the parser does not look into
)

// value is a C or Go type: a base, and how many pointers lead to it. Sizes are those of a 64-bit system.
type value struct {
	kind  kind
	bytes int64  // of the base: 1, 2, 4, 8 for numbers
	name  string // of a struct
	ptr   int    // pointers around the base; a function pointer is kindFunc with ptr 1
	cnst  bool   // the base is const (C)
	count int64  // elements of an array; 0 = no array
}

func (v value) String() string {
	s := string(v.kind)
	switch v.kind {
	case kindInt, kindUint, kindFloat:
		s = fmt.Sprintf("%s%d", v.kind, v.bytes*8)
	case kindStruct:
		s = "struct " + v.name
	}
	if v.cnst {
		s = "const " + s
	}
	s += strings.Repeat("*", v.ptr)
	if v.count > 0 {
		s = fmt.Sprintf("%s[%d]", s, v.count)
	}
	return s
}

// field is a member of a struct.
type field struct {
	name   string
	value  value
	offset int64
}

// layout is a struct with its fields placed by the rules of the C ABI, which Go follows for the types used here.
type layout struct {
	fields      []field
	size, align int64
}

// place computes offsets; sizeOf gives the size and alignment of one element of a value.
func place(fields []field, sizeOf func(value) (size, align int64, ok bool)) (layout, bool) {
	l := layout{align: 1}
	for _, f := range fields {
		size, align, ok := sizeOf(f.value)
		if !ok {
			return layout{}, false
		}
		if f.value.count > 0 {
			size *= f.value.count
		}
		l.size = (l.size + align - 1) / align * align
		f.offset = l.size
		l.fields = append(l.fields, f)
		l.size += size
		l.align = max(l.align, align)
	}
	l.size = (l.size + l.align - 1) / l.align * l.align
	return l, true
}
