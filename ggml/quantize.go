package ggml

import (
	"fmt"
	"runtime"
	"unsafe"

	bind "github.com/graft-go/graft/binding/ggml"
)

// Quantize converts rows of n0 values each to typ, as ggml_quantize_chunk does, into dst (rows·typ.RowSize(n0) bytes).
// Types that need an importance matrix are refused.
func Quantize(typ Type, src []float32, n0 int64, dst []byte) error {
	lib, err := load()
	if err != nil {
		return err
	}
	if !typ.Valid() || n0 <= 0 || n0%typ.BlockSize() != 0 || int64(len(src))%n0 != 0 || len(src) == 0 {
		return fmt.Errorf("quantize to %s: %d values in rows of %d do not fit blocks of %d", typ, len(src), n0, typ.BlockSize())
	}
	rows := int64(len(src)) / n0
	if int64(len(dst)) != rows*typ.RowSize(n0) {
		return fmt.Errorf("quantize to %s: %d bytes instead of %d", typ, len(dst), rows*typ.RowSize(n0))
	}
	if traits := lib.GetTypeTraits(int32(typ)); typ != TypeF32 && (traits == nil || traits.ToFloat == 0) {
		return fmt.Errorf("quantize to %s: not a type for weights", typ)
	}
	if lib.QuantizeRequiresImatrix(int32(typ)) {
		return fmt.Errorf("quantize to %s: the type needs an importance matrix; use q2_k or q3_k", typ)
	}
	if typ == TypeF32 {
		copy(dst, unsafe.Slice((*byte)(unsafe.Pointer(&src[0])), len(src)*4))
		return nil
	}
	err = bind.Guard(func() {
		lib.QuantizeChunk(int32(typ), &src[0], unsafe.Pointer(&dst[0]), 0, rows, n0, 0)
	})
	runtime.KeepAlive(src)
	return err
}

// Dequantize converts n values of typ, a multiple of its block, from src to float32.
func Dequantize(typ Type, src []byte, dst []float32) error {
	lib, err := load()
	if err != nil {
		return err
	}
	n := int64(len(dst))
	if !typ.Valid() || n == 0 || n%typ.BlockSize() != 0 || int64(len(src)) != typ.RowSize(n) {
		return fmt.Errorf("dequantize %s: %d bytes do not hold %d values", typ, len(src), n)
	}
	if typ == TypeF32 {
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&dst[0])), len(src)), src)
		return nil
	}
	traits := lib.GetTypeTraits(int32(typ))
	if traits == nil || traits.ToFloat == 0 {
		return fmt.Errorf("dequantize %s: the library cannot convert it to float32", typ)
	}
	bind.ToFloat(traits.ToFloat, unsafe.Pointer(&src[0]), unsafe.Pointer(&dst[0]), n)
	return nil
}
