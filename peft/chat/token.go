package chat

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// tokenKind is what a token of a tag is.
type tokenKind int

const (
	endToken tokenKind = iota
	nameToken
	textToken  // a string literal, text its value
	numToken   // a number, text as written, without underscores
	signToken  // an operator or a bracket
	longestTag = 64 << 10
)

// token is one token between the marks of a tag.
type token struct {
	kind tokenKind
	text string
	line int
}

// SyntaxError is a fault in the text of a template.
type SyntaxError struct {
	Line   int // from 1
	Reason string
}

// Error returns `line N: reason`.
func (e *SyntaxError) Error() string { return fmt.Sprintf("line %d: %s", e.Line, e.Reason) }

func faultAt(line int, format string, a ...any) error {
	return &SyntaxError{Line: line, Reason: fmt.Sprintf(format, a...)}
}

// signs are the operators, longest first.
var signs = [...]string{"**", "//", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ","}

// lexTag reads the tokens of a tag whose content begins at source[at], up to its closing mark ("}}" or "%}"), of which
// a minus or plus sign in front belongs to it. It returns the mark with that sign, and where the text goes on.
func lexTag(source string, at, line int, mark string) (tokens []token, end string, next int, err error) {
	depth := 0
	start := at
	for at < len(source) {
		rest := source[at:]
		if at-start > longestTag {
			return nil, "", 0, faultAt(line, "a tag of more than %d bytes", longestTag)
		}
		if depth == 0 {
			for _, sign := range []string{"", "-", "+"} {
				if strings.HasPrefix(rest, sign+mark) {
					return tokens, sign + mark, at + len(sign) + len(mark), nil
				}
			}
		}
		c := rest[0]
		switch {
		case c == '\n':
			line++
			at++
		case c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f':
			at++
		case c == '\'' || c == '"':
			text, n, lines, err := lexString(rest, line)
			if err != nil {
				return nil, "", 0, err
			}
			tokens = append(tokens, token{textToken, text, line})
			line, at = line+lines, at+n
		case c >= '0' && c <= '9':
			n := numberLength(rest)
			tokens = append(tokens, token{numToken, strings.ReplaceAll(rest[:n], "_", ""), line})
			at += n
		default:
			n := nameLength(rest)
			if n > 0 {
				tokens = append(tokens, token{nameToken, rest[:n], line})
				at += n
				continue
			}
			sign := signAt(rest)
			switch sign {
			case "":
				r, _ := utf8.DecodeRuneInString(rest)
				return nil, "", 0, faultAt(line, "unexpected %q", r)
			case "(", "[", "{":
				depth++
			case ")", "]", "}":
				depth--
			}
			if depth < 0 || depth > mostDepth {
				return nil, "", 0, faultAt(line, "brackets that do not match, or nested deeper than %d", mostDepth)
			}
			tokens = append(tokens, token{signToken, sign, line})
			at += len(sign)
		}
	}
	return nil, "", 0, faultAt(line, "a tag that is never closed by %s", mark)
}

func signAt(s string) string {
	for _, sign := range signs {
		if strings.HasPrefix(s, sign) {
			return sign
		}
	}
	return ""
}

func nameLength(s string) int {
	for i, r := range s {
		if r == '_' || unicode.IsLetter(r) || i > 0 && (unicode.IsDigit(r) || unicode.Is(unicode.Mn, r)) {
			continue
		}
		return i
	}
	return len(s)
}

// numberLength is the length of a number such as 12, 1_000, 0x1f, 1.5 or 2e-3. A dot that no digit follows is none of it.
func numberLength(s string) int {
	digits := func(from int, hex bool) int {
		i := from
		for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '_' || hex && strings.IndexByte("abcdefABCDEF", s[i]) >= 0) {
			i++
		}
		return i
	}
	if len(s) > 2 && s[0] == '0' && strings.IndexByte("xXoObB", s[1]) >= 0 {
		return digits(2, s[1] == 'x' || s[1] == 'X')
	}
	n := digits(0, false)
	if n+1 < len(s) && s[n] == '.' && s[n+1] >= '0' && s[n+1] <= '9' {
		n = digits(n+1, false)
	}
	if n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		from := n + 1
		if from < len(s) && (s[from] == '+' || s[from] == '-') {
			from++
		}
		if end := digits(from, false); end > from {
			n = end
		}
	}
	return n
}

// lexString reads a string literal with Python's escapes, and returns its value, its length in the source, and the line
// breaks in it.
func lexString(s string, line int) (text string, n, lines int, err error) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == s[0]:
			return b.String(), i + 1, lines, nil
		case c == '\\' && i+1 < len(s):
			i++
			more, err := unescape(&b, s[i:])
			if err != nil {
				return "", 0, 0, faultAt(line, "%s", err)
			}
			if s[i] == '\n' {
				lines++
			}
			i += more
		default:
			if c == '\n' {
				lines++
			}
			b.WriteByte(c)
		}
	}
	return "", 0, 0, faultAt(line, "a string that is never closed")
}

// unescape writes what the escape sequence at the beginning of s, behind its backslash, stands for, and returns how
// many bytes follow the first.
func unescape(b *strings.Builder, s string) (int, error) {
	simple := map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', 'a': '\a', 'b': '\b', 'f': '\f', 'v': '\v', '\\': '\\', '\'': '\'', '"': '"'}
	if c, ok := simple[s[0]]; ok {
		b.WriteByte(c)
		return 0, nil
	}
	size := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[0]]
	switch {
	case s[0] == '\n': // a line that goes on
		return 0, nil
	case size > 0 && len(s) > size:
		v, err := strconv.ParseUint(s[1:1+size], 16, 32)
		if err != nil || v > unicode.MaxRune {
			return 0, fmt.Errorf("the escape \\%s is no character", s[:1+size])
		}
		b.WriteRune(rune(v))
		return size, nil
	case s[0] >= '0' && s[0] <= '7':
		n := 1
		for n < 3 && n < len(s) && s[n] >= '0' && s[n] <= '7' {
			n++
		}
		v, _ := strconv.ParseUint(s[:n], 8, 32)
		b.WriteRune(rune(v))
		return n - 1, nil
	}
	b.WriteByte('\\') // Python keeps an escape that it does not know
	b.WriteByte(s[0])
	return 0, nil
}
