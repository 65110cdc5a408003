package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckFakeTree(t *testing.T) {
	tests := []struct {
		name, file, imports string
		fault               string // "" = allowed
	}{
		{"to the right", "peft/train/a.go", module + "/peft/lora", ""},
		{"far to the right", "cmd/graft/a.go", module + "/binding", ""},
		{"standard library", "binding/a.go", "net/http", ""},
		{"outside module of the row", "binding/ggml/a.go", "github.com/ebitengine/purego", ""},
		{"sub-package of an outside module", "ggml/a.go", "golang.org/x/sys/unix", ""},
		{"a script imports anything", "scripts/golden/a.go", "example.org/any", ""},
		{"beside", "ggml/vocab/a.go", module + "/ggml/gguf", ""},
		{"tests may", "ggml/a_test.go", module + "/peft/train", ""},
		{"testdata is no code", "ggml/testdata/a.go", module + "/peft/train", ""},
		{"to the left", "ggml/a.go", module + "/ggml/grad",
			"ggml/a.go:3: ggml imports " + module + "/ggml/grad: it stands to the left"},
		{"far to the left", "binding/a.go", module + "/peft/train",
			"binding/a.go:3: binding imports " + module + "/peft/train: it stands to the left"},
		{"same row", "peft/lora/a.go", module + "/peft/freeze",
			"peft/lora/a.go:3: peft/lora imports " + module + "/peft/freeze: it stands in the same row"},
		{"outside module of another row", "peft/lora/a.go", "github.com/ebitengine/purego",
			"peft/lora/a.go:3: peft/lora imports github.com/ebitengine/purego: this row may not import that module"},
		{"module with the same beginning", "binding/a.go", "github.com/ebitengine/puregoish",
			"binding/a.go:3: binding imports github.com/ebitengine/puregoish: this row may not import that module"},
		{"hidden package", "peft/train/a.go", module + "/third_party",
			"peft/train/a.go:3: peft/train imports " + module + "/third_party: only cmd/graft and scripts/* may import it"},
		{"unknown package", "util/a.go", module + "/ggml",
			"util/a.go:3: util imports " + module + "/ggml: the importing package stands in no row of the table in scripts/importcheck"},
		{"unknown import", "ggml/a.go", module + "/util",
			"ggml/a.go:3: ggml imports " + module + "/util: the imported package stands in no row of the table in scripts/importcheck"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			path := filepath.Join(root, filepath.FromSlash(tt.file))
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			require.NoError(t, os.WriteFile(path, []byte("package x\n\nimport _ \""+tt.imports+"\"\n"), 0o644))
			faults, err := check(root, module, table())
			require.NoError(t, err)
			if tt.fault == "" {
				require.Empty(t, faults)
				return
			}
			require.Equal(t, []string{tt.fault}, faults)
		})
	}
}

func TestCheckBrokenFile(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "a.go"), []byte("no go"), 0o644))
	_, err := check(root, module, table())
	require.ErrorContains(t, err, "a.go")
}
