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
	"github.com/graft-go/graft/peft/adapter"
	"github.com/graft-go/graft/peft/data"
	"github.com/graft-go/graft/peft/llama"
	"github.com/graft-go/graft/peft/optim"
)

// job is a run that is checked and loaded and has not written anything yet.
type job struct {
	*Resolved
	backend *ggml.Backend
	vocab   *vocab.Vocab // nil where the model has no tokenizer
	model   *llama.Model
	tuned   *tuned
	trainer *trainer
	folder  *RunFolder
	from    *resumed // nil where the run begins
}

// Run trains, or goes on with a run that was cut short. Flags, settings, run folder, model, data and adapter are checked, in this
// order, and all memory is taken, before anything is written. When ctx is cancelled the step in progress is finished, a checkpoint and
// the adapter as it is then are saved, and the error of the context is returned.
func Run(ctx context.Context, c Config, o Options) (*Result, error) {
	j := &job{}
	defer j.Close()
	if c.Resume {
		var err error
		if c, err = j.resume(c, o); err != nil {
			return nil, err
		}
		if j.from.done != nil {
			return j.from.done, nil
		}
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if !c.DryRun && !c.Resume {
		var err error
		if j.folder, err = CheckRunFolder(c.Out, c.Force); err != nil {
			return nil, err
		}
	}
	if err := j.load(ctx, c); err != nil {
		return nil, err
	}
	if err := j.restore(); err != nil {
		return nil, err
	}
	if o.OnPlan != nil {
		o.OnPlan(j.Resolved)
	}
	if j.from == nil {
		if err := j.estimate(ctx, o.note); err != nil {
			return nil, err
		}
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
	if j.backend, err = ggml.NewCPU(j.cpu(c)); err != nil {
		return err
	}
	if file.HasTokenizer() {
		if j.vocab, err = openVocab(file); err != nil {
			return err
		}
	}
	rows, err := readData(ctx, &c, file, asTokenizer(j.vocab))
	if err != nil {
		return err
	}
	program := residentNow()
	if j.model, err = llama.New(j.backend, file); err != nil {
		return err
	}
	owned = true
	if j.tuned, err = newTuned(j.backend, j.model, &c); err != nil {
		return err
	}
	if c.Init != "" && j.from == nil { // a checkpoint replaces any start
		if err := j.tuned.startFrom(c.Init); err != nil {
			return err
		}
	}
	budget := newBudget(j.backend, j.model, j.tuned.params, program, c.memoryLimit())
	if j.Resolved, err = Resolve(c, rows.train, rows.valid, ContextLength(file), budget.fits); err != nil {
		return err
	}
	rows.explain(j.Resolved, file, j.vocab)
	j.tuned.template = j.chatSource()
	j.Device = "cpu"
	j.NumThreads = Given(float64(j.backend.Threads))
	t := j.longest()
	if j.Memory, err = budget.check(j.Batch.Int(), t, j.Packing.On()); err != nil {
		return err
	}
	j.trainer, err = newTrainer(j.backend, j.model, j.tuned.params, j.Batch.Int(), t, j.Packing.On(),
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

// asTokenizer is a vocabulary as the data package takes it; an absent one is a nil interface.
func asTokenizer(v *vocab.Vocab) data.Tokenizer {
	if v == nil {
		return nil
	}
	return v
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

// train is the loop: load → forward → backward → clip → step → report, with evaluations and checkpoints in between.
func (j *job) train(ctx context.Context, o Options) (*Result, error) {
	out, err := j.open(o)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	var x data.Batch
	var m Metrics
	schedule := j.LearningRate()
	for step := out.last.Step; ; {
		if j.evaluationDue(out, step) {
			if err := j.evaluate(ctx, out, step, &x); err != nil {
				return nil, j.stopped(err, out, step)
			}
		}
		if step == j.TotalSteps || j.enough(out) {
			return j.finish(out, step)
		}
		if out.saveDue(step) {
			if err := j.checkpoint(out, step); err != nil {
				return nil, j.stopped(err, out, step)
			}
		}
		if err := ctx.Err(); err != nil {
			return nil, j.stopped(err, out, step)
		}
		start := time.Now()
		if err := j.trainer.Step(j.Plan, step+1, schedule.At(step+1), &x, &m); err != nil {
			return nil, j.stopped(err, out, step)
		}
		step++
		m.Epoch = j.Plan.Epoch(step)
		m.Seconds = time.Since(start).Seconds()
		m.TokensPerSecond = float64(m.Tokens) / m.Seconds
		m.MemoryBytes = out.memory.Resident()
		if err := out.step(m); err != nil {
			return nil, j.stopped(err, out, step)
		}
	}
}

// evaluate measures the validation rows and keeps the best adapter so far.
func (j *job) evaluate(ctx context.Context, out *output, step int, x *data.Batch) error {
	loss, _, err := j.trainer.Evaluate(j.ValidPlan, x, ctx.Err)
	if err != nil {
		return err
	}
	if !finite(loss) {
		return fmt.Errorf("evaluation after step %d: %w: loss %g; try a lower --lr or a longer --warmup", step, ErrDiverged, loss)
	}
	return out.eval(newEval(step, loss), j.tuned.params)
}

// finish saves the best adapter, or the last where nothing was validated.
func (j *job) finish(out *output, step int) (*Result, error) {
	if err := j.checkpoint(out, step); err != nil {
		return nil, j.stopped(err, out, step)
	}
	if step < j.TotalSteps {
		out.note("stopped early after step %d of %d: %d evaluations in a row were no better than step %d's", step, j.TotalSteps, out.worse, out.best.Step)
	}
	out.restoreBest(j.tuned.params)
	path, err := j.save(j.folder.Path, out)
	if err != nil {
		return nil, j.stopped(err, out, step)
	}
	out.record.Verdict = out.verdict(j.Plan.StepsPerEpoch())
	if err := out.finishRecord("done"); err != nil {
		return nil, err
	}
	return &Result{Folder: j.folder.Path, Adapter: path, Steps: step, Loss: out.last.Loss, Eval: out.best, Verdict: out.record.Verdict}, nil
}

// stopped ends a run early, after step steps: it saves what there is and says how to go on. An interrupted run gets a checkpoint of its
// last step; after any other error the last one stands.
func (j *job) stopped(cause error, out *output, step int) error {
	interrupted := errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded)
	if interrupted {
		if err := j.checkpoint(out, step); err != nil {
			cause, interrupted = fmt.Errorf("interrupted: %w", err), false
		}
	}
	var abort *ggml.AbortError
	if step > 0 && !errors.As(cause, &abort) {
		if _, err := j.save(j.folder.Path, out); err != nil {
			out.note("the adapter as it is now could not be saved: %v", err)
		}
	}
	switch {
	case interrupted:
		out.note("interrupted after step %d, saved in %s; the same command with --resume goes on from there", step, out.checkpoints.of(step))
	case out.saved >= 0:
		out.note("stopped after step %d; the same command with --resume goes on from %s, once the cause is gone", step, out.checkpoints.of(out.saved))
	default:
		out.note("stopped after step %d, before the first checkpoint", step)
	}
	if err := out.finishRecord("stopped"); err != nil {
		out.note("%v", err)
	}
	return cause
}

// save writes the adapter as it is now into a folder and returns its path: the result of the run, and a part of each checkpoint.
func (j *job) save(folder string, out *output) (string, error) {
	c := j.Config
	c.Out = "" // where the run lies says nothing of the adapter
	settings, err := c.YAML()
	if err != nil {
		return "", err
	}
	return j.tuned.save(folder, adapter.Header{Architecture: "llama", Settings: string(settings), BaseSHA256: out.hashOfBase().tensors, BaseName: baseName(j.model.File), Template: j.tuned.template})
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
	if j.tuned != nil {
		j.tuned.Close()
	}
	j.model.Close()
	if j.vocab != nil {
		j.vocab.Close()
	}
	j.backend.Close()
	j.folder.Close()
}

// newEval makes the record of an evaluation.
func newEval(step int, loss float64) Eval {
	return Eval{Step: step, Loss: loss, Perplexity: perplexity(loss)}
}
