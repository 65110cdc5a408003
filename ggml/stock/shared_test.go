package stock_test

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// shared is a path in the folder shared beside the module's root; the test is skipped where it is missing.
func shared(t testing.TB, elem ...string) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		require.NotEqual(t, filepath.Dir(dir), dir, "no go.mod above the test")
	}
	path := filepath.Join(append([]string{dir, "..", "shared"}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no %s beside the module", filepath.Join(append([]string{"shared"}, elem...)...))
	}
	return path
}

// floats decodes little-endian float32 values.
func floats(b []byte) []float32 {
	out := make([]float32, len(b)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return out
}

// farthest is the greatest difference between two tables of logits.
func farthest(a, b [][]float32) float64 {
	far := 0.0
	for i := range a {
		for j := range a[i] {
			far = max(far, math.Abs(float64(a[i][j])-float64(b[i][j])))
		}
	}
	return far
}
