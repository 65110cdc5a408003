package data

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// lineReader reads the physical lines of a stream one at a time, of any length.
type lineReader struct {
	r    *bufio.Reader
	buf  []byte
	line int
	brk  bool
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, 1<<16)}
}

// next returns the next line without its line break (LF or CRLF) and its number from 1; io.EOF after the last. A byte
// order mark before the first line is dropped. The bytes are valid until the next call.
func (l *lineReader) next() ([]byte, int, error) {
	l.buf = l.buf[:0]
	for {
		part, err := l.r.ReadSlice('\n')
		l.buf = append(l.buf, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && (!errors.Is(err, io.EOF) || len(l.buf) == 0) {
			return nil, l.line, err
		}
		break
	}
	l.line++
	l.brk = bytes.HasSuffix(l.buf, []byte("\n"))
	text := bytes.TrimSuffix(bytes.TrimSuffix(l.buf, []byte("\n")), []byte("\r"))
	if l.line == 1 {
		text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	}
	return text, l.line, nil
}

// isBlank tells whether a line holds nothing but JSON white space.
func isBlank(line []byte) bool {
	return len(bytes.Trim(line, " \t\r\n")) == 0
}

// hadBreak tells whether the line that next returned last ended with a line break.
func (l *lineReader) hadBreak() bool { return l.brk }
