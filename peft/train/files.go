package train

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"

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
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// syncFolder makes what was renamed in a folder last through a power cut, where folders can be synced.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// removeMatching removes what in a folder has a name that matches one of the patterns. A folder's own name may hold the signs of a
// pattern, so the patterns are matched against names alone.
func removeMatching(dir string, patterns ...string) error {
	for _, pattern := range patterns {
		names, err := fs.Glob(os.DirFS(dir), pattern)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// keepLines rewrites a file of lines with those for which keep is true; a last line without an end, which a crash cuts off, goes too.
// A file that is missing stays so.
func keepLines(path string, keep func(line []byte) bool) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	kept := make([]byte, 0, len(text))
	for line := range bytes.Lines(text) {
		if bytes.HasSuffix(line, []byte("\n")) && keep(line) {
			kept = append(kept, line...)
		}
	}
	if bytes.Equal(kept, text) {
		return nil
	}
	return writeFile(path, kept)
}

// dataHashes is the SHA-256 of every data file: the training files in their order, then the validation file.
func dataHashes(c Config) ([]fileSum, error) {
	var sums []fileSum
	for _, path := range c.Data {
		sums = append(sums, fileSum{Use: "data", Path: path})
	}
	if c.Valid != "" {
		sums = append(sums, fileSum{Use: "valid", Path: c.Valid})
	}
	for i := range sums {
		var err error
		if sums[i].SHA256, err = fileHash(sums[i].Path); err != nil {
			return nil, &peft.InputError{What: "data", Where: sums[i].Path, Why: reason(err), Err: err}
		}
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

func bytesHash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
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
