package llama

import (
	"fmt"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/peft"
)

// Sites lists the linear layers of the blocks, in the order of the forward pass.
func (m *Model) Sites() []peft.Site {
	var sites []peft.Site
	for l, b := range m.Blk {
		for _, kind := range linears {
			in, out := m.LinearShape(kind)
			sites = append(sites, peft.Site{Name: fmt.Sprintf("blk.%d.%s", l, kind), Kind: kind, Block: l, In: in, Out: out, Module: b.Linear(kind)})
		}
	}
	return sites
}

// BaseTensors lists the tensors of the base that can be trained, in the order of the forward pass: all but the factors of the
// rotary embedding, which are constants of the architecture.
func (m *Model) BaseTensors() []peft.BaseTensor {
	var all []peft.BaseTensor
	for _, s := range m.specs() {
		info, ok := m.File.Tensor(s.name)
		places := m.places[s.name]
		if !ok || len(places) == 0 {
			continue
		}
		block := -1
		if n, err := fmt.Sscanf(s.name, "blk.%d.", &block); n != 1 || err != nil {
			block = -1
		}
		all = append(all, peft.BaseTensor{Name: s.name, Ne: info.Ne, Block: block, Matrix: len(info.Ne) > 1, Places: places,
			Values: func(dst []float32) error { return ggml.Dequantize(info.Type, m.File.Data(info), dst) }})
	}
	return all
}
