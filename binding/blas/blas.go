// Package blas calls sgemm of whatever BLAS the machine has: the vendored OpenBLAS, MKL, the system's OpenBLAS, BLIS or
// Accelerate. The candidates are measured once, because a library can be several times slower than its neighbour on the same
// processor; graft parallelizes over them itself, so every library is told to use one thread.
package blas

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/ebitengine/purego"

	"github.com/graft-go/graft/binding"
)

// Fortran takes its scalars by address; these never change.
var (
	one, zero float32 = 1, 0
	yes, no           = byte('T'), byte('N')
)

// BLAS is an opened library.
type BLAS struct {
	Found  binding.Found
	Name   string  // what the library says of itself, or its file
	GFLOPS float64 // measured rate of one thread, 10⁹ operations a second
	sgemm  uintptr
}

// Names under which the same functions are exported: plain, and with the prefix of the scipy-openblas32 wheel.
var prefixes = []string{"", "scipy_"}

// Open loads a BLAS file and limits it to one thread.
func Open(found binding.Found) (*BLAS, error) {
	os.Setenv("OPENBLAS_NUM_THREADS", "1")
	lib, err := binding.Open(found.Path)
	if err != nil {
		return nil, err
	}
	b := &BLAS{Found: found, Name: found.Path}
	for _, prefix := range prefixes {
		if addr, ok := lib.Symbol(prefix + "sgemm_"); ok {
			b.sgemm = addr
			b.limitThreads(lib, prefix)
			return b, nil
		}
	}
	return nil, fmt.Errorf("load %s: it has no sgemm_, so it is no BLAS; set GRAFT_BLAS to another file, or to none", found.Path)
}

func (b *BLAS) limitThreads(lib *binding.Library, prefix string) {
	for _, name := range []string{prefix + "openblas_set_num_threads", "MKL_Set_Num_Threads", "bli_thread_set_num_threads"} {
		if addr, ok := lib.Symbol(name); ok {
			purego.SyscallN(addr, 1)
		}
	}
	if addr, ok := lib.Symbol(prefix + "openblas_get_config"); ok {
		var config func() string
		purego.RegisterFunc(&config, addr)
		b.Name = strings.TrimSpace(config())
	}
}

// Call holds the dimensions of one sgemm, which Fortran reads through pointers; it is reused from call to call by one thread.
// Matrices are column-major, which is ggml's order with ne0 as the leading dimension.
type Call struct {
	M, N, K       int32
	LDA, LDB, LDC int32
	Alpha         float32

	args [15]uintptr // the argument list, kept here because a variadic one would be allocated at each call
}

// Sgemm computes C = alpha·op(A)·op(B) + (acc ? C : 0) with op(A) [M×K] and op(B) [K×N], column-major, where transA and transB
// choose op. It allocates nothing.
func (b *BLAS) Sgemm(c *Call, transA, transB bool, A, B, C unsafe.Pointer, acc bool) {
	ta, tb, beta := &no, &no, &zero
	if transA {
		ta = &yes
	}
	if transB {
		tb = &yes
	}
	if acc {
		beta = &one
	}
	c.args = [15]uintptr{uintptr(unsafe.Pointer(ta)), uintptr(unsafe.Pointer(tb)),
		uintptr(unsafe.Pointer(&c.M)), uintptr(unsafe.Pointer(&c.N)), uintptr(unsafe.Pointer(&c.K)),
		uintptr(unsafe.Pointer(&c.Alpha)), uintptr(A), uintptr(unsafe.Pointer(&c.LDA)), uintptr(B), uintptr(unsafe.Pointer(&c.LDB)),
		uintptr(unsafe.Pointer(beta)), uintptr(C), uintptr(unsafe.Pointer(&c.LDC)), 1, 1}
	purego.SyscallN(b.sgemm, c.args[:]...)
	runtime.KeepAlive(c)
}

var chosen struct {
	once sync.Once
	best *BLAS
	all  []Candidate
}

// Candidate is a BLAS that was found, with its rate or the reason why it cannot be used.
type Candidate struct {
	Found  binding.Found
	Name   string
	GFLOPS float64
	Err    error
}

// Choose opens and measures the candidates once per process and returns the fastest, or nil where there is none.
func Choose() *BLAS { return Prefer("") }

// Prefer is Choose, but takes the candidate at path without comparing where it is there, works, and nothing has been chosen yet:
// another library, or a second measurement with another winner, would give other bits.
func Prefer(path string) *BLAS {
	choose(path)
	return chosen.best
}

// Candidates returns what Choose has measured.
func Candidates() []Candidate {
	choose("")
	return chosen.all
}

func choose(prefer string) {
	chosen.once.Do(func() {
		candidates := binding.FindBLAS()
		first := slices.IndexFunc(candidates, func(f binding.Found) bool { return f.Path == prefer })
		if first > 0 {
			candidates[0], candidates[first] = candidates[first], candidates[0]
		}
		for i, found := range candidates {
			if i > 0 && first >= 0 && chosen.best != nil {
				return
			}
			b, err := Open(found)
			if err == nil {
				b.GFLOPS, err = b.probe()
			}
			if err != nil {
				chosen.all = append(chosen.all, Candidate{Found: found, Err: err})
				continue
			}
			chosen.all = append(chosen.all, Candidate{Found: found, Name: b.Name, GFLOPS: b.GFLOPS})
			if chosen.best == nil || b.GFLOPS > chosen.best.GFLOPS {
				chosen.best = b
			}
		}
	})
}

// probe checks a small product and measures a larger one: the best of a few runs of 384³, some milliseconds each.
func (b *BLAS) probe() (gflops float64, err error) {
	const n = 384
	a, x, y := make([]float32, n*n), make([]float32, n*n), make([]float32, n*n)
	for i := range a {
		a[i], x[i] = float32(i%7)-3, float32(i%5)-2
	}
	call := &Call{M: n, N: n, K: n, LDA: n, LDB: n, LDC: n, Alpha: 1}
	best := math.Inf(1)
	for range 4 {
		start := time.Now()
		b.Sgemm(call, true, false, unsafe.Pointer(&a[0]), unsafe.Pointer(&x[0]), unsafe.Pointer(&y[0]), false)
		best = min(best, time.Since(start).Seconds())
	}
	for _, at := range [][2]int{{0, 0}, {3, 17}, {n - 1, n - 1}} {
		var want float32
		for k := range n {
			want += a[at[0]*n+k] * x[at[1]*n+k]
		}
		if got := y[at[1]*n+at[0]]; got != want {
			return 0, fmt.Errorf("load %s: its sgemm gives %g instead of %g; set GRAFT_BLAS to another file, or to none", b.Found.Path, got, want)
		}
	}
	return 2 * n * n * n / best / 1e9, nil
}

// Rate measures the product of threads concurrent callers, each with matrices of its own of size n³, in 10⁹ operations a second:
// the peak against which training is judged. It is the best of a few runs.
func (b *BLAS) Rate(threads, n int) float64 {
	const products = 3
	type operands struct {
		a, x, y []float32
		call    Call
	}
	own := make([]operands, threads)
	for i := range own {
		d := int32(n)
		own[i] = operands{make([]float32, n*n), make([]float32, n*n), make([]float32, n*n), Call{M: d, N: d, K: d, LDA: d, LDB: d, LDC: d, Alpha: 1}}
	}
	best := 0.0
	for range 5 {
		var wg sync.WaitGroup
		start := time.Now()
		for i := range own {
			wg.Go(func() {
				for range products {
					o := &own[i]
					b.Sgemm(&o.call, true, false, unsafe.Pointer(&o.a[0]), unsafe.Pointer(&o.x[0]), unsafe.Pointer(&o.y[0]), false)
				}
			})
		}
		wg.Wait()
		work := 2 * float64(threads*products) * math.Pow(float64(n), 3)
		best = max(best, work/time.Since(start).Seconds()/1e9)
	}
	return best
}
