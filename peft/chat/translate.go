package chat

import (
	"fmt"
	"slices"
	"strings"
)

// translate rewrites a Jinja template into the form that is given to the library (see doc.go): white space is trimmed as
// transformers trims it (trim_blocks, lstrip_blocks), comments are gone, every expression is calls of the functions in
// ops.go, and every loop and macro counts what it writes.
func translate(source string) (string, error) {
	source = strings.ReplaceAll(strings.ReplaceAll(source, "\r\n", "\n"), "\r", "\n")
	source = strings.TrimSuffix(source, "\n")
	t := &translator{source: source, line: 1, lineStart: true}
	for t.at < len(source) {
		if err := t.step(); err != nil {
			return "", err
		}
	}
	if len(t.open) > 0 {
		b := t.open[len(t.open)-1]
		return "", faultAt(b.line, "{%% %s %%} is never ended", b.kind)
	}
	return strings.Join(t.out, ""), nil
}

// translator goes through a template once.
type translator struct {
	source    string
	at, line  int
	lineStart bool // the last tag took the rest of its line away
	out       []string
	open      []block
	blocks    int // blocks opened so far, for names of graft's own
}

// block is a statement that is not ended yet.
type block struct {
	kind     string
	line     int
	from     int    // where its body begins in the source
	tick     int    // where in out the count of its body stands, or -1
	isElse   bool   // its else has been seen
	branches int    // its elifs and else
	end      string // what is written at its end
}

// step takes the text up to the next tag, and the tag.
func (t *translator) step() error {
	rest := t.source[t.at:]
	n := nextTag(rest)
	if n < 0 {
		t.text(rest)
		t.at = len(t.source)
		return nil
	}
	mark := rest[n : n+2]
	content := t.at + n + 2
	sign := ""
	if s := t.source[content:]; s != "" && (s[0] == '-' || s[0] == '+' && mark != "{{") {
		sign = s[:1]
		content++
	}
	t.text(t.before(rest[:n], sign, mark))
	t.line += strings.Count(rest[:n], "\n")
	from := t.line
	tokens, end, next, err := t.tag(mark, content)
	if err != nil {
		return err
	}
	t.line += strings.Count(t.source[t.at+n:next], "\n")
	t.after(end, next)
	switch mark {
	case "{{":
		return t.output(tokens, from)
	case "{%":
		return t.statement(tokens, from)
	}
	return nil
}

// nextTag is where the next tag begins, or -1.
func nextTag(s string) int {
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '{' && (s[i+1] == '{' || s[i+1] == '%' || s[i+1] == '#') {
			return i
		}
	}
	return -1
}

// before trims the text in front of a tag: all white space for a minus; the blanks that a line begins with before a
// statement or a comment (lstrip_blocks).
func (t *translator) before(text, sign, mark string) string {
	if sign == "-" {
		return strings.TrimRightFunc(text, isSpace)
	}
	if sign == "+" || mark == "{{" {
		return text
	}
	from := strings.LastIndexByte(text, '\n') + 1
	if (from > 0 || t.lineStart) && strings.Trim(text[from:], " \t") == "" {
		return text[:from]
	}
	return text
}

// tag reads a tag from behind its opening mark and returns its tokens, its closing mark and where the text goes on.
func (t *translator) tag(mark string, content int) (tokens []token, end string, next int, err error) {
	if mark == "{#" {
		n := strings.Index(t.source[content:], "#}")
		if n < 0 {
			return nil, "", 0, faultAt(t.line, "a comment that is never closed by #}")
		}
		end := "#}"
		if n > 0 && (t.source[content+n-1] == '-' || t.source[content+n-1] == '+') {
			end = t.source[content+n-1 : content+n+2]
		}
		return nil, end, content + n + 2, nil
	}
	closing := "}}"
	if mark == "{%" {
		closing = "%}"
	}
	return lexTag(t.source, content, t.line, closing)
}

// after trims the text behind a tag: all white space for a minus, one line break behind a statement or a comment
// (trim_blocks).
func (t *translator) after(end string, next int) {
	t.lineStart = false
	rest := t.source[next:]
	switch {
	case end[0] == '-':
		trimmed := strings.TrimLeftFunc(rest, isSpace)
		t.lineStart = strings.HasSuffix(rest[:len(rest)-len(trimmed)], "\n")
		t.line += strings.Count(rest[:len(rest)-len(trimmed)], "\n")
		next += len(rest) - len(trimmed)
	case end[0] != '+' && end != "}}" && strings.HasPrefix(rest, "\n"):
		next++
		t.line++
		t.lineStart = true
	}
	t.at = next
}

func (t *translator) emit(parts ...string) { t.out = append(t.out, parts...) }

// text writes text between tags. A brace at its end would make one mark with the next tag's.
func (t *translator) text(s string) {
	if rest, ok := strings.CutSuffix(s, "{"); ok {
		t.text(rest)
		t.emit("{{", call(fnOut, literal("{")), "}}")
	} else if s != "" {
		t.emit(s)
	}
}

func (t *translator) output(tokens []token, line int) error {
	p := &exprParser{tokens: tokens, line: line}
	value, err := p.tuple()
	if err == nil {
		err = p.done()
	}
	if err != nil {
		return err
	}
	t.emit("{{", call(fnOut, value), "}}")
	return nil
}

// begin opens a block. counted blocks are run more than once; each run counts the length of its body. Those of macros
// and calls count how deep they are within each other too.
func (t *translator) begin(kind string, line int, end string, counted bool) error {
	if len(t.open) >= mostDepth {
		return faultAt(line, "statements nested deeper than %d", mostDepth)
	}
	b := block{kind: kind, line: line, from: t.at, tick: -1, end: end}
	if counted {
		b.tick = len(t.out) + 1
		deeper := ") %}"
		if kind != "for" {
			deeper = ",1) %}"
			b.end = "{% set " + fnScope + "=" + fnTick + "(0,-1) %}" + end
		}
		t.emit("{% with "+fnScope+"="+fnTick+"(", "", deeper)
	}
	t.open = append(t.open, b)
	return nil
}

// top is the innermost open block if it is of one of the kinds.
func (t *translator) top(word string, line int, kinds ...string) (*block, error) {
	if n := len(t.open); n > 0 && slices.Contains(kinds, t.open[n-1].kind) {
		return &t.open[n-1], nil
	}
	return nil, faultAt(line, "{%% %s %%} where no %s is open", word, strings.Join(kinds, " or "))
}

// closeCount ends the part of a block that is counted.
func (t *translator) closeCount(b *block) {
	if b.tick >= 0 {
		t.out[b.tick] = fmt.Sprint(t.at - b.from)
		t.emit("{% endwith %}")
		b.tick = -1
	}
}

// finish ends a block.
func (t *translator) finish(word string, line int, kind string) error {
	b, err := t.top(word, line, kind)
	if err != nil {
		return err
	}
	t.closeCount(b)
	t.emit(b.end)
	t.open = t.open[:len(t.open)-1]
	return nil
}
