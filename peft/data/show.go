package data

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Speller is what Show needs of a vocabulary.
type Speller interface {
	Text(id int32) string  // a token as the file spells it
	Piece(id int32) []byte // the bytes that a token stands for; none for a control token
}

// ShowOptions choose how Show writes a row.
type ShowOptions struct {
	Colour bool // trained tokens in reverse video, for a terminal; else between [[ and ]]
	Most   int  // tokens to show, half of them from each end of the row; 0 = all
}

// Show is a row as text in which the trained tokens, those that are targets, are marked. Special tokens are spelled
// out, characters whose bytes lie in several tokens are whole, and what a terminal would act on is escaped.
func Show(r Row, v Speller, o ShowOptions) string {
	on, off := "[[", "]]"
	if o.Colour {
		on, off = "\x1b[7m", "\x1b[0m"
	}
	s := shower{on: on, off: off}
	n := len(r.Tokens)
	for i, id := range r.Tokens {
		if hidden := n - o.Most; o.Most > 0 && hidden > 0 && i >= o.Most/2 && i < o.Most/2+hidden {
			if i == o.Most/2 {
				s.gap(hidden)
			}
			continue
		}
		s.mark(i > 0 && r.Labels[i] != NoLabel)
		piece := v.Piece(id)
		if len(piece) == 0 {
			piece = []byte(v.Text(id))
		}
		s.write(piece)
	}
	s.flush()
	s.mark(false)
	return s.b.String()
}

// shower writes text with marks.
type shower struct {
	b       strings.Builder
	on, off string
	marked  bool
	next    bool   // the mark of what comes, where a character is not whole yet
	pending []byte // of a character that is not whole yet
}

// mark switches the mark, once the character that has begun is whole.
func (s *shower) mark(on bool) {
	s.next = on
	if len(s.pending) > 0 || on == s.marked {
		return
	}
	s.marked = on
	s.b.WriteString(map[bool]string{true: s.on, false: s.off}[on])
}

func (s *shower) write(piece []byte) {
	for _, c := range piece {
		s.pending = append(s.pending, c)
		if !utf8.FullRune(s.pending) {
			continue
		}
		r, n := utf8.DecodeRune(s.pending)
		s.rune(r, n, s.pending)
		s.pending = append(s.pending[:0], s.pending[n:]...)
		s.mark(s.next)
	}
}

// rune writes a character; a byte that is none, or that a terminal would act on, as an escape.
func (s *shower) rune(r rune, n int, bytes []byte) {
	switch {
	case r == utf8.RuneError && n == 1:
		fmt.Fprintf(&s.b, `\x%02x`, bytes[0])
	case r == '\n', r == '\t', r == ' ', unicode.IsGraphic(r):
		s.b.WriteRune(r)
	default:
		fmt.Fprintf(&s.b, `\u%04x`, r)
	}
}

// flush writes what is left of a character that is never whole.
func (s *shower) flush() {
	for _, c := range s.pending {
		fmt.Fprintf(&s.b, `\x%02x`, c)
	}
	s.pending = s.pending[:0]
}

// gap stands for tokens that are left out.
func (s *shower) gap(n int) {
	s.flush()
	s.mark(false)
	fmt.Fprintf(&s.b, " … %d tokens … ", n)
}
