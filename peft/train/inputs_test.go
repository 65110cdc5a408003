package train

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/peft/nn"
)

// Whatever the segments are, padding and rows of one token included, every query of a mask sees a key.
func TestMasksHideNoRow(t *testing.T) {
	for _, segments := range [][]int32{{0}, {0, 0, 0}, {0, 1, 2}, {0, 0, 1, 1, -1, -1}, {-1, -1}, {5, 0, 5, 0}} {
		mask := make([]float32, len(segments)*len(segments))
		blockDiagonal(mask, segments)
		require.NoError(t, nn.CheckMask(mask, len(segments)), segments)
	}
	mask := make([]float32, 16)
	blockDiagonal(mask, nil)
	require.NoError(t, nn.CheckMask(mask, 4))
}
