package chat

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/mitsuhiko/minijinja/minijinja-go/v2/value"
)

// Names of graft's functions in a translated template. A template's own names may not begin with reserved.
const (
	reserved  = "graft_"
	fnOut     = reserved + "out"
	fnTick    = reserved + "tick"
	fnIter    = reserved + "iter"
	fnUnpack  = reserved + "unpack"
	fnList    = reserved + "list"
	fnDict    = reserved + "dict"
	fnFloat   = reserved + "float"
	fnMath    = reserved + "math"
	fnCompare = reserved + "compare"
	fnSign    = reserved + "sign"
	fnAttr    = reserved + "attr"
	fnItem    = reserved + "item"
	fnSlice   = reserved + "slice"
	fnMethod  = reserved + "method"
	fnCall    = reserved + "call"
	fnFilter  = reserved + "filter"
	fnTest    = reserved + "test"
	fnSetAttr = reserved + "setattr"
	fnScope   = reserved + "scope" // a variable, for statements that need one
)

// math applies + - * / // % ** ~ from left to right: operand, sign, operand …
func (r *renderer) math(args []value.Value) (value.Value, error) {
	left := args[0]
	if sign, _ := args[1].AsString(); sign == "~" {
		return r.concat(args)
	}
	for i := 1; i+1 < len(args); i += 2 {
		sign, _ := args[i].AsString()
		var err error
		if left, err = r.binary(left, sign, args[i+1]); err != nil {
			return left, err
		}
	}
	return left, nil
}

func (r *renderer) concat(args []value.Value) (value.Value, error) {
	var b strings.Builder
	for i := 0; i < len(args); i += 2 {
		s, err := r.str(args[i])
		if err == nil {
			err = r.charge(len(s))
		}
		if err != nil {
			return value.Undefined(), err
		}
		b.WriteString(s)
	}
	return value.FromString(b.String()), nil
}

func (r *renderer) binary(a value.Value, sign string, b value.Value) (value.Value, error) {
	s, isText := a.AsString()
	t, isText2 := b.AsString()
	x, isList := a.AsSlice()
	y, isList2 := b.AsSlice()
	switch {
	case sign == "+" && isText && isText2:
		if err := r.charge(len(s) + len(t)); err != nil {
			return a, err
		}
		return value.FromString(s + t), nil
	case sign == "+" && isList && isList2:
		return r.list(append(append(make([]value.Value, 0, len(x)+len(y)), x...), y...))
	case sign == "*" && (isText || isList):
		return r.repeat(a, b)
	case sign == "*" && (isText2 || isList2):
		return r.repeat(b, a)
	}
	if i, ok := wholeOf(a); ok {
		if j, ok := wholeOf(b); ok {
			return intMath(i, sign, j)
		}
	}
	f, ok1 := floatOf(a)
	g, ok2 := floatOf(b)
	if !ok1 || !ok2 {
		return value.Undefined(), fmt.Errorf("cannot compute %s %s %s", kindName(a), sign, kindName(b))
	}
	return floatMath(f, sign, g)
}

// repeat is text * n and list * n.
func (r *renderer) repeat(v, times value.Value) (value.Value, error) {
	n, ok := wholeOf(times)
	if !ok {
		return value.Undefined(), fmt.Errorf("cannot repeat %s by %s", kindName(v), kindName(times))
	}
	n = max(n, 0)
	size, _ := v.Len()
	s, isText := v.AsString()
	if isText {
		size = len(s)
	}
	if size > 0 && n > mostBytes/int64(size) {
		return value.Undefined(), errTooMuch
	}
	if isText {
		return r.text(strings.Repeat(s, int(n)))
	}
	items, _ := v.AsSlice()
	out := make([]value.Value, 0, len(items)*int(n))
	if err := r.charge(valueBytes * cap(out)); err != nil {
		return v, err
	}
	for range n {
		out = append(out, items...)
	}
	return value.FromSlice(out), nil
}

// wholeOf is an integer or a truth value, which Python counts as 0 or 1.
func wholeOf(v value.Value) (int64, bool) {
	switch d := v.Raw().(type) {
	case int64:
		return d, true
	case bool:
		if d {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

func floatOf(v value.Value) (float64, bool) {
	if i, ok := wholeOf(v); ok {
		return float64(i), true
	}
	f, ok := v.Raw().(float64)
	return f, ok
}

var errBeyond = errors.New("a whole number beyond 64 bits")

// intMath is Python's arithmetic of whole numbers: // rounds down, % has the sign of the divisor.
func intMath(a int64, sign string, b int64) (value.Value, error) {
	if b == 0 && (sign == "/" || sign == "//" || sign == "%") {
		return value.Undefined(), errors.New("division by zero")
	}
	switch sign {
	case "+":
		if c := a + b; (c > a) == (b > 0) {
			return value.FromInt(c), nil
		}
	case "-":
		if c := a - b; (c < a) == (b > 0) {
			return value.FromInt(c), nil
		}
	case "*":
		if c := a * b; a == 0 || c/a == b && !(a == -1 && b == math.MinInt64) {
			return value.FromInt(c), nil
		}
	case "/":
		return value.FromFloat(float64(a) / float64(b)), nil
	case "//", "%":
		if a == math.MinInt64 && b == -1 {
			break
		}
		q, m := a/b, a%b
		if m != 0 && (m < 0) != (b < 0) {
			q, m = q-1, m+b
		}
		if sign == "%" {
			return value.FromInt(m), nil
		}
		return value.FromInt(q), nil
	case "**":
		f := math.Pow(float64(a), float64(b))
		if b < 0 {
			return value.FromFloat(f), nil
		}
		if math.Abs(f) < 1<<53 {
			return value.FromInt(int64(f)), nil
		}
	}
	return value.Undefined(), errBeyond
}

func floatMath(a float64, sign string, b float64) (value.Value, error) {
	if b == 0 && (sign == "/" || sign == "//" || sign == "%") {
		return value.Undefined(), errors.New("division by zero")
	}
	switch sign {
	case "+":
		a += b
	case "-":
		a -= b
	case "*":
		a *= b
	case "/":
		a /= b
	case "//":
		a = math.Floor(a / b)
	case "%":
		m := math.Mod(a, b)
		if m != 0 && (m < 0) != (b < 0) {
			m += b
		}
		a = m
	case "**":
		a = math.Pow(a, b)
	}
	return value.FromFloat(a), nil
}

// sign is -v or +v.
func (r *renderer) sign(sign string, v value.Value) (value.Value, error) {
	if i, ok := wholeOf(v); ok && i != math.MinInt64 {
		if sign == "-" {
			i = -i
		}
		return value.FromInt(i), nil
	}
	f, ok := floatOf(v)
	if !ok {
		return value.Undefined(), fmt.Errorf("cannot compute %s%s", sign, kindName(v))
	}
	if sign == "-" {
		f = -f
	}
	return value.FromFloat(f), nil
}

// compare is a chain of comparisons: operand, sign, operand …
func (r *renderer) compare(args []value.Value) (value.Value, error) {
	for i := 0; i+2 < len(args); i += 2 {
		sign, _ := args[i+1].AsString()
		ok, err := r.holds(args[i], sign, args[i+2])
		if err != nil || !ok {
			return value.FromBool(false), err
		}
	}
	return value.FromBool(true), nil
}

func (r *renderer) holds(a value.Value, sign string, b value.Value) (bool, error) {
	switch sign {
	case "==", "!=":
		same, err := r.equal(a, b, 0)
		return same == (sign == "=="), err
	case "in", "not in":
		found, err := r.contains(b, a)
		return found == (sign == "in"), err
	}
	order, err := r.order(a, b, 0)
	if err != nil {
		return false, err
	}
	switch sign {
	case "<":
		return order < 0, nil
	case ">":
		return order > 0, nil
	case "<=":
		return order <= 0, nil
	default:
		return order >= 0, nil
	}
}

func (r *renderer) equal(a, b value.Value, depth int) (bool, error) {
	if err := r.visit(depth, 0); err != nil {
		return false, err
	}
	if s, ok := a.AsString(); ok {
		t, ok := b.AsString()
		return ok && s == t, nil
	}
	if f, ok := floatOf(a); ok {
		g, ok := floatOf(b)
		return ok && f == g, nil
	}
	if x, ok := a.AsSlice(); ok {
		y, ok := b.AsSlice()
		if !ok || len(x) != len(y) {
			return false, nil
		}
		for i := range x {
			if same, err := r.equal(x[i], y[i], depth+1); !same || err != nil {
				return false, err
			}
		}
		return true, nil
	}
	if x, ok := asDict(a); ok {
		y, ok := asDict(b)
		if !ok || len(x.keys) != len(y.keys) {
			return false, nil
		}
		for key, v := range x.values {
			w, ok := y.values[key]
			if !ok {
				return false, nil
			}
			if same, err := r.equal(v, w, depth+1); !same || err != nil {
				return false, err
			}
		}
		return true, nil
	}
	if a.IsNone() || a.IsUndefined() {
		return a.IsNone() == b.IsNone() && a.IsUndefined() == b.IsUndefined(), nil
	}
	return a.SameAs(b), nil
}

// order compares numbers, strings and lists; others have no order.
func (r *renderer) order(a, b value.Value, depth int) (int, error) {
	if err := r.visit(depth, 0); err != nil {
		return 0, err
	}
	if s, ok := a.AsString(); ok {
		if t, ok := b.AsString(); ok {
			return strings.Compare(s, t), nil
		}
	}
	if f, ok := floatOf(a); ok {
		if g, ok := floatOf(b); ok {
			return cmp.Compare(f, g), nil
		}
	}
	x, ok1 := a.AsSlice()
	y, ok2 := b.AsSlice()
	if !ok1 || !ok2 {
		return 0, fmt.Errorf("cannot compare %s with %s", kindName(a), kindName(b))
	}
	for i := range min(len(x), len(y)) {
		if c, err := r.order(x[i], y[i], depth+1); c != 0 || err != nil {
			return c, err
		}
	}
	return cmp.Compare(len(x), len(y)), nil
}

// contains is `item in v`.
func (r *renderer) contains(v, item value.Value) (bool, error) {
	if s, ok := v.AsString(); ok {
		t, ok := item.AsString()
		if !ok {
			return false, fmt.Errorf("cannot look for %s in a string", kindName(item))
		}
		return strings.Contains(s, t), nil
	}
	if d, ok := asDict(v); ok {
		key, ok := item.AsString()
		_, found := d.values[key]
		return ok && found, nil
	}
	if v.IsUndefined() {
		return false, nil
	}
	items, ok := v.AsSlice()
	if !ok {
		return false, fmt.Errorf("cannot look for a value in %s", kindName(v))
	}
	for _, x := range items {
		if same, err := r.equal(x, item, 0); same || err != nil {
			return same, err
		}
	}
	return false, nil
}

func parseFloat(s string) value.Value {
	f, _ := strconv.ParseFloat(s, 64)
	return value.FromFloat(f)
}
