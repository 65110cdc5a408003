package train

// Options is how a run reports; every field may be nil. The functions are called from the goroutine that trains,
// between steps.
type Options struct {
	Log    func(format string, a ...any) // a line for the user: a reason, a warning, what was written
	OnPlan func(*Resolved)               // once everything is checked and solved, before anything is written
	OnStep func(Metrics)                 // after each optimizer step
	OnEval func(Eval)                    // after each evaluation

	// Given names the settings that the caller states when it resumes a run: they must agree with the run's, while all others are taken
	// from it. nil = those that differ from DefaultConfig.
	Given []string
}

// note logs a line, where somebody listens.
func (o *Options) note(format string, a ...any) {
	if o.Log != nil {
		o.Log(format, a...)
	}
}

// Metrics is one optimizer step, a line of metrics.jsonl.
type Metrics struct {
	Step            int     `json:"step"`              // from 1
	Epoch           float64 `json:"epoch"`             // epochs done after this step
	Loss            float64 `json:"loss"`              // mean over the step's label tokens, before the update
	LR              float64 `json:"lr"`                // base rate used in this step
	GradNorm        float64 `json:"grad_norm"`         // L2, before clipping
	Tokens          int     `json:"tokens"`            // tokens of rows, padding left out
	LossTokens      int     `json:"loss_tokens"`       // label tokens
	Seconds         float64 `json:"seconds"`           // duration of this step
	TokensPerSecond float64 `json:"tokens_per_second"` // Tokens / Seconds
	MemoryBytes     int64   `json:"memory_bytes"`      // resident memory of the process
}

// Eval is one evaluation on the validation rows, a line of metrics.jsonl.
type Eval struct {
	Step       int     `json:"step"`            // 0 before the first step
	Loss       float64 `json:"eval_loss"`       // mean over all label tokens
	Perplexity float64 `json:"eval_perplexity"` // e^Loss
}

// Result is what a run leaves.
type Result struct {
	Folder  string  // the run folder; "" after --dry-run
	Adapter string  // the adapter file in it
	Steps   int     // optimizer steps done
	Loss    float64 // of the last step
	Eval    *Eval   // of the adapter that was kept; nil without validation
	Verdict string  // one line: what came of it
}
