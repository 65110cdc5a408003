package demo

import (
	_ "embed" // for the model
	"fmt"
	"os"
	"path/filepath"
)

//go:embed model.gguf
var model string

// Size is the number of bytes of the embedded model.
func Size() int { return len(model) }

// WriteModel writes the embedded model to a file, first under another name, so that the file is whole or not there.
func WriteModel(path string) error { return writeFile(path, model) }

func writeFile(path, content string) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(content)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Chmod(f.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
