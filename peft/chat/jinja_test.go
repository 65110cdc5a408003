package chat

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/mitsuhiko/minijinja/minijinja-go/v2/value"
	"github.com/stretchr/testify/require"
)

// TestJinja renders what scripts/golden/jinja_cases.py rendered with transformers' own environment.
func TestJinja(t *testing.T) {
	text, err := os.ReadFile("testdata/jinja.json")
	require.NoError(t, err)
	var golden struct {
		Vars  map[string]json.RawMessage
		Cases []struct {
			Name, Template string
			Want           *string // null where transformers fails
		}
	}
	require.NoError(t, json.Unmarshal(text, &golden))
	require.Greater(t, len(golden.Cases), 300)
	vars := map[string]value.Value{}
	for name, raw := range golden.Vars {
		vars[name], err = ParseJSON(raw)
		require.NoError(t, err)
	}
	now := time.Date(2024, 7, 26, 0, 0, 0, 0, time.UTC)
	for _, c := range golden.Cases {
		t.Run(c.Name, func(t *testing.T) {
			tmpl, err := Compile(c.Template, "test")
			var got string
			if err == nil {
				got, err = tmpl.render(vars, now)
			}
			if c.Want == nil {
				require.Error(t, err, got)
				return
			}
			require.NoError(t, err)
			require.Equal(t, *c.Want, got)
		})
	}
}
