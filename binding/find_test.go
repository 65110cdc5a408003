package binding

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// library returns the bytes of a file that passes checkBinary: the test's own executable on ELF systems, else a magic number.
func library(t *testing.T) []byte {
	t.Helper()
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		return []byte("MZ\x00\x00")
	}
	// a minimal 64-bit ELF header of this machine: no program headers, no sections
	machine := map[string]byte{"amd64": 62, "arm64": 183}[runtime.GOARCH]
	if machine == 0 {
		t.Skipf("no sample library for %s", runtime.GOARCH)
	}
	head := make([]byte, 64)
	copy(head, "\x7fELF\x02\x01\x01")
	head[16], head[18], head[20], head[52] = 3, machine, 1, 64
	return head
}

// folder writes a folder of sample libraries with the given file names, and returns its path.
func folder(t *testing.T, dir string, names ...string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for _, name := range names {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, library(t), 0o644))
	}
	return dir
}

// names turns bare library names into this system's file names.
func names(bare ...string) []string {
	prefix, ext := "lib", ".so"
	switch runtime.GOOS {
	case "windows":
		prefix, ext = "", ".dll"
	case "darwin":
		ext = ".dylib"
	}
	out := make([]string, len(bare))
	for i, b := range bare {
		dir, base := filepath.Split(b)
		out[i] = dir + prefix + base + ext
	}
	return out
}

// isolate points every place of the search into an empty folder, and returns it.
func isolate(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, "cache"))
	t.Setenv("LocalAppData", filepath.Join(home, "cache"))
	for _, env := range []string{EnvLib, EnvBLAS, "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "MKLROOT", "CONDA_PREFIX"} {
		t.Setenv(env, "")
	}
	t.Chdir(home)
	return home
}

func TestFindGGMLFolderShapes(t *testing.T) {
	packaged := []string{"ggml-base", "ggml.v0.5.0", "llama.v0.5.0"}
	tests := []struct {
		name  string
		files []string // below GRAFT_LIB
		env   string   // GRAFT_LIB relative to the folder
		want  string   // folder found, relative
		err   string
	}{
		{name: "prebuilt package", files: packaged},
		{name: "plain names", files: []string{"ggml-base", "ggml", "llama"}},
		{name: "cuda package", files: []string{"ggml-base", "ggml.cuda.v0.5.0", "llama.cuda.v0.5.0", "ggml-cuda"}},
		{name: "build folder with bin", files: []string{"bin/ggml-base", "bin/ggml", "bin/llama"}, want: "bin"},
		{name: "install folder with lib", files: []string{"lib/ggml-base", "lib/ggml", "lib/llama"}, want: "lib"},
		{name: "source folder", files: []string{"build/bin/ggml-base", "build/bin/ggml", "build/bin/llama"}, want: "build/bin"},
		{name: "separate llama folder", files: []string{"ggml/src/ggml-base", "ggml/src/ggml", "src/llama"}, want: "ggml/src"},
		{name: "unpacked package", files: []string{"bins/" + Platform() + "/ggml-base", "bins/" + Platform() + "/ggml.v0.5.0", "bins/" + Platform() + "/llama.v0.5.0"}, want: "bins/" + Platform()},
		{name: "the anchor file itself", files: packaged, env: names("ggml-base")[0]},
		{name: "another file", files: append([]string{"other"}, packaged...), env: names("other")[0], err: "is a file, not a folder"},
		{name: "missing folder", env: "nowhere", err: "no such folder"},
		{name: "empty folder", err: "the folder is empty"},
		{name: "no anchor", files: []string{"ggml", "llama"}, err: "no libggml-base there"},
		{name: "no libllama", files: []string{"ggml-base", "ggml"}, err: "lacks libllama"},
		{name: "anchor only", files: []string{"ggml-base"}, err: "lacks libggml, libllama"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := folder(t, filepath.Join(isolate(t), "native"), names(tt.files...)...)
			t.Setenv(EnvLib, filepath.Join(dir, tt.env))
			found, err := FindGGML()
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				require.ErrorContains(t, err, EnvLib+"="+dir)
				require.ErrorContains(t, err, "graft setup")
				require.NotContains(t, err.Error(), "\n")
				return
			}
			require.NoError(t, err)
			require.Equal(t, Found{filepath.Join(dir, filepath.FromSlash(tt.want)), EnvLib}, found)
			for _, name := range needed {
				path, err := found.Library(name)
				require.NoError(t, err)
				require.FileExists(t, path)
			}
		})
	}
}

func TestFindGGMLDamagedLibrary(t *testing.T) {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		t.Skip("only ELF files are read past their first bytes")
	}
	whole := library(t)
	foreign := append([]byte{}, whole...)
	foreign[18] = 40 // 32-bit ARM
	tests := []struct {
		name, file string
		data       []byte
		err        string
	}{
		{"empty", "libggml-base.so", nil, "libggml-base.so is empty"},
		{"cut short", "libllama.so", whole[:40], "libllama.so is damaged"},
		{"text instead of a library", "libggml.so", []byte("version https://example.org/spec\n"), "libggml.so is damaged"},
		{"damaged backend", "libggml-cpu-haswell.so", whole[:8], "libggml-cpu-haswell.so is damaged"},
		{"other processor", "libggml-base.so", foreign, "libggml-base.so is built for ARM"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := folder(t, filepath.Join(isolate(t), "native"), names("ggml-base", "ggml", "llama")...)
			require.NoError(t, os.WriteFile(filepath.Join(dir, tt.file), tt.data, 0o644))
			t.Setenv(EnvLib, dir)
			_, err := FindGGML()
			require.ErrorContains(t, err, tt.err)
		})
	}
}

func TestFindGGMLOrder(t *testing.T) {
	libs := names("ggml-base", "ggml.v0.5.0", "llama.v0.5.0")
	home := isolate(t)
	cacheRoot, err := CacheLib()
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(cacheRoot, home))

	system := folder(t, filepath.Join(home, "system"), libs...)
	t.Setenv("LD_LIBRARY_PATH", system)
	if runtime.GOOS == "windows" {
		t.Setenv("PATH", system)
	}
	requireFound(t, system, "system")

	cache := folder(t, filepath.Join(cacheRoot, Platform()), libs...)
	requireFound(t, cache, "user cache")
	cuda := folder(t, filepath.Join(cacheRoot, Platform()+"-cuda"), libs...)
	requireFound(t, cuda, "user cache")

	module := filepath.Join(home, "module")
	vendored := folder(t, filepath.Join(module, "third_party", "lib", Platform()), libs...)
	require.NoError(t, os.MkdirAll(filepath.Join(module, "deep", "down"), 0o755))
	t.Chdir(filepath.Join(module, "deep", "down"))
	require.NoError(t, os.WriteFile(filepath.Join(module, "go.mod"), []byte("module example.org/other\n"), 0o644))
	requireFound(t, cuda, "user cache") // a stranger's folder is not trusted
	require.NoError(t, os.WriteFile(filepath.Join(module, "go.mod"), []byte("// comment\nmodule "+modulePath+"\n"), 0o644))
	requireFound(t, vendored, "vendored")

	require.NoError(t, os.Remove(filepath.Join(vendored, libs[0]))) // a broken vendored folder is passed over
	requireFound(t, cuda, "user cache")

	explicit := folder(t, filepath.Join(home, "explicit"), libs...)
	t.Setenv(EnvLib, explicit)
	requireFound(t, explicit, EnvLib)
	require.Equal(t, EnvLib, Places()[0].Source)
}

func requireFound(t *testing.T, dir, source string) {
	t.Helper()
	found, err := FindGGML()
	require.NoError(t, err)
	require.Equal(t, source, found.Source)
	want, err := filepath.EvalSymlinks(dir)
	require.NoError(t, err)
	got, err := filepath.EvalSymlinks(found.Path)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestFindGGMLNotFound(t *testing.T) {
	isolate(t)
	_, err := FindGGML()
	if err == nil {
		t.Skip("this system has ggml installed")
	}
	var missing *NotFoundError
	require.ErrorAs(t, err, &missing)
	cache, cacheErr := CacheLib()
	require.NoError(t, cacheErr)
	require.ErrorContains(t, err, filepath.Join(cache, Platform())+" (no such folder)")
	require.ErrorContains(t, err, "graft setup")
	require.NotContains(t, err.Error(), "\n")
}

func TestLibraryPicksVersion(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("file names of Linux")
	}
	tests := []struct {
		name  string
		files []string
		want  string
	}{
		{"plain wins", []string{"libggml.so.0", "libggml.so", "libggml.so.0.25.1"}, "libggml.so"},
		{"highest version", []string{"libggml.v0.9.0.so", "libggml.v0.10.0.so"}, "libggml.v0.10.0.so"},
		{"only a soname", []string{"libggml.so.0", "libggml-base.so.0"}, "libggml.so.0"},
		{"others are no match", []string{"libggml-cpu.so", "libggml-base.so", "libggmlx.so"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := folder(t, t.TempDir(), tt.files...)
			path, err := Found{Path: dir}.Library("ggml")
			if tt.want == "" {
				require.ErrorContains(t, err, "no libggml there")
				return
			}
			require.NoError(t, err)
			require.Equal(t, filepath.Join(dir, tt.want), path)
		})
	}
}

func TestFindBLAS(t *testing.T) {
	home := isolate(t)
	cache, err := CacheLib()
	require.NoError(t, err)
	installed := folder(t, BLASFolder(cache), names("scipy_openblas")...)
	system := folder(t, filepath.Join(home, "system"), names("openblas", "mkl_rt")...)
	t.Setenv("LD_LIBRARY_PATH", system)
	if runtime.GOOS == "windows" {
		t.Setenv("PATH", system)
	}
	found := FindBLAS()
	require.GreaterOrEqual(t, len(found), 3)
	require.Equal(t, Found{filepath.Join(installed, names("scipy_openblas")[0]), "user cache"}, found[0])
	require.Equal(t, Found{filepath.Join(system, names("mkl_rt")[0]), "system"}, found[1])

	t.Setenv(EnvBLAS, "none")
	require.Empty(t, FindBLAS())
	t.Setenv(EnvBLAS, filepath.Join(home, "my-blas"))
	require.Equal(t, []Found{{filepath.Join(home, "my-blas"), EnvBLAS}}, FindBLAS())
}

func TestPlatformOf(t *testing.T) {
	tests := []struct{ goos, goarch, want string }{
		{"linux", "amd64", "linux-x64"},
		{"linux", "arm64", "linux-arm64"},
		{"linux", "arm", "linux-armv7l"},
		{"darwin", "arm64", "mac-arm64"},
		{"windows", "amd64", "win-x64"},
		{"freebsd", "riscv64", "freebsd-riscv64"},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, PlatformOf(tt.goos, tt.goarch), tt.goos+"/"+tt.goarch)
	}
}
