package gguf

import "bytes"

// Parse reads a file that is in memory already.
func Parse(b []byte) (*File, error) {
	f := &File{Path: "memory.gguf", Size: int64(len(b)), ownSize: int64(len(b)), mapping: b}
	if err := f.parse(); err != nil {
		return nil, err
	}
	return f, nil
}

// Encode is what Close would write.
func (w *Writer) Encode() ([]byte, error) {
	alignment := w.layout()
	if len(w.errs) > 0 {
		return nil, oneLine(w.errs)
	}
	var b bytes.Buffer
	err := w.write(&b, alignment)
	return b.Bytes(), err
}
