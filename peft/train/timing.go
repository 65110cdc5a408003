package train

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/graft-go/graft/peft/data"
)

// slowMicro is how long a micro-batch takes at most for a second one to be timed: the first also reads the weights from the disk.
const slowMicro = 20 * time.Second

// estimate times micro-batches of the first step, without applying them, and says how long the run will take.
func (j *job) estimate(ctx context.Context, note func(format string, a ...any)) error {
	var x data.Batch
	fit := func(longest int) int { return int(j.trainer.inputs.fit(longest).T) }
	rate := func(plan *data.Plan, graph func(*inputs) (*lossGraph, error)) (perSecond float64, err error) {
		var took time.Duration
		for try := range 2 {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			plan.Fill(1, try%plan.Micro(1), &x)
			start := time.Now()
			if _, err := j.trainer.run(&x, graph); err != nil {
				return 0, fmt.Errorf("timing: %w", err)
			}
			if took = time.Since(start); took > slowMicro {
				break
			}
		}
		return float64(x.B*fit(x.Longest)) / took.Seconds(), nil
	}
	perSecond, err := rate(j.Plan, j.trainer.accumulator)
	if err != nil {
		return err
	}
	epochs := float64(j.TotalSteps) / float64(j.Plan.StepsPerEpoch())
	tokens := epochs * float64(j.Plan.PaddedTokens(fit))
	seconds, evals := tokens/perSecond, ""
	if j.ValidPlan != nil {
		perSecond, err := rate(j.ValidPlan, j.trainer.evaluator)
		if err != nil {
			return err
		}
		n := 1 + (j.TotalSteps+j.EvalSteps-1)/j.EvalSteps
		took := float64(n*j.ValidPlan.PaddedTokens(fit)) / perSecond
		seconds += took
		evals = fmt.Sprintf(", of it %d evaluations %s", n, spent(took))
	}
	note("time: about %s%s (%.0f tokens/s in two timed micro-batches)", spent(seconds), evals, perSecond)
	return nil
}

// spent is a duration for people, rounded.
func spent(seconds float64) string {
	switch {
	case seconds < 90:
		return fmt.Sprintf("%.0f s", math.Ceil(seconds))
	case seconds < 90*60:
		return fmt.Sprintf("%.0f min", seconds/60)
	case seconds < 48*3600:
		return fmt.Sprintf("%.1f h", seconds/3600)
	default:
		return fmt.Sprintf("%.1f days", seconds/86400)
	}
}
