package gguf_test

import (
	"os"
	"path/filepath"
	"testing"
)

// sharedModels lists the GGUF files of the folder shared/models beside the module's root, or skips the test.
func sharedModels(t *testing.T) []string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Skip("no go.mod above the test: the shared models cannot be found")
		}
		dir = up
	}
	files, _ := filepath.Glob(filepath.Join(dir, "..", "shared", "models", "*.gguf"))
	if len(files) == 0 {
		t.Skip("no shared/models beside the module: nothing to read")
	}
	return files
}
