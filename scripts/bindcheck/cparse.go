package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// prototype is a C function.
type prototype struct {
	result value
	params []value
}

// headers is what was read from C headers: types by name and functions by name.
type headers struct {
	types   map[string]value   // typedefs and built-in names
	structs map[string][]field // struct definitions
	unions  map[string]bool
	funcs   map[string]prototype
	macros  map[string]string // #define NAME text
}

func newHeaders() *headers {
	h := &headers{types: map[string]value{}, structs: map[string][]field{}, unions: map[string]bool{}, funcs: map[string]prototype{}, macros: map[string]string{}}
	for name, v := range map[string]value{
		"void": {kind: kindVoid}, "char": {kind: kindChar, bytes: 1}, "bool": {kind: kindBool, bytes: 1}, "_Bool": {kind: kindBool, bytes: 1},
		"short": {kind: kindInt, bytes: 2}, "int": {kind: kindInt, bytes: 4}, "long": {kind: kindInt, bytes: 8},
		"unsigned": {kind: kindUint, bytes: 4}, "float": {kind: kindFloat, bytes: 4}, "double": {kind: kindFloat, bytes: 8},
		"int8_t": {kind: kindInt, bytes: 1}, "int16_t": {kind: kindInt, bytes: 2}, "int32_t": {kind: kindInt, bytes: 4}, "int64_t": {kind: kindInt, bytes: 8},
		"uint8_t": {kind: kindUint, bytes: 1}, "uint16_t": {kind: kindUint, bytes: 2}, "uint32_t": {kind: kindUint, bytes: 4}, "uint64_t": {kind: kindUint, bytes: 8},
		"size_t": {kind: kindUint, bytes: 8}, "ssize_t": {kind: kindInt, bytes: 8}, "uintptr_t": {kind: kindUint, bytes: 8}, "intptr_t": {kind: kindInt, bytes: 8},
		"ptrdiff_t": {kind: kindInt, bytes: 8}, "FILE": {kind: kindStruct, name: "FILE"}, "va_list": {kind: kindBlob},
	} {
		h.types[name] = v
	}
	return h
}

var (
	comments  = regexp.MustCompile(`(?s)/\*.*?\*/|//[^\n]*`)
	define    = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*define[ \t]+(\w+)[ \t]+(.+)$`)
	directive = regexp.MustCompile(`(?m)^[ \t]*#.*$`)
	externC   = regexp.MustCompile(`extern\s+"C"\s*\{`)
	cToken    = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\w+|\.\.\.|[^\s\w]`)
	// words that say nothing about a type, and macros that wrap or mark declarations
	noise = regexp.MustCompile(`^(extern|static|inline|volatile|register|restrict|__restrict|__restrict__|[A-Z]+(_BACKEND)?_API|GGML_RESTRICT|GGML_NORETURN|GGML_CALL|OPENBLAS_CONST)$`)
	// macros whose parentheses hold nothing of the declaration
	annotation = regexp.MustCompile(`^(GGML_ATTRIBUTE_FORMAT|__attribute__|__declspec)$`)
	deprecated = regexp.MustCompile(`^([A-Z]+_)?DEPRECATED$`)
)

// parse reads one header. What it does not understand it leaves out: a declaration that is needed is then reported as absent.
func (h *headers) parse(text string) {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\\\n", " ")
	text = comments.ReplaceAllString(text, " ")
	for _, m := range define.FindAllStringSubmatch(text, -1) {
		h.macros[m[1]] = strings.TrimSpace(m[2])
	}
	text = externC.ReplaceAllString(directive.ReplaceAllString(text, ""), " ")
	tokens := cToken.FindAllString(text, -1)
	for len(tokens) > 0 {
		var statement []string
		statement, tokens = nextStatement(tokens)
		h.statement(clean(statement))
	}
}

// nextStatement cuts off the tokens up to the semicolon that ends a declaration, or up to the end of a function's body.
func nextStatement(tokens []string) (statement, rest []string) {
	depth, body := 0, false
	for i, t := range tokens {
		switch t {
		case "(", "[":
			depth++
		case ")", "]":
			depth--
		case "{":
			if depth == 0 {
				body = slices.Contains(tokens[:i], ")")
			}
			depth++
		case "}":
			if depth == 0 { // closes extern "C"
				return tokens[:i], tokens[i+1:]
			}
			depth--
			if depth == 0 && body {
				return nil, tokens[i+1:]
			}
		case ";":
			if depth == 0 {
				return tokens[:i], tokens[i+1:]
			}
		}
	}
	return tokens, nil
}

// clean removes noise words and annotations, and unwraps DEPRECATED(declaration, "hint").
func clean(tokens []string) []string {
	var out []string
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		switch {
		case noise.MatchString(t):
		case annotation.MatchString(t) && i+1 < len(tokens) && tokens[i+1] == "(":
			i = closing(tokens, i+1)
		case deprecated.MatchString(t) && i+1 < len(tokens) && tokens[i+1] == "(":
			end := closing(tokens, i+1)
			parts := split(tokens[i+2:min(end, len(tokens))], ",")
			return clean(slices.Concat(parts[:max(1, len(parts)-1)]...))
		default:
			out = append(out, t)
		}
	}
	return out
}

// closing returns the index of the bracket that closes the one at open, or the last index.
func closing(tokens []string, open int) int {
	depth := 0
	for i := open; i < len(tokens); i++ {
		switch tokens[i] {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return len(tokens) - 1
}

// split cuts tokens at a separator outside brackets.
func split(tokens []string, separator string) [][]string {
	var out [][]string
	start, depth := 0, 0
	for i, t := range tokens {
		switch t {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			depth--
		case separator:
			if depth == 0 {
				out = append(out, tokens[start:i])
				start = i + 1
			}
		}
	}
	return append(out, tokens[start:])
}

// statement reads one cleaned declaration.
func (h *headers) statement(tokens []string) {
	if len(tokens) < 2 {
		return
	}
	isTypedef := tokens[0] == "typedef"
	if isTypedef {
		tokens = tokens[1:]
	}
	tokens = h.definition(tokens)
	if isTypedef {
		if name, v, ok := h.declarator(tokens); ok && name != "" {
			h.types[name] = v
		}
		return
	}
	open := slices.Index(tokens, "(")
	if open < 2 || tokens[open-1] == "*" || len(tokens) <= open+1 || tokens[open+1] == "*" {
		return
	}
	name := tokens[open-1]
	_, result, ok := h.declarator(tokens[:open-1])
	if !ok {
		return
	}
	if params, ok := h.params(tokens[open+1 : closing(tokens, open)]); ok {
		h.funcs[name] = prototype{result, params}
	}
}

func (h *headers) params(tokens []string) ([]value, bool) {
	if len(tokens) == 0 || len(tokens) == 1 && tokens[0] == "void" {
		return nil, true
	}
	var out []value
	for _, part := range split(tokens, ",") {
		if len(part) == 1 && part[0] == "..." {
			out = append(out, value{kind: kindBlob, name: "..."})
			continue
		}
		_, v, ok := h.declarator(part)
		if !ok {
			return nil, false
		}
		if v.count > 0 { // an array parameter is a pointer
			v.count, v.ptr = 0, v.ptr+1
		}
		out = append(out, v)
	}
	return out, true
}

// definition reads `struct NAME {…}`, `union NAME {…}` or `enum NAME {…}` at the start and replaces it by its name alone. An
// anonymous one gets a name of its own.
func (h *headers) definition(tokens []string) []string {
	open := slices.Index(tokens, "{")
	if open < 1 || open > 2 || !slices.Contains([]string{"struct", "union", "enum"}, tokens[0]) {
		return tokens
	}
	end := closing(tokens, open)
	name := "anonymous " + strconv.Itoa(len(h.structs)+len(h.unions))
	if open == 2 {
		name = tokens[1]
	}
	if tokens[0] != "enum" {
		fields, ok := h.fields(tokens[open+1 : end])
		if ok {
			h.structs[name] = fields
			if tokens[0] == "union" {
				h.unions[name] = true
			}
		}
	}
	return append([]string{tokens[0], name}, tokens[end+1:]...)
}

func (h *headers) fields(tokens []string) ([]field, bool) {
	var out []field
	for _, part := range split(tokens, ";") {
		if len(part) == 0 {
			continue
		}
		part = h.definition(clean(part))
		names := split(part, ",")
		for i, p := range names {
			if i > 0 { // int32_t a, b: the later names have the first one's base
				p = append(slices.Clone(baseOf(names[0])), p...)
			}
			name, v, ok := h.declarator(p)
			if !ok {
				return nil, false
			}
			out = append(out, field{name: name, value: v})
		}
	}
	return out, true
}

// baseOf returns the tokens of a declaration before its first pointer or name.
func baseOf(tokens []string) []string {
	end := slices.Index(tokens, "*")
	if end < 0 {
		end = len(tokens) - 1
	}
	return tokens[:end]
}

// declarator reads a type with an optional name: `const struct x * a`, `float b[4]`, `void (*f)(int)`.
func (h *headers) declarator(tokens []string) (name string, v value, ok bool) {
	if i := slices.Index(tokens, "("); i > 0 && i+1 < len(tokens) && tokens[i+1] == "*" {
		if i+2 < len(tokens) && tokens[i+2] != ")" {
			name = tokens[i+2]
		}
		return name, value{kind: kindFunc, ptr: 1}, true
	}
	count := int64(0)
	if i := slices.Index(tokens, "["); i >= 0 {
		if count, ok = h.eval(tokens[i+1 : closing(tokens, i)]); !ok {
			count = 1
		}
		tokens = tokens[:i]
	}
	v, rest, ok := h.base(tokens)
	if !ok {
		return "", value{}, false
	}
	for _, t := range rest {
		switch t {
		case "*":
			v.ptr++
		case "const":
		default:
			name = t
		}
	}
	v.count = count
	return name, v, true
}

// base reads the type specifier at the start of a declaration.
func (h *headers) base(tokens []string) (v value, rest []string, ok bool) {
	cnst := false
	var words []string
	for i, t := range tokens {
		rest = tokens[i:]
		switch {
		case t == "const":
			cnst = true
		case len(words) == 0 && (t == "struct" || t == "union" || t == "enum") && i+1 < len(tokens):
			v = value{kind: kindStruct, name: tokens[i+1], cnst: cnst}
			if t == "enum" {
				v = value{kind: kindEnum, bytes: 4, cnst: cnst}
			}
			return v, tokens[i+2:], true
		case t == "*", len(words) > 0 && !combines(words, t):
			v, ok = h.named(words)
			v.cnst = v.cnst || cnst
			return v, rest, ok
		default:
			words = append(words, t)
		}
		rest = nil
	}
	v, ok = h.named(words)
	v.cnst = v.cnst || cnst
	return v, rest, ok
}

// combines tells whether a word continues a type of several words, such as unsigned long long int.
func combines(words []string, word string) bool {
	integer := []string{"unsigned", "signed", "long", "short", "int", "char", "double"}
	return slices.Contains(integer, words[len(words)-1]) && slices.Contains(integer, word)
}

func (h *headers) named(words []string) (value, bool) {
	if len(words) == 1 {
		if words[0] == "signed" {
			return h.types["int"], true
		}
		v, ok := h.types[words[0]]
		return v, ok
	}
	v := value{kind: kindInt, bytes: 4}
	for _, w := range words {
		switch w {
		case "unsigned":
			v.kind = kindUint
		case "long":
			v.bytes = 8
		case "short":
			v.bytes = 2
		case "char":
			v.bytes = 1
		case "double":
			v.kind, v.bytes = kindBlob, 16
		}
	}
	return v, len(words) > 0
}

// eval computes an array size: numbers, macros and sizeof, joined by operators that are applied from left to right.
func (h *headers) eval(tokens []string) (int64, bool) {
	total, op := int64(0), "+"
	for i := 0; i < len(tokens); i++ {
		var n int64
		t := tokens[i]
		switch {
		case slices.Contains([]string{"+", "-", "*", "/"}, t):
			op = t
			continue
		case t == "sizeof":
			end := closing(tokens, i+1)
			_, v, ok := h.declarator(tokens[i+2 : end])
			size, _, known := h.sizeOf(v)
			if !ok || !known {
				return 0, false
			}
			n, i = size, end
		case t == "(":
			end := closing(tokens, i)
			v, ok := h.eval(tokens[i+1 : end])
			if !ok {
				return 0, false
			}
			n, i = v, end
		default:
			v, err := strconv.ParseInt(t, 0, 64)
			if text, isMacro := h.macros[t]; err != nil && isMacro && text != t {
				var ok bool
				if v, ok = h.eval(cToken.FindAllString(text, -1)); !ok {
					return 0, false
				}
			} else if err != nil {
				return 0, false
			}
			n = v
		}
		switch {
		case op == "+":
			total += n
		case op == "-":
			total -= n
		case op == "*":
			total *= n
		case n == 0:
			return 0, false
		default:
			total /= n
		}
	}
	return total, len(tokens) > 0
}

// sizeOf returns the size and alignment of one element of a C value.
func (h *headers) sizeOf(v value) (size, align int64, ok bool) {
	switch {
	case v.ptr > 0:
		return 8, 8, true
	case v.kind == kindStruct:
		l, ok := h.layout(v.name)
		return l.size, l.align, ok
	case v.bytes > 0:
		return v.bytes, min(v.bytes, 8), true
	}
	return 0, 0, false
}

// layout places the fields of a struct or union.
func (h *headers) layout(name string) (layout, bool) {
	fields, ok := h.structs[name]
	if !ok {
		return layout{}, false
	}
	if !h.unions[name] {
		return place(fields, h.sizeOf)
	}
	out := layout{align: 1}
	for _, f := range fields {
		one, ok := place([]field{f}, h.sizeOf)
		if !ok {
			return layout{}, false
		}
		out.size, out.align = max(out.size, one.size), max(out.align, one.align)
	}
	out.size = (out.size + out.align - 1) / out.align * out.align
	return out, true
}
