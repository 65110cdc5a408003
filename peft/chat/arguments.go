package chat

import (
	"fmt"

	"github.com/mitsuhiko/minijinja/minijinja-go/v2/value"
)

// arguments are those of a call.
type arguments struct {
	args   []value.Value
	kwargs map[string]value.Value
	what   string // of what, for errors
}

// or is the argument at a position or of a name, or else.
func (a arguments) or(i int, name string, otherwise value.Value) value.Value {
	if i >= 0 && i < len(a.args) {
		return a.args[i]
	}
	if v, ok := a.kwargs[name]; ok {
		return v
	}
	return otherwise
}

func (a arguments) has(i int, name string) bool {
	_, ok := a.kwargs[name]
	return ok || i >= 0 && i < len(a.args)
}

func (a arguments) value(i int, name string) (value.Value, error) {
	if !a.has(i, name) {
		return value.Undefined(), fmt.Errorf("%s needs the argument %s", a.what, name)
	}
	return a.or(i, name, value.Undefined()), nil
}

func (a arguments) text(i int, name string) (string, error) {
	v, err := a.value(i, name)
	if err != nil {
		return "", err
	}
	s, ok := v.AsString()
	if !ok {
		return "", fmt.Errorf("%s takes a string as %s, not %s", a.what, name, kindName(v))
	}
	return s, nil
}

func (a arguments) int(i int, name string, otherwise int64) (int64, error) {
	v := a.or(i, name, value.FromInt(otherwise))
	n, ok := wholeOf(v)
	if !ok {
		return 0, fmt.Errorf("%s takes a whole number as %s, not %s", a.what, name, kindName(v))
	}
	return n, nil
}

// prefixes are the strings that startswith and endswith look for: one, or a list.
func (a arguments) prefixes() ([]string, error) {
	v, err := a.value(0, "prefix")
	if err != nil {
		return nil, err
	}
	items, ok := v.AsSlice()
	if !ok {
		items = []value.Value{v}
	}
	var out []string
	for _, item := range items {
		s, ok := item.AsString()
		if !ok {
			return nil, fmt.Errorf("%s takes strings, not %s", a.what, kindName(item))
		}
		out = append(out, s)
	}
	return out, nil
}
