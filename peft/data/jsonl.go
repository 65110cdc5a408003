package data

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// object is a JSON object, its values not yet read. Of a key that is there twice the last value stands.
type object map[string]json.RawMessage

// parseObject reads one line as a JSON object.
func parseObject(line []byte) (object, error) {
	if i := bytes.IndexByte(line, 0); i >= 0 {
		return nil, fmt.Errorf("a NUL byte at column %d; a data file is UTF-8 text", i+1)
	}
	if !utf8.Valid(line) {
		return nil, fmt.Errorf("not valid UTF-8 at column %d; save the file as UTF-8", invalidUTF8(line)+1)
	}
	var o object
	err := json.Unmarshal(line, &o)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return nil, fmt.Errorf("not valid JSON at column %d (%s); a row is one JSON object on one line", syntax.Offset, syntax.Error())
	case errors.As(err, &kind):
		return nil, fmt.Errorf("a JSON %s, where an object is needed: one JSON object a line", kind.Value)
	case err != nil:
		return nil, fmt.Errorf("not valid JSON: %w", err)
	case o == nil:
		return nil, errors.New("a JSON null, where an object is needed: one JSON object a line")
	}
	return o, nil
}

// invalidUTF8 is the offset of the first byte that is no UTF-8, or -1.
func invalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// rename gives fields their usual names: fields maps the usual name to the one in the file.
func (o object) rename(fields map[string]string) {
	for usual, here := range fields {
		if v, ok := o[here]; ok {
			o[usual] = v
		}
	}
}

func (o object) has(names ...string) bool {
	for _, n := range names {
		if _, ok := o[n]; !ok {
			return false
		}
	}
	return true
}

// names lists the fields, for an error.
func (o object) names() string {
	var all []string
	for name := range o {
		all = append(all, name)
	}
	slices.Sort(all)
	if len(all) == 0 {
		return "no field"
	}
	const most = 8
	rest := ""
	if len(all) > most {
		rest = fmt.Sprintf(" and %d more", len(all)-most)
		all = all[:most]
	}
	for i := range all {
		all[i] = quoted(all[i])
	}
	return strings.Join(all, ", ") + rest
}

// kinds of rows, in the order in which they are recognised. Those with built false are known and not read yet.
type kind struct {
	name   string
	fields []string
	built  bool
}

func kinds() []kind {
	return []kind{
		{FormatMessages, []string{"messages"}, true},
		{FormatConversations, []string{"conversations"}, true},
		{FormatAlpaca, []string{"instruction", "output"}, true},
		{FormatPrompt, []string{"prompt", "completion"}, true},
		{"text/label", []string{"text", "label"}, false},
		{FormatText, []string{"text"}, true},
		{FormatInputIDs, []string{"input_ids"}, true},
	}
}

// kindOf tells by its fields what a row is.
func (o object) kindOf() (kind, bool) {
	for _, k := range kinds() {
		if o.has(k.fields...) {
			return k, true
		}
	}
	return kind{}, false
}

// text reads a field that holds a string.
func (o object) text(field string) (string, error) {
	raw, ok := o[field]
	if !ok {
		return "", fmt.Errorf("no field %q, but %s", field, o.names())
	}
	if raw[0] != '"' {
		return "", fmt.Errorf("%q is %s, not a string", field, jsonKind(raw))
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("%q: %w", field, err)
	}
	if strings.IndexByte(s, 0) >= 0 {
		return "", fmt.Errorf("%q holds a NUL character, which is no text", field)
	}
	if loneSurrogate(raw) {
		return "", fmt.Errorf(`%q holds half of a surrogate pair (\ud800 … \udfff), which is no character`, field)
	}
	return s, nil
}

// loneSurrogate tells whether a JSON string holds an escape \ud800…\udfff that belongs to no pair; the JSON reader
// would replace it silently.
func loneSurrogate(raw []byte) bool {
	unit := func(i int) uint64 {
		if i+6 > len(raw) || raw[i] != '\\' || raw[i+1] != 'u' {
			return 0
		}
		v, _ := strconv.ParseUint(string(raw[i+2:i+6]), 16, 32)
		return v
	}
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		switch v := unit(i); {
		case v >= 0xd800 && v < 0xdc00:
			if low := unit(i + 6); low < 0xdc00 || low > 0xdfff {
				return true
			}
			i += 11
		case v >= 0xdc00 && v <= 0xdfff:
			return true
		default:
			i++ // the character after a backslash
		}
	}
	return false
}

// ints reads a field that holds a list of integers into the range of int32.
func (o object) ints(field string) ([]int32, error) {
	raw, ok := o[field]
	if !ok {
		return nil, fmt.Errorf("no field %q, but %s", field, o.names())
	}
	if raw[0] != '[' {
		return nil, fmt.Errorf("%q is %s, not a list of integers", field, jsonKind(raw))
	}
	// The line is valid JSON, so that what stands between commas is one value each, unless a value is a list, an
	// object or a string, which is refused at its first character.
	out := make([]int32, 0, bytes.Count(raw, []byte(","))+1)
	rest := bytes.TrimLeft(raw[1:], " \t\r\n")
	for len(rest) > 0 && rest[0] != ']' {
		end := bytes.IndexAny(rest, ",]")
		item := bytes.TrimRight(rest[:end], " \t\r\n")
		if item[0] != '-' && (item[0] < '0' || item[0] > '9') {
			return nil, fmt.Errorf("%q[%d] is %s, not an integer", field, len(out), jsonKind(item))
		}
		v, err := strconv.ParseInt(string(item), 10, 32)
		if errors.Is(err, strconv.ErrSyntax) {
			return nil, fmt.Errorf("%q[%d] is %s, not an integer", field, len(out), shorten(string(item), mostValue))
		}
		if err != nil {
			return nil, fmt.Errorf("%q[%d] is %s, which no vocabulary holds", field, len(out), shorten(string(item), mostValue))
		}
		out = append(out, int32(v))
		if rest[end] == ']' {
			break
		}
		rest = bytes.TrimLeft(rest[end+1:], " \t\r\n")
	}
	return out, nil
}

// jsonKind says what a JSON value is.
func jsonKind(raw []byte) string {
	switch raw[0] {
	case 'n':
		return "null"
	case 't', 'f':
		return "a truth value"
	case '"':
		return "a string"
	case '[':
		return "a list"
	case '{':
		return "an object"
	default:
		return "a number"
	}
}
