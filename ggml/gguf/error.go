package gguf

import (
	"fmt"
	"strconv"
	"strings"
)

// Error is a fault of a GGUF file. Its text is one line: load GGUF: path: reason; advice.
type Error struct {
	Path   string // the file
	Reason string // what is wrong with it
	Advice string // what to do; may be empty
	Err    error  // the operating system's error, if there is one
}

// Error is the line that a user reads.
func (e *Error) Error() string {
	s := "load GGUF: " + printable(e.Path, 4096) + ": " + e.Reason
	if e.Advice != "" {
		s += "; " + e.Advice
	}
	return s
}

// BadInput says that the user can repair it, with another file.
func (e *Error) BadInput() bool { return true }

// Unwrap gives the operating system's error (fs.ErrNotExist and the like), or nil.
func (e *Error) Unwrap() error { return e.Err }

const (
	adviceDownload = "download it again"
	adviceConvert  = "convert the model again with llama.cpp's convert_hf_to_gguf.py"
)

// fault is an Error without its path, which only Open and the File know.
type fault struct{ reason, advice string }

func (f *fault) Error() string { return f.reason }

// corrupt is a fault of the file's contents.
func corrupt(format string, a ...any) error {
	return &fault{"corrupt: " + fmt.Sprintf(format, a...), adviceDownload}
}

// truncated is a file that ends before its contents do.
func truncated(where string, missing uint64) error {
	return &fault{fmt.Sprintf("truncated in %s: %d bytes missing", where, missing), adviceDownload}
}

// printable makes a name from a file fit for one line: control characters quoted, cut after limit bytes.
func printable(s string, limit int) string {
	cut := ""
	if len(s) > limit {
		s, cut = s[:limit], "…"
	}
	for _, r := range s {
		if !strconv.IsPrint(r) || r == '\uFFFD' {
			s = strings.Trim(strconv.Quote(s), `"`)
			break
		}
	}
	return s + cut
}

// quoted is a key or tensor name for a message.
func quoted(s string) string { return `"` + printable(s, 80) + `"` }
