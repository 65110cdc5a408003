package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/peft/demo"
	"github.com/graft-go/graft/peft/train"
)

// runDemo shows the whole way on a small model that graft carries: answers before, training, answers after, and the same answers from
// libllama.
func runDemo(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("demo", "demo [-o FOLDER]",
		"Teaches a very small language model a new task in about a minute, on this computer and without a download, and shows what it\n"+
			"answers before and after. Model, sentences and result are left in a folder to try out.")
	var o demo.Options
	f.StringVarP(&o.Folder, "out", "o", "graft-demo", "folder for model, sentences and result; that of an earlier demo is written anew")
	f.Uint64Var(&o.Seed, "seed", 42, "seed of the sentences and of the training")
	f.BoolVar(&o.Overwrite, "overwrite", false, "write into the folder even if it is not a demo's")
	f.IntVar(&o.Steps, "steps", 0, "optimizer steps; 0 = as many as the task needs")
	f.IntVar(&o.Threads, "threads", 1, "threads of the processor; more gain little on so small a model")
	asJSON := f.Bool("json", false, "one JSON document on stdout")
	f.rare("steps", "threads")
	if done, err := f.parse(args, stdout); done || err != nil {
		return err
	}
	if err := f.noArgs(); err != nil {
		return err
	}
	switch {
	case o.Folder == "":
		return &usageError{where: "demo: --out", why: "is empty", do: "give the name of a folder"}
	case o.Steps < 0:
		return &usageError{where: fmt.Sprintf("demo: --steps %d", o.Steps), why: "below 0", do: "leave it out"}
	case o.Threads < 1 || o.Threads > 512:
		return &usageError{where: fmt.Sprintf("demo: --threads %d", o.Threads), why: "not between 1 and 512", do: "leave it out"}
	}
	if _, _, _, err := ggml.Version(); err != nil {
		return err // before anything is written
	}
	text := stdout
	if *asJSON {
		text = stderr
	}
	show := newProgress(stderr)
	defer show.end()
	o.Train = train.Options{Log: show.note, OnPlan: show.plan, OnStep: show.step, OnEval: show.eval}
	o.OnStage = func(s demo.Stage, r *demo.Result) {
		show.end()
		demoStage(text, s, r)
	}
	r, err := demo.Run(ctx, o)
	if err != nil {
		return err
	}
	if *asJSON {
		e := json.NewEncoder(stdout)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	return nil
}

// demoStage writes what there is to say when a part of the demo begins.
func demoStage(w io.Writer, s demo.Stage, r *demo.Result) {
	say := func(format string, a ...any) { fmt.Fprintf(w, format+"\n", a...) }
	switch s {
	case demo.StageBefore:
		say("The task: turn a sentence about a home into a command that a program can read, such as\n")
		say("    please turn the kitchen light down to 30 percent")
		say("    %s\n", demo.Command{Device: "light", Room: "kitchen", Action: "dim", Value: 30}.JSON())
		say("In the folder %s are now", r.Folder)
		say("    %-15s a very small language model (%.1f MB), made with graft; it knows simple English, and has never seen this task", demo.ModelFile, float64(demo.Size())/1e6)
		say("    %-15s %d sentences with their commands, to learn from", demo.TrainFile, r.TrainingRows)
		say("    %-15s %d other sentences, to see whether it learned the task or only its examples\n", demo.HeldOutFile, r.HeldOut)
		say("1. The model as it is, asked the %d other sentences …", r.HeldOut)
	case demo.StageTrain:
		say("   gives the right command to %d of them (%.1f s).\n", r.RightBefore, r.Seconds.Before)
		say("2. Training. The model itself stays as it is; beside it grows a small file, the adapter, that changes its answers (the")
		say("   method is called LoRA). The loss below says how wrong the model still is, it should go towards 0; tok/s is the speed,")
		say("   in pieces of words a second, and MB the memory.\n")
	case demo.StageAfter:
		say("\n   %d steps took %.1f s.\n", r.Steps, r.Seconds.Training)
		say("3. The model with the adapter, asked the same %d sentences …", r.HeldOut)
	case demo.StageStock:
		say("   gives the right command to %d of them (%.1f s). %d of the sentences ask for a command that was in no example;", r.RightAfter, r.Seconds.After, r.UnseenRows)
		say("   of these, %d are right.\n", r.UnseenRight)
		for _, e := range r.Examples {
			demoExample(w, e)
		}
		say("4. The adapter in llama.cpp: its library, unchanged, loads %s …", r.Adapter)
	case demo.StageDone:
		demoEnd(w, r)
	}
}

// demoExample writes an answer before and after.
func demoExample(w io.Writer, e demo.Example) {
	mark := "right"
	if e.After != e.Wanted {
		mark = "wrong, should be " + e.Wanted
	}
	fmt.Fprintf(w, "    %s\n      before  %s\n      after   %s   (%s)\n\n", e.Prompt, shorten(e.Before), shorten(e.After), mark)
}

// shorten keeps an answer on one line.
func shorten(s string) string {
	const most = 100
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// demoEnd writes the last part: libllama's answers, the time, and what to do next.
func demoEnd(w io.Writer, r *demo.Result) {
	say := func(format string, a ...any) { fmt.Fprintf(w, format+"\n", a...) }
	say("   and gives the same answer as graft to %d of %d sentences (%.1f s).\n", r.StockSame, r.StockRows, r.Seconds.Libllama)
	say("Right commands: %d of %d before, %d of %d after. All of it took %.0f s.\n", r.RightBefore, r.HeldOut, r.RightAfter, r.HeldOut, r.Seconds.All)
	graft := calledAs()
	say("Ask it something yourself (it knows light, heater, fan, blinds, music and door, in eight rooms):")
	say("    %s generate --adapter %s --chat --temp 0 -p \"dim the light in the attic to 40 percent\"\n", graft, shellWord(r.Run))
	say("The same with a model and data of your own: any Llama model as a GGUF file, and a file with one example a line,")
	say("    {\"prompt\": \"what you ask\", \"completion\": \"what it should answer\"}\n")
	say("    %s train -m YOUR-MODEL.gguf -d YOUR-DATA.jsonl -o run", graft)
	say("    %s generate --adapter run --chat -p \"what you ask\"", graft)
}

// calledAs is how this program is called from a shell: graft where that name on PATH is this program, else the path it was started by.
func calledAs() string {
	name := os.Args[0]
	if found, err := exec.LookPath("graft"); err == nil {
		a, errA := os.Stat(found)
		b, errB := os.Stat(name)
		if errA == nil && errB == nil && os.SameFile(a, b) {
			return "graft"
		}
	}
	return shellWord(name)
}

// shellWord quotes a word for a POSIX shell where that is needed.
func shellWord(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./=:") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
