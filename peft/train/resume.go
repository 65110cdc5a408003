package train

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/peft"
)

// resumed is a run that is gone on with.
type resumed struct {
	*checkpoint
	folder string
	record *record     // of the run so far
	best   [][]float32 // see checkpoint.fill
	done   *Result     // of a run that needs no resuming
	now    *record
	log    Options
}

// mayChange lists the settings that may differ when a run is resumed, since they change no number, or only its last bits, which is
// said. Of the files the content counts, not the name.
func mayChange() []string {
	return []string{"model", "data", "valid", "out", "save-every", "keep", "threads", "device", "memory-limit"}
}

// resume finds the run in c.Out and its newest whole checkpoint, and returns the settings it goes on with: those of its config.yaml, but
// for what may change. Nothing is written but the lock.
func (j *job) resume(c Config, o Options) (Config, error) {
	where := "--resume"
	fault := func(why, do string) error {
		return &peft.InputError{What: "train", Where: where, Why: why, Do: do}
	}
	switch {
	case c.Force:
		return c, fault("goes on with a run, --overwrite replaces it", "leave one of the two out")
	case c.Out == "":
		return c, fault("no run folder given", "give it: -o run")
	}
	folder := filepath.Clean(c.Out)
	where += ": " + folder
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return c, fault("no such run folder", "check --out, or leave --resume out to begin there")
	}
	stored := DefaultConfig()
	settings := filepath.Join(folder, settingsFile)
	if _, err := os.Stat(settings); errors.Is(err, fs.ErrNotExist) {
		return c, fault("no run is in this folder, it has no "+settingsFile, "check --out")
	}
	lock, err := lockFolder(folder)
	if err != nil {
		return c, err
	}
	j.folder = &RunFolder{Path: folder, lock: lock}
	if err := LoadSettings(settings, &stored); err != nil {
		return c, err
	}
	if c, err = resumeSettings(c, stored, o.Given, folder); err != nil {
		return c, err
	}
	j.from = &resumed{folder: folder, log: o}
	if j.from.record, err = readRecord(folder); err != nil {
		return c, err
	}
	if j.from.done = finished(folder, j.from.record); j.from.done != nil {
		o.note("the run in %s is done after %d steps; nothing is left to do", folder, j.from.record.Steps)
		return c, nil
	}
	checkpoints := checkpointFolder{path: filepath.Join(folder, checkpointsFolder)}
	if j.from.checkpoint, err = checkpoints.newest(o.note); err != nil {
		return c, fault("its checkpoints cannot be read: "+reason(err), "")
	}
	if j.from.checkpoint == nil {
		return c, fault("no whole checkpoint is in this folder", "begin again with --overwrite")
	}
	return c, j.from.checkFiles(c)
}

// finished is the result of a run that is done and whose adapter is still there, else nil.
func finished(folder string, r *record) *Result {
	adapter, err := AdapterPath(folder)
	if r.State != "done" || err != nil {
		return nil
	}
	return &Result{Folder: folder, Adapter: adapter, Steps: r.Steps, Verdict: r.Verdict}
}

// resumeSettings puts what is given of c over the stored settings where that may change, and refuses what contradicts them. given are the
// names of the settings that the caller states; where it is nil they are those that are not the default.
func resumeSettings(c, stored Config, given []string, folder string) (Config, error) {
	merged, defaults := stored, DefaultConfig()
	var faults Faults
	for _, s := range Settings() {
		isGiven := slices.Contains(given, s.Name) || given == nil && s.Get(&c) != s.Get(&defaults)
		if strings.HasPrefix(s.Kind, "auto ") && s.Get(&c) == "auto" {
			isGiven = false
		}
		switch {
		case s.Once, isGiven && slices.Contains(mayChange(), s.Name):
			s.copy(&merged, &c)
		case isGiven && !reflect.DeepEqual(s.value(&c).Interface(), s.value(&stored).Interface()):
			faults = append(faults, &peft.InputError{Where: strings.TrimSpace("--" + s.Name + " " + s.Get(&c)),
				Why: fmt.Sprintf("the run in %s has %s", folder, quoted(s.Get(&stored))), Do: "leave the flag out, or begin another run"})
		}
	}
	if len(faults) > 0 {
		return c, faults
	}
	return merged, nil
}

// copy takes the setting's value from another Config.
func (s Setting) copy(to, from *Config) { s.value(to).Set(s.value(from)) }

// checkFiles compares the base model and the data with those the run began with.
func (r *resumed) checkFiles(c Config) error {
	const do = "give the file the run began with, or begin another run"
	sums, err := dataHashes(c)
	if err != nil {
		return err
	}
	for i, sum := range sums {
		if i >= len(r.Data) || r.Data[i].Use != sum.Use {
			return &peft.InputError{What: "resume", Where: "--" + sum.Use + " " + sum.Path, Why: "the run began without this file", Do: do}
		}
		if want := r.Data[i]; want.SHA256 != sum.SHA256 {
			return &peft.InputError{What: "resume", Where: "--" + sum.Use + " " + sum.Path,
				Why: fmt.Sprintf("is not the %s that the run began with (SHA-256 %.12s…, was %.12s…)", want.Path, sum.SHA256, want.SHA256), Do: do}
		}
	}
	if len(sums) < len(r.Data) {
		missing := r.Data[len(sums)]
		return &peft.InputError{What: "resume", Where: "--" + missing.Use, Why: "the run began with " + missing.Path + " too", Do: do}
	}
	f, err := gguf.Open(c.Model)
	if err != nil {
		return err
	}
	defer f.Close()
	h := hashBase(f)
	if h.err != nil {
		return h.err
	}
	if h.tensors != r.Model || h.header != r.ModelHeader {
		return &peft.InputError{What: "resume", Where: "--model " + c.Model, Why: fmt.Sprintf(
			"is not the model that the run began with (SHA-256 of its tensors %.12s…, was %.12s…, of its metadata %.12s…, was %.12s…)",
			h.tensors, r.Model, h.header, r.ModelHeader), Do: do}
	}
	return nil
}

// cpu chooses how to compute: a resumed run takes the BLAS it began with, where that is still there.
func (j *job) cpu(c Config) ggml.CPUOptions {
	o := ggml.CPUOptions{Threads: c.threads()}
	if j.from != nil {
		o.BLAS, o.NoBLAS = j.from.record.BLASFile, j.from.record.BLASFile == ""
	}
	return o
}

// restore puts the checkpoint into the parameters and the optimizer, once everything is loaded.
func (j *job) restore() (err error) {
	r := j.from
	if r == nil {
		return nil
	}
	if r.best, err = r.fill(j.tuned.params); err != nil {
		return err
	}
	j.trainer.adamw.Steps = r.OptimizerSteps
	if err := j.checkTemplate(); err != nil {
		return err
	}
	if r.now, err = j.newRecord(); err != nil {
		return err
	}
	r.log.note("resuming %s after step %d of %d", r.folder, r.Step, j.TotalSteps)
	if d := r.record.differences(r.now); len(d) > 0 {
		r.log.note("from here on the last bits may differ from those of an uninterrupted run: %s", strings.Join(d, "; "))
	}
	return nil
}

// checkTemplate compares the chat template of the rows with the one that the run keeps: another one would change the data from here on.
func (j *job) checkTemplate() error {
	kept := filepath.Join(j.from.folder, ChatTemplateFile)
	text, err := os.ReadFile(kept)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &peft.InputError{What: "resume", Where: kept, Why: reason(err)}
	}
	if string(text) == j.chatSource() {
		return nil
	}
	where, do := "the chat template", "give the model the run began with"
	switch {
	case err != nil:
		return &peft.InputError{What: "resume", Where: kept, Why: "no such file, though the run has a chat template", Do: "put it back, or begin another run"}
	case j.ChatTemplate != "":
		where, do = "--chat-template "+j.ChatTemplate, fmt.Sprintf("put back what %s holds, or begin another run", kept)
	}
	return &peft.InputError{What: "resume", Where: where, Why: "is not the template that the run began with, which is in " + kept, Do: do}
}

// reopen brings the run folder back to the checkpoint: what was written after it goes.
func (r *resumed) reopen(out *output) error {
	if err := removeMatching(r.folder, halfFiles()...); err != nil {
		return err
	}
	if err := out.checkpoints.goBackTo(r.Step); err != nil {
		return err
	}
	if err := keepLines(filepath.Join(r.folder, metricsFile), r.before); err != nil {
		return err
	}
	out.record.CommandLine, out.record.Started = r.record.CommandLine, r.record.Started
	out.record.Resumed = append(r.record.Resumed, part{At: time.Now(), Step: r.Step, CommandLine: os.Args})
	out.record.Steps = r.Step
	out.base <- baseHash{tensors: r.Model, header: r.ModelHeader}
	out.data, out.saved = r.Data, r.Step
	r.remember(out)
	return nil
}
