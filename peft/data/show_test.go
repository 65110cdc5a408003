package data

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestShow(t *testing.T) {
	row := func(text string, trained func(i int) bool) Row {
		r := Row{Tokens: ids(text)}
		for i, id := range r.Tokens {
			label := NoLabel
			if trained(i) {
				label = id
			}
			r.Labels = append(r.Labels, label)
		}
		return r
	}
	from := func(n int) func(int) bool { return func(i int) bool { return i >= n } }
	for _, c := range []struct {
		name string
		row  Row
		o    ShowOptions
		want string
	}{
		{"an answer", row("<s>q:a</s>", from(3)), ShowOptions{}, "<s>q:[[a</s>]]"},
		{"on a terminal", row("<s>q:a</s>", from(3)), ShowOptions{Colour: true}, "<s>q:\x1b[7ma</s>\x1b[0m"},
		{"the first token is no target", row("ab", from(0)), ShowOptions{}, "a[[b]]"},
		{"nothing trained", row("ab", from(9)), ShowOptions{}, "ab"},
		{"several answers", row("aXbXc", func(i int) bool { return i%2 == 1 }), ShowOptions{}, "a[[X]]b[[X]]c"},
		{"characters of several tokens are whole", row("é😀x", from(2)), ShowOptions{}, "é[[😀x]]"},
		{"a mark inside a character stands behind it", row("é😀x", from(3)), ShowOptions{}, "é😀[[x]]"},
		{"half a character", row("a\xc3", from(1)), ShowOptions{}, `a[[\xc3]]`},
		{"no UTF-8", row("\xffa", from(1)), ShowOptions{}, `\xff[[a]]`},
		{"escapes of a terminal", row("a\x1b[31m\u202eb\n", from(1)), ShowOptions{}, "a[[\\u001b[31m\\u202eb\n]]"},
		{"long rows are cut in the middle", row("0123456789", from(5)), ShowOptions{Most: 4}, "01 … 6 tokens … [[89]]"},
		{"short rows are not", row("0123", from(2)), ShowOptions{Most: 4}, "01[[23]]"},
		{"no tokens", Row{}, ShowOptions{Most: 4}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, Show(c.row, byteTokenizer{}, c.o))
		})
	}
}
