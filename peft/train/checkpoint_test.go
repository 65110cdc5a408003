package train

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/peft"
)

// testParams are three tensors with values of their own in weights and moments.
func testParams(t *testing.T, specs ...peft.Spec) *peft.Params {
	t.Helper()
	if specs == nil {
		specs = []peft.Spec{{Name: "blk.0.a", Ne: []int64{3, 5}, Matrix: true}, {Name: "blk.0.b", Ne: []int64{17}}, {Name: "blk.1.a", Ne: []int64{4, 2}, Matrix: true}}
	}
	be, err := ggml.NewCPU(ggml.CPUOptions{Threads: 1})
	require.NoError(t, err)
	t.Cleanup(be.Close)
	params, err := peft.NewParams(be, specs, true)
	require.NoError(t, err)
	t.Cleanup(params.Close)
	return params
}

func setAll(params *peft.Params, seed float32) {
	for i, p := range params.List {
		for k, x := range []*ggml.Tensor{p.W, p.M, p.V} {
			values := make([]float32, x.Elements())
			for n := range values {
				values[n] = seed + float32(math.Sin(float64(1000*i+100*k+n)))/3
			}
			x.SetF32(0, values)
		}
	}
}

func getAll(params *peft.Params) (all [][]float32) {
	for _, p := range params.List {
		all = append(all, p.W.F32(), p.M.F32(), p.V.F32())
	}
	return all
}

// writeTest writes a checkpoint of a step whose best evaluation was another.
func writeTest(t *testing.T, c checkpointFolder, step int, params *peft.Params) {
	t.Helper()
	s := runState{Format: formatNow, Step: step, OptimizerSteps: step, First: point{1, 1.0 / 3}, Last: point{step, math.Nextafter(1, 2)}, Best: &point{2, 0.1}, Worse: 3}
	best := make([][]float32, len(params.List))
	for i, p := range params.List {
		best[i] = make([]float32, p.W.Elements())
		best[i][0] = float32(i)
	}
	require.NoError(t, c.write(step, func(dir string) error {
		if err := os.WriteFile(filepath.Join(dir, AdapterFile), []byte("adapter"), 0o600); err != nil {
			return err
		}
		return writeState(dir, s, params, best)
	}))
}

func TestCheckpoint(t *testing.T) {
	params := testParams(t)
	setAll(params, 1)
	want := getAll(params)
	c := checkpointFolder{filepath.Join(t.TempDir(), "checkpoints"), 2}
	writeTest(t, c, 7, params)
	found, err := c.newest(t.Logf)
	require.NoError(t, err)
	require.Equal(t, c.of(7), found.Path)
	require.Equal(t, point{7, math.Nextafter(1, 2)}, found.Last, "numbers keep their last bit")
	require.Equal(t, 1.0/3, found.First.Loss)
	setAll(params, 2)
	best, err := found.fill(params)
	require.NoError(t, err)
	require.Equal(t, want, getAll(params))
	require.Equal(t, float32(2), best[2][0])
	t.Run("the best is this step", func(t *testing.T) {
		require.NoError(t, c.write(8, func(dir string) error {
			return writeState(dir, runState{Format: formatNow, Step: 8, Best: &point{8, 1}}, params, best)
		}))
		require.NoFileExists(t, filepath.Join(c.of(8), bestFile))
		found, err := c.newest(t.Logf)
		require.NoError(t, err)
		best, err := found.fill(params)
		require.NoError(t, err)
		require.Equal(t, want[0], best[0])
	})
	for _, k := range []struct {
		name  string
		specs []peft.Spec
		why   string
	}{
		{"other names", []peft.Spec{{Name: "blk.0.a", Ne: []int64{3, 5}, Matrix: true}, {Name: "blk.0.c", Ne: []int64{17}}, {Name: "blk.1.a", Ne: []int64{4, 2}, Matrix: true}}, "lacks the tensor blk.0.c"},
		{"another shape", []peft.Spec{{Name: "blk.0.a", Ne: []int64{5, 3}, Matrix: true}, {Name: "blk.0.b", Ne: []int64{17}}, {Name: "blk.1.a", Ne: []int64{4, 2}, Matrix: true}}, "blk.0.a is f32 [3, 5] instead of f32 [5, 3]"},
		{"fewer tensors", []peft.Spec{{Name: "blk.0.a", Ne: []int64{3, 5}, Matrix: true}}, "holds 3 tensors, this run trains 1"},
	} {
		t.Run(k.name, func(t *testing.T) {
			other := testParams(t, k.specs...)
			setAll(other, 5)
			before := getAll(other)
			_, err := found.fill(other)
			require.ErrorContains(t, err, k.why)
			require.ErrorIs(t, err, peft.ErrInput)
			require.Equal(t, before, getAll(other), "nothing is set")
		})
	}
}

// TestDamagedCheckpoint holds that every damage is found and the checkpoint before it is taken.
func TestDamagedCheckpoint(t *testing.T) {
	params := testParams(t)
	setAll(params, 1)
	edit := func(name string, change func([]byte) []byte) func(dir string) error {
		return func(dir string) error {
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, name), change(text), 0o600)
		}
	}
	cut := func(b []byte) []byte { return b[:len(b)/2] }
	flip := func(b []byte) []byte { b[len(b)-5] ^= 1; return b }
	empty := func([]byte) []byte { return nil }
	gone := func(name string) func(dir string) error {
		return func(dir string) error { return os.Remove(filepath.Join(dir, name)) }
	}
	reseal := func(change func(dir string) error) func(dir string) error { // with hashes that are right
		return func(dir string) error {
			if err := change(dir); err != nil {
				return err
			}
			if err := os.Remove(filepath.Join(dir, sumsFile)); err != nil {
				return err
			}
			return writeSums(dir)
		}
	}
	for _, k := range []struct {
		name   string
		damage func(dir string) error
		why    string
	}{
		{"weights cut short", edit(weightsFile, cut), "weights.gguf has another hash"},
		{"one bit of a moment", edit(squareFile, flip), "moment2.gguf has another hash"},
		{"one bit of the state", edit(stateFile, flip), "state.json has another hash"},
		{"one bit of the adapter", edit(AdapterFile, flip), "adapter.gguf has another hash"},
		{"the best weights empty", edit(bestFile, empty), "best.gguf has another hash"},
		{"a file missing", gone(meanFile), "moment1.gguf: no such file"},
		{"no hashes", gone(sumsFile), "SHA256SUMS: no such file"},
		{"hashes cut short", edit(sumsFile, cut), "SHA256SUMS"},
		{"hashes empty", edit(sumsFile, empty), "SHA256SUMS does not list state.json"},
		{"a hash of a file elsewhere", edit(sumsFile, func(b []byte) []byte { return []byte(strings.Replace(string(b), "best.gguf", "../x", 1)) }), "SHA256SUMS is damaged"},
		{"a file and its hash missing", reseal(gone(bestFile)), "SHA256SUMS does not list best.gguf"},
		{"a state that is none", reseal(edit(stateFile, empty)), "state.json: unexpected end"},
		{"a state of a later format", reseal(edit(stateFile, func(b []byte) []byte {
			return []byte(strings.Replace(string(b), `"format": 1`, `"format": 9`, 1))
		})), "state.json is of format 9"},
		{"the state of another step", reseal(edit(stateFile, func(b []byte) []byte { return []byte(strings.Replace(string(b), `"step": 6,`, `"step": 5,`, 1)) })), "state.json is of step 5"},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := checkpointFolder{t.TempDir(), 2}
			writeTest(t, c, 4, params)
			writeTest(t, c, 6, params)
			require.NoError(t, k.damage(c.of(6)))
			var said []string
			found, err := c.newest(func(format string, a ...any) { said = append(said, fmt.Sprintf(format, a...)) })
			require.NoError(t, err)
			require.Equal(t, 4, found.Step)
			require.Len(t, said, 1)
			require.Contains(t, said[0], c.of(6)+" is damaged ("+k.why)
			require.NoError(t, c.goBackTo(4))
			steps, err := c.list()
			require.NoError(t, err)
			require.Equal(t, []int{4}, steps)
		})
	}
}

func TestCheckpointFolder(t *testing.T) {
	params := testParams(t)
	c := checkpointFolder{filepath.Join(t.TempDir(), "checkpoints"), 3}
	none, err := c.newest(t.Logf)
	require.NoError(t, err)
	require.Nil(t, none, "no folder is no checkpoint")
	for _, step := range []int{1, 2, 10, 999999, 1000000} {
		writeTest(t, c, step, params)
		steps, err := c.list()
		require.NoError(t, err)
		require.LessOrEqual(t, len(steps), c.keep)
		require.Equal(t, step, steps[len(steps)-1])
	}
	for _, other := range []string{".step-000012.tmp", ".step-000011.old.tmp", "step-12", "step-0000013", "notes"} {
		require.NoError(t, os.Mkdir(filepath.Join(c.path, other), 0o755))
	}
	require.NoError(t, c.goBackTo(999999))
	entries, err := os.ReadDir(c.path)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.Equal(t, []string{"notes", "step-0000013", "step-000010", "step-12", "step-999999"}, names, "only what graft wrote goes")
	t.Run("written again", func(t *testing.T) { writeTest(t, c, 999999, params) })
	t.Run("an error leaves nothing", func(t *testing.T) {
		err := c.write(5, func(dir string) error {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "half"), nil, 0o600))
			return fmt.Errorf("no space left")
		})
		require.ErrorContains(t, err, "save checkpoint "+c.of(5)+": no space left")
		require.NoDirExists(t, c.of(5))
		require.NoDirExists(t, filepath.Join(c.path, ".step-000005.tmp"))
	})
}

func TestInterval(t *testing.T) {
	for _, k := range []struct {
		text  string
		step  int
		since time.Duration
		want  bool
	}{
		{"4", 8, 0, true}, {"4", 7, time.Hour, false}, {"4", 0, time.Hour, false},
		{"10m", 1, 10 * time.Minute, true}, {"10m", 1000, 10*time.Minute - 1, false}, {"1h", 3, 59 * time.Minute, false}, {" 30S ", 3, time.Minute, true},
		{"off", 100, time.Hour, false}, {"0", 100, time.Hour, false},
	} {
		i, err := parseInterval(k.text)
		require.NoError(t, err, k.text)
		require.Equal(t, k.want, i.due(k.step, k.since), "%v", k)
	}
	for _, bad := range []string{"", "-1", "-10m", "1.5", "ten", "10 minutes", "0s"} {
		_, err := parseInterval(bad)
		require.Error(t, err, bad)
	}
}
