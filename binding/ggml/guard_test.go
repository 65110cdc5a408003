package ggml

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// abortEnv tells a child of the test binary how to abort: an abort spoils the library for the whole process.
const abortEnv = "GRAFT_TEST_ABORT"

// abort asks the library for a shape of another number of values, on which it asserts.
func abort(t *testing.T) func() {
	lib, err := Load()
	require.NoError(t, err)
	ctx := lib.Init(InitParams{MemSize: 8 * lib.TensorOverhead(), NoAlloc: true})
	require.NotZero(t, ctx)
	ne := [maxDims]int64{4, 4, 1, 1}
	a := lib.NewTensor(ctx, 0, 2, &ne[0])
	return func() { lib.Reshape4D(ctx, a, 3, 1, 1, 1) }
}

// TestAbortChild does nothing unless TestAbort has started it.
func TestAbortChild(t *testing.T) {
	switch os.Getenv(abortEnv) {
	case "guarded":
		fail := abort(t)
		require.NoError(t, Guard(func() {}))
		require.False(t, Poisoned())
		passed := false
		err := Guard(func() { fail(); passed = true })
		var abortErr *AbortError
		require.ErrorAs(t, err, &abortErr)
		require.Contains(t, abortErr.Message, "GGML_ASSERT")
		require.Contains(t, abortErr.Message, "ggml.c")
		require.NotContains(t, err.Error(), "\n")
		require.False(t, passed, "the call has returned")
		require.True(t, Poisoned())
		ran := false
		require.ErrorAs(t, Guard(func() { ran = true }), &abortErr)
		require.False(t, ran, "a later guarded call runs")
	case "unguarded":
		abort(t)()
		t.Fatal("the library has returned")
	default:
		t.Skip("run by TestAbort")
	}
}

func TestAbort(t *testing.T) {
	cases := []struct {
		name, mode string
		rc         int
		says       string
	}{
		{"a guarded call returns an error and the process goes on", "guarded", 0, "PASS"},
		{"any other call ends the process with one line", "unguarded", 1, "graft: native library: aborted while computing: "},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestAbortChild$", "-test.timeout=30s")
			cmd.Env = append(os.Environ(), abortEnv+"="+c.mode)
			out, _ := cmd.CombinedOutput()
			require.Equal(t, c.rc, cmd.ProcessState.ExitCode(), "%s", out)
			require.Contains(t, string(out), c.says)
			require.NotContains(t, string(out), "SIGABRT")
			if c.mode == "unguarded" {
				require.Equal(t, 1, strings.Count(string(out), "\n"), "%s", out)
			}
		})
	}
}

func TestGuardPassesPanicsOn(t *testing.T) {
	require.PanicsWithValue(t, "mine", func() { _ = Guard(func() { panic("mine") }) })
	require.NoError(t, Guard(func() {}), "a panic is no abort")
}
