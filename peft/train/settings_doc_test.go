package train

import (
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write docs/settings.md")

func TestSettingsDocument(t *testing.T) {
	const path = "../../docs/settings.md"
	if *update {
		require.NoError(t, os.MkdirAll("../../docs", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(SettingsDocument()), 0o644))
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, SettingsDocument(), string(got), "run: go generate ./peft/train")
}
