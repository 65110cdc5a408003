package nn

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml"
)

func TestCheckMask(t *testing.T) {
	hidden := float32(math.Inf(-1))
	require.NoError(t, CheckMask([]float32{0, hidden, hidden, -3}, 2))
	require.NoError(t, CheckMask(nil, 2))
	require.ErrorContains(t, CheckMask([]float32{0, hidden, hidden, hidden}, 2), "query 1 sees no key")
	require.ErrorContains(t, CheckMask([]float32{float32(math.NaN())}, 1), "query 0 sees no key")
}

// TestHiddenRow is why the check exists: what ggml makes of a row that is hidden whole.
func TestHiddenRow(t *testing.T) {
	be, err := ggml.NewCPU(ggml.CPUOptions{Threads: 1})
	require.NoError(t, err)
	defer be.Close()
	s, err := ggml.NewStore(be, 2)
	require.NoError(t, err)
	defer s.Close()
	x, mask := s.New("x", ggml.TypeF32, 3, 2), s.New("mask", ggml.TypeF32, 3, 2)
	require.NoError(t, s.Alloc())
	hidden := float32(math.Inf(-1))
	mask.SetF32(0, []float32{0, 0, hidden, hidden, hidden, hidden})
	var y *ggml.Tensor
	g, err := ggml.Build(be, nil, 4, func(g *ggml.Graph) []*ggml.Tensor {
		y = g.SoftMax(x, mask, 1)
		return []*ggml.Tensor{y}
	})
	require.NoError(t, err)
	defer g.Close()
	require.NoError(t, g.Run())
	got := y.F32()
	require.Equal(t, []float32{0.5, 0.5, 0}, got[:3])
	require.True(t, math.IsNaN(float64(got[3])), got)
}
