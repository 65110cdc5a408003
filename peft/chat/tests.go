package chat

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mitsuhiko/minijinja/minijinja-go/v2/value"
)

type test func(r *renderer, v value.Value, a arguments) (bool, error)

// testTable is jinja2's tests.
func testTable() map[string]test {
	is := func(f func(v value.Value) bool) test {
		return func(_ *renderer, v value.Value, _ arguments) (bool, error) { return f(v), nil }
	}
	compared := func(sign string) test {
		return func(r *renderer, v value.Value, a arguments) (bool, error) {
			other, err := a.value(0, "other")
			if err != nil {
				return false, err
			}
			return r.holds(v, sign, other)
		}
	}
	return map[string]test{
		"defined":   is(func(v value.Value) bool { return !v.IsUndefined() }),
		"undefined": is(value.Value.IsUndefined),
		"none":      is(value.Value.IsNone),
		"boolean":   is(isBool),
		"true":      is(func(v value.Value) bool { return isBool(v) && v.IsTrue() }),
		"false":     is(func(v value.Value) bool { return isBool(v) && !v.IsTrue() }),
		"integer":   is(func(v value.Value) bool { return v.Kind() == value.KindNumber && !v.IsActualFloat() }),
		"float":     is(value.Value.IsActualFloat),
		"number":    is(func(v value.Value) bool { return v.Kind() == value.KindNumber || isBool(v) }),
		"string":    is(isText),
		"mapping":   is(isDict),
		"sequence":  is(func(v value.Value) bool { return isText(v) || isDict(v) || isList(v) || v.IsUndefined() }),
		"iterable":  is(func(v value.Value) bool { return isText(v) || isDict(v) || isList(v) || v.IsUndefined() }),
		"callable":  is(value.Value.IsCallable),
		"lower":     caseTest(strings.ToLower, strings.ToUpper), "upper": caseTest(strings.ToUpper, strings.ToLower),
		"odd": divides(2, 1), "even": divides(2, 0),
		"divisibleby": func(r *renderer, v value.Value, a arguments) (bool, error) {
			n, err := a.int(0, "num", 0)
			if err != nil || n == 0 {
				return false, errors.Join(err, errors.New("divisibleby needs a whole number other than 0"))
			}
			return divides(n, 0)(r, v, a)
		},
		"sameas": func(_ *renderer, v value.Value, a arguments) (bool, error) {
			other, err := a.value(0, "other")
			return v.SameAs(other), err
		},
		"in": func(r *renderer, v value.Value, a arguments) (bool, error) {
			other, err := a.value(0, "seq")
			if err != nil {
				return false, err
			}
			return r.contains(other, v)
		},
		"eq": compared("=="), "equalto": compared("=="), "==": compared("=="), "ne": compared("!="), "!=": compared("!="),
		"lt": compared("<"), "lessthan": compared("<"), "<": compared("<"), "le": compared("<="), "<=": compared("<="),
		"gt": compared(">"), "greaterthan": compared(">"), ">": compared(">"), "ge": compared(">="), ">=": compared(">="),
	}
}

func isBool(v value.Value) bool { return v.Kind() == value.KindBool }
func isText(v value.Value) bool { _, ok := v.AsString(); return ok }
func isDict(v value.Value) bool { _, ok := asDict(v); return ok }
func isList(v value.Value) bool { _, ok := v.AsSlice(); return ok }

// divides tests v mod n == rest.
func divides(n, rest int64) test {
	return func(_ *renderer, v value.Value, _ arguments) (bool, error) {
		i, ok := wholeOf(v)
		if !ok {
			return false, fmt.Errorf("%s is no whole number", kindName(v))
		}
		return ((i%n)+n)%n == rest, nil
	}
}

// caseTest is Python's islower or isupper: it needs a letter.
func caseTest(want, other func(string) string) test {
	return func(r *renderer, v value.Value, _ arguments) (bool, error) {
		s, err := r.str(v)
		return want(s) == s && other(s) != s, err
	}
}
