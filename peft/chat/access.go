package chat

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mitsuhiko/minijinja/minijinja-go/v2/value"
)

// attr is v.name: a method or attribute of v, else its item of that name.
func (r *renderer) attr(v value.Value, name string) (value.Value, error) {
	if v.IsUndefined() {
		return v, fmt.Errorf("cannot read %q of an undefined value", name)
	}
	if f, ok := r.methodOf(v, name); ok {
		return value.FromCallable(f), nil
	}
	if d, ok := asDict(v); ok {
		return d.GetAttr(name), nil
	}
	if o, ok := v.AsObject(); ok {
		switch name {
		case "changed", "depth", "depth0":
			if _, own := o.(*namespace); !own { // the library counts these of a loop otherwise than jinja2
				return v, fmt.Errorf("loop.%s is not supported", name)
			}
		}
		return o.GetAttr(name), nil
	}
	return value.Undefined(), nil
}

// item is v[key]: an item of v, else its attribute of that name.
func (r *renderer) item(v, key value.Value) (value.Value, error) {
	if v.IsUndefined() {
		return v, errors.New("cannot read an item of an undefined value")
	}
	if d, ok := asDict(v); ok {
		if name, ok := key.AsString(); ok {
			if x, ok := d.values[name]; ok {
				return x, nil
			}
		}
	} else if i, ok := wholeOf(key); ok {
		return v.GetItem(value.FromInt(i)), nil
	}
	if name, ok := key.AsString(); ok {
		return r.attr(v, name)
	}
	return value.Undefined(), nil
}

// slice is v[from:to:step] of a list or a string.
func (r *renderer) slice(v value.Value, bounds []value.Value) (value.Value, error) {
	if v.IsUndefined() {
		return v, errors.New("cannot slice an undefined value")
	}
	var b [3]*int64
	for i, x := range bounds {
		if x.IsNone() {
			continue
		}
		n, ok := wholeOf(x)
		if !ok {
			return v, fmt.Errorf("cannot slice by %s", kindName(x))
		}
		b[i] = &n
	}
	if b[2] != nil && *b[2] == 0 {
		return v, errors.New("a slice with a step of 0")
	}
	if s, ok := v.AsString(); ok {
		if err := r.charge(4 * len(s)); err != nil {
			return v, err
		}
		runes := []rune(s)
		return value.FromString(string(pick(runes, b))), nil
	}
	items, ok := v.AsSlice()
	if !ok {
		return v, fmt.Errorf("cannot slice %s", kindName(v))
	}
	return r.list(pick(items, b))
}

// pick is Python's items[from:to:step].
func pick[T any](items []T, b [3]*int64) []T {
	n, step := int64(len(items)), int64(1)
	if b[2] != nil {
		step = max(min(*b[2], n+1), -n-1)
	}
	low, high := int64(0), n
	from, to := low, high
	if step < 0 {
		low, high = -1, n-1
		from, to = high, low
	}
	clamp := func(i int64) int64 {
		if i < 0 {
			i += n
		}
		return min(max(i, low), high)
	}
	if b[0] != nil {
		from = clamp(*b[0])
	}
	if b[1] != nil {
		to = clamp(*b[1])
	}
	out := []T{}
	for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
		out = append(out, items[i])
	}
	return out
}

// iterate lists what a loop goes through, each of it unpacked into n names.
func (r *renderer) iterate(n int64, v value.Value) (value.Value, error) {
	items, err := r.elements(v)
	if err != nil {
		return v, err
	}
	if n > 1 {
		for _, item := range items {
			if _, err := r.unpack(n, item); err != nil {
				return v, err
			}
		}
	}
	return value.FromSlice(items), nil
}

// unpack checks that a value has n elements.
func (r *renderer) unpack(n int64, v value.Value) (value.Value, error) {
	items, err := r.elements(v)
	if err == nil && int64(len(items)) != n {
		err = fmt.Errorf("%d values where %d are unpacked", len(items), n)
	}
	return value.FromSlice(items), err
}

// elements lists the elements of a list, the keys of a dict, or the characters of a string.
func (r *renderer) elements(v value.Value) ([]value.Value, error) {
	if v.IsUndefined() {
		return []value.Value{}, nil
	}
	if items, ok := v.AsSlice(); ok {
		return items, nil
	}
	out := []value.Value{} // nil would be no list to the library
	if d, ok := asDict(v); ok {
		if err := r.charge(valueBytes * len(d.keys)); err != nil {
			return nil, err
		}
		for _, key := range d.keys {
			out = append(out, value.FromString(key))
		}
		return out, nil
	}
	s, ok := v.AsString()
	if !ok {
		return nil, fmt.Errorf("cannot go through %s", kindName(v))
	}
	if err := r.charge(valueBytes * len(s)); err != nil {
		return nil, err
	}
	for _, c := range s {
		out = append(out, value.FromString(string(c)))
	}
	return out, nil
}

// makeDict is {key: value, …}.
func (r *renderer) makeDict(args []value.Value) (value.Value, error) {
	d := newDict()
	for i := 0; i+1 < len(args); i += 2 {
		key, ok := args[i].AsString()
		if !ok {
			return args[i], fmt.Errorf("the key of a dict is %s, not a string", kindName(args[i]))
		}
		d.set(key, args[i+1])
	}
	return value.FromObject(d), r.charge(valueBytes * len(args))
}

// setAttr is {% set v.name = x %}, which only a namespace allows.
func (r *renderer) setAttr(v value.Value, name string, x value.Value) (value.Value, error) {
	n, ok := v.Raw().(*namespace)
	if !ok {
		return v, fmt.Errorf("cannot set %q of %s; only a namespace can be changed", name, kindName(v))
	}
	n.set(name, x)
	return value.None(), nil
}

// method is v.name(args).
func (r *renderer) method(state value.State, v value.Value, name string, args []value.Value, kwargs map[string]value.Value) (value.Value, error) {
	if v.IsUndefined() {
		return v, fmt.Errorf("cannot call %s() of an undefined value", name)
	}
	f, err := r.attr(v, name)
	if err != nil {
		return f, err
	}
	if f.IsUndefined() {
		return f, fmt.Errorf("%s has no method %s()", kindName(v), name)
	}
	return r.callValue(state, f, args, kwargs)
}

// callValue is f(args).
func (r *renderer) callValue(state value.State, f value.Value, args []value.Value, kwargs map[string]value.Value) (value.Value, error) {
	c, ok := f.AsCallable()
	if !ok {
		return f, fmt.Errorf("%s cannot be called", kindName(f))
	}
	return c.Call(state, args, kwargs)
}

// methodOf binds a method of a string, a list or a dict.
func (r *renderer) methodOf(v value.Value, name string) (*function, bool) {
	if s, ok := v.AsString(); ok {
		m, ok := r.methods[name]
		return &function{name, func(r *renderer, args []value.Value, kwargs map[string]value.Value) (value.Value, error) {
			return m(r, s, arguments{args, kwargs, name + "()"})
		}}, ok
	}
	if items, ok := v.AsSlice(); ok {
		return listMethod(items, name)
	}
	if d, ok := asDict(v); ok {
		return dictMethod(d, name)
	}
	return nil, false
}

// changing are the methods that change a list or a dict. transformers' sandbox refuses them, and so does graft.
func changing(kind, name string) *function {
	return &function{name, func(*renderer, []value.Value, map[string]value.Value) (value.Value, error) {
		return value.Undefined(), fmt.Errorf("%s() would change a %s, which chat templates may not", name, kind)
	}}
}

func listMethod(items []value.Value, name string) (*function, bool) {
	switch name {
	case "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort":
		return changing("list", name), true
	case "index", "count":
	default:
		return nil, false
	}
	return &function{name, func(r *renderer, args []value.Value, kwargs map[string]value.Value) (value.Value, error) {
		a := arguments{args, kwargs, name + "()"}
		want, err := a.value(0, "value")
		if err != nil {
			return want, err
		}
		n := int64(0)
		for i, item := range items {
			same, err := r.equal(item, want, 0)
			if err != nil {
				return want, err
			}
			if same && name == "index" {
				return value.FromInt(int64(i)), nil
			}
			if same {
				n++
			}
		}
		if name == "index" {
			return want, errors.New("index() finds no such value in the list")
		}
		return value.FromInt(n), nil
	}}, true
}

func dictMethod(d *dict, name string) (*function, bool) {
	switch name {
	case "clear", "pop", "popitem", "setdefault", "update":
		return changing("dict", name), true
	case "copy", "get", "items", "keys", "values":
	default:
		return nil, false
	}
	return &function{name, func(r *renderer, args []value.Value, kwargs map[string]value.Value) (value.Value, error) {
		if name == "get" {
			a := arguments{args, kwargs, "get()"}
			key, err := a.value(0, "key")
			if err != nil {
				return key, err
			}
			if s, ok := key.AsString(); ok && d.values != nil {
				if v, ok := d.values[s]; ok {
					return v, nil
				}
			}
			return a.or(1, "default", value.None()), nil
		}
		if name == "copy" {
			return value.FromObject(d), nil
		}
		return r.pairs(d, name)
	}}, true
}

// pairs lists the items, the keys or the values of a dict.
func (r *renderer) pairs(d *dict, what string) (value.Value, error) {
	if err := r.charge(3 * valueBytes * len(d.keys)); err != nil {
		return value.Undefined(), err
	}
	out := make([]value.Value, 0, len(d.keys))
	for _, key := range d.keys {
		switch what {
		case "keys":
			out = append(out, value.FromString(key))
		case "values":
			out = append(out, d.values[key])
		default:
			out = append(out, value.FromSlice([]value.Value{value.FromString(key), d.values[key]}))
		}
	}
	return value.FromSlice(out), nil
}

func isSpace(c rune) bool {
	return c == ' ' || c >= '\t' && c <= '\r' || c >= 0x1c && c <= 0x1f || c > 0x7f && strings.ContainsRune("\u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000", c) || c >= 0x2000 && c <= 0x200a
}
