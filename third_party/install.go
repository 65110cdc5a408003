package third_party

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/graft-go/graft/binding"
)

// Options say what to install and where.
type Options struct {
	Root     string            // library root: third_party/lib or binding.CacheLib()
	Platform string            // "" = binding.Platform()
	Variant  string            // "", "cuda", "cuda-ext", "vulkan", "metal"
	From     string            // "" = the npm and pip clients; else a packed file, a folder of packed files, or a folder of libraries
	Note     func(line string) // progress; nil = silent
}

// Result is what an installation did.
type Result struct {
	Path    string // folder that now holds the libraries
	Version string // package and version
	Already bool   // it was installed before, nothing was changed
}

// String is one line for people.
func (r Result) String() string {
	if r.Already {
		return r.Version + " is installed in " + r.Path
	}
	return "installed " + r.Version + " in " + r.Path
}

func (o Options) note(format string, args ...any) {
	if o.Note != nil {
		o.Note(fmt.Sprintf(format, args...))
	}
}

func (o Options) platform() string {
	if o.Platform != "" {
		return o.Platform
	}
	return binding.Platform()
}

// stampName is the file that says what a folder holds. A folder without it was not installed by this package.
const stampName = "graft-package.json"

// stamp is the content of that file.
type stamp struct {
	Source string           `json:"source"` // package@version integrity, one for each part, joined by blanks
	Files  map[string]int64 `json:"files"`  // name -> bytes
}

// installed tells whether dir holds exactly what want describes, whole.
func installed(dir, want string) bool {
	data, err := os.ReadFile(filepath.Join(dir, stampName))
	if err != nil {
		return false
	}
	var s stamp
	if json.Unmarshal(data, &s) != nil || s.Source != want || len(s.Files) == 0 {
		return false
	}
	for name, size := range s.Files {
		info, err := os.Stat(filepath.Join(dir, filepath.Base(name)))
		if err != nil || info.Size() != size {
			return false
		}
	}
	return true
}

// Install puts the pinned ggml libraries into Root/<platform>[-<variant>], whole or not at all: everything is fetched, checked
// and unpacked under a temporary name and then renamed. It does nothing where they are installed already, and several may run at
// once. Errors name the tool, file or folder at fault.
func (m *Manifest) Install(ctx context.Context, o Options) (Result, error) {
	src, err := m.source(o)
	if err != nil {
		return Result{}, err
	}
	dest := filepath.Join(o.Root, src.folder)
	res := Result{Path: dest, Version: src.version}
	if src.id != "" && installed(dest, src.id) {
		res.Already = true
		return res, nil
	}
	err = replace(dest, src.id, func(tmp string) error {
		if err := src.fill(ctx, tmp); err != nil {
			return err
		}
		if o.platform() != binding.Platform() {
			return nil // another machine's libraries cannot be examined here
		}
		if _, err := binding.InFolder(tmp, src.version); err != nil {
			return &SourceError{src.version, err.Error(), "use another package or folder"}
		}
		return nil
	})
	if err != nil {
		return Result{}, err
	}
	return res, nil
}

// source is one way to fill a folder with libraries.
type source struct {
	folder  string // below Root
	version string // for people
	id      string // for the stamp; empty = always install again
	fill    func(ctx context.Context, dir string) error
}

// replace makes dest anew: fill writes into a temporary folder beside it, which then takes dest's place. If another process
// installed the same meanwhile, its folder stays.
func replace(dest, id string, fill func(tmp string) error) error {
	root := filepath.Dir(dest)
	if err := os.MkdirAll(root, 0o755); err != nil {
		return fmt.Errorf("create %s: %w; make the folder writable", root, cause(err))
	}
	sweep(root)
	tmp, err := os.MkdirTemp(root, tempPrefix)
	if err != nil {
		return fmt.Errorf("write to %s: %w; make the folder writable", root, cause(err))
	}
	defer func() { _ = os.RemoveAll(tmp) }() // gone already where the rename succeeded
	if err := os.Chmod(tmp, 0o755); err != nil {
		return fmt.Errorf("write to %s: %w", tmp, cause(err))
	}
	if err := fill(tmp); err != nil {
		return err
	}
	if err := writeStamp(tmp, id); err != nil {
		return err
	}
	return swap(tmp, dest, id)
}

// swap renames tmp to dest. A folder at dest is first moved away, which a process that runs with its libraries does not
// notice (on Windows it makes the rename fail, which is an error that says so).
func swap(tmp, dest, id string) error {
	var err error
	for range 5 { // each round loses only to another installer that finished meanwhile
		if err = os.Rename(tmp, dest); err == nil {
			return nil
		}
		if id != "" && installed(dest, id) {
			return nil
		}
		old, mkErr := os.MkdirTemp(filepath.Dir(dest), tempPrefix)
		if mkErr != nil {
			return fmt.Errorf("replace %s: %w", dest, cause(mkErr))
		}
		err = os.Rename(dest, filepath.Join(old, "old"))
		_ = os.RemoveAll(old) // what is left is swept by a later installation
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("replace %s: %w; end the programs that use it and run this again", dest, cause(err))
		}
	}
	return fmt.Errorf("replace %s: %w; run this again", dest, cause(err))
}

func writeStamp(dir, id string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read %s: %w", dir, cause(err))
	}
	s := stamp{Source: id, Files: map[string]int64{}}
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(dir, e.Name()))
		if err != nil {
			return fmt.Errorf("read %s: %w", filepath.Join(dir, e.Name()), cause(err))
		}
		s.Files[e.Name()] = info.Size()
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, stampName)
	if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", path, cause(err))
	}
	return nil
}

// tempPrefix marks folders of installations under way.
const tempPrefix = ".tmp-"

// sweep removes what installations that were killed left behind a day ago or earlier.
func sweep(root string) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && strings.HasPrefix(e.Name(), tempPrefix) && time.Since(info.ModTime()) > 24*time.Hour {
			_ = os.RemoveAll(filepath.Join(root, e.Name())) // a leftover that stays harms nothing
		}
	}
}

// cause drops the operation and path from an error of package os; the message around it names the path.
func cause(err error) error {
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return pe.Err
	}
	if le := (*os.LinkError)(nil); errors.As(err, &le) {
		return le.Err
	}
	return err
}
