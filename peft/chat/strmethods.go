package chat

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mitsuhiko/minijinja/minijinja-go/v2/value"
)

type stringMethod func(r *renderer, s string, a arguments) (value.Value, error)

// stringMethods are Python's methods of str that chat templates use.
func stringMethods() map[string]stringMethod {
	plain := func(f func(string) string) stringMethod {
		return func(r *renderer, s string, _ arguments) (value.Value, error) { return r.text(f(s)) }
	}
	truth := func(f func(string) bool) stringMethod {
		return func(_ *renderer, s string, _ arguments) (value.Value, error) { return value.FromBool(f(s)), nil }
	}
	return map[string]stringMethod{
		"upper": plain(strings.ToUpper), "lower": plain(strings.ToLower), "casefold": plain(strings.ToLower),
		"title": plain(titleCase), "capitalize": plain(capitalize),
		"strip": strip(true, true), "lstrip": strip(true, false), "rstrip": strip(false, true),
		"startswith": affix(strings.HasPrefix), "endswith": affix(strings.HasSuffix),
		"removeprefix": cutAffix(strings.TrimPrefix), "removesuffix": cutAffix(strings.TrimSuffix),
		"split": split(false), "rsplit": split(true), "splitlines": splitLines,
		"replace": replaceMethod, "join": joinMethod, "format": formatMethod,
		"find": find(strings.Index, -1), "rfind": find(strings.LastIndex, -1), "index": find(strings.Index, -2), "rindex": find(strings.LastIndex, -2),
		"count":     countMethod,
		"partition": partition(strings.Index), "rpartition": partition(strings.LastIndex),
		"isdigit": truth(all(unicode.IsDigit)), "isnumeric": truth(all(unicode.IsNumber)), "isdecimal": truth(all(unicode.IsDigit)),
		"isalpha": truth(all(unicode.IsLetter)), "isspace": truth(all(isSpace)),
		"isalnum": truth(all(func(c rune) bool { return unicode.IsLetter(c) || unicode.IsNumber(c) })),
		"isupper": truth(func(s string) bool { return strings.ToUpper(s) == s && strings.ToLower(s) != s }),
		"islower": truth(func(s string) bool { return strings.ToLower(s) == s && strings.ToUpper(s) != s }),
		"ljust":   pad(false, true), "rjust": pad(true, false), "center": pad(true, true),
	}
}

func all(f func(rune) bool) func(string) bool {
	return func(s string) bool {
		return s != "" && strings.IndexFunc(s, func(c rune) bool { return !f(c) }) < 0
	}
}

// titleCase begins every run of letters with a capital.
func titleCase(s string) string {
	inside := false
	return strings.Map(func(c rune) rune {
		was := inside
		if inside = unicode.IsLetter(c); !inside {
			return c
		}
		if was {
			return unicode.ToLower(c)
		}
		return unicode.ToTitle(c)
	}, s)
}

func capitalize(s string) string {
	c, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToTitle(c)) + strings.ToLower(s[n:])
}

func strip(left, right bool) stringMethod {
	return func(r *renderer, s string, a arguments) (value.Value, error) {
		cut := isSpace
		if v := a.or(0, "chars", value.None()); !v.IsNone() {
			chars, err := a.text(0, "chars")
			if err != nil {
				return v, err
			}
			cut = func(c rune) bool { return strings.ContainsRune(chars, c) }
		}
		if left {
			s = strings.TrimLeftFunc(s, cut)
		}
		if right {
			s = strings.TrimRightFunc(s, cut)
		}
		return r.text(s)
	}
}

func affix(has func(s, part string) bool) stringMethod {
	return func(_ *renderer, s string, a arguments) (value.Value, error) {
		parts, err := a.prefixes()
		for _, part := range parts {
			if has(s, part) {
				return value.FromBool(true), err
			}
		}
		return value.FromBool(false), err
	}
}

func cutAffix(cut func(s, part string) string) stringMethod {
	return func(r *renderer, s string, a arguments) (value.Value, error) {
		part, err := a.text(0, "affix")
		if err != nil {
			return value.Undefined(), err
		}
		return r.text(cut(s, part))
	}
}

// split is split and rsplit: at white space, or at a separator, at most maxsplit times.
func split(fromRight bool) stringMethod {
	return func(r *renderer, s string, a arguments) (value.Value, error) {
		most, err := a.int(1, "maxsplit", -1)
		if err != nil {
			return value.Undefined(), err
		}
		if most < 0 || most > int64(len(s)) {
			most = int64(len(s)) + 1
		}
		if err := r.charge((len(s) + 1) * valueBytes); err != nil {
			return value.Undefined(), err
		}
		if a.or(0, "sep", value.None()).IsNone() {
			return r.strings(splitSpace(s, int(most), fromRight))
		}
		sep, err := a.text(0, "sep")
		if err != nil {
			return value.Undefined(), err
		}
		if sep == "" {
			return value.Undefined(), errors.New("split() by an empty string")
		}
		if !fromRight {
			return r.strings(strings.SplitN(s, sep, int(most)+1))
		}
		var parts []string
		for i := strings.LastIndex(s, sep); i >= 0 && int64(len(parts)) < most; i = strings.LastIndex(s, sep) {
			parts = append([]string{s[i+len(sep):]}, parts...)
			s = s[:i]
		}
		return r.strings(append([]string{s}, parts...))
	}
}

func splitSpace(s string, most int, fromRight bool) []string {
	parts := strings.FieldsFunc(s, isSpace)
	if len(parts) <= most {
		return parts
	}
	if fromRight {
		rest := s
		for range most {
			rest = strings.TrimRightFunc(rest, isSpace)
			rest = rest[:strings.LastIndexFunc(rest, isSpace)+1]
		}
		return append([]string{strings.TrimRightFunc(rest, isSpace)}, parts[len(parts)-most:]...)
	}
	rest := strings.TrimLeftFunc(s, isSpace)
	for range most {
		rest = rest[strings.IndexFunc(rest, isSpace):]
		rest = strings.TrimLeftFunc(rest, isSpace)
	}
	return append(parts[:most:most], rest)
}

func splitLines(r *renderer, s string, a arguments) (value.Value, error) {
	keep := a.or(0, "keepends", value.FromBool(false)).IsTrue()
	if err := r.charge((len(s) + 1) * valueBytes); err != nil {
		return value.Undefined(), err
	}
	var parts []string
	for s != "" {
		i := strings.IndexFunc(s, func(c rune) bool {
			return c >= '\n' && c <= '\r' || c >= 0x1c && c <= 0x1e || c == 0x85 || c == 0x2028 || c == 0x2029
		})
		if i < 0 {
			parts = append(parts, s)
			break
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		if strings.HasPrefix(s[i:], "\r\n") {
			n = 2
		}
		if keep {
			parts = append(parts, s[:i+n])
		} else {
			parts = append(parts, s[:i])
		}
		s = s[i+n:]
	}
	return r.strings(parts)
}

func replaceMethod(r *renderer, s string, a arguments) (value.Value, error) {
	from, err := a.text(0, "old")
	if err != nil {
		return value.Undefined(), err
	}
	to, err := a.text(1, "new")
	if err != nil {
		return value.Undefined(), err
	}
	n, err := a.int(2, "count", -1)
	if err != nil {
		return value.Undefined(), err
	}
	return r.replace(s, from, to, int(max(min(n, int64(len(s))+1), -1)))
}

// replace is strings.Replace within the limits.
func (r *renderer) replace(s, from, to string, n int) (value.Value, error) {
	found := strings.Count(s, from)
	if n >= 0 {
		found = min(found, n)
	}
	if err := r.charge(len(s) + found*max(len(to), 1)); err != nil {
		return value.Undefined(), err
	}
	return value.FromString(strings.Replace(s, from, to, n)), nil
}

func joinMethod(r *renderer, s string, a arguments) (value.Value, error) {
	v, err := a.value(0, "values")
	if err != nil {
		return v, err
	}
	items, err := r.elements(v)
	if err != nil {
		return v, err
	}
	for _, item := range items {
		if _, ok := item.AsString(); !ok {
			return v, fmt.Errorf("join() takes strings, not %s", kindName(item))
		}
	}
	return r.join(items, s)
}

func (r *renderer) join(items []value.Value, by string) (value.Value, error) {
	var b strings.Builder
	for i, item := range items {
		s, err := r.str(item)
		if err == nil {
			err = r.charge(len(s) + len(by))
		}
		if err != nil {
			return item, err
		}
		if i > 0 {
			b.WriteString(by)
		}
		b.WriteString(s)
	}
	return value.FromString(b.String()), nil
}

// formatMethod is str.format with {}, {0} and {name}, without format specifications.
func formatMethod(r *renderer, s string, a arguments) (value.Value, error) {
	var b strings.Builder
	for next := 0; s != ""; {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			i = len(s)
		}
		if err := r.charge(i); err != nil {
			return value.Undefined(), err
		}
		b.WriteString(s[:i])
		if s = s[i:]; s == "" {
			break
		}
		if strings.HasPrefix(s, "{{") || strings.HasPrefix(s, "}}") {
			b.WriteByte(s[0])
			s = s[2:]
			continue
		}
		end := strings.IndexByte(s, '}')
		if s[0] == '}' || end < 0 || strings.ContainsAny(s[1:end], "{:!.[") {
			return value.Undefined(), fmt.Errorf("format() knows {}, {0} and {name} alone, not %.20q", s)
		}
		name := s[1:end]
		i = next
		if name == "" {
			next++
		} else if _, err := fmt.Sscanf(name, "%d", &i); err != nil {
			i = -1
		}
		v, err := a.value(i, name)
		if err != nil {
			return v, err
		}
		text, err := r.str(v)
		if err == nil {
			err = r.charge(len(text))
		}
		if err != nil {
			return v, err
		}
		b.WriteString(text)
		s = s[end+1:]
	}
	return value.FromString(b.String()), nil
}

// find is find, index and their mirror images; missing is what is returned where nothing is found, -2 an error.
func find(index func(s, part string) int, missing int64) stringMethod {
	return func(_ *renderer, s string, a arguments) (value.Value, error) {
		part, err := a.text(0, "sub")
		if err != nil {
			return value.Undefined(), err
		}
		i := index(s, part)
		if i >= 0 {
			return value.FromInt(int64(utf8.RuneCountInString(s[:i]))), nil
		}
		if missing < -1 {
			return value.Undefined(), errors.New("index() finds no such text")
		}
		return value.FromInt(missing), nil
	}
}

func countMethod(_ *renderer, s string, a arguments) (value.Value, error) {
	part, err := a.text(0, "sub")
	return value.FromInt(int64(strings.Count(s, part))), err
}

func partition(index func(s, part string) int) stringMethod {
	return func(r *renderer, s string, a arguments) (value.Value, error) {
		sep, err := a.text(0, "sep")
		if err != nil {
			return value.Undefined(), err
		}
		i := index(s, sep)
		if i >= 0 {
			return r.strings([]string{s[:i], sep, s[i+len(sep):]})
		}
		if index("aa", "a") == 0 {
			return r.strings([]string{s, "", ""})
		}
		return r.strings([]string{"", "", s})
	}
}

func pad(left, right bool) stringMethod {
	return func(r *renderer, s string, a arguments) (value.Value, error) {
		width, err := a.int(0, "width", 0)
		if err != nil {
			return value.Undefined(), err
		}
		fill, ok := a.or(1, "fillchar", value.FromString(" ")).AsString()
		if !ok || utf8.RuneCountInString(fill) != 1 {
			return value.Undefined(), fmt.Errorf("%s fills with one character", a.what)
		}
		n := width - int64(utf8.RuneCountInString(s))
		if n <= 0 {
			return value.FromString(s), nil
		}
		if n > mostBytes/8 {
			return value.Undefined(), errTooMuch
		}
		before := int64(0)
		if left {
			before = n
		}
		if left && right {
			before = n/2 + n&width&1 // as CPython divides an odd rest
		}
		return r.text(strings.Repeat(fill, int(before)) + s + strings.Repeat(fill, int(n-before)))
	}
}
