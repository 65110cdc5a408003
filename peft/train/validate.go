package train

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/graft-go/graft/peft"
	"github.com/graft-go/graft/peft/data"
	"github.com/graft-go/graft/peft/optim"
)

// Faults are all the faults of a Config at once; each names the flag, the value and what to do.
type Faults []error

// Error joins the faults into one line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, e := range f {
		lines[i] = e.Error()
	}
	return "train: " + strings.Join(lines, " | ")
}

// Unwrap lists the faults.
func (f Faults) Unwrap() []error { return f }

// Is makes errors.Is(err, peft.ErrInput) true.
func (f Faults) Is(target error) bool { return target == peft.ErrInput }

// checker collects faults.
type checker struct {
	c      *Config
	faults Faults
}

// refuse notes a fault of a setting.
func (k *checker) refuse(name, why, do string) {
	where := "--" + name
	if s, ok := settingsByName()[name]; ok {
		if value := s.Get(k.c); value != "" {
			where += " " + value
		}
	}
	k.faults = append(k.faults, &peft.InputError{Where: where, Why: why, Do: do})
}

// need refuses a setting unless ok.
func (k *checker) need(ok bool, name, why, do string) {
	if !ok {
		k.refuse(name, why, do)
	}
}

// oneOf refuses a value that is none of the choices.
func (k *checker) oneOf(name, value string, choices []string) {
	if slices.Contains(choices, value) {
		return
	}
	list := strings.Join(choices, ", ")
	if best, ok := peft.Closest(value, choices); ok && len(choices) > 1 {
		k.refuse(name, "not one of "+list, "did you mean "+best+"?")
		return
	}
	k.refuse(name, "not built", "give "+list)
}

// Validate reports every fault that shows without looking at files, all in one Faults.
func (c *Config) Validate() error {
	k := &checker{c: c}
	k.need(c.Model != "", "model", "no base model given", "give a GGUF file: -m base.gguf")
	k.need(len(c.Data) > 0 && !slices.Contains(c.Data, ""), "data", "no training data given", "give a file: -d train.jsonl")
	k.need(c.Out != "" || c.DryRun, "out", "no run folder given", "give a new folder: -o run")
	k.method()
	k.length()
	k.optimizer()
	k.oneOf("format", data.CanonicalFormat(c.Format), data.Formats())
	k.chat()
	for _, f := range c.Fields {
		usual, here, ok := strings.Cut(f, "=")
		k.need(ok && here != "" && slices.Contains(data.FieldNames(), usual),
			"field", quoted(f)+" renames nothing that graft reads", "write prompt=NAME, with one of "+strings.Join(data.FieldNames(), ", "))
	}
	k.need(c.MaxRows >= 0, "max-rows", "below 0", "give a number of rows, or 0 for all")
	k.need(!c.Split.Given || c.Split.Value >= 0 && c.Split.Value < 1, "valid-split", "not a fraction", "give a number from 0 up to, but not including, 1")
	k.need(c.Valid == "" || !c.Split.Given || c.Split.Value == 0, "valid-split", "--valid gives the validation rows already", "leave one of the two out")
	k.oneOf("device", c.Device, []string{"auto", "cpu"})
	k.need(!c.NumThreads.Given || c.NumThreads.Value >= 1 && c.NumThreads.Value <= mostThreads, "threads",
		fmt.Sprintf("not between 1 and %d", mostThreads), "leave it out to use every physical core")
	if _, err := parseSize(c.MemoryMax); err != nil && !strings.EqualFold(c.MemoryMax, "auto") {
		k.refuse("memory-limit", err.Error(), "write a number with a unit, as 8GB or 6GiB, or auto")
	}
	if len(k.faults) == 0 {
		return nil
	}
	return k.faults
}

// Limits that no sensible run comes near; they keep sums within the numbers of ggml.
const (
	mostThreads = 512
	mostCtx     = 1 << 20
	mostBatch   = 1 << 16
	mostRank    = 1 << 14
)

// method checks what is trained.
func (k *checker) method() {
	c := k.c
	for _, m := range c.Method {
		k.oneOf("method", m, methods())
	}
	k.need(len(c.Method) > 0, "method", "no method given", "give "+strings.Join(methods(), " or "))
	k.need(len(c.Method) < 2 || !slices.Contains(c.Method, MethodFull), "method", "full trains every weight already", "give full alone")
	k.need(c.Rank >= 1 && c.Rank <= mostRank, "rank", fmt.Sprintf("not between 1 and %d", mostRank), "8 is usual")
	k.need(!c.Alpha.Given || c.Alpha.Value > 0, "alpha", "not above 0", "leave it out for 2 × rank")
	k.need(len(c.Targets) > 0, "targets", "no matrix to train", "give "+AllLinear)
	choices := append(append(Linears(), AllLinear), hfNames()...)
	for _, t := range c.Targets {
		if !slices.Contains(choices, t) {
			k.refuse("targets", quoted(t)+" is no matrix that LoRA can be put on",
				peft.DidYouMean(t, choices, "choose from "+strings.Join(Linears(), ", ")+" or "+AllLinear))
		}
	}
	if _, err := parseLayers(c.Layers, math.MaxInt32); err != nil {
		k.refuse("lora-layers", err.Error(), "write all, last:4 or 0-3,7")
	}
}

// length checks how long and in what pieces is trained.
func (k *checker) length() {
	c := k.c
	whole := func(name string, a Auto, most int) {
		k.need(!a.Given || a.Value >= 1 && a.Value <= float64(most), name, fmt.Sprintf("not between 1 and %d", most), "leave it out to have it chosen")
	}
	k.need(!c.Ctx.Given || c.Ctx.Value >= 2 && c.Ctx.Value <= mostCtx, "ctx", fmt.Sprintf("not between 2 and %d", mostCtx), "leave it out to have it chosen")
	whole("batch-size", c.Batch, mostBatch)
	whole("grad-accum", c.Accum, mostBatch)
	whole("eval-every", c.EvalEvery, math.MaxInt32)
	k.need(c.EarlyStop >= 0, "early-stop", "below 0", "give a number of evaluations, or 0 for off")
	k.need(c.Keep >= 1, "keep", "below 1", "2 is usual")
	if _, err := parseInterval(c.SaveEvery); err != nil {
		k.refuse("save-every", err.Error(), "write 100, 30s, 10m or off")
	}
	k.need(c.Steps >= 0, "steps", "below 0", "give a number of optimizer steps, or leave it out")
	k.need(c.Epochs > 0 || c.Steps > 0, "epochs", "not above 0", "3 is usual")
}

// optimizer checks the update.
func (k *checker) optimizer() {
	c := k.c
	k.oneOf("optimizer", c.Optimizer, []string{"adamw"})
	k.oneOf("schedule", c.Schedule, optim.Schedules())
	k.need(!c.LR.Given || c.LR.Value > 0, "lr", "not above 0", "leave it out for the method's usual rate")
	k.need(!c.BaseLR.Given || c.BaseLR.Value > 0, "base-lr", "not above 0", "leave it out for the usual rate")
	k.need(!c.BaseLR.Given || slices.Contains(c.Method, MethodFull), "base-lr", "no weight of the base trains", "leave it out, or give --method full")
	k.need(c.Warmup >= 0 && (c.Warmup < 1 || c.Warmup == math.Trunc(c.Warmup)), "warmup",
		"neither a fraction below 1 nor a whole number of steps", "0.03 is usual")
	k.need(c.Decay >= 0, "weight-decay", "below 0", "0 turns it off")
	k.need(c.Beta1 >= 0 && c.Beta1 < 1, "beta1", "not in [0, 1)", "0.9 is usual")
	k.need(c.Beta2 >= 0 && c.Beta2 < 1, "beta2", "not in [0, 1)", "0.999 is usual")
	k.need(c.Eps > 0, "eps", "not above 0", "1e-8 is usual")
	k.need(c.Clip >= 0, "clip", "below 0", "0 turns it off")
}

// TargetNames are the GGUF names of the matrices that get a LoRA, each once, in the order of a forward pass.
func (c *Config) TargetNames() []string {
	want := map[string]bool{}
	for _, t := range c.Targets {
		if i := slices.Index(hfNames(), t); i >= 0 {
			t = Linears()[i]
		}
		want[t] = true
	}
	var out []string
	for _, name := range Linears() {
		if want[name] || want[AllLinear] {
			out = append(out, name)
		}
	}
	return out
}

// LoRALayers lists the blocks that get a LoRA in a model of n blocks, ascending.
func (c *Config) LoRALayers(n int) ([]int, error) {
	ranges, err := parseLayers(c.Layers, n)
	if err != nil {
		return nil, &peft.InputError{What: "train", Where: "--lora-layers " + c.Layers, Why: err.Error(), Do: "write all, last:4 or 0-3,7"}
	}
	var out []int
	for l := range n {
		if slices.ContainsFunc(ranges, func(r [2]int) bool { return r[0] <= l && l <= r[1] }) {
			out = append(out, l)
		}
	}
	return out, nil
}

// parseLayers reads "all", "last:4" or "0-3,7" for a model of n blocks into ranges, both ends included.
func parseLayers(text string, n int) ([][2]int, error) {
	text = strings.ReplaceAll(text, " ", "")
	if text == "all" {
		return [][2]int{{0, n - 1}}, nil
	}
	beyond := func(l int) error { return fmt.Errorf("block %d, but the model has the blocks 0…%d", l, n-1) }
	if count, ok := strings.CutPrefix(text, "last:"); ok {
		k, err := strconv.Atoi(count)
		switch {
		case err != nil || k < 1:
			return nil, fmt.Errorf("%s is no number of blocks", quoted(count))
		case k > n:
			return nil, fmt.Errorf("%d blocks, but the model has %d", k, n)
		}
		return [][2]int{{n - k, n - 1}}, nil
	}
	var out [][2]int
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		switch {
		case err1 != nil || err2 != nil || from < 0:
			return nil, fmt.Errorf("%s is no block and no range of blocks", quoted(part))
		case to < from:
			return nil, fmt.Errorf("the range %s runs backwards", part)
		case to >= n:
			return nil, beyond(to)
		}
		out = append(out, [2]int{from, to})
	}
	return out, nil
}

func quoted(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return strconv.Quote(s)
}
