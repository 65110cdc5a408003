package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/mitsuhiko/minijinja/minijinja-go/v2/value"
)

// ParseJSON reads a JSON document into a value for a template: objects keep the order of their keys, whole numbers are
// integers of any size, and of a key that is there twice the last value stands, at the place of the first, as in Python.
func ParseJSON(text []byte) (value.Value, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := parseValue(d, 0)
	if err != nil {
		return value.Undefined(), err
	}
	if d.More() {
		return value.Undefined(), errors.New("more than one JSON value")
	}
	return v, nil
}

func parseValue(d *json.Decoder, depth int) (value.Value, error) {
	if depth > mostDepth {
		return value.Undefined(), fmt.Errorf("JSON nested deeper than %d", mostDepth)
	}
	t, err := d.Token()
	if err != nil {
		return value.Undefined(), err
	}
	switch t := t.(type) {
	case nil:
		return value.None(), nil
	case bool:
		return value.FromBool(t), nil
	case string:
		return value.FromString(t), nil
	case json.Number:
		return parseNumber(string(t))
	case json.Delim:
		if t == '[' {
			return parseList(d, depth)
		}
		return parseDict(d, depth)
	}
	return value.Undefined(), fmt.Errorf("unexpected %v", t)
}

func parseNumber(text string) (value.Value, error) {
	if !strings.ContainsAny(text, ".eE") {
		if i, err := strconv.ParseInt(text, 10, 64); err == nil {
			return value.FromInt(i), nil
		}
		if i, ok := new(big.Int).SetString(text, 10); ok {
			return value.FromBigInt(i), nil
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	return value.FromFloat(f), err
}

func parseList(d *json.Decoder, depth int) (value.Value, error) {
	items := []value.Value{}
	for d.More() {
		v, err := parseValue(d, depth+1)
		if err != nil {
			return v, err
		}
		items = append(items, v)
	}
	_, err := d.Token()
	return value.FromSlice(items), err
}

func parseDict(d *json.Decoder, depth int) (value.Value, error) {
	out := newDict()
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return value.Undefined(), err
		}
		v, err := parseValue(d, depth+1)
		if err != nil {
			return v, err
		}
		out.set(key.(string), v)
	}
	_, err := d.Token()
	return value.FromObject(out), err
}

// jsonStyle is how tojson writes.
type jsonStyle struct {
	ascii      bool
	indent     string
	hasIndent  bool
	item, key  string // separators
	sortedKeys bool
}

// toJSON writes what Python's json.dumps does.
func (r *renderer) toJSON(b *strings.Builder, v value.Value, s jsonStyle, depth int) error {
	if err := r.visit(depth, b.Len()); err != nil {
		return err
	}
	line := func(depth int) {
		if s.hasIndent {
			b.WriteString("\n" + strings.Repeat(s.indent, depth))
		}
	}
	switch d := v.Raw().(type) {
	case bool:
		b.WriteString(strconv.FormatBool(d))
		return nil
	case int64:
		b.WriteString(strconv.FormatInt(d, 10))
		return nil
	case float64:
		f := floatRepr(d)
		b.WriteString(map[string]string{"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}[f])
		if strings.ContainsAny(f, "0123456789") {
			b.WriteString(f)
		}
		return nil
	case []value.Value:
		b.WriteByte('[')
		for i, item := range d {
			if i > 0 {
				b.WriteString(s.item)
			}
			line(depth + 1)
			if err := r.toJSON(b, item, s, depth+1); err != nil {
				return err
			}
		}
		if len(d) > 0 {
			line(depth)
		}
		b.WriteByte(']')
		return nil
	case *dict:
		keys := d.keys
		if s.sortedKeys {
			keys = slices.Sorted(slices.Values(keys))
		}
		b.WriteByte('{')
		for i, key := range keys {
			if i > 0 {
				b.WriteString(s.item)
			}
			line(depth + 1)
			jsonString(b, key, s.ascii)
			b.WriteString(s.key)
			if err := r.toJSON(b, d.values[key], s, depth+1); err != nil {
				return err
			}
		}
		if len(keys) > 0 {
			line(depth)
		}
		b.WriteByte('}')
		return nil
	}
	switch str, ok := v.AsString(); {
	case ok:
		jsonString(b, str, s.ascii)
	case v.IsNone():
		b.WriteString("null")
	case v.Kind() == value.KindNumber:
		b.WriteString(v.String()) // an integer beyond 64 bits
	default:
		return fmt.Errorf("tojson cannot write %s", kindName(v))
	}
	return nil
}

// jsonString writes a string as json.dumps does: with the short escapes, and those of control characters alone.
func jsonString(b *strings.Builder, s string, ascii bool) {
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\b':
			b.WriteString(`\b`)
		case c == '\f':
			b.WriteString(`\f`)
		case c < ' ' || ascii && c > 0x7e && c <= 0xffff:
			fmt.Fprintf(b, `\u%04x`, c)
		case ascii && c > 0xffff:
			c -= 0x10000
			fmt.Fprintf(b, `\u%04x\u%04x`, 0xd800+c>>10, 0xdc00+c&0x3ff)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
}
