package ggml

import (
	"fmt"
	"strings"
	"unsafe"

	bind "github.com/graft-go/graft/binding/ggml"
)

// Tensor is a leaf of a Store or the result of an operation of a Graph. Its fields are set at creation and must not be changed.
type Tensor struct {
	Type Type
	Ne   [4]int64 // shape, ne0 first; missing dimensions are 1
	Name string

	Op  Op        // OpNone for a leaf
	Src []*Tensor // operands of Op
	Params

	c     *bind.Tensor
	lib   *bind.Lib
	graph *Graph // nil for a leaf
	index int    // position in the graph's order
}

// Params are the constants of an operation.
type Params struct {
	F    float32  // scale of Scale and of the products, eps of RMSNorm, scale of SoftMax
	Rope Rope     // of Rope and RopeBack
	Axes [4]int32 // of Permute
}

// Rope are the constants of rotary position embedding (ggml_rope_ext).
type Rope struct {
	Dims       int     // rotated dimensions of a head
	OrigCtx    int     // context the model was trained with (YaRN)
	Base       float32 // frequency base θ
	Scale      float32 // frequency scale, 1/factor
	ExtFactor  float32 // YaRN extrapolation mix, 0 = off
	AttnFactor float32 // magnitude factor, 1
	BetaFast   float32
	BetaSlow   float32
}

// Elements is the number of values.
func (t *Tensor) Elements() int64 { return t.Ne[0] * t.Ne[1] * t.Ne[2] * t.Ne[3] }

// Rows is the number of rows of ne0 values.
func (t *Tensor) Rows() int64 { return t.Ne[1] * t.Ne[2] * t.Ne[3] }

// Bytes is the size of the data in bytes.
func (t *Tensor) Bytes() int64 { return t.Type.RowSize(t.Ne[0]) * t.Rows() }

// Contiguous tells whether the values lie in memory in the order of the shape, without gaps.
func (t *Tensor) Contiguous() bool {
	next := uint64(t.Type.RowSize(t.Ne[0]))
	for i := 1; i < 4; i++ {
		if t.Ne[i] != 1 && t.c.Nb[i] != next {
			return false
		}
		next *= uint64(t.Ne[i])
	}
	return t.ContiguousRows()
}

// ContiguousRows tells whether each row of ne0 values is contiguous. Rows of one value must have the stride of one too, since the
// library's kernels assert it.
func (t *Tensor) ContiguousRows() bool { return int64(t.c.Nb[0]) == t.Type.BlockBytes() }

// Shape prints the shape as "[ne0, ne1]", trailing ones left out.
func (t *Tensor) Shape() string { return ShapeString(t.Ne) }

// ShapeString prints a shape as "[ne0, ne1]", trailing ones left out.
func ShapeString(ne [4]int64) string {
	n := 4
	for n > 1 && ne[n-1] == 1 {
		n--
	}
	parts := make([]string, n)
	for i := range n {
		parts[i] = fmt.Sprint(ne[i])
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// SetF32 copies values into an F32 tensor of a store, from its element at offset on. It allocates nothing.
func (t *Tensor) SetF32(offset int64, values []float32) {
	t.checkRange(TypeF32, offset, int64(len(values)))
	if len(values) > 0 {
		t.lib.TensorSet(t.c, unsafe.Pointer(&values[0]), uint64(offset)*4, uint64(len(values))*4)
	}
}

// SetI32 copies values into an I32 tensor of a store. It allocates nothing.
func (t *Tensor) SetI32(values []int32) {
	t.checkRange(TypeI32, 0, int64(len(values)))
	if len(values) > 0 {
		t.lib.TensorSet(t.c, unsafe.Pointer(&values[0]), 0, uint64(len(values))*4)
	}
}

// SetBytes copies raw data of the tensor's own type into it; its length must be that of the tensor.
func (t *Tensor) SetBytes(data []byte) {
	if int64(len(data)) != t.Bytes() || t.c.Data == nil {
		panic(&ShapeError{Op: "SetBytes", Why: fmt.Sprintf("%s holds %d bytes, not %d", t.Name, t.Bytes(), len(data))})
	}
	if len(data) > 0 {
		t.lib.TensorSet(t.c, unsafe.Pointer(&data[0]), 0, uint64(len(data)))
	}
}

// GetF32 copies an F32 tensor's first len(dst) values to dst. It allocates nothing.
func (t *Tensor) GetF32(dst []float32) {
	t.checkRange(TypeF32, 0, int64(len(dst)))
	if len(dst) > 0 {
		t.lib.TensorGet(t.c, unsafe.Pointer(&dst[0]), 0, uint64(len(dst))*4)
	}
}

// F32 returns a copy of an F32 tensor's values.
func (t *Tensor) F32() []float32 {
	dst := make([]float32, t.Elements())
	t.GetF32(dst)
	return dst
}

func (t *Tensor) checkRange(typ Type, offset, n int64) {
	if t.Type != typ || offset < 0 || offset > t.Elements()-n || t.c.Data == nil {
		panic(&ShapeError{Op: "copy", Why: fmt.Sprintf("%d values of %s at %d do not fit %s %s of %s", n, typ, offset, t.Name, t.Shape(), t.Type)})
	}
}

// ShapeError says which operation was given operands it cannot take. It is only thrown while a graph is built or an input is
// copied, and Build turns it into an error.
type ShapeError struct {
	Op  string
	Why string
}

func (e *ShapeError) Error() string { return fmt.Sprintf("operation %s: %s", e.Op, e.Why) }
