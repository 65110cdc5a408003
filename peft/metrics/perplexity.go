// Package metrics holds the measures by which a model is judged. They take plain numbers and know nothing of models.
package metrics

import (
	"fmt"
	"math"
)

// Perplexity gathers the likelihood of predicted tokens over many rows. Its loss is the mean over all tokens (not a mean of the rows'
// means), L = −(1/n)·Σ log p(tᵢ | t₍ᵢ₋₁₎…), and the perplexity is exp(L). Sums are compensated (Kahan, Neumaier 1974), so that the
// result does not depend on how many rows there are. The zero value is ready to use.
type Perplexity struct {
	sum, lost float64 // Σ of negative log-likelihoods, and what rounding lost of it
	tokens    int64
}

// Add takes the summed log-likelihood (natural logarithm, at most 0) of some predicted tokens. Values that are not finite, or positive
// beyond rounding, are refused and change nothing.
func (p *Perplexity) Add(logLikelihood float64, tokens int) error {
	const rounding = 1e-6 // a float32 log-sum-exp may leave a certain token slightly above log 1
	switch {
	case tokens < 0 || tokens == 0 && logLikelihood != 0:
		return fmt.Errorf("perplexity: %d tokens with a log-likelihood of %g", tokens, logLikelihood)
	case math.IsNaN(logLikelihood) || math.IsInf(logLikelihood, 0):
		return fmt.Errorf("perplexity: the log-likelihood of %d tokens is %g", tokens, logLikelihood)
	case logLikelihood > rounding*float64(tokens):
		return fmt.Errorf("perplexity: the log-likelihood of %d tokens is %g, above 0", tokens, logLikelihood)
	}
	x := -logLikelihood
	sum := p.sum + x
	if math.Abs(p.sum) >= math.Abs(x) {
		p.lost += p.sum - sum + x
	} else {
		p.lost += x - sum + p.sum
	}
	p.sum = sum
	p.tokens += int64(tokens)
	return nil
}

// Merge adds what another accumulator gathered.
func (p *Perplexity) Merge(other Perplexity) {
	p.lost += other.lost
	sum := p.sum + other.sum
	if p.sum >= other.sum {
		p.lost += p.sum - sum + other.sum
	} else {
		p.lost += other.sum - sum + p.sum
	}
	p.sum = sum
	p.tokens += other.tokens
}

// Tokens is the number of predicted tokens.
func (p *Perplexity) Tokens() int64 { return p.tokens }

// Sum is the summed negative log-likelihood in nats.
func (p *Perplexity) Sum() float64 { return p.sum + p.lost }

// Loss is the mean negative log-likelihood of a token in nats; NaN while there is none.
func (p *Perplexity) Loss() float64 { return p.Sum() / float64(p.tokens) }

// Value is the perplexity, exp(Loss); NaN while there is no token.
func (p *Perplexity) Value() float64 { return math.Exp(p.Loss()) }
