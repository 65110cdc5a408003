package ggml

import (
	"errors"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCountCores(t *testing.T) {
	lists := func(text ...string) func(int) (string, error) {
		return func(p int) (string, error) {
			if p >= len(text) {
				return "", errors.New("no such processor")
			}
			return text[p], nil
		}
	}
	cases := []struct {
		name       string
		processors []int
		siblings   func(int) (string, error)
		want       int
	}{
		{"no hyperthreads", []int{0, 1}, lists("0", "1"), 2},
		{"two threads a core, far apart", []int{0, 1, 2, 3}, lists("0,2", "1,3", "0,2", "1,3"), 2},
		{"two threads a core, side by side", []int{0, 1, 2, 3}, lists("0-1", "0-1", "2-3", "2-3"), 2},
		{"one thread of each core allowed", []int{0, 1}, lists("0,2", "1,3", "0,2", "1,3"), 2},
		{"both threads of one core allowed", []int{0, 2}, lists("0,2", "1,3", "0,2", "1,3"), 1},
		{"not known", []int{0, 9}, lists("0"), 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, countCores(c.processors, c.siblings)) })
	}
}

func TestThreads(t *testing.T) {
	n := Threads()
	require.Positive(t, n)
	require.LessOrEqual(t, n, runtime.NumCPU())
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	require.Equal(t, 1, Threads(), "GOMAXPROCS limits")
	require.Equal(t, 1, cpu(t, CPUOptions{}).Threads)
}
