package data

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/graft-go/graft/peft/chat"
)

// Options says how Read reads.
type Options struct {
	Format    string            // one of Formats; "" is auto
	Ctx       int               // tokens a sequence, see Set.Cut; 0 leaves the rows whole until Cut is called
	MaxRows   int               // rows to read over all files; 0 = all
	SkipBad   bool              // count bad rows and go on
	AppendEOS bool              // end every text row with EOS
	NVocab    int               // token ids a row may hold; 0 = the tokenizer's
	Fields    map[string]string // usual field name → its name in the files
	Chat      ChatTemplate      // for rows that are conversations; nil where none can be
	LossAll   bool              // every token of a conversation is a label, not the answers alone
	Check     func() error      // asked before each row; an error ends the reading (a cancelled context). May be nil
}

// Set is what was read.
type Set struct {
	Rows    []Row  // the rows to train on, in the order of the files, cut
	Format  string // formats of the files, joined by "+" where they differ
	HasText bool   // whether a plain text is among the files

	RowsRead         int // rows or pieces seen, bad ones left out
	RowsCut          int // rows that were longer than ctx
	RowsBad          int // rows that SkipBad left out
	RowsWithoutLabel int // rows left out since no token of theirs is a target
	LongestRow       int // tokens of the longest row before cutting; plain text is not counted
	FirstBad         error
	Notes            []string // what is to be said about the rows, each once: how the chat template was chosen
	Warnings         []string // what is wrong with them though they can be trained on

	whole   []Row // uncut; a plain text is one row with Line 0
	maxRows int
	bos     []int32 // what begins each piece of a plain text: BOS or nothing
}

// Read reads files. tok may be nil where every row is pre-tokenized and o.NVocab is set. Every fault of a file is an
// *Error that names the file and the line.
func Read(files []string, tok Tokenizer, o Options) (*Set, error) {
	if len(files) == 0 {
		return nil, &Error{File: "data", Reason: "no file given"}
	}
	if o.Format = CanonicalFormat(o.Format); o.Format == "" {
		o.Format = FormatAuto
	}
	if o.NVocab == 0 && tok != nil {
		o.NVocab = tok.N()
	}
	s := &Set{maxRows: o.MaxRows}
	if bos, ok := bosOf(tok); ok {
		s.bos = []int32{bos}
	}
	r := &reader{set: s, tok: tok, o: o}
	formats := []string{}
	for _, path := range files {
		format, err := r.file(path)
		if err != nil {
			return nil, err
		}
		if format != "" && !slices.Contains(formats, format) {
			formats = append(formats, format)
		}
	}
	s.Format = strings.Join(formats, "+")
	if len(s.whole) == 0 {
		return nil, s.FirstBad
	}
	if o.Ctx > 0 {
		return s, s.Cut(o.Ctx)
	}
	return s, nil
}

// bosOf is the token that a text begins with, if the tokenizer adds one.
func bosOf(tok Tokenizer) (int32, bool) {
	if tok == nil || !tok.AddBOS() {
		return 0, false
	}
	return tok.BOS()
}

// reader reads files into a set.
type reader struct {
	set  *Set
	tok  Tokenizer
	o    Options
	path string
	chat *chat.Choice // once it is needed
}

// full tells whether as many rows are read as were asked for.
func (r *reader) full() bool {
	return r.o.MaxRows > 0 && len(r.set.whole) >= r.o.MaxRows
}

// file reads one file and returns its format ("" where it was not needed any more).
func (r *reader) file(path string) (string, error) {
	r.path = path
	f, err := open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	container, err := r.container(f)
	if err != nil {
		return "", err
	}
	if r.full() {
		return "", nil
	}
	if container == FormatTxt {
		return FormatTxt, r.plainText(f)
	}
	return r.jsonl(f)
}

// open opens a data file, or says why it cannot be one.
func open(path string) (*os.File, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if name, share, ok := cutShare(path); ok {
			return nil, &Error{File: path, Reason: fmt.Sprintf("shares of a mix (=%s) cannot be given; name the file alone: %s", share, name)}
		}
		return nil, &Error{File: path, Reason: "no such file; check the path"}
	case err != nil:
		return nil, &Error{File: path, Reason: pathReason(err)}
	case info.IsDir():
		return nil, &Error{File: path, Reason: "is a folder; give a file in it"}
	case !info.Mode().IsRegular():
		return nil, &Error{File: path, Reason: "is a device or a pipe; give a regular file"}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, &Error{File: path, Reason: pathReason(err)}
	}
	return f, nil
}

// cutShare takes "a.jsonl=0.3" apart.
func cutShare(path string) (name, share string, ok bool) {
	i := strings.LastIndexByte(path, '=')
	if i < 0 {
		return "", "", false
	}
	_, err := strconv.ParseFloat(path[i+1:], 64)
	return path[:i], path[i+1:], err == nil
}

// pathReason is the text of an error of the system without the path, which the caller names.
func pathReason(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// container tells JSONL ("jsonl") from plain text by the flag, the name and the first bytes, and refuses what is
// neither.
func (r *reader) container(f *os.File) (string, error) {
	head := make([]byte, 512)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", &Error{File: r.path, Reason: pathReason(err)}
	}
	head = head[:n]
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", &Error{File: r.path, Reason: "cannot be read from its beginning; give a regular file"}
	}
	refuse := func(what string) error {
		return &Error{File: r.path, Reason: what + " is not read yet; graft trains on " + Trainable}
	}
	ext := strings.ToLower(filepath.Ext(r.path))
	switch {
	case ext == ".gz" || bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return "", refuse("a .gz file")
	case ext == ".parquet" || bytes.HasPrefix(head, []byte("PAR1")):
		return "", refuse("a Parquet file")
	case bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")):
		return "", &Error{File: r.path, Reason: "is UTF-16 text; save it as UTF-8"}
	case bytes.HasPrefix(head, []byte("GGUF")):
		return "", &Error{File: r.path, Reason: "is a GGUF model, not data; --data takes " + Trainable}
	case r.o.Format == FormatTxt || r.o.Format == FormatAuto && ext == ".txt":
		return FormatTxt, nil
	case ext == ".csv":
		return "", refuse("a CSV file")
	case ext == ".tsv":
		return "", refuse("a TSV file")
	}
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	known := ext == ".jsonl" || ext == ".ndjson" || r.o.Format != FormatAuto
	switch {
	case len(text) == 0 || text[0] == '{':
		return "jsonl", nil
	case text[0] == '[' && !known:
		return "", &Error{File: r.path, Reason: "is one JSON list; write one JSON object a line (jq -c '.[]' does that)"}
	case !known:
		return "", &Error{File: r.path, Reason: "is no JSONL; --format txt reads it as plain text"}
	}
	return "jsonl", nil
}

// jsonl reads rows, one JSON object a line. The first row decides the format of the file.
func (r *reader) jsonl(f io.Reader) (string, error) {
	format := ""
	if r.o.Format != FormatAuto {
		format = r.o.Format
	}
	lines := newLineReader(f)
	before := len(r.set.whole) + r.set.RowsBad
	for !r.full() {
		if r.o.Check != nil {
			if err := r.o.Check(); err != nil {
				return "", err
			}
		}
		text, line, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", &Error{File: r.path, Line: line + 1, Reason: pathReason(err)}
		}
		if isBlank(text) {
			continue
		}
		row, got, err := r.row(text, format)
		if fatal := new(refusal); errors.As(err, &fatal) {
			return "", &Error{File: r.path, Line: line, Reason: fatal.Error()}
		}
		if broken := new(templateError); errors.As(err, &broken) {
			return "", broken.err
		}
		if err != nil {
			bad := &Error{File: r.path, Line: line, Reason: err.Error()}
			if !r.o.SkipBad {
				return "", bad
			}
			r.set.bad(bad)
			continue
		}
		format = got
		row.File, row.Line = r.path, line
		r.set.add(row)
	}
	if len(r.set.whole)+r.set.RowsBad == before {
		return "", &Error{File: r.path, Reason: "holds no rows; graft trains on " + Trainable}
	}
	return format, nil
}

// refusal is a fault that concerns the whole file, which SkipBad does not skip.
type refusal struct{ reason string }

func (e *refusal) Error() string { return e.reason }

// row reads one line; format is "" until the first row has decided it.
func (r *reader) row(line []byte, format string) (Row, string, error) {
	o, err := parseObject(line)
	if err != nil {
		return Row{}, "", err
	}
	o.rename(r.o.Fields)
	if r.o.Format == FormatAuto {
		k, known := o.kindOf()
		switch {
		case !known && format == "":
			return Row{}, "", fmt.Errorf("a row with %s; graft trains on %s", o.names(), Trainable)
		case known && format == "" && !k.built:
			return Row{}, "", &refusal{fmt.Sprintf("%s rows are not read yet; graft trains on %s", k.name, Trainable)}
		case format == "":
			format = k.name
		case !known:
			return Row{}, "", fmt.Errorf("a row with %s, but the first row of the file has the format %s", o.names(), format)
		case k.name != format:
			return Row{}, "", fmt.Errorf("a row of the format %s, but the first row of the file has the format %s", k.name, format)
		}
	}
	row, err := r.rowOf(format, o)
	return row, format, err
}

// rowOf reads a row of a format.
func (r *reader) rowOf(format string, o object) (Row, error) {
	switch format {
	case FormatText:
		return r.textRow(o)
	case FormatInputIDs:
		return r.idRow(o)
	case FormatMessages:
		return r.messagesRow(o)
	case FormatConversations:
		return r.shareRow(o)
	case FormatAlpaca:
		return r.alpacaRow(o)
	default:
		return r.promptRow(o)
	}
}
