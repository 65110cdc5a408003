package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/graft-go/graft/peft"
)

// flags is the flag set of one verb: pflag, with `_` read as `-`, other names accepted for a flag, help on stdout, and
// every fault a usageError that names the flag. Use:
//
//	f := newFlags("inspect", "inspect FILE [flags]", "Shows what is in a GGUF file.")
//	json := f.Bool("json", false, "one JSON document on stdout")
//	if done, err := f.parse(args, stdout); done || err != nil {
//		return err
//	}
type flags struct {
	*pflag.FlagSet
	usage   string
	about   string
	more    map[string]bool   // flags that --help leaves out and --help-all shows
	aliases map[string]string // other name → name
	help    *bool
	helpAll *bool
	verbose *bool
}

// newFlags returns an empty flag set for a verb.
func newFlags(verb, usage, about string) *flags {
	f := &flags{
		FlagSet: pflag.NewFlagSet(verb, pflag.ContinueOnError),
		usage:   usage, about: about,
		more: map[string]bool{}, aliases: map[string]string{},
	}
	f.SortFlags = false
	f.SetOutput(io.Discard)
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		name = strings.ReplaceAll(name, "_", "-")
		if to, ok := f.aliases[name]; ok {
			name = to
		}
		return pflag.NormalizedName(name)
	})
	f.help = f.BoolP("help", "h", false, "show the flags that matter")
	f.helpAll = f.Bool("help-all", false, "show every flag")
	f.verbose = f.Bool("verbose", false, "say more when something fails")
	f.rare("help", "help-all", "verbose")
	return f
}

// rare leaves flags out of --help; --help-all shows them.
func (f *flags) rare(names ...string) {
	for _, n := range names {
		f.more[n] = true
	}
}

// alias accepts another name for a flag.
func (f *flags) alias(other, name string) { f.aliases[other] = name }

// parse reads the command line. done is true where help was asked for and has been written to stdout.
func (f *flags) parse(args []string, stdout io.Writer) (done bool, err error) {
	if err := f.Parse(args); err != nil {
		return false, f.explain(err)
	}
	if *f.help || *f.helpAll {
		f.printHelp(stdout)
		return true, nil
	}
	return false, nil
}

// oneArg returns the single argument of a verb, or a usageError that names what is missing.
func (f *flags) oneArg(what string) (string, error) {
	switch f.NArg() {
	case 0:
		return "", &usageError{where: f.Name(), why: "no " + what + " given", do: "usage: graft " + f.usage}
	case 1:
		return f.Arg(0), nil
	default:
		return "", &usageError{where: f.Name() + ": " + quote(f.Arg(1)), why: "one argument too many", do: "usage: graft " + f.usage}
	}
}

// noArgs refuses arguments that are no flags.
func (f *flags) noArgs() error {
	if f.NArg() == 0 {
		return nil
	}
	do := "usage: graft " + f.usage
	if _, err := strconv.ParseBool(f.Arg(0)); err == nil {
		do = "a switch takes its value with an equals sign, as --shuffle=false"
	}
	return &usageError{where: f.Name() + ": " + quote(f.Arg(0)), why: "an argument that belongs to no flag", do: do}
}

// explain turns pflag's errors into graft's.
func (f *flags) explain(err error) error {
	var unknown *pflag.NotExistError
	var noValue *pflag.ValueRequiredError
	var badValue *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		if short := unknown.GetSpecifiedShortnames(); short != "" {
			return &usageError{where: f.Name() + ": -" + name, why: "unknown flag", do: f.seeHelp()}
		}
		return &usageError{where: f.Name() + ": --" + name, why: "unknown flag",
			do: peft.DidYouMean("--"+name, f.names(), f.seeHelp())}
	case errors.As(err, &noValue):
		return &usageError{where: f.Name() + ": --" + noValue.GetFlag().Name, why: "needs a value", do: f.seeHelp()}
	case errors.As(err, &badValue):
		flag := badValue.GetFlag()
		return &usageError{where: fmt.Sprintf("%s: --%s %s", f.Name(), flag.Name, quote(badValue.GetValue())),
			why: badValueReason(badValue), do: f.seeHelp()}
	default:
		return &usageError{where: f.Name(), why: err.Error(), do: f.seeHelp()}
	}
}

func (f *flags) seeHelp() string { return "see `graft " + f.Name() + " --help-all`" }

// names lists the flags and their other names, with the dashes.
func (f *flags) names() []string {
	var out []string
	f.VisitAll(func(p *pflag.Flag) { out = append(out, "--"+p.Name) })
	for other := range f.aliases {
		out = append(out, "--"+other)
	}
	return out
}

// badValueReason says why a value does not do: in the flag's own words, or by its kind where pflag's parser gave up.
func badValueReason(e *pflag.InvalidValueError) string {
	var number *strconv.NumError
	if cause := e.Unwrap(); cause != nil && !errors.As(cause, &number) {
		return cause.Error()
	}
	return "not a " + kindWord(e.GetFlag().Value.Type())
}

// kindWord says in words what a flag's value must be.
func kindWord(kind string) string {
	switch kind {
	case "bool":
		return "truth value (true or false)"
	case "int", "int64":
		return "whole number"
	case "uint", "uint64", "uint32":
		return "whole number of 0 or more"
	case "float64", "float32":
		return "number"
	default:
		return "valid " + kind
	}
}

// printHelp writes the flags, the rare ones only for --help-all.
func (f *flags) printHelp(w io.Writer) {
	shown := pflag.NewFlagSet(f.Name(), pflag.ContinueOnError)
	shown.SortFlags = false
	hidden := 0
	f.VisitAll(func(p *pflag.Flag) {
		if f.more[p.Name] && !*f.helpAll {
			hidden++
			return
		}
		shown.AddFlag(p)
	})
	fmt.Fprintf(w, "%s\n\nUsage: graft %s\n\nFlags:\n%s", f.about, f.usage, shown.FlagUsagesWrapped(100))
	if hidden > 0 {
		fmt.Fprintf(w, "\n`graft %s --help-all` shows %d more.\n", f.Name(), hidden)
	}
}
