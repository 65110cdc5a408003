package third_party

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// Bounds on what a package may unpack to; the largest pinned library (CUDA) has 375 MB.
const (
	maxFile    = 1 << 30
	maxTotal   = 2 << 30
	maxEntries = 10_000
)

// libraryFile matches the libraries to keep: ggml's, its backends' and libllama. The Node addon and libllama-common are not used.
var libraryFile = regexp.MustCompile(`^(lib)?(ggml(-[a-z0-9_-]+)?|llama)(\.[A-Za-z0-9_]+)*\.(so|dylib|dll)(\.[0-9]+)*$`)

// blasFile matches the libraries of the BLAS wheel.
var blasFile = regexp.MustCompile(`^(lib)?(scipy_openblas|gfortran|quadmath|gcc_s|omp|gomp)[A-Za-z0-9_-]*(\.[A-Za-z0-9_]+)*\.(so|dylib|dll)(\.[0-9]+)*$`)

// checkIntegrity compares the file with a subresource integrity string ("sha512-<base64>").
func checkIntegrity(file, integrity string) error {
	want, ok := strings.CutPrefix(integrity, "sha512-")
	if !ok {
		return fmt.Errorf("manifest: integrity %q is not sha512", integrity)
	}
	sum, err := digest(file, sha512.New())
	if err != nil {
		return err
	}
	if got := base64.StdEncoding.EncodeToString(sum); got != want {
		return &SourceError{file, "its sha512 is " + got + " and not the pinned " + want, "the file was altered or cut short: fetch it again"}
	}
	return nil
}

// checkSHA256 compares the file with a lower-case hex digest.
func checkSHA256(file, want string) error {
	sum, err := digest(file, sha256.New())
	if err != nil {
		return err
	}
	if got := hex.EncodeToString(sum); got != want {
		return &SourceError{file, "its sha256 is " + got + " and not the pinned " + want, "the file was altered or cut short: fetch it again"}
	}
	return nil
}

func digest(file string, h hash.Hash) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, cause(err))
	}
	defer func() { _ = f.Close() }() // only read from
	if _, err := io.Copy(h, f); err != nil {
		return nil, fmt.Errorf("read %s: %w", file, cause(err))
	}
	return h.Sum(nil), nil
}

// untar writes the libraries and the licence of a packed npm package into dir, flat. Only base names that match libraryFile are
// written, so no entry can name a place outside dir.
func untar(file, dir string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("read %s: %w", file, cause(err))
	}
	defer func() { _ = f.Close() }() // only read from
	gz, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	b := &budget{file: file, left: maxTotal}
	r := tar.NewReader(gz)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
		name, keep := keepNPM(h.Name)
		if err := b.entry(h.Name); err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg || !keep {
			continue
		}
		if err := b.write(dir, name, r); err != nil {
			return err
		}
	}
	if b.libraries == 0 {
		return &SourceError{file, "holds no ggml library", "use a package of @node-llama-cpp"}
	}
	return nil
}

// keepNPM returns the name under which an entry of a packed npm package is kept.
func keepNPM(entry string) (string, bool) {
	base := path.Base(entry)
	return base, libraryFile.MatchString(base) || entry == "package/LICENSE"
}

// unzip writes the libraries and licences of a wheel into dir, flat.
func unzip(file, dir string) error {
	z, err := zip.OpenReader(file)
	if err != nil {
		return fmt.Errorf("read %s: %w", file, cause(err))
	}
	defer func() { _ = z.Close() }() // only read from
	b := &budget{file: file, left: maxTotal}
	for _, e := range z.File {
		if err := b.entry(e.Name); err != nil {
			return err
		}
		base := path.Base(e.Name)
		if !e.Mode().IsRegular() || !blasFile.MatchString(base) && base != "LICENSE.txt" {
			continue
		}
		r, err := e.Open()
		if err != nil {
			return fmt.Errorf("read %s: %s: %w", file, e.Name, err)
		}
		err = errors.Join(b.write(dir, base, r), r.Close())
		if err != nil {
			return err
		}
	}
	if b.libraries == 0 {
		return &SourceError{file, "holds no BLAS library", "use the pinned wheel"}
	}
	return nil
}

// budget counts what an archive unpacks to.
type budget struct {
	file      string
	left      int64
	entries   int
	libraries int
}

// entry counts an archive entry and refuses a name that points out of the archive.
func (b *budget) entry(name string) error {
	if b.entries++; b.entries > maxEntries {
		return &SourceError{b.file, fmt.Sprintf("has more than %d entries", maxEntries), "it is not the pinned package"}
	}
	if path.IsAbs(name) || strings.Contains(name, `\`) || strings.Contains("/"+name+"/", "/../") {
		return &SourceError{b.file, fmt.Sprintf("entry %q points outside the archive", name), "it is not the pinned package"}
	}
	return nil
}

// write copies one file of the archive to dir/name. A later file of the same name replaces an earlier one.
func (b *budget) write(dir, name string, r io.Reader) error {
	target := filepath.Join(dir, name)
	out, err := os.OpenFile(target, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write %s: %w", target, cause(err))
	}
	limit := min(maxFile, b.left)
	n, err := io.Copy(out, io.LimitReader(r, limit+1))
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("unpack %s to %s: %w", b.file, target, cause(err))
	}
	if n > limit {
		return &SourceError{b.file, fmt.Sprintf("%s unpacks to more than %d bytes", name, limit), "it is not the pinned package"}
	}
	b.left -= n
	if !strings.HasPrefix(name, "LICENSE") {
		b.libraries++
	}
	return nil
}
