package train

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// little is the change of a loss, as a part of it, below which nothing has changed.
const little = 0.005

// verdict is one line on what came of the run, of so many steps an epoch.
func (out *output) verdict(perEpoch int) string {
	if out.best != nil {
		from, best := out.firstEval.Loss, out.best.Loss
		change := fmt.Sprintf("validation loss %.4f → %.4f (perplexity %.4g → %.4g)", from, best, perplexity(from), perplexity(best))
		switch {
		case best > from*(1+little):
			return "not learned: " + change + ", worse than the base alone; try a lower --lr or a longer --warmup"
		case best > from*(1-little):
			return "not learned: " + change + "; try a higher --lr, more --epochs, or data closer to the task"
		case out.lastEval.Loss > best*(1+little):
			return fmt.Sprintf("over-fitted since step %d: %s; the adapter is that step's", out.best.Step, change)
		}
		return "improved: " + change
	}
	from, to := out.trend(perEpoch)
	change := fmt.Sprintf("training loss %.4f → %.4f, without validation", from, to)
	switch {
	case to > from*(1+little):
		return "not learned: " + change + "; try a lower --lr, or give validation rows"
	case to > from*(1-little):
		return "not learned: " + change + "; try a higher --lr or more steps"
	}
	return "improved: " + change
}

// trend is the mean loss of a label token in the first and in the last epoch of metrics.jsonl, or, of a run of fewer than two, in the first
// and the last third of its steps: single steps differ by what is in them.
func (out *output) trend(perEpoch int) (from, to float64) {
	from, to = out.first.Loss, out.last.Loss
	text, err := os.ReadFile(filepath.Join(out.folder, metricsFile))
	if err != nil {
		return from, to
	}
	type step struct {
		Loss       *float64 `json:"loss"`
		LossTokens int      `json:"loss_tokens"`
	}
	var steps []step
	for line := range bytes.Lines(text) {
		var s step
		if json.Unmarshal(line, &s) == nil && s.Loss != nil && s.LossTokens > 0 {
			steps = append(steps, s)
		}
	}
	part := perEpoch
	if len(steps) < 2*perEpoch {
		part = max(1, len(steps)/3)
	}
	if len(steps) < 2*part {
		return from, to
	}
	mean := func(of []step) float64 {
		sum, tokens := 0.0, 0
		for _, s := range of {
			sum += *s.Loss * float64(s.LossTokens)
			tokens += s.LossTokens
		}
		return sum / float64(tokens)
	}
	return mean(steps[:part]), mean(steps[len(steps)-part:])
}
