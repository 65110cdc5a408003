package demo

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/peft/train"
)

// TestDemoLearns runs the whole demo: near 0 before, at least 90 of 100 after, and libllama answers as graft does. GRAFT_SLOW=1 adds seeds.
func TestDemoLearns(t *testing.T) {
	needLibrary(t)
	if testing.Short() {
		t.Skip("skipped: a whole demo takes up to a minute")
	}
	seeds := []uint64{42}
	if os.Getenv("GRAFT_SLOW") != "" {
		seeds = append(seeds, 2, 5, 6, 7)
	}
	for _, seed := range seeds {
		folder := filepath.Join(t.TempDir(), "demo")
		var stages []Stage
		r, err := Run(context.Background(), Options{Folder: folder, Seed: seed, OnStage: func(s Stage, _ *Result) { stages = append(stages, s) }})
		require.NoError(t, err)
		t.Logf("seed %d: %d of %d right before, %d after (%d of %d of unseen commands), libllama as graft %d of %d, loss %.5f, seconds %+v",
			seed, r.RightBefore, r.HeldOut, r.RightAfter, r.UnseenRight, r.UnseenRows, r.StockSame, r.StockRows, r.Loss, r.Seconds)
		require.Equal(t, []Stage{StageBefore, StageTrain, StageAfter, StageStock, StageDone}, stages)
		require.LessOrEqual(t, r.RightBefore, 2)
		require.GreaterOrEqual(t, r.RightAfter, 90)
		require.GreaterOrEqual(t, r.UnseenRight, 40)
		require.Equal(t, 50, r.UnseenRows)
		require.GreaterOrEqual(t, r.StockSame, r.StockRows-1, "libllama rounds activations to 8 bits, which may turn a close call")
		require.Len(t, r.Examples, 4)
		adapter, err := train.AdapterPath(r.Run)
		require.NoError(t, err)
		require.Equal(t, r.Adapter, adapter)
		text, err := os.ReadFile(filepath.Join(folder, recordFile))
		require.NoError(t, err)
		var kept Result
		require.NoError(t, json.Unmarshal(text, &kept))
		require.Equal(t, r.RightAfter, kept.RightAfter)
	}
}

// TestDemoStops holds that a cancelled demo says so and leaves a folder that the next demo takes.
func TestDemoStops(t *testing.T) {
	needLibrary(t)
	folder := filepath.Join(t.TempDir(), "demo")
	ctx, cancel := context.WithCancel(context.Background())
	o := Options{Folder: folder, Steps: 5, OnStage: func(s Stage, _ *Result) {
		if s == StageTrain {
			cancel()
		}
	}}
	_, err := Run(ctx, o)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, writeFolder(o, nil, nil))
}
