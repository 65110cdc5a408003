package binding

import (
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Library returns the file of a library in the folder by its bare name: "ggml-base", "ggml", "llama". File names carry versions
// (libggml.v0.5.0.so, libggml.so.0, libggml.0.dylib, ggml.dll): the plain name wins, then the highest version. Builds that
// keep libllama in a folder of its own beside ggml's are understood.
func (f Found) Library(name string) (string, error) {
	for _, dir := range f.folders() {
		if path, ok := firstLibrary(dir, name); ok {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: no lib%s there; run `graft setup`", f.Path, name)
}

// firstLibrary returns the best file of a library in one folder.
func firstLibrary(dir, name string) (string, bool) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", false
	}
	pattern := libraryName(name)
	var names []string
	for _, e := range entries {
		if !e.IsDir() && pattern.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return "", false
	}
	return filepath.Join(dir, slices.MinFunc(names, comparePlainThenNewest)), true
}

// folders lists where the libraries of one build may lie, given the folder of libggml-base.
func (f Found) folders() []string {
	out := []string{f.Path}
	for _, beside := range []string{"llama", "llama.cpp", "../lib", "../bin", "../../src", "../../bin"} {
		out = append(out, filepath.Join(f.Path, filepath.FromSlash(beside)))
	}
	if filepath.Base(f.Path) == "ggml" || filepath.Base(f.Path) == "llama.cpp" {
		out = append(out, filepath.Dir(f.Path))
	}
	return out
}

// check proves that the folder has every needed library and that no ggml or llama file in it is damaged or built for
// another processor: loading a truncated library would kill the process.
func (f Found) check() error {
	var missing, files []string
	for _, name := range needed {
		path, err := f.Library(name)
		if err != nil {
			missing = append(missing, "lib"+name)
			continue
		}
		files = append(files, path)
	}
	if len(missing) > 0 {
		return fmt.Errorf("has %s but lacks %s", filepath.Base(files[0]), strings.Join(missing, ", "))
	}
	entries, err := os.ReadDir(f.Path)
	if err != nil {
		return unwrapPath(err)
	}
	for _, e := range entries {
		if backendName().MatchString(e.Name()) && !slices.Contains(files, filepath.Join(f.Path, e.Name())) {
			files = append(files, filepath.Join(f.Path, e.Name()))
		}
	}
	for _, path := range files {
		if err := checkBinary(path); err != nil {
			return fmt.Errorf("%s %w", filepath.Base(path), err)
		}
	}
	return nil
}

// checkBinary reads a library's headers. An ELF file keeps its section table at its end, so a file that was cut short fails
// here. Other formats are checked for their first bytes only.
func checkBinary(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return unwrapPath(err)
	}
	if info.Size() == 0 {
		return errors.New("is empty")
	}
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		return checkMagic(path)
	}
	file, err := elf.Open(path)
	if err != nil {
		return errors.New("is damaged or no shared library")
	}
	defer func() { _ = file.Close() }() // only read from
	want, ok := map[string]elf.Machine{
		"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64, "arm": elf.EM_ARM, "riscv64": elf.EM_RISCV, "ppc64le": elf.EM_PPC64, "s390x": elf.EM_S390,
	}[runtime.GOARCH]
	if ok && file.Machine != want {
		return fmt.Errorf("is built for %s, this machine needs %s", strings.TrimPrefix(file.Machine.String(), "EM_"), strings.TrimPrefix(want.String(), "EM_"))
	}
	return nil
}

// checkMagic accepts PE files ("MZ") and Mach-O files (thin or universal, either byte order).
func checkMagic(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return unwrapPath(err)
	}
	defer func() { _ = file.Close() }() // only read from
	var head [4]byte
	if _, err := file.Read(head[:]); err != nil {
		return unwrapPath(err)
	}
	for _, magic := range []string{"MZ", "\xcf\xfa\xed\xfe", "\xce\xfa\xed\xfe", "\xca\xfe\xba\xbe"} {
		if strings.HasPrefix(string(head[:]), magic) {
			return nil
		}
	}
	return errors.New("is damaged or no shared library")
}

// librarySuffix matches what may follow a library's bare name: version parts, the system's extension, and version numbers.
func librarySuffix() string {
	ext := map[string]string{"windows": "dll", "darwin": "dylib"}[runtime.GOOS]
	if ext == "" {
		ext = "so"
	}
	return `(?:\.[A-Za-z0-9_]+)*\.` + ext + `(?:\.[0-9]+)*$`
}

// libraryName matches the files of one library, and not those of others whose names begin alike (ggml, ggml-base).
func libraryName(name string) *regexp.Regexp {
	return regexp.MustCompile(`^(?:lib)?` + regexp.QuoteMeta(name) + librarySuffix())
}

// backendName matches every library of a llama.cpp build. Backends end in .so on macOS too.
func backendName() *regexp.Regexp {
	return regexp.MustCompile(`^(?:lib)?(?:ggml|llama)(?:-[a-z0-9_-]+)?(?:\.[A-Za-z0-9_]+)*\.(?:so|dylib|dll)(?:\.[0-9]+)*$`)
}

// comparePlainThenNewest orders file names of one library: fewest parts first, then the highest version numbers.
func comparePlainThenNewest(a, b string) int {
	if d := cmp.Compare(strings.Count(a, "."), strings.Count(b, ".")); d != 0 {
		return d
	}
	numbers := regexp.MustCompile(`[0-9]+`)
	na, nb := numbers.FindAllString(a, -1), numbers.FindAllString(b, -1)
	for i := range min(len(na), len(nb)) {
		va, errA := strconv.Atoi(na[i])
		vb, errB := strconv.Atoi(nb[i])
		if d := cmp.Compare(vb, va); errA == nil && errB == nil && d != 0 {
			return d
		}
	}
	return cmp.Compare(a, b)
}
