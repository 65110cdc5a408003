package train

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/graft-go/graft/peft"
)

// writeFile replaces a file as a whole: it is written under another name, synced and renamed, so that a crash leaves the old or the
// new one.
func writeFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close(), os.Chmod(f.Name(), 0o644)); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// dataHashes is the SHA-256 of every data file.
func dataHashes(c Config) (map[string]string, error) {
	sums := map[string]string{}
	for _, path := range append(append([]string(nil), c.Data...), c.Valid) {
		if path == "" {
			continue
		}
		sum, err := fileHash(path)
		if err != nil {
			return nil, &peft.InputError{What: "data", Where: path, Err: err}
		}
		sums[path] = sum
	}
	return sums, nil
}

func fileHash(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// AdapterPath is the adapter file that path means: the file itself, or that of a run folder.
func AdapterPath(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", &peft.InputError{What: "adapter", Where: path, Why: reason(err), Do: "give an adapter file or a run folder"}
	}
	if !info.IsDir() {
		return path, nil
	}
	for _, name := range []string{AdapterFile, GraftFile} {
		file := filepath.Join(path, name)
		if _, err := os.Stat(file); err == nil {
			return file, nil
		}
	}
	return "", &peft.InputError{What: "adapter", Where: path, Why: "no " + AdapterFile + " in this folder", Do: "give the folder of a run that has ended, or an adapter file"}
}

// Version is the version of graft that the Go toolchain recorded.
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
