package gguf

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"github.com/graft-go/graft/ggml"
)

const (
	maxDims      = 4  // GGML_MAX_DIMS, ggml.h
	maxNameBytes = 63 // GGML_MAX_NAME − 1, ggml.h
)

// parseTensors reads the lines of the tensors.
func (f *File) parseTensors(c *cursor, n uint64) error {
	f.Tensors = make([]TensorInfo, 0, min(n, 4096))
	f.tensorAt = make(map[string]int, min(n, 4096))
	for i := range n {
		c.where = fmt.Sprintf("the name of tensor %d of %d", i+1, n)
		name, err := c.bytes(maxNameBytes)
		if err != nil {
			return err
		}
		if len(name) == 0 || bytes.IndexByte(name, 0) >= 0 { // C would read it as another name
			return corrupt("the name of tensor %d of %d, %s, is empty or holds a zero byte", i+1, n, quoted(string(name)))
		}
		t := TensorInfo{Name: string(name)}
		if _, double := f.tensorAt[t.Name]; double {
			return corrupt("tensor %s is there twice", quoted(t.Name))
		}
		c.where = "the line of tensor " + quoted(t.Name)
		if err := parseTensor(c, &t); err != nil {
			return err
		}
		if t.Offset%f.Alignment != 0 {
			return corrupt("tensor %s is misaligned: offset %d is no multiple of %d", quoted(t.Name), t.Offset, f.Alignment)
		}
		f.tensorAt[t.Name] = len(f.Tensors)
		f.Tensors = append(f.Tensors, t)
	}
	return nil
}

// parseTensor reads shape, type and offset of a tensor and works out its size.
func parseTensor(c *cursor, t *TensorInfo) error {
	dims, err := c.uint32()
	if err != nil {
		return err
	}
	if dims > maxDims {
		return corrupt("tensor %s has %d dimensions, at most %d are allowed", quoted(t.Name), dims, maxDims)
	}
	t.Ne = make([]int64, 0, max(1, dims))
	for i := range dims {
		ne, err := c.uint64()
		if err != nil {
			return err
		}
		if ne == 0 || ne > math.MaxInt64 {
			return corrupt("tensor %s has %d values along dimension %d", quoted(t.Name), ne, i)
		}
		t.Ne = append(t.Ne, int64(ne))
	}
	if dims == 0 { // a single value
		t.Ne = append(t.Ne, 1)
	}
	number, err := c.uint32()
	if err != nil {
		return err
	}
	if t.Offset, err = c.uint64(); err != nil {
		return err
	}
	t.Type = ggml.Type(int32(number))
	if !t.Type.Valid() {
		return &fault{fmt.Sprintf("tensor %s has the unknown or retired tensor type %d", quoted(t.Name), number),
			"use a newer graft or another quantization"}
	}
	if t.Bytes, err = tensorBytes(t.Type, t.Ne); err != nil {
		return corrupt("tensor %s: %s", quoted(t.Name), err.Error())
	}
	return nil
}

// tensorBytes is the size of a tensor's data: ne[0]/BlockSize·BlockBytes·ne[1]·ne[2]·ne[3]. Errors are shapes that do not
// fit the type and sizes beyond 63 bits.
func tensorBytes(typ ggml.Type, ne []int64) (int64, error) {
	block := typ.BlockSize()
	if block <= 0 || len(ne) == 0 {
		return 0, fmt.Errorf("no type and shape")
	}
	if ne[0]%block != 0 {
		return 0, fmt.Errorf("row length %d is no multiple of %d, the block size of %s", ne[0], block, typ)
	}
	// The count of values must fit as well: ggml keeps it in an int64.
	values, size := int64(1), typ.BlockBytes()
	rest := append([]int64{ne[0] / block}, ne[1:]...)
	for i, n := range ne {
		if n <= 0 || values > math.MaxInt64/n || size > math.MaxInt64/rest[i] {
			return 0, fmt.Errorf("shape %v is too large", ne)
		}
		values *= n
		size *= rest[i]
	}
	return size, nil
}

// checkData makes sure that every tensor's data lies in the file and that no two overlap.
func (f *File) checkData() error {
	space := uint64(max(0, f.Size-f.DataOffset))
	order := make([]*TensorInfo, len(f.Tensors))
	missing, worst := uint64(0), ""
	for i := range f.Tensors {
		t := &f.Tensors[i]
		order[i] = t
		if t.Offset > math.MaxInt64-uint64(t.Bytes) {
			return corrupt("tensor %s claims %d bytes at offset %d", quoted(t.Name), t.Bytes, t.Offset)
		}
		if end := t.Offset + uint64(t.Bytes); end > space && end-space > missing {
			missing, worst = end-space, t.Name
		}
	}
	if missing > 0 {
		if f.DataOffset > f.Size { // cut in the padding before the data
			missing += uint64(f.DataOffset - f.Size)
		}
		return truncated("the data of tensor "+quoted(worst), missing)
	}
	slices.SortFunc(order, func(a, b *TensorInfo) int {
		switch {
		case a.Offset < b.Offset:
			return -1
		case a.Offset > b.Offset:
			return 1
		}
		return 0
	})
	for i := 1; i < len(order); i++ {
		if a, b := order[i-1], order[i]; a.Offset+uint64(a.Bytes) > b.Offset {
			return corrupt("tensors %s and %s overlap", quoted(a.Name), quoted(b.Name))
		}
	}
	return nil
}
