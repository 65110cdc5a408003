package train

import (
	"context"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/peft"
	"github.com/graft-go/graft/peft/data"
	"github.com/graft-go/graft/peft/llama"
	"github.com/graft-go/graft/peft/lora"
	"github.com/graft-go/graft/peft/optim"
)

// BenchOptions choose what is measured.
type BenchOptions struct {
	Model   string
	Tokens  int // a step: one sequence
	Steps   int // measured, after two that are not
	Rank    int
	Threads int
	NoBLAS  bool
}

// BenchResult is what training on this machine costs.
type BenchResult struct {
	Tokens          int     `json:"tokens_per_step"`
	Steps           int     `json:"steps"`
	Threads         int     `json:"threads"`
	TokensPerSecond float64 `json:"tokens_per_second"` // of the median step
	MemoryBytes     int64   `json:"memory_bytes"`      // most resident memory after a step, the mapped weights included
	GraphBytes      int64   `json:"graph_bytes"`       // activations
	GFLOPS          float64 `json:"gflops"`            // of the products with weights: 2 forward and 2 backward operations a weight and token
	BLAS            string  `json:"blas"`
	BLASGFLOPS      float64 `json:"blas_gflops"`   // sgemm of all threads at once in this process
	ShareOfBLAS     float64 `json:"share_of_blas"` // GFLOPS / BLASGFLOPS, 0 without a BLAS
	Loss            float64 `json:"loss"`          // of the last step
}

// Bench trains a LoRA on all linear layers on random tokens and measures whole optimizer steps.
func Bench(ctx context.Context, o BenchOptions) (*BenchResult, error) {
	be, err := ggml.NewCPU(ggml.CPUOptions{Threads: o.Threads, NoBLAS: o.NoBLAS})
	if err != nil {
		return nil, err
	}
	defer be.Close()
	r := &BenchResult{Tokens: o.Tokens, Steps: o.Steps, Threads: be.Threads, BLAS: "none"}
	if be.BLAS != nil {
		r.BLAS = be.BLAS.Name
		r.BLASGFLOPS = be.BLAS.Rate(be.Threads, 1024)
	}
	debug.FreeOSMemory()
	m, err := llama.Open(be, o.Model)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	a, err := lora.New(m.Sites(), lora.Config{Rank: int64(o.Rank), Alpha: 2 * float64(o.Rank), Targets: llama.Linears()})
	if err != nil {
		return nil, err
	}
	params, err := peft.NewParams(be, a.Specs(), true)
	if err != nil {
		return nil, err
	}
	defer params.Close()
	a.Attach(params)
	a.Init(1)
	tr, err := newTrainer(be, m, params, 1, o.Tokens, false, optim.AdamWConfig{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Clip: 1})
	if err != nil {
		return nil, err
	}
	defer tr.Close()
	r.GraphBytes = tr.arena.Bytes()
	if err := r.measure(ctx, tr, o); err != nil {
		return nil, err
	}
	if be.BLAS != nil {
		r.BLASGFLOPS = max(r.BLASGFLOPS, be.BLAS.Rate(be.Threads, 1024))
		r.ShareOfBLAS = r.GFLOPS / r.BLASGFLOPS
	}
	return r, nil
}

// measure runs the steps.
func (r *BenchResult) measure(ctx context.Context, tr *trainer, o BenchOptions) error {
	plan := data.NewPlan(randomRows(tr.model.Vocab, o.Tokens, o.Steps), data.PlanOptions{B: 1, T: o.Tokens, Accum: 1})
	var x data.Batch
	var met Metrics
	var memory memoryMeter
	defer memory.Close()
	var seconds []float64
	const warm = 2
	for step := 1; step <= o.Steps+warm; step++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		start := time.Now()
		if err := tr.Step(plan, step, 1e-4, &x, &met); err != nil {
			return err
		}
		if step > warm {
			seconds = append(seconds, time.Since(start).Seconds())
		}
		r.MemoryBytes = max(r.MemoryBytes, memory.Resident())
	}
	slices.Sort(seconds)
	r.Loss = met.Loss
	r.TokensPerSecond = float64(o.Tokens) / seconds[len(seconds)/2]
	r.GFLOPS = r.TokensPerSecond * 4 * float64(tr.model.ProductWeights()) / 1e9
	return nil
}

// randomRows are rows of random tokens.
func randomRows(vocab int64, tokens, n int) *data.Set {
	rng := rand.New(rand.NewPCG(1, 2))
	set := &data.Set{LongestRow: tokens}
	for range n {
		ids := make([]int32, tokens)
		for i := range ids {
			ids[i] = int32(rng.Int64N(vocab))
		}
		set.Rows = append(set.Rows, data.Row{Tokens: ids, Labels: ids})
	}
	return set
}
