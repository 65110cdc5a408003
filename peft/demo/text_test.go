package demo

import (
	"encoding/json"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGrammar(t *testing.T) {
	lists := map[string][]string{"one": {"a"}, "two": {"b", "c"}}
	cases := []struct {
		name, pattern string
		set           map[string]string
		want          string // a regular expression
	}{
		{"plain", "no variable", nil, `no variable`},
		{"a word, again", "$x:one $x", nil, `a a`},
		{"set from outside", "$y!", map[string]string{"y": "z"}, `z!`},
		{"two of one list differ", "$x:two$y:two", nil, `bc|cb`},
		{"alternatives", "(x|y|)-", nil, `[xy]?-`},
		{"alternatives within alternatives", "(x(1|2)|y)(3|4)", nil, `(x[12]|y)[34]`},
		{"a capital", "^$x:one, b. ^c", nil, `A, b. C`},
		{"made up", "$w:word", nil, `[a-z]{4,7}`},
		{"not drawn", "$x", nil, `\$x`},
		{"no such list", "$x:none", nil, `\$none`},
		{"unbalanced", "(a|b", nil, `\(a\|b`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(20) {
				g := newGrammar(rand.New(rand.NewPCG(seed, 0)), lists)
				require.Regexp(t, "^("+c.want+")$", g.write(c.pattern, c.set))
			}
		})
	}
}

func TestTextBySeed(t *testing.T) {
	require.Equal(t, Text(100, 5), Text(100, 5))
	require.NotEqual(t, Text(100, 5), Text(100, 6))
}

// TestTextIsClean finds what a faulty pattern leaves, and JSON that is none.
func TestTextIsClean(t *testing.T) {
	object := regexp.MustCompile(`\{[^{}]*\}|\[[^{}\[\]]*\]`)
	marks := strings.NewReplacer(MarkUser, "", MarkAssistant, "", MarkEnd, "")
	objects := 0
	for _, text := range Text(20000, 9) {
		require.NotRegexp(t, `[$(|)^\n]|  `, marks.Replace(text))
		require.Equal(t, strings.Count(text, MarkUser)+strings.Count(text, MarkAssistant), strings.Count(text, MarkEnd), text)
		for _, o := range object.FindAllString(text, -1) {
			require.True(t, json.Valid([]byte(o)), o)
			objects++
		}
	}
	require.Greater(t, objects, 5000)
}

// TestTextKnowsNotTheTask holds that pretraining shows neither a sentence of the task nor an object with its keys, so that the score before
// the training is an honest one.
func TestTextKnowsNotTheTask(t *testing.T) {
	text := strings.ToLower(strings.Join(Text(130000, 1), "\n"))
	for _, key := range []string{`"device"`, `"room"`, `"action"`, `"value"`} {
		require.NotContains(t, text, key)
	}
	said := map[string]bool{}
	for line := range strings.SplitSeq(text, "\n") {
		if turn, _, ok := strings.Cut(strings.TrimPrefix(line, MarkUser+" "), MarkEnd); ok {
			said[turn] = true
		}
	}
	require.Greater(t, len(said), 10000)
	for _, seed := range []uint64{1, 42} {
		training, held := Household(trainingRows, heldOutRows, seed)
		for _, r := range append(training, held...) {
			require.False(t, said[r.Prompt], r.Prompt)
		}
	}
}
