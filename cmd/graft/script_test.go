package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/binding"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"graft": main})
}

// TestScripts runs testdata/script: each file is a session at the command line. MODEL is a small Llama with a tokenizer
// of bytes, QUANTIZED a random one without a tokenizer; the condition [lib] holds where the native library is installed.
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
			quantized := filepath.Join(env.WorkDir, "quantized.gguf")
			env.Setenv("QUANTIZED", quantized)
			if libErr == nil {
				return randomModel(quantized, "q8_0", 64)
			}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "lib" {
				return libErr == nil, nil
			}
			return false, fmt.Errorf("unknown condition %s", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "faultline": faultLine, "samenumbers": sameNumbers, "interrupted": interruptedBy, "locked": lockedBy},
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

// sameNumbers checks that two run folders hold the same metrics, but for what the clock and the system say: samenumbers RUN RUN.
func sameNumbers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: samenumbers RUN RUN")
	}
	var texts [2]string
	for i, folder := range args {
		for line := range strings.Lines(ts.ReadFile(filepath.Join(folder, "metrics.jsonl"))) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), `,"seconds"`)
			texts[i] += line + "\n"
		}
	}
	if texts[0] != texts[1] || texts[0] == "" {
		ts.Fatalf("%s has other numbers than %s:\n%s\n%s", args[0], args[1], texts[0], texts[1])
	}
}

// interruptedBy runs graft, sends it a signal once two more steps are done, and checks that it saves, says so and exits with 130:
// interrupted SIGNAL ARGS.
func interruptedBy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: interrupted SIGNAL ARGS")
	}
	metrics := ts.MkAbs(filepath.Join(args[slices.Index(args, "-o")+1], "metrics.jsonl"))
	steps := func() int {
		text, err := os.ReadFile(metrics)
		if err != nil {
			return 0
		}
		return strings.Count(string(text), "grad_norm")
	}
	first := steps()
	path, err := exec.LookPath("graft")
	ts.Check(err)
	cmd := exec.Command(path, args[1:]...)
	var stderr strings.Builder
	cmd.Dir, cmd.Stderr = ts.Getenv("WORK"), &stderr
	// The script's variables alone: others, such as OPENBLAS_CORETYPE, would choose other kernels than the script's own runs have.
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "GRAFT_LIB", "GRAFT_BLAS", "GOCOVERDIR"} {
		if value := ts.Getenv(name); value != "" {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	ts.Check(cmd.Start())
	for deadline := time.Now().Add(time.Minute); steps() < first+2; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			ts.Fatalf("no steps are done: %s", &stderr)
		}
	}
	signals := map[string]os.Signal{"INT": os.Interrupt, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP}
	ts.Check(cmd.Process.Signal(signals[args[0]]))
	_ = cmd.Wait() // the exit code says it all
	if code := cmd.ProcessState.ExitCode(); code != 130 || strings.Count(stderr.String(), "\ninterrupted after step ") != 1 || !strings.HasSuffix(stderr.String(), "\ngraft: interrupted\n") {
		ts.Fatalf("SIG%s: exit code %d: %s", args[0], code, &stderr)
	}
}

// lockedBy holds the lock of a run folder, as a run of this process would, while it runs a command that must be refused with exit code 2 and
// the number of the process: locked RUN COMMAND ARGS.
func lockedBy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: locked RUN COMMAND ARGS")
	}
	lock := flock.New(ts.MkAbs(filepath.Join(args[0], "run.lock")))
	ok, err := lock.TryLock()
	ts.Check(err)
	if !ok {
		ts.Fatalf("%s is locked", args[0])
	}
	defer func() { ts.Check(lock.Unlock()) }()
	ts.Check(os.WriteFile(lock.Path(), []byte(strconv.Itoa(os.Getpid())), 0o600))
	exits(ts, false, append([]string{"2"}, args[1:]...))
	faultLine(ts, false, []string{fmt.Sprintf("--out %s: another run is using it, process %d; wait until it has ended", regexp.QuoteMeta(args[0]), os.Getpid())})
}
