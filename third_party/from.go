package third_party

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/graft-go/graft/binding"
)

// sourceFrom takes the libraries from what the user gave: a packed npm file (known by its hash), a folder of packed files, or a
// folder of llama.cpp libraries.
func (m *Manifest) sourceFrom(o Options) (source, error) {
	info, err := os.Stat(o.From)
	switch {
	case err != nil:
		return source{}, &SourceError{"--from " + o.From, cause(err).Error(), "give a packed package (.tgz) or a folder"}
	case info.IsDir():
		return m.sourceFolder(o)
	}
	pkg, err := m.identify(o)
	if err != nil {
		return source{}, err
	}
	return packageSource(pkg, func(context.Context, Part, string) (string, error) { return o.From, nil }), nil
}

// identify finds the package that a packed file is, by its hash.
func (m *Manifest) identify(o Options) (Package, error) {
	var names []string
	for _, pkg := range m.Packages {
		if len(pkg.Parts) == 1 && checkIntegrity(o.From, pkg.Parts[0].Integrity) == nil {
			if pkg.Platform != o.platform() {
				return Package{}, &SourceError{"--from " + o.From, fmt.Sprintf("is the package for %s, this machine is %s", pkg.Platform, o.platform()), "give this platform's package"}
			}
			if o.Variant != "" && o.Variant != pkg.Variant {
				return Package{}, &SourceError{"--from " + o.From, fmt.Sprintf("is %s, not the %s variant", pkg.Parts[0].Name, o.Variant), "leave --gpu out or give the other package"}
			}
			return pkg, nil
		}
		if pkg.Platform == o.platform() && len(pkg.Parts) == 1 {
			names = append(names, pkg.Parts[0].Name+"@"+pkg.Parts[0].Version)
		}
	}
	return Package{}, &SourceError{"--from " + o.From, "its sha512 is not that of a pinned package", "it must be what `npm pack` gives for " + strings.Join(names, " or ")}
}

// sourceFolder takes packed files from a folder where all that the platform and variant need are there, else the libraries.
func (m *Manifest) sourceFolder(o Options) (source, error) {
	if pkg, err := m.Package(o.platform(), o.Variant); err == nil {
		missing := slices.ContainsFunc(pkg.Parts, func(p Part) bool {
			_, err := os.Stat(filepath.Join(o.From, p.File()))
			return err != nil
		})
		if !missing {
			return packageSource(pkg, func(_ context.Context, p Part, _ string) (string, error) { return filepath.Join(o.From, p.File()), nil }), nil
		}
	}
	found, err := binding.InFolder(o.From, "--from")
	if err != nil {
		return source{}, &SourceError{"--from " + o.From, err.Error(), "give a folder of llama.cpp libraries or of packed packages"}
	}
	folder := Package{Platform: o.platform(), Variant: o.Variant}.Folder()
	return source{folder: folder, version: "libraries of " + found.Path, fill: func(_ context.Context, dir string) error {
		return copyLibraries(found, dir)
	}}, nil
}

// copyLibraries copies every ggml and llama library of a folder, and keeps links between them as links.
func copyLibraries(found binding.Found, dir string) error {
	folders := []string{found.Path}
	for _, name := range []string{"ggml", "llama"} {
		path, err := found.Library(name)
		if err != nil {
			return err
		}
		if d := filepath.Dir(path); !slices.Contains(folders, d) {
			folders = append(folders, d)
		}
	}
	for _, folder := range folders {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return fmt.Errorf("read %s: %w", folder, cause(err))
		}
		for _, e := range entries {
			if !libraryFile.MatchString(e.Name()) && e.Name() != "LICENSE" {
				continue
			}
			if err := copyLibrary(filepath.Join(folder, e.Name()), filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func copyLibrary(from, to string) error {
	if target, err := os.Readlink(from); err == nil && filepath.Base(target) == target && libraryFile.MatchString(target) {
		if err := os.Symlink(target, to); err != nil {
			return fmt.Errorf("write %s: %w", to, cause(err))
		}
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("read %s: %w", from, cause(err))
	}
	defer func() { _ = in.Close() }() // only read from
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write %s: %w", to, cause(err))
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("copy %s to %s: %w", from, to, cause(err))
	}
	return nil
}
