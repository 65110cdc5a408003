package demo

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHouseholdDisjoint(t *testing.T) {
	for _, seed := range []uint64{0, 1, 42, 43, 1 << 63} {
		training, held := Household(1200, 200, seed)
		require.Len(t, training, 1200)
		require.Len(t, held, 200)
		sentences, commands := map[string]bool{}, map[string]bool{}
		for _, r := range training {
			key := strings.ToLower(r.Prompt)
			require.False(t, sentences[key], "%q comes twice", r.Prompt)
			sentences[key], commands[r.Completion] = true, true
		}
		for i, r := range held {
			key := strings.ToLower(r.Prompt)
			require.False(t, sentences[key], "seed %d: %q is a training sentence too", seed, r.Prompt)
			sentences[key] = true
			if unseenRow(i) {
				require.False(t, commands[r.Completion], "seed %d: %s is in the training rows", seed, r.Completion)
			}
		}
	}
}

func TestHouseholdBySeed(t *testing.T) {
	a, b := Household(50, 10, 7)
	c, d := Household(50, 10, 7)
	require.Equal(t, a, c)
	require.Equal(t, b, d)
	e, _ := Household(50, 10, 8)
	require.NotEqual(t, a, e)
}

// TestHouseholdSlots holds every command against the closed lists, and its sentence must name the room and the value.
func TestHouseholdSlots(t *testing.T) {
	training, held := Household(2000, 200, 3)
	used := map[string]int{}
	for _, r := range append(training, held...) {
		var c Command
		d := json.NewDecoder(strings.NewReader(r.Completion))
		d.DisallowUnknownFields()
		require.NoError(t, d.Decode(&c))
		require.Equal(t, r.Completion, c.JSON())
		require.NotContains(t, r.Completion, "\n")
		require.Contains(t, rooms(), c.Room)
		require.Contains(t, r.Prompt, c.Room)
		i := slices.IndexFunc(deeds(), func(d deed) bool { return d.device == c.Device && d.action == c.Action })
		require.GreaterOrEqual(t, i, 0, r.Completion)
		used[c.Device+" "+c.Action]++
		if values := deeds()[i].values; len(values) > 0 {
			var raw struct{ Value json.Number }
			require.NoError(t, json.Unmarshal([]byte(r.Completion), &raw))
			require.Contains(t, values, raw.Value.String())
			require.Contains(t, r.Prompt, raw.Value.String())
		} else {
			require.Zero(t, c.Value)
		}
		require.NotRegexp(t, `[$(|)^]`, r.Prompt)
		require.Equal(t, strings.TrimSpace(r.Prompt), r.Prompt)
		require.NotContains(t, r.Prompt, "  ")
	}
	require.Len(t, used, len(deeds()))
}

func TestJSONL(t *testing.T) {
	got := string(JSONL([]Row{{"dim it to 5%", `{"a":1}`}, {"x <b>", "y"}}))
	require.Equal(t, `{"prompt":"dim it to 5%","completion":"{\"a\":1}"}`+"\n"+`{"prompt":"x <b>","completion":"y"}`+"\n", got)
}
