// Command graft fine-tunes Llama-family GGUF models: train, evaluate, generate, export.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/graft-go/graft/peft"
)

// verb is one command of graft.
type verb struct {
	name    string
	summary string
	run     func(ctx context.Context, args []string, stdout, stderr io.Writer) error
}

// verbs is the table of commands, in the order in which help lists them. A new command is a file and a line here.
func verbs() []verb {
	return []verb{
		{"train", "fine-tune a model", runTrain},
		{"eval", "score a model, with or without an adapter, on a data set", runEval},
		{"generate", "continue a prompt", runGenerate},
		{"export", "write what was trained as llama.cpp loads it", runExport},
		{"init", "make a new model with random weights", runInit},
		{"bench", "measure training on this machine", runBench},
		{"inspect", "show what is in a GGUF file and whether graft can train it", runInspect},
		{"doctor", "show what is installed and how to fix what is missing", runDoctor},
		{"setup", "install the native libraries", runSetup},
		{"demo", "teach a small model a task in a minute, and show what changed", runDemo},
	}
}

func main() {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM) // also as a background job of a script, which begins with SIGINT ignored
	if !signal.Ignored(syscall.SIGHUP) {                  // as under nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		<-signals
		cancel(errInterrupted)
		<-signals
		os.Exit(exitInterrupted)
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is one call of the command line; it returns the exit code, and it writes the line of an error to stderr. A panic
// on the way is a bug of graft and becomes such a line too.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	verbose := isVerbose(args)
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintln(stderr, errorLine(fmt.Errorf("internal error: %v: this is a bug in graft; "+
				"run again with --verbose and report what it prints", p)))
			if verbose {
				fmt.Fprintf(stderr, "%s", debug.Stack())
			}
			code = exitFailed
		}
	}()
	err := dispatch(ctx, args, stdout, stderr)
	if err == nil {
		return exitDone
	}
	fmt.Fprintln(stderr, errorLine(interrupted(ctx, err)))
	if verbose {
		printCauses(stderr, err)
	}
	return exitCode(ctx, err)
}

// dispatch runs the verb that args begin with.
func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return &usageError{where: "graft", why: "no command given", do: "run `graft help` for the list"}
	}
	name, rest := args[0], args[1:]
	switch name {
	case "help", "-h", "--help", "--help-all":
		if len(rest) == 0 || name != "help" {
			printHelp(stdout)
			return nil
		}
		name, rest = rest[0], append([]string{"--help"}, rest[1:]...)
	case "version", "--version":
		_, err := fmt.Fprintln(stdout, version())
		return err
	}
	table := verbs()
	i := slices.IndexFunc(table, func(v verb) bool { return v.name == name })
	if i < 0 {
		return unknownVerb(name, table)
	}
	return table[i].run(ctx, rest, stdout, stderr)
}

// unknownVerb says that there is no such command, and which one was probably meant.
func unknownVerb(name string, table []verb) error {
	names := []string{"help"}
	for _, v := range table {
		names = append(names, v.name)
	}
	if strings.HasPrefix(name, "-") {
		return &usageError{where: name, why: "unknown flag before a command", do: "write the command first: graft COMMAND [flags]"}
	}
	return &usageError{where: quote(name), why: "unknown command", do: peft.DidYouMean(name, names, "run `graft help` for the list")}
}

// printHelp writes the list of commands.
func printHelp(w io.Writer) {
	fmt.Fprint(w, "graft fine-tunes Llama-family GGUF models.\n\nUsage: graft COMMAND [flags]\n\nCommands:\n")
	for _, v := range verbs() {
		fmt.Fprintf(w, "  %-10s %s\n", v.name, v.summary)
	}
	fmt.Fprint(w, "\n`graft COMMAND --help` shows the flags that matter, `--help-all` every one; `graft --version` the version.\n")
}

// version is the line of --version, from what the Go linker recorded.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "graft (version unknown)"
	}
	line := "graft " + info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && !strings.Contains(info.Main.Version, s.Value[:min(12, len(s.Value))]) {
			line += " commit " + s.Value
		}
	}
	return line + " " + info.GoVersion
}

// isVerbose tells whether --verbose stands among the flags.
func isVerbose(args []string) bool {
	for _, a := range args {
		switch a {
		case "--":
			return false
		case "--verbose", "--verbose=true":
			return true
		}
	}
	return false
}
