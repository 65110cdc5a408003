package metrics

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPerplexity(t *testing.T) {
	type row struct {
		ll float64
		n  int
	}
	cases := []struct {
		name string
		rows []row
		loss float64
	}{
		{"one row", []row{{-6, 3}}, 2},
		{"token mean, not mean of rows", []row{{-9, 1}, {-1, 9}}, 1},
		{"certain tokens", []row{{0, 5}}, 0},
		{"an empty row", []row{{0, 0}, {-2, 1}}, 2},
		{"uniform over 512", []row{{-4 * math.Log(512), 4}, {-2 * math.Log(512), 2}}, math.Log(512)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var p, front, back Perplexity
			n := 0
			for i, r := range c.rows {
				require.NoError(t, p.Add(r.ll, r.n))
				half := &front
				if i%2 == 1 {
					half = &back
				}
				require.NoError(t, half.Add(r.ll, r.n))
				n += r.n
			}
			require.EqualValues(t, n, p.Tokens())
			require.InDelta(t, c.loss, p.Loss(), 1e-15)
			require.InDelta(t, math.Exp(c.loss), p.Value(), 1e-12*math.Exp(c.loss))
			front.Merge(back)
			require.Equal(t, p.Tokens(), front.Tokens())
			require.InDelta(t, p.Sum(), front.Sum(), 1e-12)
		})
	}
}

func TestPerplexityOfNothing(t *testing.T) {
	var p Perplexity
	require.True(t, math.IsNaN(p.Loss()))
	require.True(t, math.IsNaN(p.Value()))
}

func TestPerplexityRefuses(t *testing.T) {
	cases := []struct {
		name string
		ll   float64
		n    int
	}{
		{"not a number", math.NaN(), 2}, {"infinite", math.Inf(-1), 2}, {"a probability above 1", 0.5, 2},
		{"negative count", -1, -1}, {"likelihood without tokens", -1, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := Perplexity{}
			require.NoError(t, p.Add(-3, 1))
			require.Error(t, p.Add(c.ll, c.n))
			require.Equal(t, 3.0, p.Loss())
		})
	}
}

func TestPerplexityKeepsSmallRows(t *testing.T) {
	var p Perplexity
	require.NoError(t, p.Add(-1e16, 1))
	for range 1000 {
		require.NoError(t, p.Add(-1, 1))
	}
	require.Equal(t, 1e16+1000, p.Sum())
}

func ExamplePerplexity() {
	var p Perplexity
	_ = p.Add(-math.Log(8)*10, 10) // ten tokens, each with probability 1/8
	fmt.Printf("%d tokens, loss %.4f, perplexity %.2f\n", p.Tokens(), p.Loss(), p.Value())
	// Output: 10 tokens, loss 2.0794, perplexity 8.00
}
