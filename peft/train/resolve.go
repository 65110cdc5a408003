package train

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/graft-go/graft/peft"
	"github.com/graft-go/graft/peft/chat"
	"github.com/graft-go/graft/peft/data"
	"github.com/graft-go/graft/peft/optim"
)

// Numbers behind the automatic choices (CLI.md, graft train).
const (
	ctxStep        = 64   // an automatic --ctx is a multiple of it
	ctxMost        = 2048 // and no longer
	stepSequences  = 8    // sequences an optimizer step
	microTokens    = 2048 // tokens a micro-batch, where a step's sequences are split
	packSteps      = 200  // optimizer steps that must remain for packing
	loraRate       = 2e-4 // learning rate of a LoRA
	baseRate       = 2e-5 // and of weights of the base
	fewSteps       = 50   // below this many steps a run is warned about
	mostTotalSteps = 1 << 31
)

// Resolved is a run whose every setting is a number: the Config that config.yaml keeps, the rows, their order, and a
// line of reason for each choice that was automatic.
type Resolved struct {
	Config
	TrainSet, ValidSet *data.Set    // ValidSet is nil where there is none
	Chat               *chat.Choice // the chat template, where a row was written by one
	Plan               *data.Plan
	ValidPlan          *data.Plan // micro-batches of the shape of training's; nil where ValidSet is
	TotalSteps         int        // optimizer steps
	WarmupSteps        int
	EvalSteps          int     // optimizer steps between evaluations
	Memory             *Memory // forecast; filled in by Run
	Reasons            []string
	Warnings           []string

	speller data.Speller                     // nil where the model has no tokenizer
	fits    func(sequences, tokens int) bool // whether a micro-batch fits into memory
}

// exampleTokens is how many tokens of an example are shown.
const exampleTokens = 120

// Example is the first row of the run as text, the tokens that it trains marked, or "" where the model has no tokenizer.
func (r *Resolved) Example(colour bool) string {
	if r.speller == nil || len(r.TrainSet.Rows) == 0 {
		return ""
	}
	return data.Show(r.TrainSet.Rows[0], r.speller, data.ShowOptions{Colour: colour, Most: exampleTokens})
}

// LearningRate is the schedule of the run.
func (r *Resolved) LearningRate() optim.Schedule {
	base := r.LR.Value
	if slices.Contains(r.Method, MethodFull) {
		base = r.BaseLR.Value
	}
	return optim.Schedule{Kind: r.Schedule, Base: base, Warmup: r.WarmupSteps, Steps: r.TotalSteps}
}

// Resolve solves what is auto in c from the rows that were read and the length of context that the model was trained
// with. set and valid (nil where no file is given) are cut here; they come from data.Read with Ctx 0. fits tells whether a micro-batch
// of so many sequences of so many tokens fits into memory; nil = any.
func Resolve(c Config, set, valid *data.Set, modelCtx int, fits func(sequences, tokens int) bool) (*Resolved, error) {
	if fits == nil {
		fits = func(int, int) bool { return true }
	}
	r := &Resolved{Config: c, TrainSet: set, ValidSet: valid, fits: fits}
	r.alpha()
	r.rate()
	r.context(modelCtx)
	ctx := r.Ctx.Int()
	if err := set.Cut(ctx); err != nil {
		return nil, err
	}
	if valid != nil {
		if err := valid.Cut(ctx); err != nil {
			return nil, err
		}
	}
	if err := r.split(); err != nil {
		return nil, err
	}
	if r.EarlyStop > 0 && r.ValidSet == nil {
		return nil, &peft.InputError{What: "train", Where: fmt.Sprintf("--early-stop %d", r.EarlyStop), Why: "there are no validation rows to judge by", Do: "give --valid FILE or --valid-split 0.05"}
	}
	r.cutRows()
	r.batch()
	r.pack()
	if err := r.length(); err != nil {
		return nil, err
	}
	if r.ValidSet != nil {
		o := r.planOptions(r.Packing.On())
		o.Shuffle, o.Accum = false, 1
		r.ValidPlan = data.NewPlan(r.ValidSet, o)
	}
	return r, nil
}

func (r *Resolved) because(format string, a ...any) {
	r.Reasons = append(r.Reasons, fmt.Sprintf(format, a...))
}

func (r *Resolved) warn(format string, a ...any) {
	r.Warnings = append(r.Warnings, fmt.Sprintf(format, a...))
}

func (r *Resolved) alpha() {
	if !r.Alpha.Given && slices.Contains(r.Method, MethodLoRA) {
		r.Alpha = Given(r.AlphaValue())
		r.because("alpha %s: 2 × rank", number(r.Alpha.Value))
	}
}

// rate chooses the learning rate by the method (CLI.md): what is given holds, and a rate of --lr for weights of the base too.
func (r *Resolved) rate() {
	auto := !r.LR.Given && !r.BaseLR.Given
	if slices.Contains(r.Method, MethodFull) {
		switch {
		case r.BaseLR.Given:
		case r.LR.Given:
			r.BaseLR = r.LR
		default:
			r.BaseLR = Given(baseRate)
		}
		if !r.LR.Given {
			r.LR = r.BaseLR
		}
	}
	if !r.LR.Given {
		r.LR = Given(loraRate)
	}
	if auto {
		r.because("lr %s: usual for the method %s", number(r.LR.Value), strings.Join(r.Method, ", "))
	}
}

// context chooses the length of a sequence.
func (r *Resolved) context(modelCtx int) {
	if r.Ctx.Given {
		if modelCtx > 0 && r.Ctx.Int() > modelCtx {
			r.warn("ctx %d is longer than the %d tokens the model was trained with; --ctx %d keeps within them", r.Ctx.Int(), modelCtx, modelCtx)
		}
		return
	}
	ctx, why := data.TextCtx, "plain text is cut into pieces of that length"
	if longest := r.TrainSet.LongestRow; !r.TrainSet.HasText {
		ctx = (longest + ctxStep - 1) / ctxStep * ctxStep
		why = fmt.Sprintf("the longest row has %d tokens", longest)
		if ctx > ctxMost {
			ctx, why = ctxMost, fmt.Sprintf("%s; --ctx %d would cut none", why, longest)
		}
	}
	if modelCtx > 0 && ctx > modelCtx {
		ctx = modelCtx
		why = fmt.Sprintf("%s; the model was trained with %d", why, modelCtx)
	}
	if wanted := ctx; !r.fits(1, ctx) {
		for ctx > ctxStep && !r.fits(1, ctx) {
			ctx = max(ctxStep, ctx/2/ctxStep*ctxStep)
		}
		why += fmt.Sprintf("; %d tokens do not fit into memory", wanted)
	}
	if longer := r.labelled(ctx); longer > ctx {
		r.warn("the first %d tokens of every row are prompt alone; ctx is %d, longer than is good, so that there is something to learn: shorten the prompts, or give a model with a longer context or another --ctx",
			ctx, longer)
		ctx, why = longer, "shorter ones leave too few rows a token to learn"
	}
	r.Ctx = Given(float64(max(ctx, 2)))
	r.because("ctx %d: %s", r.Ctx.Int(), why)
}

// labelled is ctx where a row cut to it has something left to learn, else a length at which half of the rows do, or, where that is more than
// memory or the usual limit allow, at which one does, so that a default run never ends for want of a label.
func (r *Resolved) labelled(ctx int) int {
	if ctx < 2 || r.TrainSet.Cut(ctx) == nil {
		return ctx
	}
	lengths := r.TrainSet.Labelled()
	if len(lengths) == 0 {
		return ctx
	}
	whole := func(length int) int { return (length + ctxStep - 1) / ctxStep * ctxStep }
	half := whole(lengths[(len(lengths)-1)/2])
	if half <= ctxMost && r.fits(1, half) {
		return half
	}
	if one := whole(lengths[0]); one <= mostCtx && r.fits(1, one) {
		return one
	}
	return ctx
}

// split takes the validation rows from the training rows where there is no file of them.
func (r *Resolved) split() error {
	rows := len(r.TrainSet.Rows)
	n := 0
	switch {
	case r.ValidSet != nil:
		r.Split = Given(0)
		return nil
	case r.Split.Given:
		n = int(math.Round(r.Split.Value * float64(rows)))
		if r.Split.Value > 0 && n == 0 {
			return &peft.InputError{What: "train", Where: "--valid-split " + number(r.Split.Value),
				Why: fmt.Sprintf("not one row of %d", rows), Do: "give a larger fraction, or 0 for none"}
		}
	case r.Steps == 0:
		n = data.AutoSplit(rows)
		if n > 0 {
			r.because("valid-split: %d of %d rows, drawn by the seed", n, rows)
		}
	}
	if !r.Split.Given { // a given fraction stays as it is, so that the same flag fits a resumed run
		r.Split = Given(float64(n) / float64(rows))
	}
	if n == 0 {
		return nil
	}
	var err error
	r.TrainSet, r.ValidSet, err = r.TrainSet.Split(n, r.Seed)
	return err
}

// cutRows says what the length of a sequence cost.
func (r *Resolved) cutRows() {
	if s := r.TrainSet; s.RowsCut > 0 {
		r.because("%d of %d rows are longer than ctx and were cut; --ctx %d would cut none", s.RowsCut, s.RowsRead, s.LongestRow)
	}
}

// batch chooses sequences a micro-batch and micro-batches a step.
func (r *Resolved) batch() {
	fits := max(1, microTokens/r.Ctx.Int())
	smaller := ""
	for !r.Batch.Given && fits > 1 && !r.fits(min(fits, stepSequences), r.Ctx.Int()) {
		fits = (min(fits, stepSequences) + 1) / 2
		smaller = ", which is what fits into memory"
	}
	switch {
	case r.Batch.Given && r.Accum.Given:
		return
	case r.Accum.Given:
		r.Batch = Given(float64(min(fits, max(1, stepSequences/r.Accum.Int()))))
	case r.Batch.Given:
		r.Accum = Given(math.Ceil(stepSequences / r.Batch.Value))
	default:
		b := stepSequences
		for b > fits {
			b /= 2
		}
		r.Batch, r.Accum = Given(float64(b)), Given(float64(stepSequences/b))
	}
	b, a := r.Batch.Int(), r.Accum.Int()
	r.because("batch-size %d, grad-accum %d: %d sequences a step, %d tokens a micro-batch%s", b, a, a*b, b*r.Ctx.Int(), smaller)
}

func (r *Resolved) planOptions(pack bool) data.PlanOptions {
	return data.PlanOptions{
		B: r.Batch.Int(), T: r.Ctx.Int(), Accum: r.Accum.Int(),
		Pack: pack, Shuffle: r.Shuffle, Seed: r.Seed,
	}
}

// pack chooses packing, and makes the plan.
func (r *Resolved) pack() {
	if r.Packing.Given {
		r.Plan = data.NewPlan(r.TrainSet, r.planOptions(r.Packing.On()))
		return
	}
	r.Plan = data.NewPlan(r.TrainSet, r.planOptions(true))
	if n := r.steps(r.Plan); n >= packSteps {
		r.Packing = Given(1)
		r.because("packing true: %d optimizer steps remain with it", n)
		return
	}
	r.because("packing false: with it only %d optimizer steps would remain, fewer than %d", r.steps(r.Plan), packSteps)
	r.Packing = Given(0)
	r.Plan = data.NewPlan(r.TrainSet, r.planOptions(false))
}

// steps is the length of the run with a plan.
func (r *Resolved) steps(p *data.Plan) int {
	if r.Steps > 0 {
		return r.Steps
	}
	return int(min(mostTotalSteps, math.Ceil(r.Epochs*float64(p.StepsPerEpoch()))))
}

// length chooses how many steps there are.
func (r *Resolved) length() error {
	r.TotalSteps = r.steps(r.Plan)
	if r.TotalSteps >= mostTotalSteps {
		return &peft.InputError{What: "train", Where: "--epochs " + number(r.Epochs), Why: "more than 2^31 steps", Do: "give fewer"}
	}
	r.WarmupSteps = optim.WarmupSteps(r.Warmup, r.TotalSteps)
	perEpoch := r.Plan.StepsPerEpoch()
	r.because("steps %d: %d an epoch, %s epochs", r.TotalSteps, perEpoch, number(math.Round(100*r.Plan.Epoch(r.TotalSteps))/100))
	r.EvalSteps = perEpoch
	if r.EvalEvery.Given {
		r.EvalSteps = r.EvalEvery.Int()
	}
	r.EvalEvery = Given(float64(r.EvalSteps))
	switch {
	case r.TotalSteps >= fewSteps:
	case r.Steps > 0:
		r.warn("only %d optimizer steps, which may teach little; --steps %d or more is usual", r.TotalSteps, fewSteps)
	default:
		r.warn("only %d optimizer steps, which may teach little; --epochs %s gives %d", r.TotalSteps,
			number(math.Ceil(fewSteps/float64(perEpoch))), int(math.Ceil(fewSteps/float64(perEpoch)))*perEpoch)
	}
	if r.WarmupSteps >= r.TotalSteps {
		r.warn("the warm-up of %d steps never ends in %d steps; --warmup 0 leaves it out", r.WarmupSteps, r.TotalSteps)
	}
	return nil
}
