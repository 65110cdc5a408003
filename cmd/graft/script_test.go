package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/binding"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"graft": main})
}

// TestScripts runs testdata/script: each file is a session at the command line. MODEL is a small Llama with a tokenizer
// of bytes; the condition [lib] holds where the native library is installed.
func TestScripts(t *testing.T) {
	model, err := filepath.Abs("../../peft/train/testdata/peft20/base.gguf")
	require.NoError(t, err)
	lib, libErr := binding.FindGGML()
	blas := binding.FindBLAS()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("MODEL", model)
			if libErr == nil {
				env.Setenv("GRAFT_LIB", lib.Path)
			}
			if len(blas) > 0 {
				env.Setenv("GRAFT_BLAS", blas[0].Path)
			}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "lib" {
				return libErr == nil, nil
			}
			return false, fmt.Errorf("unknown condition %s", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "faultline": faultLine},
	})
}

// exits runs a command and checks its exit code: exits CODE COMMAND ARGS.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND ARGS")
	}
	code := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if want, err := strconv.Atoi(args[0]); err != nil || code != want {
		ts.Fatalf("exit code %d, not %s: %s", code, args[0], ts.ReadFile("stderr"))
	}
}

// faultLine checks that exactly one line of stderr begins with "graft:", and that it matches the pattern.
func faultLine(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: faultline PATTERN")
	}
	var lines []string
	for line := range strings.Lines(ts.ReadFile("stderr")) {
		if strings.HasPrefix(line, "graft:") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	if len(lines) != 1 {
		ts.Fatalf("%d lines begin with graft:, not one", len(lines))
	}
	if !regexp.MustCompile(args[0]).MatchString(lines[0]) {
		ts.Fatalf("%s\ndoes not match %s", lines[0], args[0])
	}
	if len(lines[0]) >= 1500 {
		ts.Fatalf("longer than 1,500 characters: %s", lines[0])
	}
}
