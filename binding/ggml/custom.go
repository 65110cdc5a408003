package ggml

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
)

// CustomFunc computes a custom operation's share of dst on one of ggml's worker threads: share ith of nth. param is what the
// graph's author stored with the node.
type CustomFunc func(dst *Tensor, ith, nth int, param uint32)

// customs are the kinds of custom operations: ggml keeps the one C address and the kind's number in its graphs, so a kind is never
// removed. The table is replaced, never changed, so that running graphs read it without a lock.
var customs struct {
	sync.Mutex
	kinds map[string]int
	table atomic.Pointer[[]CustomFunc]
}

// CustomKind returns the number of the custom operations called name, and adds them with the functions that make returns when they
// are not there yet. They are numbered from the first one on.
func CustomKind(name string, make func() []CustomFunc) (first int) {
	customs.Lock()
	defer customs.Unlock()
	if kind, ok := customs.kinds[name]; ok {
		return kind
	}
	var table []CustomFunc
	if old := customs.table.Load(); old != nil {
		table = append(table, *old...)
	}
	if customs.kinds == nil {
		customs.kinds = map[string]int{}
	}
	customs.kinds[name] = len(table)
	table = append(table, make()...)
	customs.table.Store(&table)
	return customs.kinds[name]
}

// CustomData packs a kind and its parameter into the userdata of ggml_custom_4d.
func CustomData(kind int, param uint32) uintptr { return uintptr(kind) | uintptr(param)<<32 }

// customArgs is what the C entry point passes on: the arguments of ggml_custom_op_t in order.
//
//lint:ignore U1000 the C entry points of custom_*.s make it
type customArgs struct {
	dst      *Tensor
	ith, nth int64 // C ints; the upper halves are undefined
	userData uintptr
}

// runCustom dispatches one share of a custom operation. A panic in it would unwind into C, so it ends the process with one line.
//
//lint:ignore U1000 called by the C entry points of custom_*.s
func runCustom(a *customArgs) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(os.Stderr, "graft: custom operation: %v; this is a fault of graft, please report it\n", p)
			os.Exit(1)
		}
	}()
	(*customs.table.Load())[uint32(a.userData)](a.dst, int(int32(a.ith)), int(int32(a.nth)), uint32(a.userData>>32))
}

// CustomAddr is the C address that serves every custom operation.
func CustomAddr() uintptr { return customAddr() }
