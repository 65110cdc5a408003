package demo

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// grammar writes texts from patterns. In a pattern
//
//	$x:room    is a word drawn from the list "room", remembered as x, and no word that another variable of that list holds
//	$x         is the word that x holds
//	^          makes the letter behind it a capital
//	(a|b|)     is one of the parts between the bars, which may hold parentheses themselves
//
// and everything else stands for itself. A draw depends on nothing but the generator of random numbers.
type grammar struct {
	rng   *rand.Rand
	lists map[string][]string
	vars  map[string]string // variable → word
	from  map[string]string // variable → list
}

func newGrammar(rng *rand.Rand, lists map[string][]string) *grammar {
	return &grammar{rng: rng, lists: lists}
}

// write expands a pattern with new variables, but for those of set.
func (g *grammar) write(pattern string, set map[string]string) string {
	g.vars, g.from = map[string]string{}, map[string]string{}
	for k, v := range set {
		g.vars[k] = v
	}
	return capitals(g.words(g.choose(pattern)))
}

// capitals does what ^ asks for.
func capitals(s string) string {
	for {
		before, rest, found := strings.Cut(s, "^")
		if !found || rest == "" {
			return s
		}
		s = before + strings.ToUpper(rest[:1]) + rest[1:]
	}
}

// choose resolves the alternatives of a pattern, outer ones first.
func (g *grammar) choose(p string) string {
	open := strings.IndexByte(p, '(')
	if open < 0 {
		return p
	}
	depth, begin := 0, open+1
	var parts []string
	for i := open; i < len(p); i++ {
		switch {
		case p[i] == '(':
			depth++
		case p[i] == '|' && depth == 1:
			parts = append(parts, p[begin:i])
			begin = i + 1
		case p[i] == ')':
			if depth--; depth == 0 {
				parts = append(parts, p[begin:i])
				return p[:open] + g.choose(parts[g.rng.IntN(len(parts))]) + g.choose(p[i+1:])
			}
		}
	}
	return p // unbalanced, which a test finds
}

// words puts the variables in, from left to right.
func (g *grammar) words(p string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(p, "$")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name := identifier(rest)
		rest = rest[len(name):]
		if strings.HasPrefix(rest, ":") {
			if list := identifier(rest[1:]); list != "" {
				g.vars[name], rest = g.draw(name, list), rest[1+len(list):]
			}
		}
		if word, ok := g.vars[name]; ok {
			b.WriteString(word)
		} else {
			b.WriteString("$" + name) // not drawn, which a test finds
		}
		p = rest
	}
}

// identifier is the run of small letters that s begins with, and one digit behind it.
func identifier(s string) string {
	n := 0
	for n < len(s) && s[n] >= 'a' && s[n] <= 'z' {
		n++
	}
	if n > 0 && n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return s[:n]
}

// draw takes a word from a list that no other variable of the list holds.
func (g *grammar) draw(name, list string) string {
	words := g.lists[list]
	if len(words) == 0 && list != madeUp {
		return "$" + list // no such list, which a test finds
	}
	const tries = 100 // a list may be shorter than a pattern asks for
	word := ""
	for range tries {
		if list == madeUp {
			word = g.madeUpWord()
		} else {
			word = words[g.rng.IntN(len(words))]
		}
		taken := false
		for other, l := range g.from {
			taken = taken || other != name && l == list && g.vars[other] == word
		}
		if !taken {
			break
		}
	}
	g.from[name] = list
	return word
}

// madeUp is the list of words that no dictionary has. Only copying them letter by letter helps.
const madeUp = "word"

func (g *grammar) madeUpWord() string {
	const consonants, vowels = "bdfgklmnprstvz", "aeiou"
	var b strings.Builder
	for range 2 + g.rng.IntN(2) {
		b.WriteByte(consonants[g.rng.IntN(len(consonants))])
		b.WriteByte(vowels[g.rng.IntN(len(vowels))])
	}
	if g.rng.IntN(2) == 0 {
		b.WriteByte(consonants[g.rng.IntN(len(consonants))])
	}
	return b.String()
}

// numbers lists whole numbers from first to last.
func numbers(first, last, step int) []string {
	var list []string
	for n := first; n <= last; n += step {
		list = append(list, strconv.Itoa(n))
	}
	return list
}

// join puts lists behind each other.
func join(lists ...[]string) []string { return slices.Concat(lists...) }
