package train

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/ggml/vocab"
	"github.com/graft-go/graft/peft"
	"github.com/graft-go/graft/peft/data"
	"github.com/graft-go/graft/peft/llama"
)

// SessionOptions choose what a Session opens.
type SessionOptions struct {
	Model    string
	Adapters []string // adapter files or run folders, each with "=scale" behind it where its weight is not 1
	Threads  int      // 0 = ggml.Threads
}

// Session is a model with its adapters, ready to be evaluated or to generate. It is not safe for concurrent use.
type Session struct {
	Model *llama.Model
	Vocab *vocab.Vocab // nil where the file has no tokenizer

	backend *ggml.Backend
	tuned   []*tuned
	chat    keptChat // of the first adapter that was trained with a chat template
}

// OpenSession opens the model, its tokenizer and the adapters.
func OpenSession(o SessionOptions) (s *Session, err error) {
	s = &Session{}
	defer func() {
		if err != nil {
			s.Close()
			s = nil
		}
	}()
	file, err := gguf.Open(o.Model)
	if err != nil {
		return s, err
	}
	if _, err = llama.ReadConfig(file); err != nil {
		file.Close()
		return s, err
	}
	if s.backend, err = ggml.NewCPU(ggml.CPUOptions{Threads: o.Threads}); err == nil {
		s.Model, err = llama.New(s.backend, file)
	}
	if err != nil {
		file.Close()
		return s, err
	}
	if file.HasTokenizer() {
		if s.Vocab, err = openVocab(file); err != nil {
			return s, err
		}
	}
	for _, a := range o.Adapters {
		if err = s.attach(a); err != nil {
			return s, err
		}
	}
	return s, nil
}

// attach reads an adapter and puts it on the model.
func (s *Session) attach(name string) error {
	path, scale, err := adapterScale(name)
	if err != nil {
		return err
	}
	from := path
	if path, err = AdapterPath(path); err != nil {
		return err
	}
	t, err := openTuned(s.backend, s.Model, path, s.Model.File.SHA256)
	if err != nil {
		return err
	}
	s.tuned = append(s.tuned, t)
	if err := s.chat.take(from, t.template); err != nil {
		return err
	}
	return t.weigh(scale)
}

// adapterScale splits "a.gguf=0.7"; a name without a number behind an equals sign has the scale 1.
func adapterScale(name string) (path string, scale float64, err error) {
	i := strings.LastIndex(name, "=")
	if i < 0 {
		return name, 1, nil
	}
	scale, err = strconv.ParseFloat(name[i+1:], 64)
	if err != nil || !finite(scale) {
		return "", 0, &peft.InputError{What: "adapter", Where: name, Why: strconv.Quote(name[i+1:]) + " is no weight", Do: "write FILE=0.7"}
	}
	return name[:i], scale, nil
}

// EvalOptions choose what is evaluated.
type EvalOptions struct {
	Files  []string
	Data   data.Options // Ctx and NVocab are filled in
	Ctx    int
	Chat   string              // chat template by its name; "" = that of an adapter, else the model's
	OnPart func(done, all int) // after each micro-batch; may be nil
}

// Score is the result of language modelling.
type Score struct {
	Examples   int     `json:"examples"`
	Tokens     int     `json:"tokens"` // predicted tokens
	Loss       float64 `json:"loss"`
	Perplexity float64 `json:"perplexity"`

	Set *data.Set `json:"-"`
}

// evalTokens bounds the tokens of a micro-batch in an evaluation.
const evalTokens = 1024

// Evaluate scores each row alone, cut at the end of Ctx, by the mean loss of its label tokens.
func (s *Session) Evaluate(ctx context.Context, o EvalOptions) (*Score, error) {
	o.Data.NVocab, o.Data.Check = int(s.Model.Vocab), ctx.Err
	templates, err := s.templates(o.Chat)
	if err != nil {
		return nil, err
	}
	o.Data.Chat = templates.choose
	set, err := data.Read(o.Files, asTokenizer(s.Vocab), o.Data)
	if err != nil {
		return nil, err
	}
	if err := set.Cut(o.Ctx); err != nil {
		return nil, err
	}
	longest := 2
	for _, row := range set.Rows {
		longest = max(longest, len(row.Tokens))
	}
	b := min(max(1, evalTokens/longest), len(set.Rows))
	plan := data.NewPlan(set, data.PlanOptions{B: b, T: longest, Accum: 1})
	tr, err := newEvaluator(s.backend, s.Model, b, longest)
	if err != nil {
		return nil, err
	}
	defer tr.Close()
	var x data.Batch
	done := 0
	loss, tokens, err := tr.Evaluate(plan, &x, func() error {
		if o.OnPart != nil {
			o.OnPart(done, plan.StepsPerEpoch())
		}
		done++
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	return &Score{Examples: len(set.Rows), Tokens: tokens, Loss: loss, Perplexity: perplexity(loss), Set: set}, nil
}

// Close frees everything. It may be called twice.
func (s *Session) Close() {
	for _, t := range slices.Backward(s.tuned) {
		t.Close()
	}
	if s.Vocab != nil {
		s.Vocab.Close()
	}
	s.Model.Close()
	s.backend.Close()
}

// newEvaluator makes a trainer that only evaluates, and builds its largest graph.
func newEvaluator(be *ggml.Backend, m *llama.Model, b, t int) (*trainer, error) {
	tr := &trainer{backend: be, model: m, arena: ggml.NewArena(be), accumulate: map[*inputs]*lossGraph{}, evaluate: map[*inputs]*lossGraph{}}
	_, err := newBudget(be, m, nil, residentNow(), 0).check(b, t, false)
	if err == nil {
		tr.inputs, err = newInputMemory(be, b, t, false)
	}
	if err == nil {
		_, err = tr.evaluator(tr.inputs.fit(t))
	}
	if err != nil {
		tr.Close()
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	return tr, nil
}
