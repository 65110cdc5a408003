package optim

import "math"

// Kinds of schedules.
const (
	Constant = "constant"
	Linear   = "linear"
	Cosine   = "cosine"
)

// Schedules lists the kinds.
func Schedules() []string { return []string{Cosine, Linear, Constant} }

// Schedule is a learning rate over the steps of a run, by the formulas of Hugging Face transformers
// (optimization.py: get_constant_schedule_with_warmup, get_linear_…, get_cosine_…). With k the step from 1, w warm-up
// steps and N steps in all:
//
//	k-1 < w:   lr·(k-1)/w
//	constant:  lr
//	linear:    lr·(1-p)              p = (k-1-w)/(N-w)
//	cosine:    lr·½(1+cos πp)
type Schedule struct {
	Kind   string
	Base   float64 // the highest rate
	Warmup int     // steps
	Steps  int     // steps of the run
}

// At is the rate of step k, from 1. After the last step a decaying schedule stays at 0.
func (s Schedule) At(step int) float64 {
	done := step - 1
	if done < s.Warmup {
		return s.Base * float64(done) / float64(s.Warmup)
	}
	p := min(1, float64(done-s.Warmup)/float64(max(1, s.Steps-s.Warmup)))
	switch s.Kind {
	case Linear:
		return s.Base * (1 - p)
	case Cosine:
		return s.Base * 0.5 * (1 + math.Cos(math.Pi*p))
	default:
		return s.Base
	}
}

// WarmupSteps is the number of warm-up steps that a setting means: below 1 a fraction of the steps, rounded up, else
// a number of steps.
func WarmupSteps(warmup float64, steps int) int {
	switch {
	case warmup <= 0:
		return 0
	case warmup < 1:
		return int(math.Ceil(warmup * float64(steps))) // as TrainingArguments.get_warmup_steps, last bits included
	default:
		return int(warmup)
	}
}
