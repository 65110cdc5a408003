package binding

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// FindBLAS lists the BLAS libraries to be measured, in order: GRAFT_BLAS alone if it is set (nothing for "none"), then the
// installed one (vendored, user cache), MKL, the system's OpenBLAS, BLIS, and Accelerate on macOS. A GRAFT_BLAS that does not
// exist is returned all the same, so that opening it names it. An empty list means that ggml's own kernels are used.
func FindBLAS() []Found {
	switch path := os.Getenv(EnvBLAS); path {
	case "":
	case "none":
		return nil
	default:
		return []Found{{path, EnvBLAS}}
	}
	var list blasList
	if dir := os.Getenv(EnvLib); dir != "" {
		list.add(EnvLib, []string{filepath.Join(dir, "blas"), filepath.Join(dir, "..", "blas", Platform())}, "scipy_openblas")
	}
	for _, root := range vendoredRoots() {
		list.add("vendored", blasFolders(root), "scipy_openblas")
	}
	if root, err := CacheLib(); err == nil {
		list.add("user cache", blasFolders(root), "scipy_openblas")
	}
	folders := blasSystemFolders()
	for _, name := range []string{"mkl_rt", "openblas", "openblasp", "openblas64_", "blis-mt", "blis"} {
		list.add("system", folders, name)
	}
	if runtime.GOOS == "darwin" { // lives in the loader's cache, not in the file system
		list.found = append(list.found, Found{"/System/Library/Frameworks/Accelerate.framework/Accelerate", "system"})
	}
	return list.found
}

// BLASFolder is where the BLAS of this platform is installed below a library root (third_party/lib or CacheLib).
func BLASFolder(root string) string { return filepath.Join(root, "blas", Platform()) }

func blasFolders(root string) []string {
	out := []string{BLASFolder(root)}
	for _, dir := range variants(root) {
		out = append(out, filepath.Join(dir, "blas"))
	}
	return out
}

// blasList collects library files, each once even if several names or folders lead to it.
type blasList struct {
	found []Found
	seen  []string // files after links were followed
}

// add takes the first library called name in each of the folders.
func (l *blasList) add(source string, folders []string, name string) {
	for _, dir := range folders {
		path, ok := firstLibrary(dir, name)
		if !ok || checkBinary(path) != nil {
			continue
		}
		real, err := filepath.EvalSymlinks(path)
		if err != nil || slices.Contains(l.seen, real) {
			continue
		}
		l.seen = append(l.seen, real)
		l.found = append(l.found, Found{path, source})
	}
}

// blasSystemFolders adds to the system's folders those where distributions, MKL and conda put BLAS libraries.
func blasSystemFolders() []string {
	var out []string
	for _, env := range []string{"MKLROOT", "CONDA_PREFIX"} {
		if root := os.Getenv(env); root != "" {
			out = append(out, filepath.Join(root, "lib"), filepath.Join(root, "lib", "intel64"), filepath.Join(root, "Library", "bin"))
		}
	}
	out = append(out, "/opt/intel/oneapi/mkl/latest/lib", "/opt/intel/oneapi/mkl/latest/lib/intel64", "/opt/intel/mkl/lib/intel64",
		"/opt/homebrew/opt/openblas/lib", "/usr/local/opt/openblas/lib")
	for _, dir := range systemFolders() {
		out = append(out, dir)
		for _, sub := range []string{"openblas-pthread", "openblas-openmp", "openblas-serial", "blis-pthread", "blis-openmp", "blis-serial", "openblas"} {
			out = append(out, filepath.Join(dir, sub))
		}
	}
	return out
}

// systemFolders lists the existing folders where this system keeps shared libraries, in the dynamic loader's order, and those
// where distributions and Homebrew put ggml's.
func systemFolders() []string {
	var dirs []string
	for _, env := range []string{"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		dirs = append(dirs, filepath.SplitList(os.Getenv(env))...)
	}
	switch runtime.GOOS {
	case "darwin":
		dirs = append(dirs, "/opt/homebrew/lib", "/usr/local/lib", "/opt/homebrew/opt/llama.cpp/lib", "/usr/local/opt/llama.cpp/lib", "/opt/local/lib")
	case "windows":
		dirs = append(dirs, filepath.SplitList(os.Getenv("PATH"))...)
	default:
		dirs = append(dirs, loaderFolders()...)
		dirs = append(dirs, "/usr/local/lib", "/usr/local/lib64")
		if arch, ok := map[string]string{"amd64": "x86_64", "arm64": "aarch64", "arm": "arm", "riscv64": "riscv64", "ppc64le": "powerpc64le"}[runtime.GOARCH]; ok {
			dirs = append(dirs, "/usr/lib/"+arch+"-linux-gnu", "/lib/"+arch+"-linux-gnu")
		}
		dirs = append(dirs, "/usr/lib64", "/lib64", "/usr/lib", "/lib", "/home/linuxbrew/.linuxbrew/lib")
	}
	var out, seen []string
	for _, d := range dirs {
		for _, dir := range []string{d, filepath.Join(d, "ggml"), filepath.Join(d, "llama.cpp")} {
			real, err := filepath.EvalSymlinks(dir)
			if d == "" || err != nil || !filepath.IsAbs(dir) || slices.Contains(seen, real) || !isDir(dir) {
				continue
			}
			seen = append(seen, real)
			out = append(out, dir)
		}
	}
	return out
}

// loaderFolders reads the folders that the dynamic loader is configured for (ldconfig's files).
func loaderFolders() []string {
	files, err := filepath.Glob("/etc/ld.so.conf.d/*.conf")
	if err != nil {
		return nil
	}
	var out []string
	for _, path := range append(files, "/etc/ld.so.conf") {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			if line, _, _ = strings.Cut(line, "#"); filepath.IsAbs(strings.TrimSpace(line)) {
				out = append(out, strings.TrimSpace(line))
			}
		}
	}
	return out
}
