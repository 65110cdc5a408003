package third_party

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/binding"
)

// entry is one file of a made-up package.
type entry struct {
	name string
	data []byte
	kind byte // tar type, 0 = regular file
}

// sharedLibrary returns the bytes of a file that binding accepts as a library of this system: a bare header.
func sharedLibrary(t *testing.T) []byte {
	t.Helper()
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		return []byte("MZ\x00\x00")
	}
	machine := map[string]byte{"amd64": 62, "arm64": 183}[runtime.GOARCH]
	if machine == 0 {
		t.Skipf("no sample library for %s", runtime.GOARCH)
	}
	head := make([]byte, 64)
	copy(head, "\x7fELF\x02\x01\x01")
	head[16], head[18], head[20], head[52] = 3, machine, 1, 64
	return head
}

// libraryPath is where a package keeps a library of this system.
func libraryPath(bare string) string {
	name := "lib" + bare + ".so"
	switch runtime.GOOS {
	case "windows":
		name = bare + ".dll"
	case "darwin":
		name = "lib" + bare + ".dylib"
	}
	return "package/bins/" + binding.Platform() + "/" + name
}

// wholePackage is a package with everything that graft needs and some files that it does not.
func wholePackage(t *testing.T) []entry {
	lib := sharedLibrary(t)
	return []entry{
		{name: "package/package.json", data: []byte("{}")},
		{name: "package/LICENSE", data: []byte("MIT")},
		{name: "package/bins/" + binding.Platform() + "/llama-addon.node", data: lib},
		{name: libraryPath("ggml-base"), data: lib},
		{name: libraryPath("ggml"), data: lib},
		{name: libraryPath("llama"), data: lib},
	}
}

// pack writes the entries as `npm pack` would.
func pack(t *testing.T, entries []entry) []byte {
	t.Helper()
	var out bytes.Buffer
	gz := gzip.NewWriter(&out)
	tw := tar.NewWriter(gz)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Typeflag: e.kind, Mode: 0o644, Size: int64(len(e.data))}
		if e.kind == tar.TypeSymlink {
			h.Linkname, h.Size = string(e.data), 0
		}
		require.NoError(t, tw.WriteHeader(h))
		if h.Size > 0 {
			_, err := tw.Write(e.data)
			require.NoError(t, err)
		}
	}
	require.NoError(t, tw.Close())
	require.NoError(t, gz.Close())
	return out.Bytes()
}

// manifestOf pins one packed file as the plain package of this platform.
func manifestOf(packed []byte) *Manifest {
	sum := sha512.Sum512(packed)
	return &Manifest{Packages: []Package{{Platform: binding.Platform(), Parts: []Part{{
		Name: "@made-up/libs", Version: "1.2.3", Integrity: "sha512-" + base64.StdEncoding.EncodeToString(sum[:]),
	}}}}}
}

// fakeNPM puts an npm on PATH that delivers the packed file, and returns the file in which it notes its calls.
func fakeNPM(t *testing.T, packed []byte) (calls string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the fake npm is a shell script")
	}
	dir := t.TempDir()
	calls = filepath.Join(dir, "calls")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "packed"), packed, 0o644))
	script := `#!/bin/sh
echo "$*" >>"` + calls + `"
for a in "$@"; do case $a in --pack-destination=*) cp "` + dir + `/packed" "${a#*=}/made-up-libs-1.2.3.tgz";; esac; done
`
	useNPM(t, script)
	return calls
}

// useNPM makes the script the first npm on PATH.
func useNPM(t *testing.T, script string) {
	t.Helper()
	bin := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(bin, "npm"), []byte(script), 0o755))
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// requireClean checks that a failed installation left nothing below root.
func requireClean(t *testing.T, root string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(root, "*"))
	require.NoError(t, err)
	hidden, err := filepath.Glob(filepath.Join(root, ".*"))
	require.NoError(t, err)
	require.Empty(t, append(left, hidden...))
}

// fileNames lists a folder.
func fileNames(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestInstallThroughNPM(t *testing.T) {
	packed := pack(t, wholePackage(t))
	calls := fakeNPM(t, packed)
	m, o := manifestOf(packed), Options{Root: filepath.Join(t.TempDir(), "graft", "lib")}

	first, err := m.Install(context.Background(), o)
	require.NoError(t, err)
	dest := filepath.Join(o.Root, binding.Platform())
	require.Equal(t, Result{Path: dest, Version: "@made-up/libs@1.2.3"}, first)
	require.ElementsMatch(t, []string{"LICENSE", stampName, filepath.Base(libraryPath("ggml-base")),
		filepath.Base(libraryPath("ggml")), filepath.Base(libraryPath("llama"))}, fileNames(t, dest))
	require.Equal(t, []string{binding.Platform()}, fileNames(t, o.Root), "nothing temporary stays")
	log, err := os.ReadFile(calls)
	require.NoError(t, err)
	require.Contains(t, string(log), "pack @made-up/libs@1.2.3 --ignore-scripts")

	second, err := m.Install(context.Background(), o)
	require.NoError(t, err)
	require.True(t, second.Already)
	again, err := os.ReadFile(calls)
	require.NoError(t, err)
	require.Equal(t, log, again, "the second installation fetches nothing")

	cut := filepath.Join(dest, filepath.Base(libraryPath("llama")))
	require.NoError(t, os.Truncate(cut, 10))
	repaired, err := m.Install(context.Background(), o)
	require.NoError(t, err)
	require.False(t, repaired.Already)
	data, err := os.ReadFile(cut)
	require.NoError(t, err)
	require.Equal(t, sharedLibrary(t), data, "a library that was cut short is replaced")
	require.Equal(t, []string{binding.Platform()}, fileNames(t, o.Root))
}

func TestInstallRefusesFlippedByte(t *testing.T) {
	packed := pack(t, wholePackage(t))
	m := manifestOf(packed)
	flipped := bytes.Clone(packed)
	flipped[len(flipped)/2] ^= 1
	fakeNPM(t, flipped)
	o := Options{Root: t.TempDir()}
	_, err := m.Install(context.Background(), o)
	require.ErrorContains(t, err, "its sha512 is")
	require.ErrorContains(t, err, "not the pinned")
	var source *SourceError
	require.ErrorAs(t, err, &source)
	requireClean(t, o.Root)

	file := filepath.Join(t.TempDir(), "libs.tgz")
	require.NoError(t, os.WriteFile(file, flipped, 0o644))
	o.From = file
	_, err = m.Install(context.Background(), o)
	require.ErrorContains(t, err, "--from "+file+": its sha512 is not that of a pinned package")
	requireClean(t, o.Root)
}

func TestInstallKeepsWhatIsThereWhenItFails(t *testing.T) {
	packed := pack(t, wholePackage(t))
	o := Options{Root: t.TempDir()}
	file := filepath.Join(t.TempDir(), "libs.tgz")
	require.NoError(t, os.WriteFile(file, packed, 0o644))
	_, err := manifestOf(packed).Install(context.Background(), Options{Root: o.Root, From: file})
	require.NoError(t, err)
	before := fileNames(t, filepath.Join(o.Root, binding.Platform()))

	fakeNPM(t, packed[:len(packed)-20]) // a download that was cut short, of a newer package
	newer := manifestOf(append(bytes.Clone(packed), 0))
	_, err = newer.Install(context.Background(), o)
	require.ErrorContains(t, err, "its sha512 is")
	require.Equal(t, before, fileNames(t, filepath.Join(o.Root, binding.Platform())))
	require.Equal(t, []string{binding.Platform()}, fileNames(t, o.Root))
}

func TestInstallNPMFaults(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the fake npm is a shell script")
	}
	tests := []struct {
		name, script string // no script = no npm
		want         []string
	}{
		{"missing", "", []string{"npm: not found on PATH", "install Node.js", "npm pack @made-up/libs@1.2.3", "graft setup --from made-up-libs-1.2.3.tgz"}},
		{"fails", "#!/bin/sh\necho 'npm warn old' >&2\necho 'npm error code ENOTFOUND' >&2\necho 'npm error network unreachable' >&2\nexit 1\n",
			[]string{"npm pack @made-up/libs@1.2.3: code ENOTFOUND, network unreachable", "graft setup --from made-up-libs-1.2.3.tgz"}},
		{"fails silently", "#!/bin/sh\nexit 3\n", []string{"exit status 3"}},
		{"delivers nothing", "#!/bin/sh\nexit 0\n", []string{"it left no packed file"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("PATH", t.TempDir())
			if tt.script != "" {
				useNPM(t, tt.script)
			}
			o := Options{Root: t.TempDir()}
			_, err := manifestOf(nil).Install(context.Background(), o)
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
			require.NotContains(t, err.Error(), "\n")
			require.NotContains(t, err.Error(), "npm warn")
			requireClean(t, o.Root)
		})
	}
}

func TestInstallCancelled(t *testing.T) {
	fakeNPM(t, pack(t, wholePackage(t)))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	o := Options{Root: t.TempDir()}
	_, err := manifestOf(nil).Install(ctx, o)
	require.ErrorIs(t, err, context.Canceled)
	requireClean(t, o.Root)
}

func TestInstallUnwritableTarget(t *testing.T) {
	packed := pack(t, wholePackage(t))
	file := filepath.Join(t.TempDir(), "libs.tgz")
	require.NoError(t, os.WriteFile(file, packed, 0o644))
	tests := []struct {
		name string
		root func(t *testing.T) string
	}{
		{"read-only folder", func(t *testing.T) string {
			if os.Geteuid() <= 0 {
				t.Skip("this user may write to a read-only folder")
			}
			dir := t.TempDir()
			require.NoError(t, os.Chmod(dir, 0o555))
			t.Cleanup(func() { _ = os.Chmod(dir, 0o755) }) // so that the test's folder can be removed
			return dir
		}},
		{"a file in the way", func(t *testing.T) string {
			inTheWay := filepath.Join(t.TempDir(), "file")
			require.NoError(t, os.WriteFile(inTheWay, nil, 0o644))
			return filepath.Join(inTheWay, "lib")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := tt.root(t)
			_, err := manifestOf(packed).Install(context.Background(), Options{Root: root, From: file})
			require.ErrorContains(t, err, root)
			require.ErrorContains(t, err, "make the folder writable")
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestInstallRefusesBadPackage(t *testing.T) {
	lib := sharedLibrary(t)
	tests := []struct {
		name    string
		entries []entry // added to a whole package, or alone
		alone   bool
		want    string
	}{
		{"path upwards", []entry{{name: "package/../../../libggml-base.so", data: lib}}, false, "points outside the archive"},
		{"absolute path", []entry{{name: "/tmp/libggml-base.so", data: lib}}, false, "points outside the archive"},
		{"backslashes", []entry{{name: `package\..\..\libggml-base.so`, data: lib}}, false, "points outside the archive"},
		{"a link upwards", []entry{{name: "package/../evil", data: []byte("/etc/passwd"), kind: tar.TypeSymlink}}, false, "points outside the archive"},
		{"no library", []entry{{name: "package/README.md", data: []byte("text")}}, true, "holds no ggml library"},
		{"libraries missing", []entry{{name: libraryPath("ggml-base"), data: lib}}, true, "lacks libggml, libllama"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			entries := tt.entries
			if !tt.alone {
				entries = append(wholePackage(t), entries...)
			}
			packed := pack(t, entries)
			parent := t.TempDir()
			file := filepath.Join(parent, "libs.tgz")
			require.NoError(t, os.WriteFile(file, packed, 0o644))
			root := filepath.Join(parent, "a", "b", "c")
			_, err := manifestOf(packed).Install(context.Background(), Options{Root: root, From: file})
			require.ErrorContains(t, err, tt.want)
			var source *SourceError
			require.ErrorAs(t, err, &source)
			requireClean(t, root)
			require.ElementsMatch(t, []string{"a", "libs.tgz"}, fileNames(t, parent))
		})
	}
}

// A link that poses as a library is left out, so nothing of the machine can be reached through it.
func TestInstallSkipsLinks(t *testing.T) {
	link := entry{name: strings.Replace(libraryPath("ggml-base"), "ggml-base", "ggml-cpu-x64", 1), data: []byte("/etc/passwd"), kind: tar.TypeSymlink}
	packed := pack(t, append(wholePackage(t), link))
	file := filepath.Join(t.TempDir(), "libs.tgz")
	require.NoError(t, os.WriteFile(file, packed, 0o644))
	res, err := manifestOf(packed).Install(context.Background(), Options{Root: t.TempDir(), From: file})
	require.NoError(t, err)
	_, err = os.Lstat(filepath.Join(res.Path, filepath.Base(link.name)))
	require.ErrorIs(t, err, os.ErrNotExist)
}
