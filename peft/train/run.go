package train

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/ggml/vocab"
	"github.com/graft-go/graft/peft"
	"github.com/graft-go/graft/peft/data"
	"github.com/graft-go/graft/peft/llama"
	"github.com/graft-go/graft/peft/lora"
	"github.com/graft-go/graft/peft/optim"
)

// job is a run that is checked and loaded and has not written anything yet.
type job struct {
	*Resolved
	backend *ggml.Backend
	model   *llama.Model
	adapter *lora.Adapter
	params  *peft.Params
	trainer *trainer
	folder  *RunFolder
}

// Run trains. Flags, settings, run folder, model, data and adapter are checked, in this order, and all memory is taken, before
// anything is written. When ctx is cancelled the adapter is saved as it is and the error of the context returned.
func Run(ctx context.Context, c Config, o Options) (*Result, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	j := &job{}
	defer j.Close()
	if !c.DryRun {
		var err error
		if j.folder, err = CheckRunFolder(c.Out, c.Force); err != nil {
			return nil, err
		}
	}
	if err := j.load(ctx, c); err != nil {
		return nil, err
	}
	if o.OnPlan != nil {
		o.OnPlan(j.Resolved)
	}
	if c.DryRun {
		return &Result{}, nil
	}
	return j.train(ctx, o)
}

// load opens the model, reads the data and builds everything that training needs.
func (j *job) load(ctx context.Context, c Config) error {
	file, err := gguf.Open(c.Model)
	if err != nil {
		return err
	}
	owned := false
	defer func() {
		if !owned {
			file.Close()
		}
	}()
	shape, err := llama.ReadConfig(file)
	if err != nil {
		return err
	}
	if _, err := c.LoRALayers(int(shape.Blocks)); err != nil {
		return err
	}
	if j.backend, err = ggml.NewCPU(ggml.CPUOptions{Threads: c.threads()}); err != nil {
		return err
	}
	tok, closeTok, err := tokenizer(file)
	if err != nil {
		return err
	}
	defer closeTok()
	if j.Resolved, err = Prepare(ctx, c, file, tok); err != nil {
		return err
	}
	j.NumThreads = Given(float64(j.backend.Threads))
	if j.model, err = llama.New(j.backend, file); err != nil {
		return err
	}
	owned = true
	if err := j.attach(); err != nil {
		return err
	}
	t := j.longest()
	j.trainer, err = newTrainer(j.backend, j.model, j.params, j.Batch.Int(), t, j.Packing.On(),
		optim.AdamWConfig{Beta1: j.Beta1, Beta2: j.Beta2, Eps: j.Eps, Decay: j.Decay, Clip: j.Clip})
	return err
}

// threads is the number of threads to use; 0 = the backend decides.
func (c *Config) threads() int {
	if c.NumThreads.Given {
		return c.NumThreads.Int()
	}
	return 0 // ggml.Threads
}

// tokenizer opens the model's own, or returns nil where the file has none.
func tokenizer(file *gguf.File) (data.Tokenizer, func(), error) {
	if !file.HasTokenizer() {
		return nil, func() {}, nil
	}
	v, err := openVocab(file)
	if err != nil {
		return nil, nil, err
	}
	return v, func() { v.Close() }, nil
}

// openVocab opens the tokenizer, whose every id must have a row in the embedding: the library would end the process on another.
func openVocab(file *gguf.File) (*vocab.Vocab, error) {
	v, err := vocab.Open(file)
	if err != nil {
		return nil, err
	}
	if rows := VocabSize(file); v.N() > rows {
		n := v.N()
		v.Close()
		return nil, &peft.InputError{What: "model", Where: file.Path, Why: fmt.Sprintf("its tokenizer has %d tokens, its embedding %d rows", n, rows), Do: "give a whole model"}
	}
	return v, nil
}

// attach puts the LoRA on the model and gives it its start.
func (j *job) attach() (err error) {
	layers, err := j.LoRALayers(int(j.model.Blocks))
	if err != nil {
		return err
	}
	blocks := map[int]bool{}
	for _, l := range layers {
		blocks[l] = true
	}
	j.adapter, err = lora.New(j.model.Sites(), lora.Config{Rank: int64(j.Rank), Alpha: j.AlphaValue(), Targets: j.TargetNames(), Blocks: blocks})
	if err != nil {
		return err
	}
	if j.params, err = peft.NewParams(j.backend, j.adapter.Specs(), true); err != nil {
		return err
	}
	j.adapter.Attach(j.params)
	j.adapter.Init(j.Seed)
	if j.Init == "" {
		return nil
	}
	path, err := AdapterPath(j.Init)
	if err != nil {
		return err
	}
	file, err := lora.Open(path)
	if err != nil {
		return err
	}
	return file.Fill(j.adapter)
}

// longest is the most tokens a sequence of this run can have: with packing the whole of ctx.
func (j *job) longest() int {
	t := j.Ctx.Int()
	if j.Packing.On() {
		return t
	}
	longest := 2
	for _, set := range []*data.Set{j.TrainSet, j.ValidSet} {
		if set == nil {
			continue
		}
		for _, row := range set.Rows {
			longest = max(longest, min(len(row.Tokens), t))
		}
	}
	return longest
}

// train is the loop: load → forward → backward → clip → step → report.
func (j *job) train(ctx context.Context, o Options) (*Result, error) {
	out, err := j.create(o)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	var x data.Batch
	var m Metrics
	schedule := j.LearningRate()
	if err := j.evaluate(ctx, out, 0, &x); err != nil {
		return nil, j.stopped(err, out, 0)
	}
	for step := 1; step <= j.TotalSteps; step++ {
		if err := ctx.Err(); err != nil {
			return nil, j.stopped(err, out, step-1)
		}
		start := time.Now()
		if err := j.trainer.Step(j.Plan, step, schedule.At(step), &x, &m); err != nil {
			return nil, j.stopped(err, out, step-1)
		}
		m.Epoch = j.Plan.Epoch(step)
		m.Seconds = time.Since(start).Seconds()
		m.TokensPerSecond = float64(m.Tokens) / m.Seconds
		m.MemoryBytes = out.memory.Resident()
		if err := out.step(m); err != nil {
			return nil, j.stopped(err, out, step)
		}
		if step%j.EvalSteps == 0 || step == j.TotalSteps {
			if err := j.evaluate(ctx, out, step, &x); err != nil {
				return nil, j.stopped(err, out, step)
			}
		}
	}
	return j.finish(out)
}

// evaluate measures the validation rows, where there are any, and keeps the best adapter so far.
func (j *job) evaluate(ctx context.Context, out *output, step int, x *data.Batch) error {
	if j.ValidPlan == nil {
		return nil
	}
	loss, _, err := j.trainer.Evaluate(j.ValidPlan, x, ctx.Err)
	if err != nil {
		return err
	}
	return out.eval(newEval(step, loss), j.params)
}

// finish saves the best adapter, or the last where nothing was validated.
func (j *job) finish(out *output) (*Result, error) {
	out.restoreBest(j.params)
	path := filepath.Join(j.folder.Path, AdapterFile)
	if err := j.adapter.Save(path, "llama", baseName(j.model.File)); err != nil {
		return nil, err
	}
	if err := out.finishRecord("done"); err != nil {
		return nil, err
	}
	return &Result{Folder: j.folder.Path, Adapter: path, Steps: j.TotalSteps, Loss: out.last.Loss, Eval: out.best, Verdict: out.verdict()}, nil
}

// stopped saves what there is when a run ends early, after step steps, and says so.
func (j *job) stopped(cause error, out *output, step int) error {
	var abort *ggml.AbortError
	if errors.As(cause, &abort) || step == 0 {
		return errors.Join(cause, out.finishRecord("stopped"))
	}
	path := filepath.Join(j.folder.Path, AdapterFile)
	if err := j.adapter.Save(path, "llama", baseName(j.model.File)); err != nil {
		return errors.Join(cause, err)
	}
	out.note("stopped after step %d; the adapter as it was then is in %s", step, path)
	return errors.Join(cause, out.finishRecord("stopped"))
}

// baseName is what the base model calls itself.
func baseName(f *gguf.File) string {
	if name, ok := f.String("general.name"); ok {
		return name
	}
	return filepath.Base(f.Path)
}

// Close frees everything the job holds. It may be called twice.
func (j *job) Close() {
	if j.trainer != nil {
		j.trainer.Close()
	}
	if j.params != nil {
		j.params.Close()
	}
	j.model.Close()
	j.backend.Close()
}

// newEval makes the record of an evaluation.
func newEval(step int, loss float64) Eval {
	return Eval{Step: step, Loss: loss, Perplexity: perplexity(loss)}
}
