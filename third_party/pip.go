package third_party

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// NoBLASError says why the pinned BLAS could not be fetched. Everything works without it, more slowly on the CPU.
type NoBLASError struct {
	Why string
}

func (e *NoBLASError) Error() string {
	return "BLAS not installed: " + e.Why + "; training on the CPU uses the system's BLAS if there is one, else ggml's own slower products"
}

// InstallBLAS puts the pinned OpenBLAS into Root/blas/<platform> through the pip client, or from the wheel in the folder From.
// Where there is no pip, no wheel for the platform or no way to fetch it, the error is a *NoBLASError; a file that is not the
// pinned one is an error of its own.
func (m *Manifest) InstallBLAS(ctx context.Context, o Options) (Result, error) {
	wheel, ok := m.Wheel(o.platform())
	if !ok {
		return Result{}, &NoBLASError{"there is no wheel of " + m.BLAS.Name + " for " + o.platform()}
	}
	spec := m.BLAS.Name + "==" + m.BLAS.Version
	dest := filepath.Join(o.Root, "blas", o.platform()) // as binding.BLASFolder
	id := spec + " sha256-" + wheel.SHA256
	res := Result{Path: dest, Version: spec}
	if installed(dest, id) {
		res.Already = true
		return res, nil
	}
	work, err := os.MkdirTemp("", "graft-setup-")
	if err != nil {
		return Result{}, fmt.Errorf("temporary folder: %w; set TMPDIR to a writable folder", err)
	}
	defer func() { _ = os.RemoveAll(work) }() // the system clears what stays
	file, err := m.fetchWheel(ctx, o, spec, wheel, work)
	if err != nil {
		return Result{}, err
	}
	if err := checkSHA256(file, wheel.SHA256); err != nil {
		return Result{}, err
	}
	err = replace(dest, id, func(tmp string) error { return unzip(file, tmp) })
	if err != nil {
		return Result{}, err
	}
	return res, nil
}

// fetchWheel finds the wheel's file beside what the user gave with From, or downloads it.
func (m *Manifest) fetchWheel(ctx context.Context, o Options, spec string, wheel Wheel, work string) (string, error) {
	if o.From != "" {
		folder := o.From
		if info, err := os.Stat(folder); err == nil && !info.IsDir() {
			folder = filepath.Dir(folder)
		}
		if file := filepath.Join(folder, wheel.File); exists(file) {
			return file, nil
		}
		return "", &NoBLASError{"no " + wheel.File + " in " + folder}
	}
	pip, err := Pip(ctx)
	if err != nil {
		return "", &NoBLASError{err.Error()}
	}
	o.note("pip download %s", spec)
	args := append(pip[1:], "download", "--disable-pip-version-check", "--no-input", "--no-deps", "--only-binary=:all:", "--platform="+wheel.Tag, "--dest="+work, spec)
	out, err := command(ctx, work, pip[0], args...)
	files, globErr := filepath.Glob(filepath.Join(work, "*.whl"))
	if err != nil || globErr != nil || len(files) != 1 {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", &NoBLASError{"pip download " + spec + ": " + complaint(out, err)}
	}
	return files[0], nil
}

// Pip returns the command line of a pip client that works.
func Pip(ctx context.Context) ([]string, error) {
	var found bool
	for _, argv := range [][]string{{"python3", "-m", "pip"}, {"python", "-m", "pip"}, {"py", "-m", "pip"}, {"pip3"}, {"pip"}} {
		exe, err := exec.LookPath(argv[0])
		if err != nil {
			continue
		}
		found = true
		argv = append([]string{exe}, argv[1:]...)
		if _, err := command(ctx, "", argv[0], append(argv[1:], "--version")...); err == nil {
			return argv, nil
		}
	}
	if found {
		return nil, errors.New("this Python has no pip")
	}
	return nil, errors.New("there is no pip on PATH")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
