package data

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// rowsOf makes n rows, row i with its number in every token and least+i%4 tokens.
func rowsOf(n, least int) *Set {
	s := &Set{}
	for i := range n {
		ids := slices.Repeat([]int32{int32(i)}, least+i%4)
		s.Rows = append(s.Rows, Row{Tokens: ids, Labels: ids, File: "a", Line: i + 1})
	}
	return s
}

// set makes rows of the given lengths.
func set(lengths ...int) *Set {
	s := &Set{}
	for i, n := range lengths {
		ids := slices.Repeat([]int32{int32(i + 1)}, n)
		s.Rows = append(s.Rows, Row{Tokens: ids, Labels: ids})
	}
	return s
}

func TestFill(t *testing.T) {
	s := &Set{Rows: []Row{
		{Tokens: []int32{1, 5, 6}, Labels: []int32{1, NoLabel, 6}},
		{Tokens: []int32{1, 7}, Labels: []int32{NoLabel, 9}},
		{Tokens: []int32{1, 8, 8, 8}, Labels: []int32{1, 8, 8, 8}},
	}}
	var x Batch
	t.Run("packed in order", func(t *testing.T) {
		p := NewPlan(s, PlanOptions{B: 3, T: 6, Pack: true})
		p.Fill(1, 0, &x)
		require.Equal(t, []int32{1, 5, 6, 1, 7, 0, 1, 8, 8, 8, 0, 0, 0, 0, 0, 0, 0, 0}, x.Tokens)
		require.Equal(t, []int32{0, 1, 2, 0, 1, 0, 0, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0}, x.Positions)
		require.Equal(t, []int32{0, 0, 0, 1, 1, -1, 0, 0, 0, 0, -1, -1, -1, -1, -1, -1, -1, -1}, x.Segments)
		require.Equal(t, []int32{0, 6, 0, 9, 0, 0, 8, 8, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0}, x.Targets)
		require.Equal(t, []float32{0, 1, 0, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}, x.Weights)
		require.Equal(t, []int{5, 9, 5}, []int{x.LabelTokens, x.RealTokens, x.Longest})
	})
	t.Run("each row alone, the rest is padding", func(t *testing.T) {
		p := NewPlan(s, PlanOptions{B: 2, T: 4, Accum: 1})
		require.Equal(t, 2, p.StepsPerEpoch())
		p.Fill(2, 0, &x)
		require.Equal(t, []int32{1, 8, 8, 8, 0, 0, 0, 0}, x.Tokens)
		require.Equal(t, []int32{0, 0, 0, 0, -1, -1, -1, -1}, x.Segments)
		require.Equal(t, []int{3, 4, 4}, []int{x.LabelTokens, x.RealTokens, x.Longest})
	})
}

func TestPackInOrder(t *testing.T) {
	for _, c := range []struct {
		name    string
		lengths []int
		want    [][]int32
	}{
		{"all fit", []int{2, 3, 3}, [][]int32{{0, 1, 2}}},
		{"the next one does not", []int{5, 4, 2, 8, 2}, [][]int32{{0}, {1, 2}, {3}, {4}}},
		{"exactly full", []int{8, 4, 4, 2}, [][]int32{{0}, {1, 2}, {3}}},
		{"a later row does not move up", []int{6, 5, 2}, [][]int32{{0}, {1, 2}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := NewPlan(set(c.lengths...), PlanOptions{B: 1, T: 8, Pack: true})
			require.Equal(t, c.want, sequences(p))
		})
	}
}

func sequences(p *Plan) (out [][]int32) {
	for i := range p.Sequences() {
		out = append(out, p.items[p.start[i]:p.start[i+1]])
	}
	return out
}

func TestPackTight(t *testing.T) {
	s := rowsOf(1000, 20)
	p := NewPlan(s, PlanOptions{B: 2, T: 128, Accum: 2, Pack: true, Shuffle: true, Seed: 1})
	seen, tokens := map[int32]bool{}, 0
	for _, seq := range sequences(p) {
		n := 0
		for _, row := range seq {
			require.False(t, seen[row])
			seen[row] = true
			n += len(s.Rows[row].Tokens)
		}
		require.LessOrEqual(t, n, 128)
		tokens += n
	}
	require.Len(t, seen, 1000)
	require.Less(t, float64(p.Sequences()*128), 1.2*float64(tokens))
}

func TestSteps(t *testing.T) {
	for _, c := range []struct {
		name            string
		rows, b, accum  int
		perEpoch        int
		micro           []int
		epochOfLastStep float64
	}{
		{"even", 8, 2, 2, 2, []int{2, 2, 2}, 1.5},
		{"fewer micro-batches at the end of an epoch", 9, 2, 2, 3, []int{2, 2, 1, 2, 2, 1}, 2},
		{"one row", 1, 4, 2, 1, []int{1, 1}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := NewPlan(rowsOf(c.rows, 4), PlanOptions{B: c.b, T: 8, Accum: c.accum})
			require.Equal(t, c.perEpoch, p.StepsPerEpoch())
			for i, n := range c.micro {
				require.Equal(t, n, p.Micro(i+1), "step %d", i+1)
			}
			require.Equal(t, c.epochOfLastStep, p.Epoch(len(c.micro)))
		})
	}
}

// rowsSeen lists the rows of the steps from..to in their order.
func rowsSeen(p *Plan, from, to int) (out []int32) {
	var x Batch
	for step := from; step <= to; step++ {
		for m := range p.Micro(step) {
			p.Fill(step, m, &x)
			for i := range x.Tokens {
				if x.Segments[i] != Padding && x.Positions[i] == 0 {
					out = append(out, x.Tokens[i])
				}
			}
		}
	}
	return out
}

func TestOrder(t *testing.T) {
	s := rowsOf(50, 4)
	for _, pack := range []bool{false, true} {
		o := PlanOptions{B: 2, T: 16, Accum: 2, Pack: pack, Shuffle: true, Seed: 7}
		p := NewPlan(s, o)
		n := p.StepsPerEpoch()
		first, second := rowsSeen(p, 1, n), rowsSeen(p, n+1, 2*n)
		require.Len(t, first, 50)
		require.ElementsMatch(t, first, second)
		require.NotEqual(t, first, second, "each epoch has its own order")
		require.Equal(t, first, rowsSeen(NewPlan(s, o), 1, n), "the seed gives the order")
		require.Equal(t, rowsSeen(p, 3, 3), rowsSeen(NewPlan(s, o), 3, 3), "a step needs no other before it")
		o.Seed = 8
		require.NotEqual(t, first, rowsSeen(NewPlan(s, o), 1, n))
		o.Shuffle = false
		plain := rowsSeen(NewPlan(s, o), 1, NewPlan(s, o).StepsPerEpoch())
		require.True(t, slices.IsSorted(plain), "the order of the file")
	}
}

func TestFillAllocatesNothing(t *testing.T) {
	p := NewPlan(rowsOf(64, 4), PlanOptions{B: 2, T: 16, Accum: 2, Pack: true, Shuffle: true, Seed: 7})
	var x Batch
	p.Fill(1, 0, &x)
	step := 1
	require.Zero(t, testing.AllocsPerRun(100, func() {
		p.Fill(step, 0, &x)
		step++
	}))
}

func TestPaddedTokens(t *testing.T) {
	set := &Set{}
	for _, n := range []int{3, 9, 4, 2} {
		ids := make([]int32, n)
		set.Rows = append(set.Rows, Row{Tokens: ids, Labels: ids})
	}
	fit := func(longest int) int { return (longest + 3) / 4 * 4 }
	require.Equal(t, 2*12+2*4, NewPlan(set, PlanOptions{B: 2, T: 16, Accum: 1}).PaddedTokens(fit))
	require.Equal(t, 2*16, NewPlan(set, PlanOptions{B: 2, T: 16, Accum: 1, Pack: true}).PaddedTokens(fit))
}
