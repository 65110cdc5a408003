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
//
// While a run writes there the folder is locked; Close gives it free. A folder that exists already is locked from the check on.
type RunFolder struct {
	Path string
	lock *folderLock
}

// runFiles are the files of a run, as patterns; what else lies in the folder is the user's and stays.
func runFiles() []string {
	return []string{
		"config.yaml", "run.json", "metrics.jsonl", "samples.jsonl", "events.out.tfevents.*", "checkpoints",
		"report.html", "adapter.gguf", "adapter.graft.gguf", ChatTemplateFile,
	}
}

// halfFiles are the names, as patterns, under which files of a run are written before they are whole, by writeFile and by the writer
// of GGUF files.
func halfFiles() []string {
	var patterns []string
	for _, name := range runFiles() {
		patterns = append(patterns, name+".*.tmp", "."+name+".tmp-*")
	}
	return patterns
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
		return nil, fault("exists", "give another folder, or --overwrite to replace the run in it, or --resume to go on with it")
	}
	if err := checkWritable(clean); err != nil {
		return nil, fault(reason(err), "give a folder that can be written")
	}
	r := &RunFolder{Path: clean}
	if info == nil {
		return r, nil
	}
	r.lock, err = lockFolder(clean)
	return r, err
}

// Close lets other runs use the folder. It may be called twice.
func (r *RunFolder) Close() {
	if r != nil {
		r.lock.Close()
		r.lock = nil
	}
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
	fault := func(why, do string) error {
		return &peft.InputError{What: "train", Where: "--out " + r.Path, Why: why, Do: do}
	}
	if r.lock == nil {
		if err := os.MkdirAll(filepath.Dir(r.Path), 0o755); err != nil {
			return fault(reason(err), "give a folder that can be written")
		}
		err := os.Mkdir(r.Path, 0o755)
		if errors.Is(err, fs.ErrExist) {
			return fault("another run has just made it", "give another folder")
		}
		if err != nil {
			return fault(reason(err), "give a folder that can be written")
		}
		if r.lock, err = lockFolder(r.Path); err != nil {
			return err
		}
	}
	if err := removeMatching(r.Path, append(runFiles(), halfFiles()...)...); err != nil {
		return fmt.Errorf("replace the run in %s: %w", r.Path, err)
	}
	return syncFolder(filepath.Dir(r.Path))
}
