package llama

import (
	"fmt"

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
