package third_party

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// source says where the libraries come from: a file or folder the user gave, or the npm client.
func (m *Manifest) source(o Options) (source, error) {
	if o.From != "" {
		return m.sourceFrom(o)
	}
	pkg, err := m.Package(o.platform(), o.Variant)
	if err != nil {
		return source{}, err
	}
	return packageSource(pkg, func(ctx context.Context, part Part, dir string) (string, error) {
		o.note("npm pack %s@%s", part.Name, part.Version)
		return npmPack(ctx, part, dir)
	}), nil
}

// packageSource fills a folder from the parts of a package; fetch puts a part's packed file into a folder and returns its path.
func packageSource(pkg Package, fetch func(ctx context.Context, part Part, dir string) (string, error)) source {
	src := source{folder: pkg.Folder()}
	var versions, ids []string
	for _, p := range pkg.Parts {
		versions = append(versions, p.Name+"@"+p.Version)
		ids = append(ids, p.Name+"@"+p.Version+" "+p.Integrity)
	}
	src.version, src.id = strings.Join(versions, " + "), strings.Join(ids, " ")
	src.fill = func(ctx context.Context, dir string) error {
		for _, part := range pkg.Parts {
			if err := fillPart(ctx, part, dir, fetch); err != nil {
				return err
			}
		}
		return nil
	}
	return src
}

func fillPart(ctx context.Context, part Part, dir string, fetch func(context.Context, Part, string) (string, error)) error {
	work, err := os.MkdirTemp("", "graft-setup-")
	if err != nil {
		return fmt.Errorf("temporary folder: %w; set TMPDIR to a writable folder", err)
	}
	defer func() { _ = os.RemoveAll(work) }() // the system clears what stays
	file, err := fetch(ctx, part, work)
	if err != nil {
		return err
	}
	if err := checkIntegrity(file, part.Integrity); err != nil {
		return err
	}
	return untar(file, dir)
}

// Folder is the name of the package's folder below a library root.
func (p Package) Folder() string {
	if p.Variant == "" {
		return p.Platform
	}
	return p.Platform + "-" + p.Variant
}

// npmPack has the npm client fetch a package's packed file into dir, without running any script of it. The flags set what a
// user's npm configuration could have changed; the file is found by looking, since npm's output varies with its version.
func npmPack(ctx context.Context, part Part, dir string) (string, error) {
	spec := part.Name + "@" + part.Version
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", fmt.Errorf("npm: not found on PATH: it fetches %s; install Node.js, or run `npm pack %s` on another machine and `graft setup --from %s` here",
			spec, spec, part.File())
	}
	// A package.json makes dir npm's project folder, so that no configuration above it is read.
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte("{\"private\":true}\n"), 0o644); err != nil {
		return "", fmt.Errorf("write to %s: %w", dir, cause(err))
	}
	out, err := command(ctx, dir, npm, "pack", spec, "--ignore-scripts", "--pack-destination="+dir, "--dry-run=false",
		"--workspaces=false", "--global=false", "--no-update-notifier", "--fund=false", "--audit=false")
	files, globErr := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || globErr != nil || len(files) != 1 {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		return "", fmt.Errorf("npm pack %s: %s; see that npm works here (`npm ping`), or run `graft setup --from %s` with the file packed elsewhere",
			spec, complaint(out, err), part.File())
	}
	return files[0], nil
}

// command runs a client in dir and returns what it printed on both streams. A cancelled context ends it.
func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PIP_REQUIRE_VIRTUALENV=0", "PYTHONUTF8=1")
	cmd.WaitDelay = 5 * time.Second // its children may keep the pipes open
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// complaint picks the lines of a client's output that say what went wrong, on one line.
func complaint(out string, err error) string {
	var lines, errorLines []string
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		lower := strings.ToLower(line)
		if line == "" || strings.HasPrefix(lower, "npm warn") || strings.HasPrefix(lower, "npm notice") || strings.HasPrefix(lower, "warning") ||
			strings.Contains(lower, "complete log of this run") || strings.HasPrefix(lower, "[notice]") {
			continue
		}
		lines = append(lines, line)
		if strings.HasPrefix(lower, "npm err") || strings.HasPrefix(lower, "error") {
			errorLines = append(errorLines, strings.TrimPrefix(strings.TrimPrefix(line, "npm error "), "npm ERR! "))
		}
	}
	if len(errorLines) > 0 {
		lines = errorLines[:min(3, len(errorLines))]
	}
	if len(lines) > 3 {
		lines = lines[len(lines)-3:]
	}
	text := strings.Join(lines, ", ")
	const most = 400
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	switch {
	case text != "":
		return text
	case err != nil:
		return err.Error()
	}
	return "it left no packed file"
}
