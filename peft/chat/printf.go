package chat

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/mitsuhiko/minijinja/minijinja-go/v2/value"
)

// directive is one of printf's in Python; %(name)s takes a named argument.
var directive = regexp.MustCompile(`%(\(\w+\))?([-+ 0]*)(\d{0,3})(\.\d{1,2})?([a-zA-Z%])`)

// formatFilter is text | format(…), Python's text % (…), with s, r, d, i, f and x.
func formatFilter(r *renderer, v value.Value, a arguments) (value.Value, error) {
	text, err := r.str(v)
	if err != nil {
		return v, err
	}
	var b strings.Builder
	used, at := 0, 0
	for _, m := range directive.FindAllStringSubmatchIndex(text, -1) {
		if strings.Contains(text[at:m[0]], "%") {
			break
		}
		b.WriteString(text[at:m[0]])
		at = m[1]
		part := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return text[m[2*i]:m[2*i+1]]
		}
		if part(5) == "%" {
			b.WriteByte('%')
			continue
		}
		index, name := used, strings.Trim(part(1), "()")
		if name != "" {
			index = -1
		} else {
			used++
		}
		x, err := a.value(index, name)
		if err != nil {
			return x, err
		}
		s, err := r.directive(part(2)+part(3)+part(4), part(5), x)
		if err == nil {
			err = r.charge(len(s) + len(text))
		}
		if err != nil {
			return x, err
		}
		b.WriteString(s)
	}
	if strings.Contains(text[at:], "%") {
		return v, fmt.Errorf("format cannot read %s", shortQuote(text[at:]))
	}
	if used < len(a.args) {
		return v, errors.New("format has more values than places for them")
	}
	return r.text(b.String() + text[at:])
}

// directive formats one value.
func (r *renderer) directive(flags, kind string, x value.Value) (string, error) {
	switch kind {
	case "s", "r":
		s, err := r.str(x)
		if kind == "r" {
			var b strings.Builder
			err = r.repr(&b, x, 0)
			s = b.String()
		}
		return fmt.Sprintf("%"+strings.Trim(flags, "+ ")+"s", s), err
	case "d", "i", "x", "X":
		f, isFloat := floatOf(x)
		n, ok := wholeOf(x)
		if !ok && (!isFloat || kind == "x" || kind == "X") {
			return "", fmt.Errorf("format needs a whole number, not %s", kindName(x))
		}
		if !ok {
			n = int64(f)
		}
		return fmt.Sprintf("%"+flags+strings.Replace(kind, "i", "d", 1), n), nil
	case "f", "F":
		f, ok := floatOf(x)
		if !ok {
			return "", fmt.Errorf("format needs a number, not %s", kindName(x))
		}
		return fmt.Sprintf("%"+flags+"f", f), nil
	}
	return "", fmt.Errorf("format does not know %%%s", kind)
}
