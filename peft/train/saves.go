package train

import (
	"encoding/json"
	"time"
)

// evaluationDue tells whether the validation rows, where there are any, are still to be measured after step steps: before the first,
// every so many, and after the last. A resumed run has done it, or was interrupted before.
func (j *job) evaluationDue(out *output, step int) bool {
	done := out.lastEval != nil && out.lastEval.Step == step
	return j.ValidPlan != nil && !done && (step%j.EvalSteps == 0 || step == j.TotalSteps)
}

// enough tells whether --early-stop ends the run.
func (j *job) enough(out *output) bool { return j.EarlyStop > 0 && out.worse >= j.EarlyStop }

// saveDue tells whether a checkpoint is to be written after a step.
func (out *output) saveDue(step int) bool {
	return step != out.saved && out.every.due(step, time.Since(out.savedAt))
}

// checkpoint saves the run as it is after a step, unless that has been done.
func (j *job) checkpoint(out *output, step int) error {
	if step == out.saved {
		return nil
	}
	base := out.hashOfBase()
	if base.err != nil {
		return base.err
	}
	if err := j.model.File.CheckUnchanged(); err != nil && !out.warned {
		// No reason to lose the run: a file that was replaced or removed is still mapped as it was.
		out.warned = true
		out.note("warning: %v", err)
	}
	if err := out.metrics.Sync(); err != nil {
		return err
	}
	state := out.state(step)
	state.OptimizerSteps, state.Model, state.ModelHeader = j.trainer.adamw.Steps, base.tensors, base.header
	err := out.checkpoints.write(step, func(dir string) error {
		if _, err := j.save(dir, out); err != nil {
			return err
		}
		return writeState(dir, state, j.tuned.params, out.bestValues)
	})
	if err == nil {
		out.saved, out.savedAt = step, time.Now()
	}
	return err
}

// state is what the run remembers after a step.
func (out *output) state(step int) runState {
	return runState{Format: formatNow, Graft: graftVersion(), Step: step,
		First: point{out.first.Step, out.first.Loss}, Last: point{out.last.Step, out.last.Loss},
		FirstEval: pointOf(out.firstEval), LastEval: pointOf(out.lastEval), Best: pointOf(out.best), Worse: out.worse, Data: out.data}
}

func pointOf(e *Eval) *point {
	if e == nil {
		return nil
	}
	return &point{e.Step, e.Loss}
}

// remember is the inverse of state.
func (r *resumed) remember(out *output) {
	eval := func(p *point) *Eval {
		if p == nil {
			return nil
		}
		e := newEval(p.Step, p.Loss)
		return &e
	}
	out.first, out.last = Metrics{Step: r.First.Step, Loss: r.First.Loss}, Metrics{Step: r.Last.Step, Loss: r.Last.Loss}
	out.firstEval, out.lastEval, out.best = eval(r.FirstEval), eval(r.LastEval), eval(r.Best)
	out.worse, out.bestValues = r.Worse, r.best
}

// before tells whether a line of metrics.jsonl was written before the checkpoint. Of an interrupted run the evaluation of the
// checkpoint's own step may come after it.
func (r *resumed) before(line []byte) bool {
	var m struct {
		Step *int            `json:"step"`
		Eval json.RawMessage `json:"eval_loss"`
	}
	if json.Unmarshal(line, &m) != nil || m.Step == nil {
		return false
	}
	if m.Eval != nil {
		return r.LastEval != nil && *m.Step <= r.LastEval.Step
	}
	return *m.Step <= r.Step
}
