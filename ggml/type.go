package ggml

import (
	"fmt"
	"slices"
	"strings"

	bind "github.com/graft-go/graft/binding/ggml"
)

// Type is a tensor's element type, numbered as enum ggml_type.
type Type int32

// The element types of GGUF files (ggml.h, enum ggml_type).
const (
	TypeF32     Type = 0
	TypeF16     Type = 1
	TypeQ4_0    Type = 2
	TypeQ4_1    Type = 3
	TypeQ5_0    Type = 6
	TypeQ5_1    Type = 7
	TypeQ8_0    Type = 8
	TypeQ8_1    Type = 9
	TypeQ2_K    Type = 10
	TypeQ3_K    Type = 11
	TypeQ4_K    Type = 12
	TypeQ5_K    Type = 13
	TypeQ6_K    Type = 14
	TypeQ8_K    Type = 15
	TypeIQ2_XXS Type = 16
	TypeIQ2_XS  Type = 17
	TypeIQ3_XXS Type = 18
	TypeIQ1_S   Type = 19
	TypeIQ4_NL  Type = 20
	TypeIQ3_S   Type = 21
	TypeIQ2_S   Type = 22
	TypeIQ4_XS  Type = 23
	TypeI8      Type = 24
	TypeI16     Type = 25
	TypeI32     Type = 26
	TypeI64     Type = 27
	TypeF64     Type = 28
	TypeIQ1_M   Type = 29
	TypeBF16    Type = 30
	TypeTQ1_0   Type = 34
	TypeTQ2_0   Type = 35
	TypeMXFP4   Type = 39
	TypeNVFP4   Type = 40
	TypeQ1_0    Type = 41
	TypeQ2_0    Type = 42
)

// WeightTypes lists the types that weights can have: those whose values the library converts to F32, picks rows of and multiplies
// with. What is left out holds integers, or activations while a product is computed (q8_1, q8_K).
func WeightTypes() []Type {
	return []Type{TypeF32, TypeF16, TypeBF16, TypeQ8_0, TypeQ6_K, TypeQ5_K, TypeQ5_1, TypeQ5_0, TypeQ4_K, TypeQ4_1, TypeQ4_0, TypeIQ4_NL, TypeIQ4_XS,
		TypeMXFP4, TypeNVFP4, TypeQ3_K, TypeIQ3_S, TypeIQ3_XXS, TypeQ2_K, TypeQ2_0, TypeIQ2_S, TypeIQ2_XS, TypeIQ2_XXS, TypeTQ2_0, TypeTQ1_0,
		TypeIQ1_M, TypeIQ1_S, TypeQ1_0}
}

// HoldsWeights tells whether weights can have the type; see WeightTypes.
func (t Type) HoldsWeights() bool { return slices.Contains(WeightTypes(), t) }

// NeedsImportance tells whether llama.cpp makes the type only with an importance matrix (ggml_quantize_requires_imatrix). Quantize
// gives every column the same importance, which costs such a type some of its quality.
func (t Type) NeedsImportance() bool { return t == TypeIQ2_XXS || t == TypeIQ2_XS || t == TypeIQ1_S }

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
	return 0, fmt.Errorf("type %q: not a ggml type; use one such as f32, f16, bf16, q8_0, q6_k, q5_k, q4_k, q4_0, q3_k, q2_k or iq4_xs", name)
}
