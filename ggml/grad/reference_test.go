package grad

import (
	"math"

	"github.com/graft-go/graft/ggml"
)

// The float64 references of the operations in plain Go, as slow and as simple as their formulas. They share nothing with the library.

// array is a tensor of float64, contiguous, ne0 first.
type array struct {
	ne [4]int64
	v  []float64
}

// shape fills missing dimensions with 1.
func shape(ne ...int64) (s [4]int64) {
	s = [4]int64{1, 1, 1, 1}
	copy(s[:], ne)
	return s
}

func newArray(ne [4]int64) array { return array{ne, make([]float64, ne[0]*ne[1]*ne[2]*ne[3])} }

// index is the place of value (i, j, h, b), each modulo its dimension: broadcasting.
func (a array) index(i, j, h, b int64) int64 {
	return ((b%a.ne[3]*a.ne[2]+h%a.ne[2])*a.ne[1]+j%a.ne[1])*a.ne[0] + i%a.ne[0]
}

func (a array) at(i, j, h, b int64) float64 { return a.v[a.index(i, j, h, b)] }

// fill computes every value of an array of shape ne.
func fill(ne [4]int64, f func(i, j, h, b int64) float64) array {
	a := newArray(ne)
	n := 0
	for b := range ne[3] {
		for h := range ne[2] {
			for j := range ne[1] {
				for i := range ne[0] {
					a.v[n] = f(i, j, h, b)
					n++
				}
			}
		}
	}
	return a
}

// each applies f to every value.
func each(a array, f func(x float64) float64) array {
	return fill(a.ne, func(i, j, h, b int64) float64 { return f(a.at(i, j, h, b)) })
}

// zip combines a with b, repeated to a's shape.
func zip(a, b array, f func(x, y float64) float64) array {
	return fill(a.ne, func(i, j, h, k int64) float64 { return f(a.at(i, j, h, k), b.at(i, j, h, k)) })
}

func plus(x, y float64) float64  { return x + y }
func minus(x, y float64) float64 { return x - y }
func times(x, y float64) float64 { return x * y }
func siluOf(x float64) float64   { return x / (1 + math.Exp(-x)) }

func sumOf(a array) array {
	s := newArray(shape(1))
	for _, x := range a.v {
		s.v[0] += x
	}
	return s
}

// matMul is Σ_k w[k, m]·x[k, n] times s; the matrices of w serve groups of x's.
func matMul(w, x array, s float64) array {
	g2, g3 := x.ne[2]/w.ne[2], x.ne[3]/w.ne[3]
	return fill([4]int64{w.ne[1], x.ne[1], x.ne[2], x.ne[3]}, func(i, j, h, b int64) (y float64) {
		for k := range w.ne[0] {
			y += s * w.at(k, i, h/g2, b/g3) * x.at(k, j, h, b)
		}
		return y
	})
}

// matMulT is Σ_m w[k, m]·x[m, n] times s.
func matMulT(w, x array, s float64) array { return matMul(permuted(w, [4]int32{1, 0, 2, 3}), x, s) }

// outer is Σ_n a[k, n]·b[m, n] times s, summed over the matrices of a group.
func outer(a, b array, out2, out3 int64, s float64) array {
	g2, g3 := a.ne[2]/out2, a.ne[3]/out3
	return fill([4]int64{a.ne[0], b.ne[0], out2, out3}, func(k, m, h, c int64) (y float64) {
		for cc := c * g3; cc < (c+1)*g3; cc++ {
			for hh := h * g2; hh < (h+1)*g2; hh++ {
				for n := range a.ne[1] {
					y += s * a.at(k, n, hh, cc) * b.at(m, n, hh, cc)
				}
			}
		}
		return y
	})
}

// rmsNormed divides each row by √(mean(x²) + eps).
func rmsNormed(x array, eps float64) array {
	return fill(x.ne, func(i, j, h, b int64) float64 {
		var s float64
		for k := range x.ne[0] {
			s += x.at(k, j, h, b) * x.at(k, j, h, b)
		}
		return x.at(i, j, h, b) / math.Sqrt(s/float64(x.ne[0])+eps)
	})
}

// softMaxed is softmax(s·x + mask) over each row; a nil mask is none.
func softMaxed(x array, mask *array, s float64) array {
	value := func(i, j, h, b int64) float64 {
		if mask == nil {
			return s * x.at(i, j, h, b)
		}
		return s*x.at(i, j, h, b) + mask.at(i, j, h, b)
	}
	return fill(x.ne, func(i, j, h, b int64) float64 {
		largest, total := math.Inf(-1), 0.0
		for k := range x.ne[0] {
			largest = max(largest, value(k, j, h, b))
		}
		for k := range x.ne[0] {
			total += math.Exp(value(k, j, h, b) - largest)
		}
		return math.Exp(value(i, j, h, b)-largest) / total
	})
}

// yarnAngle mixes the stretched angle with the angle itself for a pair (Peng et al. 2023, "NTK-by-parts"), and magnified is YaRN's m(s).
// The ends of the ramp are whole pairs, as in llama.cpp.
func yarnAngle(theta float64, pair int64, r ggml.Rope) float64 {
	turns := func(n float32) float64 { // the pair that turns n times over OrigCtx tokens
		return float64(r.Dims) * math.Log(float64(r.OrigCtx)/(float64(n)*2*math.Pi)) / (2 * math.Log(float64(r.Base)))
	}
	low, high := max(0, math.Floor(turns(r.BetaFast))), min(float64(r.Dims-1), math.Ceil(turns(r.BetaSlow)))
	ramp := (1 - min(1, max(0, (float64(pair)-low)/max(0.001, high-low)))) * float64(r.ExtFactor)
	return theta*float64(r.Scale)*(1-ramp) + theta*ramp
}

func magnified(r ggml.Rope) float64 {
	if r.ExtFactor == 0 {
		return float64(r.AttnFactor)
	}
	return float64(r.AttnFactor) * (1 + 0.1*math.Log(1/float64(r.Scale)))
}

// rotated turns the pairs (2i, 2i+1) of the first Dims values by pos·Scale·Base^(−2i/Dims)/factors[i] (Su et al., RoFormer, eq. 34).
func rotated(x array, pos []int32, factors []float64, r ggml.Rope) array {
	return fill(x.ne, func(i, j, h, b int64) float64 {
		if i >= int64(r.Dims) {
			return x.at(i, j, h, b)
		}
		pair := i / 2
		theta := float64(pos[h]) * math.Pow(float64(r.Base), -2*float64(pair)/float64(r.Dims))
		if factors != nil {
			theta /= factors[pair]
		}
		theta = yarnAngle(theta, pair, r)
		sin, cos := math.Sincos(theta)
		even, odd := x.at(2*pair, j, h, b), x.at(2*pair+1, j, h, b)
		if i%2 == 0 {
			return magnified(r) * (even*cos - odd*sin)
		}
		return magnified(r) * (even*sin + odd*cos)
	})
}

// rowsOf picks rows of each matrix.
func rowsOf(table array, ids []int32, batch int64) array {
	k := int64(len(ids)) / batch
	return fill([4]int64{table.ne[0], k, batch, 1}, func(i, j, h, _ int64) float64 { return table.at(i, int64(ids[h*k+j]), h, 0) })
}

// permuted moves dimension i to place axes[i].
func permuted(a array, axes [4]int32) array {
	var ne [4]int64
	for from, to := range axes {
		ne[to] = a.ne[from]
	}
	return fill(ne, func(i, j, h, b int64) float64 {
		place := [4]int64{i, j, h, b}
		return a.at(place[axes[0]], place[axes[1]], place[axes[2]], place[axes[3]])
	})
}

// repeated repeats a to shape ne.
func repeated(a array, ne [4]int64) array { return fill(ne, a.at) }

// reshaped gives the values another shape.
func reshaped(a array, ne ...int64) array { return array{shape(ne...), a.v} }
