package train

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/graft-go/graft/peft"
)

// RunFolder is the folder of a run. It is checked first and made last: CheckRunFolder writes nothing, and Create, to be
// called once flags, settings, data and model are known to be good, is the first to touch what exists.
type RunFolder struct {
	Path string
}

// runFiles are the files of a run, as patterns; what else lies in the folder is the user's and stays.
func runFiles() []string {
	return []string{
		"config.yaml", "run.json", "metrics.jsonl", "samples.jsonl", "events.out.tfevents.*", "checkpoints",
		"report.html", "adapter.gguf", "adapter.graft.gguf", ChatTemplateFile,
	}
}

// CheckRunFolder tells whether a run can be written to path, without leaving anything there. An existing folder needs
// overwrite.
func CheckRunFolder(path string, overwrite bool) (*RunFolder, error) {
	fault := func(why, do string) error {
		return &peft.InputError{What: "train", Where: "--out " + path, Why: why, Do: do}
	}
	clean := filepath.Clean(path)
	info, err := os.Stat(clean)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(clean); err == nil {
			return nil, fault("is a link to nothing", "give another name")
		}
	case err != nil:
		return nil, fault(reason(err), "give another folder")
	case !info.IsDir():
		return nil, fault("exists and is no folder", "give another name")
	case !overwrite:
		return nil, fault("exists", "give another folder, or --overwrite to replace the run in it")
	}
	if err := checkWritable(clean); err != nil {
		return nil, fault(reason(err), "give a folder that can be written")
	}
	return &RunFolder{Path: clean}, nil
}

// checkWritable tries to make a file in dir, or in the nearest folder above it that exists.
func checkWritable(dir string) error {
	for {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			return fmt.Errorf("%s is no folder", dir)
		}
		if err == nil {
			break
		}
		if parent := filepath.Dir(dir); errors.Is(err, fs.ErrNotExist) && parent != dir {
			dir = parent
			continue
		}
		return err
	}
	f, err := os.CreateTemp(dir, ".graft-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// reason is the text of an error of the system without the path, which the caller names.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// Create makes the folder where it is missing, and removes the files of the run that was there.
func (r *RunFolder) Create() error {
	if err := os.MkdirAll(r.Path, 0o755); err != nil {
		return &peft.InputError{What: "train", Where: "--out " + r.Path, Why: reason(err), Do: "give a folder that can be written"}
	}
	for _, pattern := range runFiles() {
		// A folder's name may hold the signs of a pattern, so the pattern is matched against names alone.
		old, err := fs.Glob(os.DirFS(r.Path), pattern)
		if err != nil {
			return fmt.Errorf("replace the run in %s: %w", r.Path, err)
		}
		for _, name := range old {
			if err := os.RemoveAll(filepath.Join(r.Path, name)); err != nil {
				return fmt.Errorf("replace the run in %s: %w", r.Path, err)
			}
		}
	}
	return nil
}
