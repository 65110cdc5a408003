package ggml

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// leaves makes F32 leaves of these shapes with random values, and returns the values too.
func leaves(t testing.TB, b *Backend, shapes ...[]int64) (tensors []*Tensor, values [][]float64) {
	t.Helper()
	s, err := NewStore(b, len(shapes))
	require.NoError(t, err)
	t.Cleanup(s.Close)
	for _, ne := range shapes {
		tensors = append(tensors, s.New("x", TypeF32, ne...))
	}
	require.NoError(t, s.Alloc())
	for i, x := range tensors {
		x.SetF32(0, random(x.Elements(), uint64(i)+11))
		values = append(values, valuesOf(x))
	}
	return tensors, values
}

// compute builds and runs a graph of one result.
func compute(t testing.TB, b *Backend, record func(g *Graph) *Tensor) (y *Tensor) {
	t.Helper()
	g, err := Build(b, nil, 32, func(g *Graph) []*Tensor {
		y = record(g)
		return []*Tensor{y}
	})
	require.NoError(t, err)
	t.Cleanup(g.Close)
	require.NoError(t, g.Run())
	return y
}

// counting is start, start + step, …
func counting(n int, start, step float32) (v []float32) {
	for i := range n {
		v = append(v, start+step*float32(i))
	}
	return v
}
