package train

import (
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/peft"
)

// Names of the adapter in a run folder: a LoRA GGUF, or graft's own format for what that cannot hold.
const (
	AdapterFile = "adapter.gguf"
	GraftFile   = "adapter.graft.gguf"
)

// Other files of a run folder.
const (
	settingsFile = "config.yaml"
	metricsFile  = "metrics.jsonl"
	recordFile   = "run.json"
)

// output is what a run writes and remembers on the way.
type output struct {
	Options
	folder  string
	metrics *MetricsWriter
	memory  memoryMeter
	record  *record
	base    chan baseHash // of the base model, computed beside the training
	data    []fileSum

	checkpoints checkpointFolder
	every       interval
	saved       int // step of the newest checkpoint, -1 = none
	savedAt     time.Time
	warned      bool // that the base model's file has changed

	first, last Metrics
	firstEval   *Eval
	best        *Eval
	lastEval    *Eval
	worse       int         // evaluations since the best
	bestValues  [][]float32 // the weights of each parameter at the best evaluation
}

// create makes the folder of a new run.
func (j *job) create(out *output) error {
	if err := j.folder.Create(); err != nil {
		return err
	}
	out.record.CommandLine, out.record.Started = os.Args, time.Now()
	go func(f *gguf.File) { out.base <- hashBase(f) }(j.model.File)
	return nil
}

// open makes the run folder, or brings that of a resumed run back to its checkpoint, and opens its files.
func (j *job) open(o Options) (*output, error) {
	settings, err := j.Config.YAML()
	if err != nil {
		return nil, err
	}
	every, err := parseInterval(j.SaveEvery)
	if err != nil {
		return nil, err
	}
	out := &output{Options: o, folder: j.folder.Path, base: make(chan baseHash, 1), every: every, saved: -1, savedAt: time.Now(),
		checkpoints: checkpointFolder{filepath.Join(j.folder.Path, checkpointsFolder), j.Keep}}
	if out.record, err = j.newRecord(); err != nil {
		return nil, err
	}
	if j.from == nil {
		if out.data, err = dataHashes(j.Config); err != nil {
			return nil, err
		}
		err = j.create(out)
	} else {
		err = j.from.reopen(out)
	}
	if err != nil {
		return nil, err
	}
	out.record.Data = map[string]string{}
	for _, d := range out.data {
		out.record.Data[d.Path] = d.SHA256
	}
	if err := writeFile(filepath.Join(out.folder, settingsFile), settings); err != nil {
		return nil, err
	}
	if source := j.chatSource(); source != "" {
		if err := writeFile(filepath.Join(out.folder, ChatTemplateFile), []byte(source)); err != nil {
			return nil, err
		}
	}
	if out.metrics, err = NewMetricsWriter(filepath.Join(out.folder, metricsFile)); err != nil {
		return nil, err
	}
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
		out.best, out.worse = &best, 0
		if out.bestValues == nil {
			out.bestValues = make([][]float32, len(params.List))
		}
		for i, p := range params.List {
			if out.bestValues[i] == nil {
				out.bestValues[i] = make([]float32, p.W.Elements())
			}
			p.W.GetF32(out.bestValues[i])
		}
	} else if e.Step > 0 {
		out.worse++
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
	for i, p := range params.List {
		p.W.SetF32(0, out.bestValues[i])
	}
}

// Close closes the files; the hash is waited for, since it reads the model's mapping.
func (out *output) Close() {
	out.hashOfBase()
	out.metrics.Close()
	out.memory.Close()
}

// perplexity is e^loss, infinite where that overflows.
func perplexity(loss float64) float64 { return math.Exp(loss) }
