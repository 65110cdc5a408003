package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/graft-go/graft/binding"
	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/peft"
)

// Exit codes, as scripts rely on them.
const (
	exitDone        = 0
	exitFailed      = 1   // failed while running
	exitInput       = 2   // wrong usage or bad input
	exitInterrupted = 130 // SIGINT, SIGTERM or SIGHUP
)

// errInterrupted is the cause of a context that a signal cancelled.
var errInterrupted = errors.New("interrupted")

// usageError is a fault in the command line itself; exit code 2.
type usageError struct {
	where string // the flag, value or command
	why   string
	do    string
}

// Error returns `<where>: <why>; <what to do>`.
func (e *usageError) Error() string {
	return (&peft.InputError{Where: e.where, Why: e.why, Do: e.do}).Error()
}

// BadInput says that the user can repair it.
func (e *usageError) BadInput() bool { return true }

// badInput marks an error of reading what the user gave (model file, adapter, data, library) for exit code 2, with the
// file or flag named in front; a nil error stays nil.
func badInput(where string, err error) error {
	if err == nil {
		return nil
	}
	return &peft.InputError{Where: where, Err: err}
}

// isBadInput tells whether err, or any error it wraps, is about what the user gave.
func isBadInput(err error) bool {
	var symbols *binding.MissingSymbolsError
	if errors.Is(err, peft.ErrInput) || errors.Is(err, ggml.ErrLibrary) || errors.As(err, &symbols) {
		return true
	}
	var marked interface{ BadInput() bool }
	return errors.As(err, &marked) && marked.BadInput()
}

// exitCode maps an error to the exit code of the process.
func exitCode(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return exitDone
	case isInterrupted(ctx, err):
		return exitInterrupted
	case isBadInput(err):
		return exitInput
	default:
		return exitFailed
	}
}

// isInterrupted tells whether err is the consequence of a signal.
func isInterrupted(ctx context.Context, err error) bool {
	return errors.Is(err, errInterrupted) ||
		errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), errInterrupted)
}

// interrupted gives the bare "context canceled" of a signal words that a user understands.
func interrupted(ctx context.Context, err error) error {
	if isInterrupted(ctx, err) && err.Error() == context.Canceled.Error() {
		return errInterrupted
	}
	return err
}

// errorLine is the one line of stderr that begins with "graft:".
func errorLine(err error) string {
	text := strings.TrimPrefix(strings.Join(strings.Fields(err.Error()), " "), "graft: ")
	return "graft: " + text
}

// printCauses writes the chain of causes, for --verbose.
func printCauses(w io.Writer, err error) {
	for ; err != nil; err = errors.Unwrap(err) {
		for i, line := range strings.Split(strings.TrimRight(err.Error(), "\n"), "\n") {
			mark := "  caused by"
			if i > 0 {
				mark = "           "
			}
			fmt.Fprintf(w, "%s %T: %s\n", mark, err, line)
		}
	}
}

// quote puts a value of the user's between quotation marks and cuts a very long one.
func quote(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
