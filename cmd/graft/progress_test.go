package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/peft/train"
)

// steps shows a run of n steps with an evaluation in the middle.
func steps(p *progress, n int) {
	p.total = n
	for k := 1; k <= n; k++ {
		p.step(train.Metrics{Step: k, Loss: 2.5, LR: 2e-4, TokensPerSecond: 512, MemoryBytes: 3e8})
		if k == n/2 {
			p.eval(train.Eval{Step: k, Loss: 2, Perplexity: 7.389})
		}
	}
	p.end()
	p.end()
}

func TestProgressInAPipe(t *testing.T) {
	var out bytes.Buffer
	steps(newProgress(&out), 100)
	require.Equal(t, "step 1/100  loss 2.5000  lr 2.00e-04  512 tok/s  300 MB\n"+
		"step 50: validation loss 2.0000, perplexity 7.389\n"+
		"step 100/100  loss 2.5000  lr 2.00e-04  512 tok/s  300 MB\n", out.String())
}

func TestProgressOnATerminal(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out)
	p.tty = true
	steps(p, 100)
	require.Contains(t, out.String(), "\r")
	require.Contains(t, out.String(), "loss 2.5000")
	require.Contains(t, out.String(), "100/100")
	require.True(t, strings.HasSuffix(out.String(), "\n"), "an error after it begins a new line")
}

func TestNotesAreNoErrors(t *testing.T) {
	var out bytes.Buffer
	newProgress(&out).note("graft: a file named\ngraft: so")
	for line := range strings.Lines(out.String()) {
		require.False(t, strings.HasPrefix(line, "graft:"), line)
	}
}
