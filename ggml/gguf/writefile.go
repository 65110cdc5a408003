package gguf

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// write puts out header, padding and data.
func (w *Writer) write(f io.Writer, alignment uint64) error {
	out := bufio.NewWriterSize(f, 1<<20)
	header := w.header()
	if _, err := out.Write(header); err != nil {
		return err
	}
	if len(w.tensors) == 0 {
		return out.Flush()
	}
	if err := writeZeros(out, pad(uint64(len(header)), alignment)); err != nil {
		return err
	}
	for i := range w.tensors {
		t := &w.tensors[i]
		c := &counter{w: out, left: t.Bytes}
		if err := t.data(c); err != nil {
			return fmt.Errorf("tensor %s: %w", quoted(t.Name), err)
		}
		if c.left != 0 {
			return fmt.Errorf("tensor %s: %w: %d bytes of %d", quoted(t.Name), errShort, t.Bytes-c.left, t.Bytes)
		}
		if err := writeZeros(out, pad(uint64(t.Bytes), alignment)); err != nil {
			return err
		}
	}
	return out.Flush()
}

// header encodes everything before the data.
func (w *Writer) header() []byte {
	b := append([]byte(magic), 3, 0, 0, 0) // the version
	b = le.AppendUint64(b, uint64(len(w.tensors)))
	b = le.AppendUint64(b, uint64(len(w.keys)))
	for i := range w.keys {
		kv := &w.keys[i]
		b = appendString(b, kv.Key)
		b = le.AppendUint32(b, uint32(kv.Kind))
		if kv.IsArray() {
			b = le.AppendUint32(b, uint32(kv.Elem))
			b = le.AppendUint64(b, uint64(kv.Len))
		}
		b = append(b, kv.raw...)
	}
	for i := range w.tensors {
		t := &w.tensors[i]
		b = appendString(b, t.Name)
		b = le.AppendUint32(b, uint32(len(t.Ne)))
		for _, n := range t.Ne {
			b = le.AppendUint64(b, uint64(n))
		}
		b = le.AppendUint32(b, uint32(t.Type))
		b = le.AppendUint64(b, t.Offset)
	}
	return b
}

// counter passes on at most left bytes.
type counter struct {
	w    io.Writer
	left int64
}

func (c *counter) Write(p []byte) (int, error) {
	if int64(len(p)) > c.left {
		return 0, errShort
	}
	n, err := c.w.Write(p)
	c.left -= int64(n)
	return n, err
}

func writeZeros(w io.Writer, n uint64) error {
	var zeros [4096]byte
	for n > 0 {
		k := min(n, uint64(len(zeros)))
		if _, err := w.Write(zeros[:k]); err != nil {
			return err
		}
		n -= k
	}
	return nil
}

// writeFile replaces path by what fill writes, or leaves everything as it was: a temporary file in the same folder is
// filled, synced and renamed, and the folder is synced.
func writeFile(path string, fill func(io.Writer) error) (err error) {
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	if name == "" {
		return errors.New("names a folder, not a file")
	}
	if st, serr := os.Stat(path); serr == nil && st.IsDir() {
		return errors.New("is a folder")
	}
	var random [6]byte
	rand.Read(random[:]) // never fails (crypto/rand)
	// Not os.CreateTemp, whose files only their owner can read.
	tmp := filepath.Join(dir, "."+name[:min(len(name), 200)]+".tmp-"+hex.EncodeToString(random[:]))
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return plain(err)
	}
	defer func() { // also when fill panics
		if f != nil {
			f.Close()
			os.Remove(tmp)
		}
	}()
	if err := fill(f); err != nil {
		return plain(err)
	}
	if err := f.Sync(); err != nil {
		return plain(err)
	}
	if err := f.Close(); err != nil {
		return plain(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return plain(err)
	}
	f = nil
	return syncDir(dir)
}

// syncDir makes a rename last through a power cut, where folders can be synced.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return plain(err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return plain(err)
	}
	return nil
}

// plain takes the temporary file's name, which means nothing to the user, off an error of the operating system.
func plain(err error) error {
	var pe *os.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &pe):
		return fmt.Errorf("cannot write there: %w", pe.Err)
	case errors.As(err, &link):
		return fmt.Errorf("cannot write there: %w", link.Err)
	}
	return err
}
