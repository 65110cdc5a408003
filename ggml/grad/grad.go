// Package grad differentiates recorded ggml graphs in reverse mode: a table of small rules, one for each operation, and a driver
// that walks back from given gradients, sums contributions and builds only what a wanted gradient needs.
package grad

import (
	"fmt"

	"github.com/graft-go/graft/ggml"
)

// Root is where differentiation starts: the gradient DY of the loss with respect to Y is known. A wanted leaf may be a root too; its
// DY is then one more contribution.
type Root struct {
	Y, DY *ggml.Tensor
}

// Rule returns the gradients of an operation's operands, in order, given the operation's result y and its gradient dy. Where
// need is false the gradient is not wanted: the rule must leave it nil and build nothing for it.
type Rule func(g *ggml.Graph, y, dy *ggml.Tensor, need []bool) []*ggml.Tensor

// Backward records the gradients of the wanted leaves into g, right behind what g holds. emit receives each leaf's complete gradient,
// contiguous, as soon as its last contribution is there, so that it can be consumed and freed, or nil at the end where the roots do
// not depend on the leaf.
// A gradient that no wanted leaf needs is never built: frozen weights have none, and nothing is computed below the lowest
// operation that a wanted leaf enters. It panics with *ggml.ShapeError on an operation without a rule.
func Backward(g *ggml.Graph, roots []Root, wanted []*ggml.Tensor, emit func(leaf, dy *ggml.Tensor)) {
	d := &driver{g: g, emit: emit, forward: len(g.Recorded()), grads: map[*ggml.Tensor]*ggml.Tensor{}, need: map[*ggml.Tensor]bool{},
		pending: map[*ggml.Tensor]int{}, done: map[*ggml.Tensor]bool{}}
	for _, leaf := range wanted {
		if leaf.Op != ggml.OpNone {
			panic(&ggml.ShapeError{Op: string(leaf.Op), Why: "only a leaf's gradient can be wanted, not a result's"})
		}
		d.need[leaf] = true
	}
	d.markNeeded()
	d.countUses(roots)
	for _, r := range roots {
		d.add(r.Y, r.DY)
	}
	for _, r := range roots {
		d.release(r.Y)
	}
	for i := d.forward - 1; i >= 0; i-- {
		d.step(g.Recorded()[i])
	}
	for _, leaf := range wanted {
		if !d.done[leaf] {
			d.done[leaf] = true
			emit(leaf, nil)
		}
	}
}

type driver struct {
	g       *ggml.Graph
	emit    func(leaf, dy *ggml.Tensor)
	forward int                           // number of operations recorded before
	grads   map[*ggml.Tensor]*ggml.Tensor // the sum of contributions so far
	need    map[*ggml.Tensor]bool         // a wanted leaf lies below
	pending map[*ggml.Tensor]int          // contributions still to come to a wanted leaf
	done    map[*ggml.Tensor]bool         // leaves whose gradient was emitted
}

// markNeeded finds the operations between a wanted leaf and the roots, from below.
func (d *driver) markNeeded() {
	for _, t := range d.g.Recorded()[:d.forward] {
		for _, s := range t.Src {
			if d.need[s] {
				d.need[t] = true
				break
			}
		}
	}
}

// countUses counts how many contributions each wanted leaf will get: one for each operand of an operation that the roots reach.
func (d *driver) countUses(roots []Root) {
	reached := map[*ggml.Tensor]bool{}
	for _, r := range roots {
		reached[r.Y] = true
		d.pending[r.Y]++
	}
	ops := d.g.Recorded()[:d.forward]
	for i := len(ops) - 1; i >= 0; i-- {
		t := ops[i]
		if !reached[t] || !d.need[t] {
			continue
		}
		for _, s := range t.Src {
			if d.need[s] {
				reached[s] = true
				d.pending[s]++
			}
		}
	}
}

// step propagates the gradient of one operation to its operands.
func (d *driver) step(t *ggml.Tensor) {
	dy := d.grads[t]
	if dy == nil || !d.need[t] {
		return
	}
	delete(d.grads, t)
	rule, ok := rules[t.Op]
	if !ok {
		panic(&ggml.ShapeError{Op: string(t.Op), Why: "has no gradient"})
	}
	need := make([]bool, len(t.Src))
	for i, s := range t.Src {
		need[i] = d.need[s]
	}
	for i, ds := range rule(d.g, t, dy, need) {
		if need[i] {
			if ds == nil {
				panic(&ggml.ShapeError{Op: string(t.Op), Why: fmt.Sprintf("operand %d has no gradient", i)})
			}
			d.add(t.Src[i], ds)
		}
	}
	for i, s := range t.Src {
		if need[i] {
			d.release(s)
		}
	}
}

// add sums a contribution to t's gradient.
func (d *driver) add(t, dy *ggml.Tensor) {
	if dy.Ne != t.Ne {
		panic(&ggml.ShapeError{Op: string(t.Op), Why: fmt.Sprintf("the gradient of %s %s has shape %s", t.Name, t.Shape(), dy.Shape())})
	}
	if sum := d.grads[t]; sum != nil {
		dy = d.g.Add(rows(d.g, sum), dy)
	}
	d.grads[t] = dy
}

// release notes that one contribution to t has come; a wanted leaf whose last one it was is emitted.
func (d *driver) release(t *ggml.Tensor) {
	d.pending[t]--
	if t.Op != ggml.OpNone || !d.need[t] || d.pending[t] > 0 || d.grads[t] == nil {
		return
	}
	d.done[t] = true
	dy := contiguous(d.g, d.grads[t])
	delete(d.grads, t)
	d.emit(t, dy)
}
