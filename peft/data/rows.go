package data

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// textRow is BOS where the tokenizer adds one, the text, and EOS where the tokenizer adds one or AppendEOS asks for
// it; neither is doubled where the text spells it already. Special tokens spelled in the text are read as such, as
// Hugging Face tokenizers do, so that text rendered by a chat template keeps its markers.
func (r *reader) textRow(o object) (Row, error) {
	text, err := o.text("text")
	if err != nil {
		return Row{}, err
	}
	if err := r.needTokenizer(); err != nil {
		return Row{}, err
	}
	tokens, err := r.tok.Tokenize(text, false, true)
	if err != nil {
		return Row{}, fmt.Errorf("tokenize: %w", err)
	}
	if len(r.set.bos) > 0 && (len(tokens) == 0 || tokens[0] != r.set.bos[0]) {
		tokens = append([]int32{r.set.bos[0]}, tokens...)
	}
	if r.tok.AddEOS() || r.o.AppendEOS {
		eos, ok := r.tok.EOS()
		if !ok && r.o.AppendEOS {
			return Row{}, &refusal{"the model's tokenizer has no EOS token; leave --append-eos out"}
		}
		if ok && (len(tokens) == 0 || tokens[len(tokens)-1] != eos) {
			tokens = append(tokens, eos)
		}
	}
	return Row{Tokens: tokens, Labels: tokens}, nil
}

func (r *reader) needTokenizer() error {
	if r.tok == nil {
		return &refusal{"the model has no tokenizer to read text with; give rows of input_ids, or a model with one"}
	}
	return nil
}

// idRow is a pre-tokenized row, taken as it is.
func (r *reader) idRow(o object) (Row, error) {
	tokens, err := o.ints("input_ids")
	if err != nil {
		return Row{}, err
	}
	for i, id := range tokens {
		if id < 0 || int(id) >= r.o.NVocab {
			return Row{}, fmt.Errorf("input_ids[%d] is %d, outside the model's vocabulary 0…%d", i, id, r.o.NVocab-1)
		}
	}
	if !o.has("labels") {
		return Row{Tokens: tokens, Labels: tokens}, nil
	}
	labels, err := o.ints("labels")
	if err != nil {
		return Row{}, err
	}
	if len(labels) != len(tokens) {
		return Row{}, fmt.Errorf("%d input_ids but %d labels; both need the same length", len(tokens), len(labels))
	}
	for i, id := range labels {
		if id != NoLabel && (id < 0 || int(id) >= r.o.NVocab) {
			return Row{}, fmt.Errorf("labels[%d] is %d, neither %d nor in the model's vocabulary 0…%d", i, id, NoLabel, r.o.NVocab-1)
		}
	}
	return Row{Tokens: tokens, Labels: labels}, nil
}

// mostAtOnce is how many bytes of a plain text are tokenized in one call: libllama holds some 30 bytes for each.
// A longer text is cut at a line break.
const mostAtOnce = 16 << 20

// plainText reads a file as one text; CRLF line breaks become LF. The tokens are cut into pieces by Set.Cut.
func (r *reader) plainText(f io.Reader) error {
	if err := r.needTokenizer(); err != nil {
		return &Error{File: r.path, Reason: err.Error()}
	}
	var tokens []int32
	var part strings.Builder
	flush := func() error {
		if part.Len() == 0 {
			return nil
		}
		ids, err := r.tok.Tokenize(part.String(), false, true)
		part.Reset()
		if err != nil {
			return &Error{File: r.path, Reason: "tokenize: " + err.Error()}
		}
		tokens = append(tokens, ids...)
		return nil
	}
	lines := newLineReader(f)
	for {
		if r.o.Check != nil {
			if err := r.o.Check(); err != nil {
				return err
			}
		}
		text, line, err := lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return &Error{File: r.path, Line: line + 1, Reason: pathReason(err)}
		}
		if reason := notText(text); reason != "" {
			return &Error{File: r.path, Line: line, Reason: reason}
		}
		part.Write(text)
		if lines.hadBreak() {
			part.WriteByte('\n')
		}
		if part.Len() >= mostAtOnce {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	if len(r.set.bos) > 0 && len(tokens) > 0 && tokens[0] == r.set.bos[0] {
		tokens = tokens[1:] // Cut begins every piece with it
	}
	if len(tokens) == 0 {
		return &Error{File: r.path, Reason: "holds no text"}
	}
	r.set.HasText = true
	r.set.whole = append(r.set.whole, Row{Tokens: tokens, Labels: tokens, File: r.path})
	return nil
}

// notText says why a line is no UTF-8 text, or returns "".
func notText(line []byte) string {
	for _, b := range line {
		if b == 0 {
			return "a NUL byte; a data file is UTF-8 text"
		}
	}
	if !utf8.Valid(line) {
		return fmt.Sprintf("not valid UTF-8 at column %d; save the file as UTF-8", invalidUTF8(line)+1)
	}
	return ""
}
