package ggml

import (
	"errors"
	"fmt"

	bind "github.com/graft-go/graft/binding/ggml"
)

// Graph records operations and, once built, computes them again and again on the same memory.
type Graph struct {
	backend *Backend
	lib     *bind.Lib
	c       uintptr // ggml_context that holds the nodes
	cgraph  uintptr
	arena   *Arena
	own     bool      // the arena is this graph's alone
	fast    bool      // see Fast
	tensors []*Tensor // in recorded order
	max     int
}

// A recorded operation may put up to this many nodes into the C graph: OuterProd without BLAS takes 5 to fold and transpose each operand,
// the product, its scale, and its operands where they are views in a store.
const nodesPerOp = 14

// Arena is the memory in which graphs compute. Graphs that never run at the same time may share one: what one leaves behind in
// it, roots included, the next overwrites. The largest graph must be built first, since memory that others use cannot grow.
type Arena struct {
	backend *Backend
	c       uintptr
	graphs  int
	lost    bool // its memory was moved or freed under the graphs in it
}

// errArenaLost is why nothing computes any more in an arena that was to grow.
var errArenaLost = errors.New("the arena was given a graph that does not fit it, and its memory is gone; build the largest graph first")

// NewArena makes an arena, which gets its memory from the first graph built in it.
func NewArena(b *Backend) *Arena {
	return &Arena{backend: b, c: b.lib.GallocrNew(b.lib.BackendBufferType(b.c))}
}

// Bytes is the size of the arena's memory.
func (a *Arena) Bytes() int64 { return int64(a.backend.lib.GallocrGetBufferSize(a.c, 0)) }

// Close frees the memory; graphs in it must be closed first. It may be called twice.
func (a *Arena) Close() {
	if a != nil && a.c != 0 {
		a.backend.lib.GallocrFree(a.c)
		a.c = 0
	}
}

// alloc places a graph's tensors.
func (a *Arena) alloc(cgraph uintptr) error {
	if a.lost {
		return errArenaLost
	}
	before := a.Bytes()
	if !a.backend.lib.GallocrAllocGraph(a.c, cgraph) {
		a.lost = a.graphs > 0
		return fmt.Errorf("no memory for the graph's activations; choose a smaller batch or context")
	}
	if a.graphs++; a.graphs > 1 && a.Bytes() != before {
		a.lost = true
		return fmt.Errorf("a graph of %d bytes does not fit the arena's %d that others use", a.Bytes(), before)
	}
	return nil
}

// Build records a graph with at most max operations by calling record, which returns the tensors whose values are wanted, and
// allocates its memory once: in arena, or in one of its own where arena is nil. A *ShapeError thrown by record and an abort inside
// the library become errors.
func Build(b *Backend, arena *Arena, max int, record func(g *Graph) []*Tensor) (*Graph, error) {
	g := &Graph{backend: b, lib: b.lib, max: max, arena: arena}
	if arena == nil {
		g.arena, g.own = NewArena(b), true
	}
	if err := g.build(record, func() error { return g.arena.alloc(g.cgraph) }); err != nil {
		g.Close()
		return nil, err
	}
	return g, nil
}

// Measure records a graph as Build does and returns the bytes that its tensors would take at once, without taking them. Leaves whose
// store has no memory yet are counted; those that have theirs are not.
func Measure(b *Backend, max int, record func(g *Graph) []*Tensor) (bytes int64, err error) {
	g := &Graph{backend: b, lib: b.lib, max: max, arena: NewArena(b), own: true}
	defer g.Close()
	var size [1]uint64 // of the one kind of memory an arena has
	err = g.build(record, func() error {
		g.lib.GallocrReserveNSize(g.arena.c, g.cgraph, nil, nil, &size[0])
		return nil
	})
	return int64(size[0]), err
}

// build records the operations and the C graph, and gives it memory with place.
func (g *Graph) build(record func(g *Graph) []*Tensor, place func() error) (err error) {
	guardErr := bind.Guard(func() {
		defer func() {
			switch p := recover().(type) {
			case nil:
			case *ShapeError:
				err = p
			default:
				panic(p)
			}
		}()
		size := uint64(g.max * nodesPerOp)
		g.c = g.lib.Init(bind.InitParams{MemSize: size*g.lib.TensorOverhead() + g.lib.GraphOverhead(size, false), NoAlloc: true})
		if g.c == 0 {
			err = fmt.Errorf("no memory for a graph of %d operations", g.max)
			return
		}
		g.finish(record(g), size)
		err = place()
	})
	return errors.Join(guardErr, err)
}

// finish puts every recorded tensor that a root depends on into the C graph, in recorded order.
// The order decides lifetimes: a recomputation or a sum of gradients runs where it was recorded.
func (g *Graph) finish(roots []*Tensor, size uint64) {
	needed := make([]bool, len(g.tensors))
	var mark func(t *Tensor)
	stack := append([]*Tensor(nil), roots...)
	mark = func(t *Tensor) {
		if t.graph == g && !needed[t.index] {
			needed[t.index] = true
			stack = append(stack, t.Src...)
		}
	}
	for len(stack) > 0 {
		t := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		mark(t)
	}
	for _, t := range roots {
		t.c.Flags |= bind.FlagOutput
		if t.c.ViewSrc != nil { // else the allocator reuses its memory once the view has been used
			t.c.ViewSrc.Flags |= bind.FlagOutput
		}
	}
	g.cgraph = g.lib.NewGraph(g.c, size, false)
	for i, t := range g.tensors {
		if needed[i] {
			g.lib.BuildForwardExpand(g.cgraph, t.c)
		}
	}
}

// Run computes the graph. It allocates nothing in Go.
func (g *Graph) Run() error {
	if bind.Poisoned() {
		return &AbortError{Message: "an earlier call aborted"}
	}
	if g.arena.lost {
		return errArenaLost
	}
	if status := g.lib.Compute(g.backend.c, g.cgraph); status != bind.StatusSuccess {
		return fmt.Errorf("computing a graph failed with status %d: %s", status, bind.TakeMessages())
	}
	return nil
}

// Bytes is the size of the memory for activations, in bytes.
func (g *Graph) Bytes() int64 { return g.arena.Bytes() }

// Nodes is the number of nodes the library computes.
func (g *Graph) Nodes() int { return int(g.lib.GraphNNodes(g.cgraph)) }

// Backend is where the graph is computed.
func (g *Graph) Backend() *Backend { return g.backend }

// Recorded lists the operations recorded so far, in order.
func (g *Graph) Recorded() []*Tensor { return g.tensors }

// Position is where t was recorded in g, or -1 for a leaf or a tensor of another graph.
func (g *Graph) Position(t *Tensor) int {
	if t.graph != g {
		return -1
	}
	return t.index
}

// Close frees the graph. It may be called twice.
func (g *Graph) Close() {
	if g == nil {
		return
	}
	if g.own {
		g.arena.Close()
	}
	if g.c != 0 {
		g.lib.Free(g.c)
		g.c, g.cgraph = 0, 0
	}
}

// record makes the Go tensor of an operation's C result.
func (g *Graph) record(op Op, c *bind.Tensor, p Params, src ...*Tensor) *Tensor {
	if c == nil {
		panic(&ShapeError{Op: string(op), Why: "the library returned no tensor"})
	}
	if len(g.tensors) >= g.max {
		panic(&ShapeError{Op: string(op), Why: fmt.Sprintf("the graph is full with %d operations", g.max)})
	}
	t := wrap(g.lib, c)
	t.Op, t.Src, t.Params, t.graph, t.index = op, src, p, g, len(g.tensors)
	g.tensors = append(g.tensors, t)
	return t
}

// check throws a *ShapeError with the operands' shapes unless ok holds.
func check(ok bool, op Op, why string, operands ...*Tensor) {
	if ok {
		return
	}
	for _, t := range operands {
		why += fmt.Sprintf("; %s %s %s", t.Name, t.Shape(), t.Type)
	}
	panic(&ShapeError{Op: string(op), Why: why})
}
