package data

import (
	"fmt"

	"github.com/graft-go/graft/peft"
)

// Lengths that keep an error below the 1,500 characters that CLI.md promises: a reason, a path, a value quoted from
// a row.
const (
	mostReason = 700
	mostPath   = 600
	mostValue  = 60
)

// Error is a fault in a data set. It matches peft.ErrInput.
type Error struct {
	File   string
	Line   int // physical line from 1, blank lines counted; 0 where no line is to blame
	Reason string
}

// Error returns `FILE:LINE: reason`, or `FILE: reason` where no line is to blame.
func (e *Error) Error() string {
	where := e.File
	if r := []rune(where); len(r) > mostPath {
		where = "…" + string(r[len(r)-mostPath:])
	}
	if e.Line > 0 {
		where = fmt.Sprintf("%s:%d", where, e.Line)
	}
	return where + ": " + shorten(e.Reason, mostReason)
}

// Is makes errors.Is(err, peft.ErrInput) true.
func (e *Error) Is(target error) bool { return target == peft.ErrInput }

// BadInput says that the user can repair it.
func (e *Error) BadInput() bool { return true }

// shorten cuts s after n characters.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// quoted is a value of a row as an error shows it: short, and with nothing that a terminal would act on.
func quoted(s string) string {
	return fmt.Sprintf("%q", shorten(s, mostValue))
}
