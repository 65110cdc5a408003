package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/graft-go/graft/peft"
	"github.com/graft-go/graft/peft/train"
)

// Files of a demo, in its folder.
const (
	ModelFile    = "model.gguf"
	TrainFile    = "train.jsonl"
	HeldOutFile  = "held-out.jsonl"
	RunDir       = "run" // the run folder, with adapter.gguf in it
	recordFile   = "demo.json"
	trainingRows = 2000
	heldOutRows  = 100
	stockRows    = 25
)

// Options of a demo.
type Options struct {
	Folder    string
	Seed      uint64
	Steps     int  // optimizer steps; 0 = as many as the task needs
	Threads   int  // 0 = one: more gain little on so small a model, and lose much beside other work
	Overwrite bool // write into a folder that is not a demo's
	Train     train.Options
	OnStage   func(Stage, *Result) // when a part of the demo begins; may be nil
}

// Stage is a part of the demo.
type Stage int

// The parts, in their order.
const (
	StageBefore Stage = iota // files are written, the model answers as it is
	StageTrain               // the model has answered; Result.Before is filled in
	StageAfter               // trained; the model answers with the adapter
	StageStock               // Result.After is filled in; libllama answers with the adapter
	StageDone
)

// Result is what came of a demo.
type Result struct {
	Folder       string    `json:"folder"`
	Model        string    `json:"model"`
	Run          string    `json:"run"`
	Adapter      string    `json:"adapter"`
	Seed         uint64    `json:"seed"`
	Steps        int       `json:"steps"`
	TrainingRows int       `json:"training_rows"`
	HeldOut      int       `json:"held_out_rows"`
	RightBefore  int       `json:"right_before"`
	RightAfter   int       `json:"right_after"`
	UnseenRows   int       `json:"held_out_rows_of_unseen_commands"`
	UnseenRight  int       `json:"right_after_of_unseen_commands"`
	StockRows    int       `json:"libllama_answers"`
	StockSame    int       `json:"libllama_answers_same"`
	Loss         float64   `json:"loss"`
	Examples     []Example `json:"examples"`
	Seconds      Seconds   `json:"seconds"`

	Before, After []Answer `json:"-"`
}

// Example is a held-out sentence with what the model says before and after.
type Example struct {
	Prompt string `json:"prompt"`
	Wanted string `json:"wanted"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// Seconds is what the parts took.
type Seconds struct {
	Before   float64 `json:"before"`
	Training float64 `json:"training"`
	After    float64 `json:"after"`
	Libllama float64 `json:"libllama"`
	All      float64 `json:"all"`
}

// Config is the training of the demo: a LoRA of rank 16 on every linear layer. The rate is higher than large models bear.
func Config(folder string) train.Config {
	c := train.DefaultConfig()
	c.Model, c.Data, c.Out, c.Force = filepath.Join(folder, ModelFile), []string{filepath.Join(folder, TrainFile)}, filepath.Join(folder, RunDir), true
	c.Rank, c.LR = 16, train.Given(4e-3)
	c.Ctx, c.Batch, c.Accum, c.Packing = train.Given(128), train.Given(8), train.Given(1), train.Given(1)
	c.Split, c.Steps = train.Given(0), 300
	return c
}

// Run does the whole demo: model and data into the folder, answers to held-out sentences, training, the answers again, and the same
// answers from libllama.
func Run(ctx context.Context, o Options) (*Result, error) {
	start := time.Now()
	o.Threads = max(1, o.Threads)
	r := &Result{Folder: o.Folder, Model: filepath.Join(o.Folder, ModelFile), Run: filepath.Join(o.Folder, RunDir), Seed: o.Seed,
		TrainingRows: trainingRows, HeldOut: heldOutRows, StockRows: stockRows}
	stage := func(s Stage) {
		if o.OnStage != nil {
			o.OnStage(s, r)
		}
	}
	rows, held := Household(trainingRows, heldOutRows, o.Seed)
	if err := writeFolder(o, rows, held); err != nil {
		return nil, err
	}
	stage(StageBefore)
	var err error
	if r.Before, r.Seconds.Before, err = ask(ctx, o, r.Model, "", held); err != nil {
		return nil, err
	}
	r.RightBefore = Right(r.Before)
	stage(StageTrain)
	c := Config(o.Folder)
	c.Seed = o.Seed
	if o.Steps > 0 {
		c.Steps = o.Steps
	}
	c.NumThreads = train.Given(float64(o.Threads))
	begin := time.Now()
	trained, err := train.Run(ctx, c, o.Train)
	if err != nil {
		return nil, err
	}
	r.Seconds.Training, r.Adapter, r.Steps, r.Loss = time.Since(begin).Seconds(), trained.Adapter, trained.Steps, trained.Loss
	stage(StageAfter)
	if r.After, r.Seconds.After, err = ask(ctx, o, r.Model, r.Adapter, held); err != nil {
		return nil, err
	}
	r.count()
	stage(StageStock)
	begin = time.Now()
	if r.StockSame, err = AskStock(r.Model, r.Adapter, r.After[:stockRows], o.Threads); err != nil {
		return nil, err
	}
	r.Seconds.Libllama, r.Seconds.All = time.Since(begin).Seconds(), time.Since(start).Seconds()
	stage(StageDone)
	return r, r.write()
}

// ask opens the model, with the adapter where there is one, and asks it the rows.
func ask(ctx context.Context, o Options, model, adapter string, rows []Row) ([]Answer, float64, error) {
	start := time.Now()
	so := train.SessionOptions{Model: model, Threads: o.Threads}
	if adapter != "" {
		so.Adapters = []string{adapter}
	}
	s, err := train.OpenSession(so)
	if err != nil {
		return nil, 0, err
	}
	defer s.Close()
	answers, err := Ask(ctx, s, rows)
	return answers, time.Since(start).Seconds(), err
}

// count sums up the answers, and chooses examples of different devices.
func (r *Result) count() {
	r.RightAfter = Right(r.After)
	devices := map[string]bool{}
	for i := range r.After {
		a := &r.After[i]
		if unseenRow(i) {
			r.UnseenRows++
			if a.Right() {
				r.UnseenRight++
			}
		}
		var c Command
		if json.Unmarshal([]byte(a.Completion), &c) == nil && !devices[c.Device] && len(r.Examples) < 4 {
			devices[c.Device] = true
			r.Examples = append(r.Examples, Example{Prompt: a.Prompt, Wanted: a.Completion, Before: r.Before[i].Got, After: a.Got})
		}
	}
}

// writeFolder checks that the folder is new, empty or a demo's own, and puts model and data into it. The record comes first, so that
// what an interrupted demo leaves is known as a demo's.
func writeFolder(o Options, rows, held []Row) error {
	fault := func(why, do string) error {
		return &peft.InputError{What: "demo", Where: "--out " + o.Folder, Why: why, Do: do}
	}
	entries, err := os.ReadDir(o.Folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fault("cannot be read as a folder: "+reason(err), "give another folder: -o NAME")
	case len(entries) > 0 && !o.Overwrite:
		if _, err := os.Stat(filepath.Join(o.Folder, recordFile)); err != nil {
			return fault("exists and was not made by graft demo", "give another folder, -o NAME, or --overwrite to write into this one")
		}
	}
	if err := os.MkdirAll(o.Folder, 0o755); err != nil {
		return fault(reason(err), "give a folder that can be written: -o NAME")
	}
	for _, f := range []struct{ name, content string }{
		{recordFile, "{}\n"}, {ModelFile, model}, {TrainFile, string(JSONL(rows))}, {HeldOutFile, string(JSONL(held))},
	} {
		if err := writeFile(filepath.Join(o.Folder, f.name), f.content); err != nil {
			return fault(reason(err), "give a folder that can be written: -o NAME")
		}
	}
	return nil
}

// write keeps the result beside the model.
func (r *Result) write() error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	return writeFile(filepath.Join(r.Folder, recordFile), string(text)+"\n")
}

// reason is the text of an error of the system without the path.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
