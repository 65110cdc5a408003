package ggml

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Graphs that share an arena run in turn and compute what each would alone; the arena stays as large as the first needs.
func TestArenaIsShared(t *testing.T) {
	b := cpu(t, CPUOptions{Threads: 2})
	x, v := leaves(t, b, n(64, 32), n(16, 4))
	arena := NewArena(b)
	defer arena.Close()
	build := func(x *Tensor) (g *Graph, y *Tensor) {
		g, err := Build(b, arena, 8, func(g *Graph) []*Tensor {
			y = g.Scale(g.Sqr(x), 3)
			return []*Tensor{y}
		})
		require.NoError(t, err)
		t.Cleanup(g.Close)
		return g, y
	}
	large, y1 := build(x[0])
	size := arena.Bytes()
	require.GreaterOrEqual(t, size, int64(64*32*4))
	small, y2 := build(x[1])
	require.Equal(t, size, arena.Bytes())
	require.Equal(t, size, small.Bytes())
	for range 3 {
		require.NoError(t, large.Run())
		requireNear(t, squares(v[0]), valuesOf(y1), fine)
		require.NoError(t, small.Run())
		requireNear(t, squares(v[1]), valuesOf(y2), fine)
	}
}

func squares(v []float64) (y []float64) {
	for _, x := range v {
		y = append(y, 3*x*x)
	}
	return y
}

// A second graph that needs more makes the library move the arena, under the first graph's tensors: neither may run.
func TestArenaDoesNotGrow(t *testing.T) {
	b := cpu(t, CPUOptions{Threads: 2})
	x, _ := leaves(t, b, n(16, 4), n(512, 64))
	arena := NewArena(b)
	build := func(x *Tensor) (*Graph, error) {
		return Build(b, arena, 8, func(g *Graph) []*Tensor { return []*Tensor{g.Scale(g.Sqr(x), 3)} })
	}
	small, err := build(x[0])
	require.NoError(t, err)
	require.NoError(t, small.Run())
	_, err = build(x[1])
	require.ErrorContains(t, err, "does not fit the arena")
	require.ErrorContains(t, small.Run(), "arena")
	_, err = build(x[0])
	require.ErrorContains(t, err, "arena")
	small.Close()
	arena.Close()
	arena.Close()
	(*Arena)(nil).Close()
}
