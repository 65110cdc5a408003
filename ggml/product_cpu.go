package ggml

import (
	"math"
	"sync"
	"unsafe"

	"github.com/graft-go/graft/binding/blas"
	bind "github.com/graft-go/graft/binding/ggml"
)

// productCPU computes the three products on ggml's worker threads: each thread takes a static share of the result (so that no
// sum depends on timing), dequantizes a tile of the weights at a time into a buffer that stays in its cache, and calls a
// single-threaded BLAS on it. Everything is column-major with ne0 as the leading dimension.
type productCPU struct {
	toFloat [64]uintptr // conversion to F32 by type number; 0 for F32

	mu      sync.Mutex
	scratch []*scratch // free ones; never more than threads that compute at once
}

// scratch is what one thread needs for one product.
type scratch struct {
	call blas.Call
	tile []float32
}

// Tile sizes: a tile has about tileValues values (4 bytes each), but at least tileRows rows of the weights, below which sgemm
// loses speed, whatever their length.
const (
	tileValues = 512 << 10
	tileRows   = 128
)

// registerProducts gives the binding the three products and returns the number of the first.
func registerProducts(lib *bind.Lib) int {
	return bind.CustomKind("products", func() []bind.CustomFunc {
		p := newProductCPU(lib)
		return []bind.CustomFunc{kindMulMat: p.mulMat, kindMulMatT: p.mulMatT, kindOuterProd: p.outerProd, kindDequantize: p.dequantize}
	})
}

func newProductCPU(lib *bind.Lib) *productCPU {
	p := &productCPU{}
	for _, t := range bind.Types {
		if traits := lib.GetTypeTraits(t.Number); traits != nil && t.Number != int32(TypeF32) {
			p.toFloat[t.Number] = traits.ToFloat
		}
	}
	return p
}

func (p *productCPU) take() *scratch {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.scratch); n > 0 {
		s := p.scratch[n-1]
		p.scratch = p.scratch[:n-1]
		return s
	}
	return &scratch{}
}

func (p *productCPU) give(s *scratch) {
	p.mu.Lock()
	p.scratch = append(p.scratch, s)
	p.mu.Unlock()
}

// share cuts n into nth parts whose borders are multiples of step and returns part ith.
func share(n, ith, nth, step int) (from, to int) {
	blocks := (n + step - 1) / step
	return min(blocks*ith/nth*step, n), min(blocks*(ith+1)/nth*step, n)
}

// vectorRows is the granularity of shares: a multiple of what every BLAS kernel computes at once.
const vectorRows = 16

// matrix returns the address of matrix (i2, i3) of t.
func matrix(t *bind.Tensor, i2, i3 int) unsafe.Pointer {
	return unsafe.Add(t.Data, uint64(i2)*t.Nb[2]+uint64(i3)*t.Nb[3])
}

// ld is the leading dimension of t's matrices. The stride of a single row means nothing and may be less than sgemm accepts.
func ld(t *bind.Tensor) int32 { return int32(max(int64(t.Nb[1]/4), t.Ne[0])) }

// rows returns rows from … to−1 of a matrix of w in F32 and their leading dimension: the weights themselves, or a tile.
func (p *productCPU) rows(s *scratch, w *bind.Tensor, base unsafe.Pointer, from, to int) (unsafe.Pointer, int32) {
	base = unsafe.Add(base, uint64(from)*w.Nb[1])
	convert := p.toFloat[w.Type]
	if convert == 0 {
		return base, ld(w)
	}
	n := (to - from) * int(w.Ne[0])
	if cap(s.tile) < n {
		s.tile = make([]float32, n)
	}
	dst := unsafe.Pointer(&s.tile[:n][0])
	bind.ToFloat(convert, base, dst, int64(n))
	return dst, int32(w.Ne[0])
}

// dequantize converts the rows of w, which lie in order, to F32; threads share the rows.
func (p *productCPU) dequantize(dst *bind.Tensor, ith, nth int, _ uint32) {
	w := dst.Src[0]
	from, to := share(int(w.Ne[1]*w.Ne[2]*w.Ne[3]), ith, nth, 1)
	if from < to {
		bind.ToFloat(p.toFloat[w.Type], unsafe.Add(w.Data, uint64(from)*w.Nb[1]), unsafe.Add(dst.Data, uint64(from)*dst.Nb[1]), int64(to-from)*w.Ne[0])
	}
}

// step is the number of rows of w a tile holds; F32 weights are not copied, so their tile is everything.
func (p *productCPU) step(w *bind.Tensor, rows int) int {
	if p.toFloat[w.Type] == 0 {
		return max(rows, 1)
	}
	return max(tileValues/int(w.Ne[0])/vectorRows*vectorRows, tileRows)
}

// batches calls f for the matrices of dst that are this thread's; split tells f to share one matrix among the threads instead,
// where there are fewer matrices than threads.
func batches(dst *bind.Tensor, ith, nth int, f func(i2, i3, ith, nth int)) {
	n2, n := int(dst.Ne[2]), int(dst.Ne[2]*dst.Ne[3])
	if n < nth {
		for i := range n {
			f(i%n2, i/n2, ith, nth)
		}
		return
	}
	from, to := share(n, ith, nth, 1)
	for i := from; i < to; i++ {
		f(i%n2, i/n2, 0, 1)
	}
}

// mulMat computes dst[m, n] = s·Σ_k w[k, m]·x[k, n]. Threads share the rows of w where there are many, else the columns of x.
func (p *productCPU) mulMat(dst *bind.Tensor, ith, nth int, param uint32) {
	w, x := dst.Src[0], dst.Src[1]
	blas := blas.Choose()
	s := p.take()
	defer p.give(s)
	group2, group3 := int(dst.Ne[2]/w.Ne[2]), int(dst.Ne[3]/w.Ne[3])
	m, n := int(w.Ne[1]), int(x.Ne[1])
	batches(dst, ith, nth, func(i2, i3, ith, nth int) {
		wp, xp, yp := matrix(w, i2/group2, i3/group3), matrix(x, i2, i3), matrix(dst, i2, i3)
		m0, m1, n0, n1 := 0, m, 0, n
		if m >= nth*vectorRows*4 || m >= n {
			m0, m1 = share(m, ith, nth, vectorRows)
		} else {
			n0, n1 = share(n, ith, nth, vectorRows)
		}
		if n0 >= n1 {
			return
		}
		c := &s.call
		c.Alpha, c.N, c.K, c.LDB, c.LDC = math.Float32frombits(param), int32(n1-n0), int32(w.Ne[0]), ld(x), ld(dst)
		step := p.step(w, m1-m0)
		for from := m0; from < m1; from += step {
			to := min(from+step, m1)
			var a unsafe.Pointer
			a, c.LDA = p.rows(s, w, wp, from, to)
			c.M = int32(to - from)
			blas.Sgemm(c, true, false, a, unsafe.Add(xp, uint64(n0)*x.Nb[1]), unsafe.Add(yp, uint64(n0)*dst.Nb[1]+uint64(from)*4), false)
		}
	})
}

// mulMatT computes dst[k, n] = s·Σ_m w[k, m]·x[m, n], tile by tile over m. Threads share the columns of x where there are many,
// else the values of a row of w.
func (p *productCPU) mulMatT(dst *bind.Tensor, ith, nth int, param uint32) {
	w, x := dst.Src[0], dst.Src[1]
	blas := blas.Choose()
	s := p.take()
	defer p.give(s)
	group2, group3 := int(dst.Ne[2]/w.Ne[2]), int(dst.Ne[3]/w.Ne[3])
	k, m, n := int(w.Ne[0]), int(w.Ne[1]), int(x.Ne[1])
	batches(dst, ith, nth, func(i2, i3, ith, nth int) {
		wp, xp, yp := matrix(w, i2/group2, i3/group3), matrix(x, i2, i3), matrix(dst, i2, i3)
		k0, k1, n0, n1 := 0, k, 0, n
		if n >= nth*vectorRows {
			n0, n1 = share(n, ith, nth, vectorRows)
		} else {
			k0, k1 = share(k, ith, nth, vectorRows)
		}
		if k0 >= k1 || n0 >= n1 {
			return
		}
		c := &s.call
		c.Alpha, c.M, c.N, c.LDB, c.LDC = math.Float32frombits(param), int32(k1-k0), int32(n1-n0), ld(x), ld(dst)
		step := p.step(w, m)
		for from := 0; from < m; from += step {
			to := min(from+step, m)
			var a unsafe.Pointer
			a, c.LDA = p.rows(s, w, wp, from, to)
			c.K = int32(to - from)
			blas.Sgemm(c, false, false, unsafe.Add(a, k0*4), unsafe.Add(xp, uint64(n0)*x.Nb[1]+uint64(from)*4), unsafe.Add(yp, uint64(n0)*dst.Nb[1]+uint64(k0)*4), from > 0)
		}
	})
}

// outerProd computes dst[k, m] = s·Σ_n a[k, n]·b[m, n], summed over the matrices of a group. Threads share the longer side.
func (p *productCPU) outerProd(dst *bind.Tensor, ith, nth int, param uint32) {
	a, b := dst.Src[0], dst.Src[1]
	blas := blas.Choose()
	s := p.take()
	defer p.give(s)
	group2, group3 := int(a.Ne[2]/dst.Ne[2]), int(a.Ne[3]/dst.Ne[3])
	k, m := int(dst.Ne[0]), int(dst.Ne[1])
	batches(dst, ith, nth, func(i2, i3, ith, nth int) {
		k0, k1, m0, m1 := 0, k, 0, m
		if m >= k {
			m0, m1 = share(m, ith, nth, vectorRows)
		} else {
			k0, k1 = share(k, ith, nth, vectorRows)
		}
		if k0 >= k1 || m0 >= m1 {
			return
		}
		c := &s.call
		c.Alpha, c.M, c.N, c.K, c.LDA, c.LDB, c.LDC = math.Float32frombits(param), int32(k1-k0), int32(m1-m0), int32(a.Ne[1]), ld(a), ld(b), ld(dst)
		y := unsafe.Add(matrix(dst, i2, i3), uint64(m0)*dst.Nb[1]+uint64(k0)*4)
		acc := false
		for j3 := i3 * group3; j3 < (i3+1)*group3; j3++ {
			for j2 := i2 * group2; j2 < (i2+1)*group2; j2++ {
				blas.Sgemm(c, false, true, unsafe.Add(matrix(a, j2, j3), k0*4), unsafe.Add(matrix(b, j2, j3), m0*4), y, acc)
				acc = true
			}
		}
	})
}
