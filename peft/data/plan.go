package data

import (
	"math/bits"
	"math/rand/v2"
	"slices"
)

// Padding is the segment of a position that belongs to no row.
const Padding int32 = -1

// Batch is one micro-batch: B sequences of T tokens, sequence b at [b*T, (b+1)*T) of each slice.
type Batch struct {
	B, T      int
	Tokens    []int32
	Positions []int32   // from 0 in each row
	Targets   []int32   // the label of the next token of the same row; 0 where Weights is 0
	Segments  []int32   // number of the row within its sequence, from 0; Padding outside of rows
	Weights   []float32 // 1 where the target counts, else 0

	LabelTokens int // targets that count
	RealTokens  int // tokens that are no padding
	Longest     int // tokens of the longest sequence without its padding
}

// resize makes room for b sequences of t tokens, allocating only where there is too little.
func (x *Batch) resize(b, t int) {
	n := b * t
	x.B, x.T = b, t
	if cap(x.Weights) < n {
		x.Tokens, x.Positions = make([]int32, n), make([]int32, n)
		x.Targets, x.Segments = make([]int32, n), make([]int32, n)
		x.Weights = make([]float32, n)
	}
	x.Tokens, x.Positions, x.Targets = x.Tokens[:n], x.Positions[:n], x.Targets[:n]
	x.Segments, x.Weights = x.Segments[:n], x.Weights[:n]
	clear(x.Tokens)
	clear(x.Positions)
	clear(x.Targets)
	clear(x.Weights)
	for i := range x.Segments {
		x.Segments[i] = Padding
	}
	x.LabelTokens, x.RealTokens, x.Longest = 0, 0, 0
}

// PlanOptions says how rows become micro-batches.
type PlanOptions struct {
	B       int  // sequences a micro-batch
	T       int  // tokens a sequence; no row may be longer
	Accum   int  // micro-batches an optimizer step
	Pack    bool // several rows in one sequence
	Shuffle bool
	Seed    uint64
}

// Plan is the order in which rows are trained on. What a micro-batch holds is a function of the seed, the step and the
// number of the micro-batch alone, so that a resumed run has nothing to restore. A Plan is not safe for concurrent use.
//
// Without shuffling, packing takes the rows in their order and begins a new sequence where the next row does not fit.
// With shuffling the order is free, and a row goes where it leaves the least room (best fit, longest first; equal
// lengths in an order drawn by the seed), which wastes a few percent at most; then whole sequences are shuffled anew
// for each epoch. So every epoch has the same number of steps.
type Plan struct {
	rows  []Row
	o     PlanOptions
	items []int32 // rows, sequence after sequence
	start []int32 // start[i] is where sequence i begins in items; one more than there are sequences

	order []int32 // sequences in the order of the epoch
	epoch int     // the epoch that order is for, from 0
	pcg   *rand.PCG
	rng   *rand.Rand
}

// NewPlan lays out the rows of a set. B, T and Accum below 1 count as 1.
func NewPlan(s *Set, o PlanOptions) *Plan {
	o.B, o.T, o.Accum = max(o.B, 1), max(o.T, 1), max(o.Accum, 1)
	p := &Plan{rows: s.Rows, o: o, epoch: -1, pcg: rand.NewPCG(0, 0)}
	p.rng = rand.New(p.pcg)
	switch {
	case !o.Pack:
		p.alone()
	case o.Shuffle:
		p.packTight()
	default:
		p.packInOrder()
	}
	p.order = make([]int32, p.Sequences())
	return p
}

// alone gives every row a sequence of its own.
func (p *Plan) alone() {
	p.items, p.start = make([]int32, len(p.rows)), make([]int32, len(p.rows)+1)
	for i := range p.rows {
		p.items[i], p.start[i+1] = int32(i), int32(i+1)
	}
}

// packInOrder begins a new sequence where the next row does not fit.
func (p *Plan) packInOrder() {
	p.items, p.start = make([]int32, len(p.rows)), []int32{0}
	used := 0
	for i := range p.rows {
		n := p.length(i)
		if i > 0 && used+n > p.o.T {
			p.start = append(p.start, int32(i))
			used = 0
		}
		p.items[i] = int32(i)
		used += n
	}
	p.start = append(p.start, int32(len(p.rows)))
}

// Streams of the generator, so that the draws for one purpose do not follow from those for another.
const (
	packStream  = 0x7061636b     // "pack"
	epochStream = 0x65706f636800 // "epoch", plus the number of the epoch
)

// packTight is best fit, longest first. free[c] lists the sequences with room for c more tokens, and a bit of has
// tells that the list is not empty, so that the tightest fit is found with a few words looked at.
func (p *Plan) packTight() {
	p.pcg.Seed(p.o.Seed, packStream)
	rows := make([]int32, len(p.rows))
	shuffle(rows, p.rng)
	slices.SortStableFunc(rows, func(a, b int32) int { return p.length(int(b)) - p.length(int(a)) })
	free := make([][]int32, p.o.T+1)
	has := make([]uint64, p.o.T/64+1)
	var sequences [][]int32
	for _, row := range rows {
		n := p.length(int(row))
		room, ok := nextBit(has, n)
		if !ok {
			sequences = append(sequences, nil)
			room = p.o.T
			free[room] = append(free[room], int32(len(sequences)-1))
		}
		list := free[room]
		seq := list[len(list)-1]
		free[room] = list[:len(list)-1]
		if len(free[room]) == 0 {
			has[room/64] &^= 1 << (room % 64)
		}
		sequences[seq] = append(sequences[seq], row)
		left := room - n
		free[left] = append(free[left], seq)
		has[left/64] |= 1 << (left % 64)
	}
	p.items, p.start = make([]int32, 0, len(rows)), []int32{0}
	for _, s := range sequences {
		p.items = append(p.items, s...)
		p.start = append(p.start, int32(len(p.items)))
	}
}

// nextBit is the first set bit at or after from.
func nextBit(set []uint64, from int) (int, bool) {
	for w := from / 64; w < len(set); w++ {
		word := set[w]
		if w == from/64 {
			word &= ^uint64(0) << (from % 64)
		}
		if word != 0 {
			return w*64 + bits.TrailingZeros64(word), true
		}
	}
	return 0, false
}

// shuffle fills ids with 0, 1, 2 … in an order drawn by rng (Fisher and Yates).
func shuffle(ids []int32, rng *rand.Rand) {
	for i := range ids {
		ids[i] = int32(i)
	}
	for i := len(ids) - 1; i > 0; i-- {
		j := rng.IntN(i + 1)
		ids[i], ids[j] = ids[j], ids[i]
	}
}

// length is the number of tokens of a row that a sequence takes.
func (p *Plan) length(row int) int { return min(len(p.rows[row].Tokens), p.o.T) }

// Sequences is the number of sequences in an epoch.
func (p *Plan) Sequences() int { return len(p.start) - 1 }

// StepsPerEpoch is the number of optimizer steps in an epoch.
func (p *Plan) StepsPerEpoch() int {
	perStep := p.o.B * p.o.Accum
	return max(1, (p.Sequences()+perStep-1)/perStep)
}

// Micro is the number of micro-batches of optimizer step k, from 1; the last step of an epoch may have fewer than the
// others.
func (p *Plan) Micro(step int) int {
	left := p.Sequences() - p.first(step)
	return min(p.o.Accum, (left+p.o.B-1)/p.o.B)
}

// Epoch is how many epochs have passed once optimizer step k is done; 1.5 is the middle of the second.
func (p *Plan) Epoch(step int) float64 {
	return float64(step) / float64(p.StepsPerEpoch())
}

// PaddedTokens is the number of tokens that the micro-batches of the first epoch compute, padding included, where fit gives the length that
// sequences of a length are padded to.
func (p *Plan) PaddedTokens(fit func(longest int) int) int {
	p.shuffleFor(1)
	n := 0
	for from := 0; from < len(p.order); from += p.o.B {
		longest := 0
		for _, seq := range p.order[from:min(from+p.o.B, len(p.order))] {
			length := 0
			for _, row := range p.items[p.start[seq]:p.start[seq+1]] {
				length += p.length(int(row))
			}
			longest = max(longest, length)
		}
		n += p.o.B * fit(longest)
	}
	return n
}

// first is where step k begins in the order of its epoch.
func (p *Plan) first(step int) int {
	return (step - 1) % p.StepsPerEpoch() * p.o.B * p.o.Accum
}

// shuffleFor brings order to the epoch of step k.
func (p *Plan) shuffleFor(step int) {
	epoch := (step - 1) / p.StepsPerEpoch()
	if epoch == p.epoch {
		return
	}
	p.epoch = epoch
	if !p.o.Shuffle {
		for i := range p.order {
			p.order[i] = int32(i)
		}
		return
	}
	p.pcg.Seed(p.o.Seed, epochStream+uint64(epoch))
	shuffle(p.order, p.rng)
}

// Fill writes micro-batch micro (from 0) of optimizer step k (from 1) into x. Sequences for which no rows are left are
// padding. Once x has its size, nothing is allocated.
func (p *Plan) Fill(step, micro int, x *Batch) {
	x.resize(p.o.B, p.o.T)
	p.shuffleFor(step)
	from := p.first(step) + micro*p.o.B
	for b := 0; b < p.o.B && from+b < len(p.order); b++ {
		seq := p.order[from+b]
		at := b * p.o.T
		for i, row := range p.items[p.start[seq]:p.start[seq+1]] {
			at += x.put(at, int32(i), p.rows[row], p.length(int(row)))
		}
		x.Longest = max(x.Longest, at-b*p.o.T)
	}
}

// put writes the first n tokens of a row at position at and returns n.
func (x *Batch) put(at int, segment int32, row Row, n int) int {
	copy(x.Tokens[at:at+n], row.Tokens)
	for i := range n {
		x.Positions[at+i] = int32(i)
		x.Segments[at+i] = segment
		if i+1 < n && row.Labels[i+1] != NoLabel {
			x.Targets[at+i] = row.Labels[i+1]
			x.Weights[at+i] = 1
			x.LabelTokens++
		}
	}
	x.RealTokens += n
	return n
}
