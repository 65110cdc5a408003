package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/binding"
	"github.com/graft-go/graft/peft"
	"github.com/graft-go/graft/peft/data"
)

func TestExitCode(t *testing.T) {
	signalled, cancel := context.WithCancelCause(context.Background())
	cancel(errInterrupted)
	for _, c := range []struct {
		name string
		ctx  context.Context
		err  error
		want int
	}{
		{"done", context.Background(), nil, 0},
		{"failed while running", context.Background(), errors.New("x"), 1},
		{"usage", context.Background(), &usageError{why: "x"}, 2},
		{"input, wrapped", context.Background(), fmt.Errorf("train: %w", &peft.InputError{Why: "x"}), 2},
		{"data", context.Background(), &data.Error{File: "a", Line: 1}, 2},
		{"the library", context.Background(), fmt.Errorf("load: %w", &binding.MissingSymbolsError{}), 2},
		{"joined", context.Background(), errors.Join(errors.New("x"), badInput("a.gguf", io.EOF)), 2},
		{"interrupted", signalled, fmt.Errorf("step 3: %w", context.Canceled), 130},
		{"a failure after a signal", signalled, errors.New("disk full"), 1},
		{"cancelled without a signal", context.Background(), context.Canceled, 1},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, exitCode(c.ctx, c.err)) })
	}
}

func TestErrorLine(t *testing.T) {
	require.Equal(t, "graft: a b c", errorLine(errors.New("a\n b\r\n\tc\n")))
	require.Equal(t, "graft: a", errorLine(errors.New("graft: a")))
	require.Equal(t, "a: b: c; d", (&peft.InputError{What: "a", Where: "b", Why: "c", Do: "d"}).Error())
	require.Equal(t, "a.gguf: EOF", badInput("a.gguf", io.EOF).Error())
}

func TestRunTurnsAPanicIntoALine(t *testing.T) {
	var stderr bytes.Buffer
	code := run(context.Background(), []string{"help"}, panicWriter{}, &stderr)
	require.Equal(t, 1, code)
	require.Equal(t, 1, strings.Count(stderr.String(), "\n"))
	require.True(t, strings.HasPrefix(stderr.String(), "graft: internal error: on purpose"))
	stderr.Reset()
	run(context.Background(), []string{"help", "train", "--verbose"}, panicWriter{}, &stderr)
	require.Contains(t, stderr.String(), "errors_test.go", "--verbose shows where")
}

type panicWriter struct{}

func (panicWriter) Write([]byte) (int, error) { panic("on\npurpose") }
