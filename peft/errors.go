// Package peft holds what the fine-tuning packages below it share: today the form of an error that a user can act on.
package peft

import (
	"errors"
	"strings"
)

// ErrInput is what every error about bad input matches with errors.Is: flags, settings, data, a model file, an
// adapter. The command line ends with exit code 2 for these and with 1 for everything else.
var ErrInput = errors.New("bad input")

// InputError is a fault in what the user gave. It reads as one line, `<what>: <where>: <why>; <what to do>`, and parts
// that are empty are left out.
type InputError struct {
	What  string // what was being done or read, such as "train" or "settings"
	Where string // the faulty file, flag or value
	Why   string // what is wrong with it; the text of Err where it is empty
	Do    string // what to do about it
	Err   error  // the cause, or nil
}

// Error returns the line.
func (e *InputError) Error() string {
	parts := make([]string, 0, 3)
	for _, s := range []string{e.What, e.Where, e.Why} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if e.Why == "" && e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	line := strings.Join(parts, ": ")
	if e.Do != "" {
		line += "; " + e.Do
	}
	return line
}

// Unwrap returns the cause.
func (e *InputError) Unwrap() error { return e.Err }

// Is makes errors.Is(err, ErrInput) true.
func (e *InputError) Is(target error) bool { return target == ErrInput }

// BadInput marks err as a fault of the input and keeps its text. A nil error stays nil, and an error that is marked
// already is returned as it is.
func BadInput(err error) error {
	if err == nil || errors.Is(err, ErrInput) {
		return err
	}
	return &InputError{Err: err}
}
