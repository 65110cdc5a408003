package train

import (
	"fmt"

	"github.com/graft-go/graft/peft"
	"github.com/graft-go/graft/peft/llama"
)

// memoryNeed estimates the bytes of activations, mask and optimizer state for B sequences of T tokens: what the backward keeps of
// each block, and the largest temporaries. It is meant to refuse what cannot work before anything is taken.
func memoryNeed(c *llama.Config, params int64, b, t int, packed bool) float64 {
	tokens, seq := float64(b)*float64(t), float64(t)
	masks := 1.0
	if packed {
		masks = float64(b)
	}
	mask := 2 * seq * seq * masks * 4 // the tensor and the host's copy
	scores := float64(c.Heads) * seq * tokens * 4
	perToken := float64(8*c.Embd+3*c.FF) * 4
	if params == 0 { // evaluation keeps nothing for a backward
		return mask + 2*scores + 3*tokens*perToken
	}
	return mask + float64(c.Blocks)*(scores+tokens*perToken) + 3*scores + 16*float64(params)
}

// checkMemory refuses a shape that needs more memory than there is, and names the longest sequences that would fit.
func checkMemory(c *llama.Config, params int64, b, t int, packed bool) error {
	free := float64(AvailableMemory())
	need := memoryNeed(c, params, b, t, packed)
	if free == 0 || need <= free {
		return nil
	}
	fits := t
	for fits > 2 && memoryNeed(c, params, 1, fits, packed) > free {
		fits /= 2
	}
	return &peft.InputError{What: "memory", Where: fmt.Sprintf("%d sequences of %d tokens", b, t),
		Why: fmt.Sprintf("they need about %.1f GB, %.1f GB are free", need/1e9, free/1e9),
		Do:  fmt.Sprintf("give --batch-size 1 and --ctx %d", fits)}
}
