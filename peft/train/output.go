package train

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/peft"
)

// Names of the adapter in a run folder: a LoRA GGUF, or graft's own format for what that cannot hold.
const (
	AdapterFile = "adapter.gguf"
	GraftFile   = "adapter.graft.gguf"
)

// output is what a run writes and remembers on the way.
type output struct {
	Options
	folder  string
	metrics *MetricsWriter
	memory  memoryMeter
	record  *record
	hash    chan string // of the base model's tensors, computed beside the training

	first, last Metrics
	firstEval   *Eval
	best        *Eval
	lastEval    *Eval
	bestValues  [][]float32 // the weights of each group at the best evaluation
}

// record is run.json: what a run was made of.
type record struct {
	Graft       string            `json:"graft"`
	CommandLine []string          `json:"command_line"`
	Started     time.Time         `json:"started"`
	Ended       *time.Time        `json:"ended,omitempty"`
	State       string            `json:"state"` // running, done or stopped
	Model       string            `json:"model"`
	ModelSHA256 string            `json:"model_sha256,omitempty"` // over the tensors' bytes
	Data        map[string]string `json:"data_sha256"`            // file → hash of its bytes
	GGML        string            `json:"ggml"`
	Library     string            `json:"library"`
	Device      string            `json:"device"`
	Threads     int               `json:"threads"`
	BLAS        string            `json:"blas"`
	Parameters  int64             `json:"trained_parameters"`
	Steps       int               `json:"steps"`
}

// create makes the run folder and opens its files.
func (j *job) create(o Options) (*output, error) {
	settings, err := j.Config.YAML()
	if err != nil {
		return nil, err
	}
	hashes, err := dataHashes(j.Config)
	if err != nil {
		return nil, err
	}
	if err := j.folder.Create(); err != nil {
		return nil, err
	}
	out := &output{Options: o, folder: j.folder.Path, hash: make(chan string, 1)}
	if err := writeFile(filepath.Join(out.folder, "config.yaml"), settings); err != nil {
		return nil, err
	}
	if out.metrics, err = NewMetricsWriter(filepath.Join(out.folder, "metrics.jsonl")); err != nil {
		return nil, err
	}
	version, commit, library, err := ggml.Version()
	if err != nil {
		return nil, err
	}
	out.record = &record{Graft: graftVersion(), CommandLine: os.Args, Started: time.Now(), State: "running", Model: j.Model, Data: hashes,
		GGML: version + " " + commit, Library: library, Device: "cpu", Threads: j.backend.Threads, BLAS: "none", Parameters: j.tuned.params.Count()}
	if b := j.backend.BLAS; b != nil {
		out.record.BLAS = b.Name + " (" + b.Found.Path + ")"
	}
	go func(f *gguf.File) {
		sum, _ := f.SHA256()
		out.hash <- sum
	}(j.model.File)
	return out, out.writeRecord()
}

// step reports and writes a step.
func (out *output) step(m Metrics) error {
	if m.Step == 1 {
		out.first = m
	}
	out.last = m
	out.record.Steps = m.Step
	if out.OnStep != nil {
		out.OnStep(m)
	}
	return out.metrics.Step(m)
}

// eval reports and writes an evaluation, and keeps the weights where it is the best so far.
func (out *output) eval(e Eval, params *peft.Params) error {
	if out.firstEval == nil {
		first := e
		out.firstEval = &first
	}
	last := e
	out.lastEval = &last
	if e.Step > 0 && (out.best == nil || e.Loss < out.best.Loss) {
		best := e
		out.best = &best
		if out.bestValues == nil {
			out.bestValues = make([][]float32, len(params.Groups))
		}
		for i, g := range params.Groups {
			if out.bestValues[i] == nil {
				out.bestValues[i] = make([]float32, g.W.Elements())
			}
			g.W.GetF32(out.bestValues[i])
		}
	}
	if out.OnEval != nil {
		out.OnEval(e)
	}
	return out.metrics.Eval(e)
}

// restoreBest puts the best weights back, where an evaluation chose them.
func (out *output) restoreBest(params *peft.Params) {
	if out.best == nil {
		return
	}
	for i, g := range params.Groups {
		g.W.SetF32(0, out.bestValues[i])
	}
}

// verdict is one line on what came of the run.
func (out *output) verdict() string {
	const little = 0.005 // a change of loss below half a percent is none
	if out.best != nil {
		from, best := out.firstEval.Loss, out.best.Loss
		change := fmt.Sprintf("validation loss %.4f → %.4f (perplexity %.4g → %.4g)", from, best, perplexity(from), perplexity(best))
		switch {
		case best > from*(1-little):
			return "not learned: " + change + "; try a higher --lr, more --epochs, or data closer to the task"
		case out.lastEval.Loss > best*(1+little):
			return fmt.Sprintf("over-fitted since step %d: %s; the adapter is that step's", out.best.Step, change)
		}
		return "improved: " + change
	}
	change := fmt.Sprintf("training loss %.4f → %.4f, without validation", out.first.Loss, out.last.Loss)
	if out.last.Loss > out.first.Loss*(1-little) {
		return "not learned: " + change + "; try a higher --lr or more steps"
	}
	return "improved: " + change
}

func (out *output) note(format string, a ...any) {
	if out.Log != nil {
		out.Log(format, a...)
	}
}

// finishRecord completes run.json.
func (out *output) finishRecord(state string) error {
	now := time.Now()
	out.record.Ended, out.record.State = &now, state
	out.record.ModelSHA256 = out.modelHash()
	return out.writeRecord()
}

// modelHash waits for the hash of the base model's tensors.
func (out *output) modelHash() string {
	sum := <-out.hash
	out.hash <- sum
	return sum
}

func (out *output) writeRecord() error {
	text, err := json.MarshalIndent(out.record, "", "  ")
	if err != nil {
		return fmt.Errorf("write run.json: %w", err)
	}
	return writeFile(filepath.Join(out.folder, "run.json"), append(text, '\n'))
}

// Close closes the files; the hash is waited for, since it reads the model's mapping.
func (out *output) Close() {
	out.modelHash()
	out.metrics.Close()
	out.memory.Close()
}

// perplexity is e^loss, infinite where that overflows.
func perplexity(loss float64) float64 { return math.Exp(loss) }

func graftVersion() string { return Version() + " " + runtime.GOOS + "/" + runtime.GOARCH }
