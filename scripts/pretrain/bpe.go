package main

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"github.com/graft-go/graft/peft/demo"
)

// space is how SentencePiece spells a space.
const space = "▁"

// learnPieces learns a vocabulary of at most n pieces from texts by byte-pair encoding (Sennrich et al. 2016): first the characters
// that occur at least least times, then again and again the pair of pieces that stands side by side most often. The pieces come in the
// order in which they were made, so that a tokenizer which always joins the earliest of them makes the same joins.
//
// A piece holds letters alone, or marks alone; digits and the space are never joined. So a word is the same pieces wherever it stands,
// in a sentence or in a JSON string, which makes copying easy to learn for a small model.
func learnPieces(texts []string, n, least int) []string {
	words := countChunks(texts)
	pieces := characters(words, least)
	for len(pieces) < n {
		best, count := mostFrequentPair(words)
		if count < least {
			break
		}
		pieces = append(pieces, best[0]+best[1])
		for i := range words {
			words[i].join(best)
		}
	}
	return pieces
}

// chunk is a run of characters within which pieces are joined, and how often it occurs.
type chunk struct {
	parts []string
	count int
}

type pair [2]string

// countChunks cuts texts into chunks, in alphabetical order.
func countChunks(texts []string) []chunk {
	counts := map[string]int{}
	marks := strings.NewReplacer(demo.MarkUser, " ", demo.MarkAssistant, " ", demo.MarkEnd, " ") // tokens already
	for _, text := range texts {
		for _, c := range chunks(marks.Replace(text)) {
			counts[c]++
		}
	}
	list := make([]chunk, 0, len(counts))
	for text, count := range counts {
		list = append(list, chunk{strings.Split(text, ""), count})
	}
	slices.SortFunc(list, func(a, b chunk) int { return cmp.Compare(strings.Join(a.parts, ""), strings.Join(b.parts, "")) })
	return list
}

// chunks cuts a text into runs of letters, runs of marks, single digits and single spaces.
func chunks(text string) []string {
	var list []string
	last := -1
	for _, r := range strings.ReplaceAll(text, " ", space) {
		kind := 2 // a mark
		switch {
		case string(r) == space || unicode.IsDigit(r):
			kind = 0
		case unicode.IsLetter(r):
			kind = 1
		}
		if kind == 0 || kind != last {
			list = append(list, "")
		}
		list[len(list)-1] += string(r)
		last = kind
	}
	return list
}

// characters lists the single characters, the most frequent first.
func characters(words []chunk, least int) []string {
	counts := map[string]int{}
	for _, w := range words {
		for _, p := range w.parts {
			counts[p] += w.count
		}
	}
	var list []string
	for c, n := range counts {
		if n >= least {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b)) })
	return list
}

// mostFrequentPair is the pair of neighbours with the greatest count; among equals the first in the alphabet.
func mostFrequentPair(words []chunk) (best pair, count int) {
	counts := map[pair]int{}
	for _, w := range words {
		for i := 1; i < len(w.parts); i++ {
			counts[pair{w.parts[i-1], w.parts[i]}] += w.count
		}
	}
	for p, n := range counts {
		if n > count || n == count && (p[0] < best[0] || p[0] == best[0] && p[1] < best[1]) {
			best, count = p, n
		}
	}
	return best, count
}

// join puts every occurrence of a pair together, from left to right.
func (c *chunk) join(p pair) {
	kept := c.parts[:0]
	for i := 0; i < len(c.parts); i++ {
		if i+1 < len(c.parts) && c.parts[i] == p[0] && c.parts[i+1] == p[1] {
			kept = append(kept, p[0]+p[1])
			i++
			continue
		}
		kept = append(kept, c.parts[i])
	}
	c.parts = kept
}
