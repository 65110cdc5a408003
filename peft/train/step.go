package train

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/grad"
	"github.com/graft-go/graft/peft"
	"github.com/graft-go/graft/peft/data"
	"github.com/graft-go/graft/peft/llama"
	"github.com/graft-go/graft/peft/optim"
)

// ErrDiverged is wrapped by the error of a run whose loss or gradient is no longer finite.
var ErrDiverged = errors.New("diverged")

// trainer holds the graphs of a run: one accumulates a micro-batch's gradients (for each shape, built when it first comes), one
// sums their squares, one applies the step. All compute in one arena, in turn.
type trainer struct {
	backend *ggml.Backend
	model   *llama.Model
	params  *peft.Params
	arena   *ggml.Arena
	inputs  *inputMemory
	adamw   *optim.AdamW

	accumulate map[*inputs]*lossGraph
	evaluate   map[*inputs]*lossGraph
	scalar     [1]float32
}

// lossGraph is a graph that ends in the sum of a micro-batch's loss.
type lossGraph struct {
	*ggml.Graph
	loss *ggml.Tensor
}

// newTrainer builds the largest accumulating graph, which decides the size of the arena, and the optimizer's.
func newTrainer(be *ggml.Backend, m *llama.Model, params *peft.Params, b, t int, packed bool, c optim.AdamWConfig) (tr *trainer, err error) {
	tr = &trainer{backend: be, model: m, params: params, arena: ggml.NewArena(be), accumulate: map[*inputs]*lossGraph{}, evaluate: map[*inputs]*lossGraph{}}
	defer func() {
		if err != nil {
			tr.Close()
			tr = nil
		}
	}()
	if tr.inputs, err = newInputMemory(be, b, t, packed); err != nil {
		return tr, err
	}
	if _, err = tr.accumulator(tr.inputs.fit(t)); err != nil {
		return tr, err
	}
	tr.adamw, err = optim.NewAdamW(be, tr.arena, params, c)
	return tr, err
}

// graphSize bounds the operations of a graph: so many a block forward and backward with a LoRA on every layer, and a head of so
// many chunks.
func (tr *trainer) graphSize(in *inputs) int {
	return 400*int(tr.model.Blocks) + 40*int(in.B*in.T/32+1) + 1000
}

// accumulator returns the graph that adds the gradients of a micro-batch, summed over its label tokens, to the parameters'.
func (tr *trainer) accumulator(in *inputs) (*lossGraph, error) {
	if l := tr.accumulate[in]; l != nil {
		return l, nil
	}
	l := &lossGraph{}
	var err error
	l.Graph, err = ggml.Build(tr.backend, tr.arena, tr.graphSize(in), func(g *ggml.Graph) []*ggml.Tensor { return tr.record(g, in, l) })
	if err != nil {
		return nil, fmt.Errorf("training graph of %d sequences of %d tokens: %w", in.B, in.T, err)
	}
	tr.accumulate[in] = l
	return l, nil
}

// record records forward, loss and backward of a micro-batch, and the sums into the parameters' gradients.
func (tr *trainer) record(g *ggml.Graph, in *inputs, l *lossGraph) []*ggml.Tensor {
	h := tr.model.Forward(g, &in.Inputs)
	head := tr.head(in)
	head.NeedDH, head.NeedDW = true, tr.trains(tr.model.Output)
	var dh, dw *ggml.Tensor
	l.loss, dh, dw = head.Loss(g, h)
	roots, from := []*ggml.Tensor{l.loss}, []grad.Root{{Y: h, DY: dh}}
	if dw != nil {
		from = append(from, grad.Root{Y: tr.model.Output, DY: dw})
	}
	leaves := make([]*ggml.Tensor, len(tr.params.List))
	sums := map[*ggml.Tensor]*ggml.Tensor{}
	for i, p := range tr.params.List {
		leaves[i], sums[p.W] = p.W, p.G
	}
	grad.Backward(g, from, leaves, func(leaf, dy *ggml.Tensor) {
		if dy != nil {
			roots = append(roots, g.AddInplace(sums[leaf], dy))
		}
	})
	return roots
}

// evaluator returns the graph that computes a micro-batch's loss alone.
func (tr *trainer) evaluator(in *inputs) (*lossGraph, error) {
	if l := tr.evaluate[in]; l != nil {
		return l, nil
	}
	l := &lossGraph{}
	var err error
	l.Graph, err = ggml.Build(tr.backend, tr.arena, tr.graphSize(in), func(g *ggml.Graph) []*ggml.Tensor { return tr.recordLoss(g, in, l) })
	if err != nil {
		return nil, fmt.Errorf("evaluation graph of %d sequences of %d tokens: %w", in.B, in.T, err)
	}
	tr.evaluate[in] = l
	return l, nil
}

// recordLoss records forward and loss alone.
func (tr *trainer) recordLoss(g *ggml.Graph, in *inputs, l *lossGraph) []*ggml.Tensor {
	l.loss, _, _ = tr.head(in).Loss(g, tr.model.Forward(g, &in.Inputs))
	return []*ggml.Tensor{l.loss}
}

func (tr *trainer) head(in *inputs) *llama.Head {
	return &llama.Head{W: tr.model.Output, Targets: in.targets, Weights: in.weights, One: tr.inputs.one}
}

// trains tells whether a tensor is one of the parameters.
func (tr *trainer) trains(t *ggml.Tensor) bool {
	return slices.ContainsFunc(tr.params.List, func(p *peft.Param) bool { return p.W == t })
}

// run computes one graph for a micro-batch and returns the sum of its loss over the label tokens.
func (tr *trainer) run(x *data.Batch, graph func(*inputs) (*lossGraph, error)) (float64, error) {
	in := tr.inputs.fit(x.Longest)
	l, err := graph(in)
	if err != nil {
		return 0, err
	}
	if err := tr.inputs.set(in, x); err != nil {
		return 0, err
	}
	if err := l.Run(); err != nil {
		return 0, err
	}
	l.loss.GetF32(tr.scalar[:])
	return float64(tr.scalar[0]), nil
}

// Step does optimizer step number step of a plan at rate lr: every micro-batch's gradients are summed, the sum is divided by the
// label tokens of all of them, clipped and applied. It fills the step's counts, loss and norm, and refuses to apply what is not
// finite.
func (tr *trainer) Step(plan *data.Plan, step int, lr float64, x *data.Batch, m *Metrics) error {
	tr.params.ZeroGrad()
	*m = Metrics{Step: step, LR: lr}
	for micro := range plan.Micro(step) {
		plan.Fill(step, micro, x)
		loss, err := tr.run(x, tr.accumulator)
		if err != nil {
			return fmt.Errorf("step %d: %w", step, err)
		}
		m.Loss += loss
		m.Tokens += x.RealTokens
		m.LossTokens += x.LabelTokens
	}
	count := float64(m.LossTokens)
	m.Loss /= count
	var err error
	if m.GradNorm, err = tr.adamw.Norm(count); err != nil {
		return fmt.Errorf("step %d: %w", step, err)
	}
	if !finite(m.Loss) || !finite(m.GradNorm) {
		return fmt.Errorf("step %d: %w: loss %g, gradient norm %g; the step was not applied; try a lower --lr or a longer --warmup", step, ErrDiverged, m.Loss, m.GradNorm)
	}
	return tr.adamw.Step(lr, m.GradNorm, count)
}

// Evaluate returns the mean loss over all label tokens of a plan's first epoch, and their number.
func (tr *trainer) Evaluate(plan *data.Plan, x *data.Batch, stop func() error) (loss float64, tokens int, err error) {
	for step := 1; step <= plan.StepsPerEpoch(); step++ {
		for micro := range plan.Micro(step) {
			if err := stop(); err != nil {
				return 0, 0, err
			}
			plan.Fill(step, micro, x)
			sum, err := tr.run(x, tr.evaluator)
			if err != nil {
				return 0, 0, fmt.Errorf("evaluation: %w", err)
			}
			loss += sum
			tokens += x.LabelTokens
		}
	}
	return loss / float64(tokens), tokens, nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// Close frees the graphs and their memory. It may be called twice.
func (tr *trainer) Close() {
	for _, graphs := range []map[*inputs]*lossGraph{tr.accumulate, tr.evaluate} {
		for in, l := range graphs {
			l.Close()
			delete(graphs, in)
		}
	}
	if tr.adamw != nil {
		tr.adamw.Close()
	}
	tr.inputs.Close()
	tr.arena.Close()
}
