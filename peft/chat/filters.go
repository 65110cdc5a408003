package chat

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/mitsuhiko/minijinja/minijinja-go/v2/value"
)

type filter func(r *renderer, v value.Value, a arguments) (value.Value, error)

// filterTable is jinja2's filters that chat templates use; tojson is transformers' own.
func filterTable() map[string]filter {
	onText := func(f func(string) string) filter {
		return func(r *renderer, v value.Value, _ arguments) (value.Value, error) {
			s, err := r.str(v)
			if err != nil {
				return v, err
			}
			return r.text(f(s))
		}
	}
	return map[string]filter{
		"upper": onText(strings.ToUpper), "lower": onText(strings.ToLower), "capitalize": onText(capitalize),
		"title": onText(filterTitle), "string": onText(func(s string) string { return s }),
		"safe":   onText(func(s string) string { return s }),
		"escape": onText(escapeHTML), "e": onText(escapeHTML), "forceescape": onText(escapeHTML),
		"trim": trimFilter, "replace": replaceFilter, "indent": indentFilter, "wordcount": wordCount, "format": formatFilter,
		"tojson": toJSONFilter, "default": defaultFilter, "d": defaultFilter,
		"length": lengthFilter, "count": lengthFilter, "list": listFilter, "items": itemsFilter, "dictsort": dictSort,
		"first": end(0), "last": end(-1), "min": extreme(-1), "max": extreme(1),
		"reverse": reverseFilter, "sort": sortFilter, "unique": uniqueFilter, "sum": sumFilter, "join": joinFilter, "batch": batchFilter,
		"map": mapFilter, "attr": attrFilter,
		"select": choose(false, true), "reject": choose(false, false), "selectattr": choose(true, true), "rejectattr": choose(true, false),
		"int": intFilter, "float": floatFilter, "abs": absFilter, "round": roundFilter,
	}
}

// filterTitle begins every word with a capital; words are parted by spaces, hyphens and opening brackets.
func filterTitle(s string) string {
	var b strings.Builder
	for s != "" {
		i := strings.IndexFunc(s, func(c rune) bool { return isSpace(c) || strings.ContainsRune("-({[<", c) })
		switch {
		case i < 0:
			i = len(s)
		case i == 0:
			i = len(s) - len(strings.TrimLeftFunc(s, func(c rune) bool { return isSpace(c) || strings.ContainsRune("-({[<", c) }))
		}
		b.WriteString(capitalize(s[:i]))
		s = s[i:]
	}
	return b.String()
}

func escapeHTML(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;").Replace(s)
}

func trimFilter(r *renderer, v value.Value, a arguments) (value.Value, error) {
	s, err := r.str(v)
	if err != nil {
		return v, err
	}
	return strip(true, true)(r, s, a)
}

func replaceFilter(r *renderer, v value.Value, a arguments) (value.Value, error) {
	s, err := r.str(v)
	if err != nil {
		return v, err
	}
	return replaceMethod(r, s, a)
}

func wordCount(r *renderer, v value.Value, _ arguments) (value.Value, error) {
	s, err := r.str(v)
	return value.FromInt(int64(len(strings.FieldsFunc(s, isSpace)))), err
}

// indentFilter is jinja2's indent: every line but the first, and blank ones, gets blanks (or a text) in front.
func indentFilter(r *renderer, v value.Value, a arguments) (value.Value, error) {
	s, err := r.str(v)
	if err != nil {
		return v, err
	}
	pad, isText := a.or(0, "width", value.FromInt(4)).AsString()
	if !isText {
		n, err := a.int(0, "width", 4)
		if err != nil || n > mostIndent {
			return v, errors.Join(err, errIf(n > mostIndent, errTooMuch))
		}
		pad = strings.Repeat(" ", int(max(n, 0)))
	}
	first, blank := a.or(1, "first", value.False()).IsTrue(), a.or(2, "blank", value.False()).IsTrue()
	lines := strings.Split(s, "\n")
	if err := r.charge(len(s) + len(lines)*(len(pad)+16)); err != nil {
		return v, err
	}
	for i, line := range lines {
		if (i > 0 || first) && (line != "" || blank || i == 0) {
			lines[i] = pad + line
		}
	}
	return value.FromString(strings.Join(lines, "\n")), nil
}

const mostIndent = 1024

func errIf(is bool, err error) error {
	if is {
		return err
	}
	return nil
}

// toJSONFilter is transformers' tojson(ensure_ascii=False, indent=None, separators=None, sort_keys=False).
func toJSONFilter(r *renderer, v value.Value, a arguments) (value.Value, error) {
	s := jsonStyle{item: ", ", key: ": ", ascii: a.or(0, "ensure_ascii", value.False()).IsTrue(), sortedKeys: a.or(3, "sort_keys", value.False()).IsTrue()}
	if indent := a.or(1, "indent", value.None()); !indent.IsNone() {
		s.hasIndent, s.item = true, ","
		text, isText := indent.AsString()
		if n, ok := wholeOf(indent); ok && n <= mostIndent {
			text, isText = strings.Repeat(" ", int(max(n, 0))), true
		}
		if !isText || len(text) > mostIndent {
			return v, fmt.Errorf("tojson cannot indent by %s", kindName(indent))
		}
		s.indent = text
	}
	if sep := a.or(2, "separators", value.None()); !sep.IsNone() {
		parts, err := r.unpack(2, sep)
		if err != nil {
			return v, err
		}
		s.item, _ = parts.GetItem(value.FromInt(0)).AsString()
		s.key, _ = parts.GetItem(value.FromInt(1)).AsString()
	}
	var b strings.Builder
	if err := r.toJSON(&b, v, s, 0); err != nil {
		return v, err
	}
	return r.text(b.String())
}

func defaultFilter(_ *renderer, v value.Value, a arguments) (value.Value, error) {
	if v.IsUndefined() || a.or(1, "boolean", value.False()).IsTrue() && !v.IsTrue() {
		return a.or(0, "default_value", value.FromString("")), nil
	}
	return v, nil
}

func lengthFilter(_ *renderer, v value.Value, _ arguments) (value.Value, error) {
	if v.IsUndefined() {
		return value.FromInt(0), nil
	}
	n, ok := v.Len()
	if !ok {
		return v, fmt.Errorf("%s has no length", kindName(v))
	}
	return value.FromInt(int64(n)), nil
}

func listFilter(r *renderer, v value.Value, _ arguments) (value.Value, error) {
	items, err := r.elements(v)
	if err != nil {
		return v, err
	}
	return r.list(items)
}

func itemsFilter(r *renderer, v value.Value, _ arguments) (value.Value, error) {
	if v.IsUndefined() {
		return value.FromSlice(nil), nil
	}
	d, ok := asDict(v)
	if !ok {
		return v, errors.New("items takes a dict")
	}
	return r.pairs(d, "items")
}

func dictSort(r *renderer, v value.Value, a arguments) (value.Value, error) {
	d, ok := asDict(v)
	if !ok {
		return v, errors.New("dictsort takes a dict")
	}
	pairs, err := r.pairs(d, "items")
	if err != nil {
		return v, err
	}
	by := int64(0)
	if s, _ := a.or(1, "by", value.FromString("key")).AsString(); s == "value" {
		by = 1
	}
	return r.sorted(pairs, a.or(2, "reverse", value.False()).IsTrue(), a.or(0, "case_sensitive", value.False()).IsTrue(), func(x value.Value) (value.Value, error) {
		return x.GetItem(value.FromInt(by)), nil
	})
}

func intFilter(_ *renderer, v value.Value, a arguments) (value.Value, error) {
	if i, ok := wholeOf(v); ok {
		return value.FromInt(i), nil
	}
	if f, ok := floatOf(v); ok && math.Abs(f) < 1<<62 {
		return value.FromInt(int64(f)), nil
	}
	if s, ok := v.AsString(); ok {
		s = strings.TrimFunc(s, isSpace)
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return value.FromInt(i), nil
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(f) < 1<<62 {
			return value.FromInt(int64(f)), nil
		}
	}
	return a.or(0, "default", value.FromInt(0)), nil
}

func floatFilter(_ *renderer, v value.Value, a arguments) (value.Value, error) {
	if f, ok := floatOf(v); ok {
		return value.FromFloat(f), nil
	}
	if s, ok := v.AsString(); ok {
		if f, err := strconv.ParseFloat(strings.TrimFunc(s, isSpace), 64); err == nil {
			return value.FromFloat(f), nil
		}
	}
	return a.or(0, "default", value.FromFloat(0)), nil
}

func absFilter(r *renderer, v value.Value, _ arguments) (value.Value, error) {
	if f, ok := floatOf(v); ok && f < 0 {
		return r.sign("-", v)
	}
	return r.sign("+", v)
}

func roundFilter(_ *renderer, v value.Value, a arguments) (value.Value, error) {
	f, ok := floatOf(v)
	if !ok {
		return v, fmt.Errorf("cannot round %s", kindName(v))
	}
	n, err := a.int(0, "precision", 0)
	if err != nil {
		return v, err
	}
	scale := math.Pow(10, float64(n))
	switch method, _ := a.or(1, "method", value.FromString("common")).AsString(); method {
	case "ceil":
		f = math.Ceil(f*scale) / scale
	case "floor":
		f = math.Floor(f*scale) / scale
	default:
		if n >= 0 && n < 16 {
			f, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'f', int(n), 64), 64) // ties to even, on the exact value
		} else {
			f = math.RoundToEven(f*scale) / scale
		}
	}
	return value.FromFloat(f), nil
}
