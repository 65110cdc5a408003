// Package freeze trains tensors of the base model itself, while the others stay frozen (layer-wise freezing; full fine-tuning where
// none does). A base tensor that trains stands in the graph as its F32 master, whatever type the file holds it in: an update of 2e-5
// would vanish in a quantized weight. The quantized copy in the mapped file is then not read any more.
package freeze

import (
	"fmt"
	"slices"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/peft"
)

// Masters are the base tensors that train.
type Masters struct {
	Tensors []peft.BaseTensor

	params *peft.Params
	before []*ggml.Tensor // what stood in the model, place by place
}

// New chooses among a model's tensors those that keep says.
func New(all []peft.BaseTensor, keep func(t peft.BaseTensor) bool) *Masters {
	m := &Masters{}
	for _, t := range all {
		if keep(t) {
			m.Tensors = append(m.Tensors, t)
		}
	}
	return m
}

// Named chooses the tensors of these names; one that the model lacks is an error.
func Named(all []peft.BaseTensor, names []string) (*Masters, error) {
	m := New(all, func(t peft.BaseTensor) bool { return slices.Contains(names, t.Name) })
	for _, name := range names {
		if !slices.ContainsFunc(m.Tensors, func(t peft.BaseTensor) bool { return t.Name == name }) {
			return nil, fmt.Errorf("the model has no tensor %s", name)
		}
	}
	return m, nil
}

// Specs lists the tensors to train, named as in the base.
func (m *Masters) Specs() []peft.Spec {
	var specs []peft.Spec
	for _, t := range m.Tensors {
		specs = append(specs, peft.Spec{Name: t.Name, Ne: t.Ne, Matrix: t.Matrix})
	}
	return specs
}

// Attach puts the masters from params into the model and gives them the base's values.
func (m *Masters) Attach(params *peft.Params) error {
	m.params = params
	var values []float32
	for _, t := range m.Tensors {
		w := params.Get(t.Name).W
		if n := int(w.Elements()); cap(values) < n {
			values = make([]float32, n)
		}
		values = values[:w.Elements()]
		if err := t.Values(values); err != nil {
			return fmt.Errorf("read %s: %w", t.Name, err)
		}
		w.SetF32(0, values)
		for _, place := range t.Places {
			m.before = append(m.before, *place)
			*place = w
		}
	}
	return nil
}

// Detach puts back what stood in the model before Attach.
func (m *Masters) Detach() {
	i := 0
	for _, t := range m.Tensors {
		for _, place := range t.Places {
			if i < len(m.before) {
				*place = m.before[i]
			}
			i++
		}
	}
	m.before = nil
}
