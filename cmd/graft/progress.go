package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/graft-go/graft/peft/train"
)

// progress shows a training run on stderr: one line that is redrawn on a terminal, plain lines in a pipe.
type progress struct {
	w     io.Writer
	bar   *progressbar.ProgressBar // nil in a pipe, and before the first step
	tty   bool
	total int
	last  time.Time // when a line was last written to a pipe
	ended bool
}

// every is how often a pipe gets a line, next to the first and the last step.
const every = 5 * time.Second

func newProgress(w io.Writer) *progress {
	return &progress{w: w, tty: isTerminal(w)}
}

// note writes a line of its own. It never begins with "graft:", which marks the one error line.
func (p *progress) note(format string, a ...any) {
	if p.bar != nil {
		_ = p.bar.Clear() // a terminal that cannot be written to is no reason to stop
	}
	line := strings.TrimRight(fmt.Sprintf(format, a...), "\n")
	fmt.Fprintln(p.w, strings.ReplaceAll(strings.TrimPrefix(line, "graft:"), "\ngraft:", "\n"))
}

// plan shows what was chosen and why.
func (p *progress) plan(r *train.Resolved) {
	p.total = r.TotalSteps
	s := r.TrainSet
	p.note("data: %d rows (%s), %d tokens, %.0f %% of them trained", len(s.Rows), s.Format, s.Tokens(),
		100*float64(s.LabelTokens())/float64(max(1, s.Tokens())))
	if s.RowsBad > 0 {
		p.note("%d bad rows left out, the first: %v", s.RowsBad, s.FirstBad)
	}
	if s.RowsWithoutLabel > 0 {
		p.note("%d rows without a token to learn left out", s.RowsWithoutLabel)
	}
	if r.ValidSet != nil {
		p.note("validation: %d rows", len(r.ValidSet.Rows))
	}
	for _, line := range r.Reasons {
		p.note("%s", line)
	}
	if r.Memory != nil {
		p.note("memory %s", r.Memory)
	}
	p.example(r)
	for _, line := range r.Warnings {
		p.note("warning: %s", line)
	}
}

// example shows one row with its trained tokens marked.
func (p *progress) example(r *train.Resolved) {
	text, marks := r.Example(p.tty), "between [[ and ]]"
	if text == "" {
		return
	}
	if p.tty {
		marks = "in reverse"
	}
	p.note("example, its trained tokens %s:\n  %s", marks, strings.ReplaceAll(text, "\n", "\n  "))
}

// step shows an optimizer step.
func (p *progress) step(m train.Metrics) {
	line := fmt.Sprintf("loss %.4f  lr %.2e  %.0f tok/s  %s", m.Loss, m.LR, m.TokensPerSecond, megabytes(m.MemoryBytes))
	if !p.tty {
		if now := time.Now(); m.Step == 1 || m.Step == p.total || now.Sub(p.last) >= every {
			p.last = now
			fmt.Fprintf(p.w, "step %d/%d  %s\n", m.Step, p.total, line)
		}
		return
	}
	if p.bar == nil {
		p.bar = progressbar.NewOptions(p.total, progressbar.OptionSetWriter(p.w), progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true), progressbar.OptionFullWidth(), progressbar.OptionThrottle(100*time.Millisecond))
	}
	p.bar.Describe(line)
	_ = p.bar.Set(m.Step)
}

// eval shows an evaluation.
func (p *progress) eval(e train.Eval) {
	p.note("step %d: validation loss %.4f, perplexity %.3f", e.Step, e.Loss, e.Perplexity)
}

// end leaves the terminal with the line finished, so that what follows begins a new one.
func (p *progress) end() {
	if p.bar != nil && !p.ended {
		p.ended = true
		fmt.Fprintln(p.w)
	}
}

func megabytes(bytes int64) string {
	return fmt.Sprintf("%.0f MB", float64(bytes)/1e6)
}

// isTerminal tells whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
