package chat

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mitsuhiko/minijinja/minijinja-go/v2/value"
)

func end(i int64) filter {
	return func(r *renderer, v value.Value, _ arguments) (value.Value, error) {
		items, err := r.elements(v)
		return value.FromSlice(items).GetItem(value.FromInt(i)), err
	}
}

// keyOf is attribute=… of a filter: a function that takes that attribute of an item, dots leading further in.
func (r *renderer) keyOf(a arguments, i int) (func(value.Value) (value.Value, error), error) {
	v := a.or(i, "attribute", value.None())
	if v.IsNone() {
		return func(x value.Value) (value.Value, error) { return x, nil }, nil
	}
	if n, ok := wholeOf(v); ok {
		return func(x value.Value) (value.Value, error) { return r.item(x, value.FromInt(n)) }, nil
	}
	path, ok := v.AsString()
	if !ok {
		return nil, fmt.Errorf("%s takes the name of an attribute, not %s", a.what, kindName(v))
	}
	return func(x value.Value) (value.Value, error) {
		for name := range strings.SplitSeq(path, ".") {
			key := value.FromString(name)
			if n, err := strconv.ParseInt(name, 10, 64); err == nil {
				key = value.FromInt(n)
			}
			var err error
			if x, err = r.item(x, key); err != nil {
				return x, err
			}
		}
		return x, nil
	}, nil
}

// keyed lists the items of v, each with what a filter looks at.
func (r *renderer) keyed(v value.Value, a arguments, i int) (items, keys []value.Value, err error) {
	if items, err = r.elements(v); err != nil {
		return nil, nil, err
	}
	key, err := r.keyOf(a, i)
	if err == nil {
		err = r.charge(2 * valueBytes * len(items))
	}
	for _, item := range items {
		var k value.Value
		if err == nil {
			k, err = key(item)
		}
		keys = append(keys, k)
	}
	return items, keys, err
}

func extreme(sign int) filter {
	return func(r *renderer, v value.Value, a arguments) (value.Value, error) {
		items, keys, err := r.keyed(v, a, 1)
		best := value.Undefined()
		at := 0
		for i := range items {
			if err != nil {
				break
			}
			var c int
			if i > 0 {
				if c, err = r.order(fold(keys[i]), fold(keys[at]), 0); c*sign <= 0 {
					continue
				}
			}
			best, at = items[i], i
		}
		return best, err
	}
}

// fold is a value as sort, min, max and unique compare it: strings without regard to case.
func fold(v value.Value) value.Value {
	if s, ok := v.AsString(); ok {
		return value.FromString(strings.ToLower(s))
	}
	return v
}

func reverseFilter(r *renderer, v value.Value, _ arguments) (value.Value, error) {
	minus := int64(-1)
	if s, ok := v.AsString(); ok {
		return r.text(string(pick([]rune(s), [3]*int64{2: &minus})))
	}
	items, err := r.elements(v)
	if err != nil {
		return v, err
	}
	return r.list(pick(items, [3]*int64{2: &minus}))
}

func sortFilter(r *renderer, v value.Value, a arguments) (value.Value, error) {
	key, err := r.keyOf(a, 2)
	if err != nil {
		return v, err
	}
	return r.sorted(v, a.or(0, "reverse", value.False()).IsTrue(), a.or(1, "case_sensitive", value.False()).IsTrue(), key)
}

func (r *renderer) sorted(v value.Value, reverse, sensitive bool, key func(value.Value) (value.Value, error)) (value.Value, error) {
	items, err := r.elements(v)
	if err != nil {
		return v, err
	}
	items = slices.Clone(items)
	slices.SortStableFunc(items, func(x, y value.Value) int {
		k, e1 := key(x)
		l, e2 := key(y)
		if !sensitive {
			k, l = fold(k), fold(l)
		}
		c, e3 := r.order(k, l, 0)
		err = errors.Join(err, e1, e2, e3)
		if reverse {
			return -c
		}
		return c
	})
	if err != nil {
		return v, err
	}
	return r.list(items)
}

func uniqueFilter(r *renderer, v value.Value, a arguments) (value.Value, error) {
	items, keys, err := r.keyed(v, a, 1)
	if err != nil {
		return v, err
	}
	var out, seen []value.Value
	for i := range items {
		k := keys[i]
		if !a.or(0, "case_sensitive", value.False()).IsTrue() {
			k = fold(k)
		}
		found, err := r.contains(value.FromSlice(seen), k)
		if err != nil {
			return v, err
		}
		if !found {
			seen, out = append(seen, k), append(out, items[i])
		}
	}
	return r.list(out)
}

func sumFilter(r *renderer, v value.Value, a arguments) (value.Value, error) {
	_, keys, err := r.keyed(v, a, 0)
	total := a.or(1, "start", value.FromInt(0))
	for _, k := range keys {
		if err == nil {
			total, err = r.binary(total, "+", k)
		}
	}
	return total, err
}

func joinFilter(r *renderer, v value.Value, a arguments) (value.Value, error) {
	_, keys, err := r.keyed(v, a, 1)
	if err != nil {
		return v, err
	}
	by, err := r.str(a.or(0, "d", value.FromString("")))
	if err != nil {
		return v, err
	}
	return r.join(keys, by)
}

func batchFilter(r *renderer, v value.Value, a arguments) (value.Value, error) {
	items, err := r.elements(v)
	if err != nil {
		return v, err
	}
	n, err := a.int(0, "linecount", 0)
	if err != nil || n < 1 {
		return v, errors.Join(err, errors.New("batch needs a whole number of 1 or more"))
	}
	if err := r.charge(2 * valueBytes * len(items)); err != nil {
		return v, err
	}
	var out []value.Value
	for part := range slices.Chunk(items, int(min(n, int64(len(items))+1))) {
		for fill := a.or(1, "fill_with", value.None()); !fill.IsNone() && int64(len(part)) < n && n <= mostIndent; {
			part = append(slices.Clip(part), fill)
		}
		out = append(out, value.FromSlice(part))
	}
	return value.FromSlice(out), nil
}

func mapFilter(r *renderer, v value.Value, a arguments) (value.Value, error) {
	items, err := r.elements(v)
	if err != nil {
		return v, err
	}
	apply, err := r.keyOf(arguments{nil, a.kwargs, "map"}, 0)
	if len(a.args) > 0 {
		name, _ := a.args[0].AsString()
		f, ok := r.filters[name]
		if !ok {
			return v, fmt.Errorf("map knows no filter %q", name)
		}
		apply = func(x value.Value) (value.Value, error) { return f(r, x, arguments{a.args[1:], a.kwargs, name}) }
	}
	if err == nil {
		err = r.charge(valueBytes * len(items))
	}
	out := make([]value.Value, 0, len(items))
	for _, item := range items {
		var x value.Value
		if err == nil {
			x, err = apply(item)
		}
		if d := a.or(-1, "default", value.Undefined()); x.IsUndefined() {
			x = d
		}
		out = append(out, x)
	}
	return value.FromSlice(out), err
}

func attrFilter(r *renderer, v value.Value, a arguments) (value.Value, error) {
	name, err := a.text(0, "name")
	if err != nil || v.IsUndefined() {
		return value.Undefined(), err
	}
	if f, ok := r.methodOf(v, name); ok {
		return value.FromCallable(f), nil
	}
	return value.Undefined(), nil // jinja2: attributes alone, never items
}

// choose is select, reject, selectattr and rejectattr.
func choose(byAttr, want bool) filter {
	return func(r *renderer, v value.Value, a arguments) (value.Value, error) {
		items, err := r.elements(v)
		if err != nil {
			return v, err
		}
		key := func(x value.Value) (value.Value, error) { return x, nil }
		if byAttr {
			if len(a.args) == 0 {
				return v, errors.New("selectattr and rejectattr need the name of an attribute")
			}
			if key, err = r.keyOf(arguments{a.args[:1], nil, a.what}, 0); err != nil {
				return v, err
			}
			a.args = a.args[1:]
		}
		check := func(x value.Value) (bool, error) { return x.IsTrue(), nil }
		if len(a.args) > 0 {
			name, _ := a.args[0].AsString()
			t, ok := r.tests[name]
			if !ok {
				return v, fmt.Errorf("no test is named %q", name)
			}
			check = func(x value.Value) (bool, error) { return t(r, x, arguments{a.args[1:], a.kwargs, name}) }
		}
		var out []value.Value
		for _, item := range items {
			x, err := key(item)
			if err != nil {
				return v, err
			}
			ok, err := check(x)
			if err != nil {
				return v, err
			}
			if ok == want {
				out = append(out, item)
			}
		}
		return r.list(out)
	}
}
