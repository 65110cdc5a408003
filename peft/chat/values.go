package chat

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mitsuhiko/minijinja/minijinja-go/v2/value"
)

// dict is a Python dict with string keys: it keeps the order in which keys were first set.
type dict struct {
	keys   []string
	values map[string]value.Value
}

func newDict() *dict { return &dict{values: map[string]value.Value{}} }

func (d *dict) set(key string, v value.Value) {
	if _, ok := d.values[key]; !ok {
		d.keys = append(d.keys, key)
	}
	d.values[key] = v
}

// GetAttr, Keys and ObjectRepr make it a map for the library.
func (d *dict) GetAttr(name string) value.Value {
	if v, ok := d.values[name]; ok {
		return v
	}
	return value.Undefined()
}
func (d *dict) Keys() []string               { return d.keys }
func (d *dict) ObjectRepr() value.ObjectRepr { return value.ObjectReprMap }

// namespace is what namespace(…) makes: the one thing whose attributes a template may set.
type namespace struct{ dict }

// ObjectRepr makes it a plain object, which is true even when it is empty.
func (n *namespace) ObjectRepr() value.ObjectRepr { return value.ObjectReprPlain }

// ObjectIsTrue is Python's: an object is true.
func (n *namespace) ObjectIsTrue() bool { return true }

// function is a Go function that a template may call: a method bound to its value, or a global.
type function struct {
	name string
	fn   func(r *renderer, args []value.Value, kwargs map[string]value.Value) (value.Value, error)
}

// Call is the library's way to call it.
func (f *function) Call(state value.State, args []value.Value, kwargs map[string]value.Value) (value.Value, error) {
	r, err := rendererOf(state)
	if err != nil {
		return value.Undefined(), err
	}
	return f.fn(r, args, kwargs)
}

// asDict returns a value as a dict; a namespace is none.
func asDict(v value.Value) (*dict, bool) {
	d, ok := v.Raw().(*dict)
	return d, ok
}

// str is Python's str(v): what {{ v }} and ~ print.
func (r *renderer) str(v value.Value) (string, error) {
	if s, ok := v.AsString(); ok {
		return s, nil
	}
	if v.IsUndefined() {
		return "", nil
	}
	var b strings.Builder
	err := r.repr(&b, v, 0)
	return b.String(), err
}

// repr writes Python's repr(v).
func (r *renderer) repr(b *strings.Builder, v value.Value, depth int) error {
	if err := r.visit(depth, b.Len()); err != nil {
		return err
	}
	switch d := v.Raw().(type) {
	case bool:
		b.WriteString(map[bool]string{true: "True", false: "False"}[d])
	case int64:
		b.WriteString(strconv.FormatInt(d, 10))
	case float64:
		b.WriteString(floatRepr(d))
	case []value.Value:
		b.WriteByte('[')
		for i, item := range d {
			if i > 0 {
				b.WriteString(", ")
			}
			if err := r.repr(b, item, depth+1); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case *dict:
		b.WriteByte('{')
		for i, key := range d.keys {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(stringRepr(key) + ": ")
			if err := r.repr(b, d.values[key], depth+1); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	case *function:
		b.WriteString("<function " + d.name + ">")
	case *namespace:
		b.WriteString("<Namespace>")
	default:
		if s, ok := v.AsString(); ok {
			b.WriteString(stringRepr(s))
		} else if v.IsNone() {
			b.WriteString("None")
		} else if v.IsUndefined() {
			b.WriteString("Undefined")
		} else {
			b.WriteString(v.String())
		}
	}
	return nil
}

// floatRepr is Python's repr of a float: the shortest digits that read back, with an exponent below 1e-4 and from 1e16.
func floatRepr(f float64) string {
	s := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, exp, ok := strings.Cut(s, "e")
	if !ok {
		return strings.ToLower(strings.TrimPrefix(s, "+")) // inf, nan
	}
	n, _ := strconv.Atoi(exp)
	if n >= -4 && n < 16 {
		s = strconv.FormatFloat(f, 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	}
	return fmt.Sprintf("%se%+03d", mantissa, n)
}

// stringRepr is Python's repr of a string.
func stringRepr(s string) string {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	b := []byte{quote}
	for _, c := range s {
		switch {
		case c == rune(quote) || c == '\\':
			b = append(b, '\\', byte(c))
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c < ' ' || c >= 0x7f && c < 0xa0 || c == 0xad:
			b = fmt.Appendf(b, `\x%02x`, c)
		case !unicode.IsPrint(c) && c <= 0xffff:
			b = fmt.Appendf(b, `\u%04x`, c)
		case !unicode.IsPrint(c):
			b = fmt.Appendf(b, `\U%08x`, c)
		default:
			b = utf8.AppendRune(b, c)
		}
	}
	return string(append(b, quote))
}

// kindName names the kind of a value for an error.
func kindName(v value.Value) string {
	switch {
	case v.IsUndefined():
		return "an undefined value"
	case v.IsNone():
		return "None"
	}
	switch v.Raw().(type) {
	case bool:
		return "a truth value"
	case int64, float64:
		return "a number"
	case []value.Value:
		return "a list"
	case *dict:
		return "a dict"
	}
	if _, ok := v.AsString(); ok {
		return "a string"
	}
	if v.Kind() == value.KindNumber {
		return "a number"
	}
	return "an object"
}
