package binding

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// The environment variables that name a native library by hand. Each beats every other place.
const (
	EnvLib  = "GRAFT_LIB"  // folder with libggml-base, libggml and libllama; a llama.cpp build or install folder works too
	EnvBLAS = "GRAFT_BLAS" // a BLAS shared library, or "none"
)

// modulePath is the module whose third_party/lib is trusted when the working directory lies in it.
const modulePath = "github.com/graft-go/graft"

// needed are the libraries a folder must hold to be used: the anchor, the loader of backends, and the tokenizer.
var needed = []string{"ggml-base", "ggml", "llama"}

// Found is a library folder (FindGGML) or a library file (FindBLAS) and the rule that led to it: "GRAFT_LIB", "GRAFT_BLAS",
// "vendored", "user cache" or "system".
type Found struct {
	Path, Source string
}

// Place is one folder that the search looked at.
type Place struct {
	Found
	Reason string // why the folder was not taken; empty where it can be used
}

// NotFoundError says that no folder holds a usable ggml, and names every place that was looked at.
type NotFoundError struct {
	Places []Place
}

func (e *NotFoundError) Error() string {
	var parts []string
	system := 0
	for _, p := range e.Places {
		if p.Source == "system" && p.Reason == reasonNone {
			system++
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %s (%s)", p.Source, p.Path, p.Reason))
	}
	if system > 0 {
		parts = append(parts, fmt.Sprintf("%d system folders (%s)", system, reasonNone))
	}
	return fmt.Sprintf("ggml library: not found: looked at %s; run `graft setup`, or set %s to a folder of llama.cpp libraries",
		strings.Join(parts, ", "), EnvLib)
}

// BadInput says that the user can repair it.
func (e *NotFoundError) BadInput() bool { return true }

// BadLibError says why the folder that GRAFT_LIB names cannot be used.
type BadLibError struct {
	Path string
	Err  error
}

func (e *BadLibError) Error() string {
	return fmt.Sprintf("%s=%s: %v; correct it, or unset it and run `graft setup`", EnvLib, e.Path, e.Err)
}

// Unwrap returns the reason alone.
func (e *BadLibError) Unwrap() error { return e.Err }

// BadInput says that the user can repair it.
func (e *BadLibError) BadInput() bool { return true }

// Platform is the name of this operating system and processor as the prebuilt packages spell it, for example "linux-x64",
// "mac-arm64" or "win-x64".
func Platform() string { return PlatformOf(runtime.GOOS, runtime.GOARCH) }

// PlatformOf is Platform for a given GOOS and GOARCH.
func PlatformOf(goos, goarch string) string {
	names := map[string]string{"darwin": "mac", "windows": "win", "amd64": "x64", "arm": "armv7l"}
	for _, s := range []*string{&goos, &goarch} {
		if n, ok := names[*s]; ok {
			*s = n
		}
	}
	return goos + "-" + goarch
}

// CacheLib is the folder below which `graft setup` installs for this user: os.UserCacheDir()/graft/lib.
func CacheLib() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("user cache: %w; set XDG_CACHE_HOME or HOME", err)
	}
	return filepath.Join(dir, "graft", "lib"), nil
}

// FindGGML returns the folder that holds the ggml libraries. It looks at GRAFT_LIB, then at third_party/lib of this module and
// beside the executable, then in the user's cache, then in the system's library folders. A GRAFT_LIB that cannot be used is an
// error, never passed over. Otherwise, where no place can be used, the error is a *NotFoundError.
func FindGGML() (Found, error) {
	if dir := os.Getenv(EnvLib); dir != "" {
		found, err := InFolder(dir, EnvLib)
		if err != nil {
			return Found{}, &BadLibError{Path: dir, Err: err}
		}
		return found, nil
	}
	places := Places()
	for _, p := range places {
		if p.Reason == "" {
			return p.Found, nil
		}
	}
	return Found{}, &NotFoundError{Places: places}
}

// Places looks at every folder of the search, in its order, and says which can be used. GRAFT_LIB stands first where it is set.
func Places() []Place {
	candidates := candidateFolders()
	if dir := os.Getenv(EnvLib); dir != "" {
		candidates = append([]Found{{dir, EnvLib}}, candidates...)
	}
	places := make([]Place, 0, len(candidates))
	for _, c := range candidates {
		found, err := InFolder(c.Path, c.Source)
		if err != nil {
			places = append(places, Place{c, err.Error()})
			continue
		}
		places = append(places, Place{found, ""})
	}
	return places
}

// candidateFolders lists the folders to look at, best first, without GRAFT_LIB.
func candidateFolders() []Found {
	var out []Found
	for _, root := range vendoredRoots() {
		for _, dir := range variants(root) {
			out = append(out, Found{dir, "vendored"})
		}
	}
	if root, err := CacheLib(); err == nil {
		for _, dir := range variants(root) {
			out = append(out, Found{dir, "user cache"})
		}
	}
	for _, dir := range systemFolders() {
		out = append(out, Found{dir, "system"})
	}
	return out
}

// variants lists the folders of this platform below root. A build with a GPU backend also holds the CPU backends, so it comes
// first; where none is installed the plain folder is named, so that an error can say what would have been used.
func variants(root string) []string {
	var out []string
	for _, variant := range []string{"-cuda", "-cuda-ext", "-vulkan", "-metal"} {
		dir := filepath.Join(root, Platform()+variant)
		if isDir(dir) {
			out = append(out, dir)
		}
	}
	return append(out, filepath.Join(root, Platform()))
}

// vendoredRoots lists the third_party/lib folders: of the graft module that the working directory lies in, and beside or one
// above the executable's folder (bin/graft). Any other module's folder is not trusted: loading a library runs its code.
func vendoredRoots() []string {
	var roots []string
	if wd, err := os.Getwd(); err == nil {
		if root, ok := moduleRoot(wd); ok {
			roots = append(roots, filepath.Join(root, "third_party", "lib"))
		}
	}
	exe, err := os.Executable()
	if err != nil {
		return roots
	}
	if real, err := filepath.EvalSymlinks(exe); err == nil {
		exe = real
	}
	dir := filepath.Dir(exe)
	for _, base := range []string{dir, filepath.Dir(dir)} {
		root := filepath.Join(base, "third_party", "lib")
		if isDir(root) && (len(roots) == 0 || roots[0] != root) {
			roots = append(roots, root)
		}
	}
	return roots
}

// moduleRoot walks up from dir to the go.mod of the graft module.
func moduleRoot(dir string) (string, bool) {
	for {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil {
			for line := range strings.Lines(string(data)) {
				if f := strings.Fields(line); len(f) >= 2 && f[0] == "module" {
					return dir, strings.Trim(f[1], `"`) == modulePath
				}
			}
			return "", false
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}

// reasonNone is the reason for a folder without any library of ggml.
const reasonNone = "no libggml-base there"

// InFolder finds the usable library folder at dir or at the places below it where builds put their libraries. dir may also be
// the file of libggml-base itself.
func InFolder(dir, source string) (Found, error) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return Found{}, errors.New("no such folder")
	case err != nil:
		return Found{}, unwrapPath(err)
	case !info.IsDir():
		if !libraryName("ggml-base").MatchString(filepath.Base(dir)) {
			return Found{}, errors.New("is a file, not a folder of llama.cpp libraries")
		}
		dir = filepath.Dir(dir)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return Found{}, err
	}
	folders := []string{abs}
	if source != "system" {
		folders = append(folders, buildFolders(abs)...)
	}
	for _, f := range folders {
		if _, ok := firstLibrary(f, "ggml-base"); ok {
			found := Found{f, source}
			return found, found.check()
		}
	}
	return Found{}, errors.New(reasonNone + contents(abs))
}

// buildFolders lists the folders below a llama.cpp source, build or install folder, or an unpacked package, that may hold
// the libraries.
func buildFolders(dir string) []string {
	var out []string
	for _, sub := range []string{"bin", "lib", "lib64", "build/bin", "build/lib", "ggml/src", "build/ggml/src"} {
		out = append(out, filepath.Join(dir, filepath.FromSlash(sub)))
	}
	for _, pattern := range []string{"bins/" + Platform() + "*", "package/bins/" + Platform() + "*"} {
		matches, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
		if err == nil {
			out = append(out, matches...)
		}
	}
	return out
}

// contents describes in a few words what a folder holds that was expected to hold libraries.
func contents(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return ": " + unwrapPath(err).Error()
	}
	if len(entries) == 0 {
		return ": the folder is empty"
	}
	return ""
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// unwrapPath drops the operation and path of a *PathError where the message already names the path.
func unwrapPath(err error) error {
	if pe := (*os.PathError)(nil); errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
