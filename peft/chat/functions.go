package chat

import (
	"errors"
	"fmt"

	"github.com/mitsuhiko/minijinja/minijinja-go/v2/value"
)

type kwargs = map[string]value.Value

type globalFunc func(r *renderer, state value.State, args []value.Value, kw kwargs) (value.Value, error)

// functionTable is what a translated template may call: graft's functions for expressions, and Jinja's and
// transformers' globals.
func functionTable() map[string]globalFunc {
	first := func(f func(r *renderer, args []value.Value) (value.Value, error)) globalFunc {
		return func(r *renderer, _ value.State, args []value.Value, _ kwargs) (value.Value, error) { return f(r, args) }
	}
	name := func(v value.Value) string { s, _ := v.AsString(); return s }
	return map[string]globalFunc{
		fnOut: first(func(r *renderer, args []value.Value) (value.Value, error) {
			s, err := r.str(args[0])
			if err != nil {
				return args[0], err
			}
			return r.text(s)
		}),
		fnTick:    first((*renderer).tick),
		fnList:    first((*renderer).list),
		fnDict:    first((*renderer).makeDict),
		fnMath:    first((*renderer).math),
		fnCompare: first((*renderer).compare),
		fnFloat:   first(func(_ *renderer, args []value.Value) (value.Value, error) { return parseFloat(name(args[0])), nil }),
		fnSign:    first(func(r *renderer, args []value.Value) (value.Value, error) { return r.sign(name(args[0]), args[1]) }),
		fnAttr:    first(func(r *renderer, args []value.Value) (value.Value, error) { return r.attr(args[0], name(args[1])) }),
		fnItem:    first(func(r *renderer, args []value.Value) (value.Value, error) { return r.item(args[0], args[1]) }),
		fnSlice:   first(func(r *renderer, args []value.Value) (value.Value, error) { return r.slice(args[0], args[1:]) }),
		fnSetAttr: first(func(r *renderer, args []value.Value) (value.Value, error) {
			return r.setAttr(args[0], name(args[1]), args[2])
		}),
		fnIter: first(func(r *renderer, args []value.Value) (value.Value, error) {
			n, _ := args[0].AsInt()
			return r.iterate(n, args[1])
		}),
		fnUnpack: first(func(r *renderer, args []value.Value) (value.Value, error) {
			n, _ := args[0].AsInt()
			return r.unpack(n, args[1])
		}),
		fnMethod: func(r *renderer, state value.State, args []value.Value, kw kwargs) (value.Value, error) {
			return r.method(state, args[0], name(args[1]), args[2:], kw)
		},
		fnCall: func(r *renderer, state value.State, args []value.Value, kw kwargs) (value.Value, error) {
			return r.callValue(state, args[0], args[1:], kw)
		},
		fnFilter: func(r *renderer, _ value.State, args []value.Value, kw kwargs) (value.Value, error) {
			f, ok := r.filters[name(args[0])] // jinja2 too looks for it where it is used
			if !ok {
				return args[1], fmt.Errorf("no filter is named %q", name(args[0]))
			}
			return f(r, args[1], arguments{args[2:], kw, name(args[0])})
		},
		fnTest: func(r *renderer, _ value.State, args []value.Value, kw kwargs) (value.Value, error) {
			f, known := r.tests[name(args[0])]
			if !known {
				return args[1], fmt.Errorf("no test is named %q", name(args[0]))
			}
			ok, err := f(r, args[1], arguments{args[2:], kw, name(args[0])})
			return value.FromBool(ok), err
		},
		"range": first((*renderer).rangeOf),
		"namespace": func(_ *renderer, _ value.State, args []value.Value, kw kwargs) (value.Value, error) {
			return makeNamespace(args, kw)
		},
		"dict": func(_ *renderer, _ value.State, args []value.Value, kw kwargs) (value.Value, error) {
			return dictOf(args, kw)
		},
		"raise_exception": first(func(r *renderer, args []value.Value) (value.Value, error) { return value.Undefined(), r.raise(args) }),
		"strftime_now": first(func(r *renderer, args []value.Value) (value.Value, error) {
			if len(args) != 1 || !isText(args[0]) {
				return value.Undefined(), errors.New("strftime_now() takes a format")
			}
			return r.text(strftime(name(args[0]), r.now))
		}),
		"joiner": first(joiner),
		"cycler": first(cycler),
	}
}

// tick counts one run of a loop or macro whose body has that many bytes; a macro says too that it begins (1) or ends (-1).
func (r *renderer) tick(args []value.Value) (value.Value, error) {
	n, _ := args[0].AsInt()
	if len(args) > 1 {
		d, _ := args[1].AsInt()
		r.depth += int(d)
	}
	if r.depth > mostRecursion {
		return value.None(), fmt.Errorf("macros within each other, deeper than %d", mostRecursion)
	}
	if err := r.charge(int(n)); err != nil {
		return value.None(), err
	}
	return value.None(), r.visit(0, 0)
}

func (r *renderer) raise(args []value.Value) error {
	if len(args) == 0 {
		return &raised{"raise_exception() without a message"}
	}
	s, err := r.str(args[0])
	if err != nil {
		return err
	}
	return &raised{s}
}

// rangeOf is range(stop), range(start, stop) or range(start, stop, step).
func (r *renderer) rangeOf(args []value.Value) (value.Value, error) {
	var n [3]int64
	for i, v := range args {
		whole, ok := wholeOf(v)
		if !ok || i > 2 {
			return v, errors.New("range() takes one to three whole numbers")
		}
		n[i] = whole
	}
	from, to, step := n[0], n[1], n[2]
	switch len(args) {
	case 1:
		from, to, step = 0, n[0], 1
	case 2:
		step = 1
	}
	if step == 0 || len(args) == 0 {
		return value.Undefined(), errors.New("range() with a step of 0")
	}
	var out []value.Value
	for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
		if err := r.charge(valueBytes); err != nil {
			return value.Undefined(), err
		}
		out = append(out, value.FromInt(i))
		if i > i+step != (step < 0) {
			break // beyond 64 bits
		}
	}
	return value.FromSlice(out), nil
}

func makeNamespace(args []value.Value, kw kwargs) (value.Value, error) {
	d, err := dictOf(args, kw)
	if err != nil {
		return d, err
	}
	inner, _ := asDict(d)
	return value.FromObject(&namespace{*inner}), nil
}

// dictOf is dict(other, a=1, …). The library gives named arguments without their order, so that they are sorted.
func dictOf(args []value.Value, kw kwargs) (value.Value, error) {
	d := newDict()
	for _, v := range args {
		other, ok := asDict(v)
		if !ok {
			return v, fmt.Errorf("dict() takes a dict and named values, not %s", kindName(v))
		}
		for _, key := range other.keys {
			d.set(key, other.values[key])
		}
	}
	for _, key := range sortedKeys(kw) {
		d.set(key, kw[key])
	}
	return value.FromObject(d), nil
}

func joiner(_ *renderer, args []value.Value) (value.Value, error) {
	sep := value.FromString(", ")
	if len(args) > 0 {
		sep = args[0]
	}
	used := false
	return value.FromCallable(&function{"joiner", func(*renderer, []value.Value, map[string]value.Value) (value.Value, error) {
		if used {
			return sep, nil
		}
		used = true
		return value.FromString(""), nil
	}}), nil
}

func cycler(_ *renderer, args []value.Value) (value.Value, error) {
	if len(args) == 0 {
		return value.Undefined(), errors.New("cycler() needs items")
	}
	n := &namespace{*newDict()}
	at := 0
	n.set("current", args[0])
	n.set("next", value.FromCallable(&function{"next", func(*renderer, []value.Value, map[string]value.Value) (value.Value, error) {
		v := args[at]
		at = (at + 1) % len(args)
		n.set("current", args[at])
		return v, nil
	}}))
	n.set("reset", value.FromCallable(&function{"reset", func(*renderer, []value.Value, map[string]value.Value) (value.Value, error) {
		at = 0
		n.set("current", args[0])
		return value.None(), nil
	}}))
	return value.FromObject(n), nil
}
