package ggml

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	bind "github.com/graft-go/graft/binding/ggml"
)

// A step computes graphs thousands of times: what a run allocates, the collector must find while the threads compute.
func TestRunAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("skipped: allocations cannot be counted under the race detector")
	}
	for _, o := range []CPUOptions{{Threads: 2}, {Threads: 2, NoBLAS: true}} {
		b := cpu(t, o)
		s, err := NewStore(b, 8)
		require.NoError(t, err)
		defer s.Close()
		w, q, x, ids := s.New("w", TypeF32, 64, 96), s.New("q", TypeQ8_0, 96, 64), s.New("x", TypeF32, 64, 40), s.New("ids", TypeI32, 40)
		require.NoError(t, s.Alloc())
		g, err := Build(b, nil, 16, func(g *Graph) []*Tensor {
			h := g.MulMat(q, g.Silu(g.MulMat(w, x, 0.5)), 1)
			return []*Tensor{g.Sum(g.Sqr(h)), g.OuterProd(x, g.MulMatT(q, h, 1), 1, 1, 1)}
		})
		require.NoError(t, err)
		defer g.Close()
		in, indices, out := random(64*40, 1), make([]int32, 40), make([]float32, 1)
		sum := g.tensors[4]
		require.Equal(t, OpSum, sum.Op)
		require.NoError(t, g.Run())
		require.Zero(t, testing.AllocsPerRun(10, func() {
			x.SetF32(0, in)
			ids.SetI32(indices)
			if err := g.Run(); err != nil {
				panic(err)
			}
			sum.GetF32(out)
		}))
	}
}

// A sum must not depend on which thread ends first, nor on what ran before.
func TestRunRepeats(t *testing.T) {
	b := cpu(t, CPUOptions{Threads: 3})
	x, _ := leaves(t, b, n(100, 70), n(100, 90), n(70, 90))
	var out [3]*Tensor
	g, err := Build(b, nil, 8, func(g *Graph) []*Tensor {
		out = [3]*Tensor{g.MulMat(x[0], x[1], 1), g.MulMatT(x[0], x[2], 1), g.OuterProd(x[1], x[2], 1, 1, 1)}
		return out[:]
	})
	require.NoError(t, err)
	defer g.Close()
	var first [3][]float32
	for run := range 20 {
		require.NoError(t, g.Run())
		for i, y := range out {
			if run == 0 {
				first[i] = y.F32()
			}
			require.Equal(t, first[i], y.F32())
		}
	}
}

const abortingChild = "GRAFT_TEST_ABORT"

// An assertion that fails in the library while a graph is built becomes an error, the process lives on, and the library, which is
// in an unknown state then, is not entered again. It happens in a process of its own, since nothing works afterwards.
func TestGuard(t *testing.T) {
	if os.Getenv(abortingChild) == "" {
		child := exec.Command(os.Args[0], "-test.run=^TestGuard$", "-test.v")
		child.Env = append(os.Environ(), abortingChild+"=1")
		out, err := child.CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Contains(t, string(out), "--- PASS: TestGuard")
		return
	}
	b := cpu(t, CPUOptions{Threads: 2})
	x, _ := leaves(t, b, n(5, 3), n(4))
	good, err := Build(b, nil, 8, func(g *Graph) []*Tensor { return []*Tensor{g.Sqr(x[0])} })
	require.NoError(t, err)

	_, err = Build(b, nil, 8, func(g *Graph) []*Tensor {
		g.lib.Add(g.c, x[0].c, x[1].c) // past the checks: GGML_ASSERT(ggml_can_repeat(b, a))
		return nil
	})
	var abort *AbortError
	require.ErrorAs(t, err, &abort)
	require.Contains(t, abort.Message, "ggml_can_repeat")
	require.NotContains(t, err.Error(), "\n")
	require.True(t, bind.Poisoned())

	require.ErrorAs(t, good.Run(), &abort)
	_, err = Build(b, nil, 8, func(g *Graph) []*Tensor { return nil })
	require.ErrorAs(t, err, &abort)
	require.True(t, errors.As(Quantize(TypeF16, []float32{1}, 1, make([]byte, 2)), &abort))
}

// What record panics with, other than a *ShapeError, is a fault of the program and stays a panic, on the caller's goroutine.
func TestBuildPassesPanicsOn(t *testing.T) {
	b := cpu(t, CPUOptions{Threads: 1})
	require.PanicsWithValue(t, "a fault", func() { _, _ = Build(b, nil, 8, func(*Graph) []*Tensor { panic("a fault") }) })
	g, err := Build(b, nil, 8, func(*Graph) []*Tensor { return nil })
	require.NoError(t, err)
	require.NoError(t, g.Run(), "an empty graph computes nothing")
	g.Close()
	g.Close()
	(*Graph)(nil).Close()
	b.Close()
	b.Close()
	(*Backend)(nil).Close()
}

// Measure tells what Build then takes, and takes nothing.
func TestMeasure(t *testing.T) {
	b := cpu(t, CPUOptions{Threads: 2})
	x, _ := leaves(t, b, n(256, 300), n(256, 500))
	record := func(g *Graph) []*Tensor {
		return []*Tensor{g.Sum(g.Sqr(g.Silu(g.MulMat(x[0], x[1], 1))))}
	}
	want, err := Measure(b, 8, record)
	require.NoError(t, err)
	g, err := Build(b, nil, 8, record)
	require.NoError(t, err)
	defer g.Close()
	require.Equal(t, want, g.Bytes())
	require.Greater(t, want, int64(300*500*4))
	_, err = Measure(b, 8, func(g *Graph) []*Tensor { return []*Tensor{g.MulMat(x[0], g.Permute(x[1], [4]int32{1, 0, 2, 3}), 1)} })
	require.ErrorAs(t, err, new(*ShapeError))
}
