package ggml

import (
	"fmt"
	"strings"

	bind "github.com/graft-go/graft/binding/ggml"
)

// Type is a tensor's element type, numbered as enum ggml_type.
type Type int32

// The element types of GGUF files (ggml.h, enum ggml_type).
const (
	TypeF32    Type = 0
	TypeF16    Type = 1
	TypeQ4_0   Type = 2
	TypeQ4_1   Type = 3
	TypeQ5_0   Type = 6
	TypeQ5_1   Type = 7
	TypeQ8_0   Type = 8
	TypeQ2_K   Type = 10
	TypeQ3_K   Type = 11
	TypeQ4_K   Type = 12
	TypeQ5_K   Type = 13
	TypeQ6_K   Type = 14
	TypeIQ4_NL Type = 20
	TypeIQ4_XS Type = 23
	TypeI8     Type = 24
	TypeI16    Type = 25
	TypeI32    Type = 26
	TypeI64    Type = 27
	TypeF64    Type = 28
	TypeBF16   Type = 30
)

// info returns the table line of t, or nil where ggml knows no such type.
func (t Type) info() *bind.TypeInfo {
	for i := range bind.Types {
		if bind.Types[i].Number == int32(t) {
			return &bind.Types[i]
		}
	}
	return nil
}

// Valid tells whether t is a type that ggml still supports.
func (t Type) Valid() bool { return t.info() != nil }

// String is the name ggml gives the type ("q4_K"), or "type 99".
func (t Type) String() string {
	if i := t.info(); i != nil {
		return i.Name
	}
	return fmt.Sprintf("type %d", int32(t))
}

// BlockSize is the number of values in a block; 1 for plain types, 0 for an unknown one.
func (t Type) BlockSize() int64 {
	if i := t.info(); i != nil {
		return i.BlockSize
	}
	return 0
}

// BlockBytes is the size of a block in bytes; 0 for an unknown type.
func (t Type) BlockBytes() int64 {
	if i := t.info(); i != nil {
		return i.BlockBytes
	}
	return 0
}

// RowSize is the size in bytes of a row of ne0 values; ne0 must be a multiple of BlockSize (ggml_row_size).
func (t Type) RowSize(ne0 int64) int64 {
	i := t.info()
	if i == nil {
		return 0
	}
	return ne0 / i.BlockSize * i.BlockBytes
}

// Quantized tells whether values are stored in blocks.
func (t Type) Quantized() bool { return t.BlockSize() > 1 }

// ParseType finds a type by its name in any case ("q4_k", "Q8_0").
func ParseType(name string) (Type, error) {
	for i := range bind.Types {
		if strings.EqualFold(bind.Types[i].Name, name) {
			return Type(bind.Types[i].Number), nil
		}
	}
	return 0, fmt.Errorf("type %q: not a ggml type; use one such as f32, f16, bf16, q8_0, q4_0, q4_k or q6_k", name)
}
