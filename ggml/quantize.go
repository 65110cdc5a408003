package ggml

import (
	"fmt"
	"runtime"
	"unsafe"

	bind "github.com/graft-go/graft/binding/ggml"
)

// mostQuantized bounds the size of values that Quantize takes: the square of a larger one, summed over a row, would overflow the
// library's float32 sums, and some of its types abort on what follows. Blocks keep their scale in F16, so such values are lost anyway.
const mostQuantized = 1e15

// Quantize converts rows of n0 values each to typ, as ggml_quantize_chunk does, into dst (rows·typ.RowSize(n0) bytes). Where the type
// needs an importance matrix (Type.NeedsImportance) every column counts the same. Values that are not finite, or too large for a block,
// are refused.
func Quantize(typ Type, src []float32, n0 int64, dst []byte) error {
	lib, err := load()
	if err != nil {
		return err
	}
	if err := checkQuantize(lib, typ, src, n0, dst); err != nil {
		return fmt.Errorf("quantize to %s: %w", typ, err)
	}
	rows := int64(len(src)) / n0
	if typ == TypeF32 {
		copy(dst, unsafe.Slice((*byte)(unsafe.Pointer(&src[0])), len(src)*4))
		return nil
	}
	var importance *float32
	if lib.QuantizeRequiresImatrix(int32(typ)) {
		same := make([]float32, n0)
		for i := range same {
			same[i] = 1
		}
		importance = &same[0]
	}
	err = bind.Guard(func() {
		lib.QuantizeChunk(int32(typ), &src[0], unsafe.Pointer(&dst[0]), 0, rows, n0, importance)
	})
	runtime.KeepAlive(src)
	runtime.KeepAlive(importance)
	return err
}

// checkQuantize refuses everything on which the library would abort.
func checkQuantize(lib *bind.Lib, typ Type, src []float32, n0 int64, dst []byte) error {
	if !typ.Valid() || n0 <= 0 || n0%typ.BlockSize() != 0 || int64(len(src))%n0 != 0 || len(src) == 0 {
		return fmt.Errorf("%d values in rows of %d do not fit blocks of %d", len(src), n0, typ.BlockSize())
	}
	if size := int64(len(src)) / n0 * typ.RowSize(n0); int64(len(dst)) != size {
		return fmt.Errorf("%d bytes instead of %d", len(dst), size)
	}
	if traits := lib.GetTypeTraits(int32(typ)); typ != TypeF32 && (traits == nil || traits.ToFloat == 0) {
		return fmt.Errorf("not a type for weights; use one such as q8_0, q4_k or q4_0")
	}
	if !typ.Quantized() {
		return nil
	}
	for i, v := range src {
		if !(v <= mostQuantized && v >= -mostQuantized) { // NaN fails both
			return fmt.Errorf("value %d is %g, which no block can hold", i, v)
		}
	}
	return nil
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
