package data

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
)

// TextCtx is the length of the pieces of a plain text where nobody asks for another.
const TextCtx = 512

func (s *Set) add(r Row) {
	s.whole = append(s.whole, r)
	s.LongestRow = max(s.LongestRow, len(r.Tokens))
}

func (s *Set) bad(err error) {
	s.RowsBad++
	if s.FirstBad == nil {
		s.FirstBad = err
	}
}

// Cut fills Rows for sequences of ctx tokens: a longer row is cut at its end and counted, a plain text becomes
// contiguous pieces of ctx tokens, and a row in which nothing is left to learn is left out and counted. It may be
// called again with another ctx. Nothing left at all is an error.
//
// Each piece of a plain text begins with BOS where the tokenizer adds one, so that it looks like the beginning of a
// text to the model, as in its pretraining, and so that every token of the text is a target of exactly one piece;
// then follow ctx-1 tokens of the text (ctx where there is no BOS). The last piece is what remains.
func (s *Set) Cut(ctx int) error {
	if len(s.whole) == 0 {
		return errors.New("cut: the rows of a set are cut before it is split")
	}
	if ctx < 2 {
		return &Error{File: s.whole[0].File, Reason: fmt.Sprintf("a sequence of %d tokens has no next token to learn; --ctx must be 2 or more", ctx)}
	}
	s.Rows = s.Rows[:0:0]
	s.RowsRead, s.RowsCut, s.RowsWithoutLabel = 0, 0, 0
	for _, row := range s.whole {
		if row.Line == 0 {
			s.pieces(row, ctx)
			continue
		}
		if len(row.Tokens) > ctx {
			s.RowsCut++
			row.Tokens, row.Labels = row.Tokens[:ctx], row.Labels[:ctx]
		}
		s.keep(row)
	}
	if len(s.Rows) > 0 {
		return nil
	}
	e := &Error{File: s.whole[0].File, Reason: fmt.Sprintf("no row has a token to learn: all %d are empty, one token long, or without a label that counts", s.RowsRead)}
	if s.RowsCut > 0 {
		e.Reason += fmt.Sprintf(" within --ctx %d; give a longer --ctx", ctx)
	}
	return e
}

// Labelled are the lengths, ascending, from which on each row that has something to learn keeps a token of it. Plain text is left out.
func (s *Set) Labelled() []int {
	var lengths []int
	for _, row := range s.whole {
		for i := 1; i < len(row.Labels) && row.Line > 0; i++ {
			if row.Labels[i] != NoLabel {
				lengths = append(lengths, i+1)
				break
			}
		}
	}
	slices.Sort(lengths)
	return lengths
}

// keep takes a row, unless enough are read or it teaches nothing.
func (s *Set) keep(row Row) {
	if s.maxRows > 0 && s.RowsRead >= s.maxRows {
		return
	}
	s.RowsRead++
	if !row.hasTarget() {
		s.RowsWithoutLabel++
		return
	}
	s.Rows = append(s.Rows, row)
}

// pieces cuts a plain text.
func (s *Set) pieces(text Row, ctx int) {
	step := ctx - len(s.bos)
	all := make([]int32, 0, len(text.Tokens)+len(text.Tokens)/step+1)
	for from := 0; from < len(text.Tokens); from += step {
		begin := len(all)
		all = append(all, s.bos...)
		all = append(all, text.Tokens[from:min(from+step, len(text.Tokens))]...)
		piece := all[begin:len(all):len(all)]
		s.keep(Row{Tokens: piece, Labels: piece, File: text.File})
	}
}

// Tokens is the number of tokens in Rows.
func (s *Set) Tokens() int {
	n := 0
	for _, r := range s.Rows {
		n += len(r.Tokens)
	}
	return n
}

// LabelTokens is the number of targets in Rows.
func (s *Set) LabelTokens() int {
	n := 0
	for _, r := range s.Rows {
		n += r.LabelTokens()
	}
	return n
}

// The rule of an automatic validation split (CLI.md): 5 % of the rows, 10 at least and 200 at most, where there are
// 100 rows or more.
const (
	autoSplitFraction = 0.05
	autoSplitLeast    = 10
	autoSplitMost     = 200
	autoSplitRows     = 100
)

// AutoSplit is the number of validation rows that are taken from rows where nobody says how many.
func AutoSplit(rows int) int {
	if rows < autoSplitRows {
		return 0
	}
	return min(max(int(autoSplitFraction*float64(rows)+0.5), autoSplitLeast), autoSplitMost)
}

// splitStream keeps the draw of the validation rows apart from the shuffles of the epochs.
const splitStream = 0x73706c6974 // "split"

// Split takes n rows out of the set as a validation set, drawn by the seed; both parts keep the order of the files.
// The counters stay with the training part. n must leave at least one row.
func (s *Set) Split(n int, seed uint64) (train, valid *Set, err error) {
	if n < 1 || n >= len(s.Rows) {
		return nil, nil, &Error{File: s.Rows[0].File, Reason: fmt.Sprintf("%d of %d rows cannot be a validation set; change --valid-split", n, len(s.Rows))}
	}
	drawn := rand.New(rand.NewPCG(seed, splitStream)).Perm(len(s.Rows))[:n]
	slices.Sort(drawn)
	t, v := *s, Set{Format: s.Format, HasText: s.HasText, RowsRead: n, bos: s.bos}
	t.Rows, t.whole = make([]Row, 0, len(s.Rows)-n), nil
	for i, row := range s.Rows {
		if len(drawn) > 0 && drawn[0] == i {
			drawn = drawn[1:]
			v.Rows = append(v.Rows, row)
			v.LongestRow = max(v.LongestRow, len(row.Tokens))
			continue
		}
		t.Rows = append(t.Rows, row)
	}
	return &t, &v, nil
}
