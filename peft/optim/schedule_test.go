package optim

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The values are those of transformers' get_*_schedule_with_warmup (lambda at k-1 for step k).
func TestSchedule(t *testing.T) {
	for _, c := range []struct {
		name string
		s    Schedule
		want map[int]float64
	}{
		{"constant", Schedule{Constant, 2, 0, 10}, map[int]float64{1: 2, 10: 2, 11: 2}},
		{"constant, warming up", Schedule{Constant, 2, 4, 10}, map[int]float64{1: 0, 2: 0.5, 4: 1.5, 5: 2, 10: 2}},
		{"linear", Schedule{Linear, 2, 0, 10}, map[int]float64{1: 2, 2: 1.8, 10: 0.2, 11: 0, 12: 0}},
		{"linear, warming up", Schedule{Linear, 2, 2, 10}, map[int]float64{1: 0, 2: 1, 3: 2, 7: 1, 10: 0.25}},
		{"cosine", Schedule{Cosine, 2, 0, 10}, map[int]float64{1: 2, 6: 1, 10: 0.04894348370484647, 11: 0, 12: 0}},
		{"cosine, warming up", Schedule{Cosine, 2, 2, 10}, map[int]float64{1: 0, 2: 1, 3: 2, 5: 1.7071067811865475, 7: 1}},
		{"warming up to the end", Schedule{Cosine, 2, 10, 10}, map[int]float64{1: 0, 10: 1.8, 11: 2}},
		{"one step", Schedule{Cosine, 2, 0, 1}, map[int]float64{1: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for step, want := range c.want {
				require.InDelta(t, want, c.s.At(step), 1e-12, "step %d", step)
			}
		})
	}
}

func TestWarmupSteps(t *testing.T) {
	for _, c := range []struct {
		warmup float64
		steps  int
		want   int
	}{{0, 100, 0}, {0.03, 100, 3}, {0.03, 20, 1}, {0.03, 1, 1}, {0.1, 25, 3}, {1, 100, 1}, {10, 100, 10}, {200, 100, 200}} {
		require.Equal(t, c.want, WarmupSteps(c.warmup, c.steps), "%v of %d", c.warmup, c.steps)
	}
}
