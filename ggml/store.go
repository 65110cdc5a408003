package ggml

import (
	"fmt"
	"slices"
	"unsafe"

	bind "github.com/graft-go/graft/binding/ggml"
)

// Store holds leaf tensors (weights, inputs, optimizer state) in one buffer of its own that lives until Close: graphs read and
// write them, and their memory is never reused.
type Store struct {
	backend *Backend
	c       uintptr
	buffer  uintptr
	mapped  []uintptr // buffers of mapped memory, instead of buffer
	tensors []*Tensor
	max     int
	keep    any // what the memory belongs to, when it is mapped
}

// NewStore makes an empty store for at most max tensors, views included.
func NewStore(b *Backend, max int) (*Store, error) {
	c := b.lib.Init(bind.InitParams{MemSize: uint64(max+1) * b.lib.TensorOverhead(), NoAlloc: true})
	if c == 0 {
		return nil, fmt.Errorf("no memory for a store of %d tensors", max)
	}
	return &Store{backend: b, c: c, max: max}, nil
}

// New adds a tensor of the given shape (ne0 first). Its memory exists after Alloc, or where Map puts it.
func (s *Store) New(name string, typ Type, ne ...int64) *Tensor {
	shape := [4]int64{1, 1, 1, 1}
	copy(shape[:], ne)
	if _, ok := product(shape); !typ.Valid() || len(ne) == 0 || len(ne) > 4 || !ok || shape[0]%typ.BlockSize() != 0 {
		panic(&ShapeError{Op: "New", Why: fmt.Sprintf("%s: %v is no shape for %s", name, ne, typ)})
	}
	s.checkRoom()
	return s.add(name, s.backend.lib.NewTensor(s.c, int32(typ), int32(len(ne)), &shape[0]))
}

// View adds a contiguous view of the values of t (of a plain type) from offset on, in a shape of its own.
func (s *Store) View(name string, t *Tensor, offset int64, ne ...int64) *Tensor {
	shape := [4]int64{1, 1, 1, 1}
	copy(shape[:], ne)
	n, ok := product(shape)
	if t.Type.BlockSize() != 1 || !t.Contiguous() || len(ne) > 4 || !ok || offset < 0 || offset > t.Elements()-n {
		panic(&ShapeError{Op: "View", Why: fmt.Sprintf("%s: %v at %d of %s %s", name, ne, offset, t.Name, t.Shape())})
	}
	s.checkRoom()
	size := uint64(t.Type.BlockBytes())
	nb1 := uint64(shape[0]) * size
	nb2 := nb1 * uint64(shape[1])
	return s.add(name, s.backend.lib.View4D(s.c, t.c, shape[0], shape[1], shape[2], shape[3], nb1, nb2, nb2*uint64(shape[2]), uint64(offset)*size))
}

// checkRoom throws before the library would abort for want of room.
func (s *Store) checkRoom() {
	if len(s.tensors) >= s.max {
		panic(&ShapeError{Op: "New", Why: fmt.Sprintf("the store is full with %d tensors", s.max)})
	}
}

func (s *Store) add(name string, c *bind.Tensor) *Tensor {
	t := wrap(s.backend.lib, c)
	t.Name = name
	setName(c, name)
	s.tensors = append(s.tensors, t)
	return t
}

// Alloc gives every tensor its memory in one buffer, filled with zeros.
func (s *Store) Alloc() error {
	if len(s.tensors) == 0 {
		return nil
	}
	if s.buffer != 0 {
		return fmt.Errorf("the store has its memory already")
	}
	if s.buffer = s.backend.lib.AllocCtxTensors(s.c, s.backend.c); s.buffer == 0 {
		return fmt.Errorf("no memory for %d bytes of tensors", s.sizeOf())
	}
	s.backend.lib.BufferClear(s.buffer, 0)
	return nil
}

// The library asserts that a buffer begins at a multiple of this many bytes (TENSOR_ALIGNMENT, 64 at most); mappings begin at pages.
const mapAlignment = 64

// Map puts the tensors into memory that exists already, such as mapped files: data(t) is the view of t's bytes within one of the
// memories. Nothing is copied. owner is kept alive as long as the store; it must not be unmapped before Close.
func (s *Store) Map(memories [][]byte, owner any, data func(t *Tensor) []byte) error {
	if s.buffer != 0 || len(s.mapped) > 0 {
		return fmt.Errorf("the store has its memory already")
	}
	for _, m := range memories {
		if len(m) == 0 {
			return fmt.Errorf("no memory to map")
		}
		if uintptr(unsafe.Pointer(&m[0]))%mapAlignment != 0 {
			return fmt.Errorf("mapped memory must begin at a multiple of %d bytes", mapAlignment)
		}
	}
	s.keep = owner
	for _, m := range memories {
		buffer := s.backend.lib.CPUBufferFromPtr(unsafe.Pointer(&m[0]), uint64(len(m)))
		if buffer == 0 {
			return fmt.Errorf("the library refuses mapped memory")
		}
		s.backend.lib.BufferSetUsage(buffer, bind.BufferUsageWeights)
		s.mapped = append(s.mapped, buffer)
	}
	for _, t := range s.tensors {
		view := data(t)
		if int64(len(view)) != t.Bytes() {
			return fmt.Errorf("tensor %s: %d bytes mapped instead of %d", t.Name, len(view), t.Bytes())
		}
		i := slices.IndexFunc(memories, func(m []byte) bool { return within(m, view) })
		if i < 0 {
			return fmt.Errorf("tensor %s: its %d bytes lie outside of the mapped memory", t.Name, len(view))
		}
		if s.backend.lib.BackendTensorAlloc(s.mapped[i], t.c, unsafe.Pointer(&view[0])) != bind.StatusSuccess {
			return fmt.Errorf("tensor %s: the library refuses its mapped memory", t.Name)
		}
	}
	return nil
}

// within tells whether view is a part of memory.
func within(memory, view []byte) bool {
	at := int64(uintptr(unsafe.Pointer(&view[0]))) - int64(uintptr(unsafe.Pointer(&memory[0])))
	return at >= 0 && at <= int64(len(memory)-len(view))
}

// Zero fills the whole buffer with zeros. It allocates nothing that lasts.
func (s *Store) Zero() {
	if s.buffer != 0 {
		s.backend.lib.BufferClear(s.buffer, 0)
	}
}

// Bytes is the size of the buffer; of a mapped store that of its tensors.
func (s *Store) Bytes() int64 {
	if s.keep != nil || s.buffer == 0 {
		return s.sizeOf()
	}
	return int64(s.backend.lib.BufferGetSize(s.buffer))
}

func (s *Store) sizeOf() (n int64) {
	for _, t := range s.tensors {
		if t.c.ViewSrc == nil {
			n += t.Bytes()
		}
	}
	return n
}

// Close frees the tensors and their buffer. It may be called twice.
func (s *Store) Close() {
	if s == nil || s.c == 0 {
		return
	}
	if s.buffer != 0 {
		s.backend.lib.BufferFree(s.buffer)
	}
	for _, buffer := range s.mapped {
		s.backend.lib.BufferFree(buffer)
	}
	s.backend.lib.Free(s.c)
	s.c, s.buffer, s.mapped, s.keep = 0, 0, nil, nil
}

// wrap makes the Go tensor of a C one.
func wrap(lib *bind.Lib, c *bind.Tensor) *Tensor {
	return &Tensor{Type: Type(c.Type), Ne: c.Ne, c: c, lib: lib}
}

// setName writes a name into the tensor, cut to what fits, for the library's own messages.
func setName(c *bind.Tensor, name string) {
	n := copy(c.Name[:len(c.Name)-1], name)
	c.Name[n] = 0
}
