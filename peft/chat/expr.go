package chat

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// mostDepth bounds the nesting of brackets, of blocks, and of values.
const mostDepth = 60

// exprParser reads the expressions of a tag by Jinja's grammar and writes each as a call of the functions in ops.go,
// which know Python's rules. Only names, conditions (and, or, not, if … else) and calls of macros stay the library's.
type exprParser struct {
	tokens []token
	pos    int
	depth  int
	line   int
}

func (p *exprParser) peek() token {
	if p.pos < len(p.tokens) {
		return p.tokens[p.pos]
	}
	return token{kind: endToken, line: p.line}
}

func (p *exprParser) next() token {
	t := p.peek()
	p.pos++
	return t
}

// is tells whether the next token is that name or sign.
func (p *exprParser) is(text string) bool {
	t := p.peek()
	return (t.kind == nameToken || t.kind == signToken) && t.text == text
}

// take takes the next token if it is that name or sign.
func (p *exprParser) take(text string) bool {
	if p.is(text) {
		p.pos++
		return true
	}
	return false
}

func (p *exprParser) need(text string) error {
	if p.take(text) {
		return nil
	}
	return p.unexpected("want " + text)
}

func (p *exprParser) unexpected(why string) error {
	t := p.peek()
	if t.kind == endToken {
		return faultAt(p.line, "the tag ends too early; %s", why)
	}
	return faultAt(t.line, "unexpected %q; %s", t.text, why)
}

func (p *exprParser) done() error {
	if p.pos < len(p.tokens) {
		return p.unexpected("the expression should end here")
	}
	return nil
}

func call(name string, args ...string) string { return name + "(" + strings.Join(args, ",") + ")" }

// literal writes a string as a literal that the library reads back.
func literal(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s) + `"`
}

// tuple reads expressions that commas may part; more than one is a list.
func (p *exprParser) tuple() (string, error) {
	first, err := p.expression()
	if err != nil || !p.is(",") {
		return first, err
	}
	items := []string{first}
	for p.take(",") && p.startsExpression() {
		item, err := p.expression()
		if err != nil {
			return "", err
		}
		items = append(items, item)
	}
	return call(fnList, items...), nil
}

func (p *exprParser) startsExpression() bool {
	t := p.peek()
	if t.kind == signToken {
		return slices.Contains([]string{"(", "[", "{", "-", "+"}, t.text)
	}
	return t.kind != endToken
}

// expression reads `a if b else c`, or anything that binds closer.
func (p *exprParser) expression() (string, error) {
	if p.depth++; p.depth > mostDepth {
		return "", faultAt(p.peek().line, "an expression nested deeper than %d", mostDepth)
	}
	defer func() { p.depth-- }()
	value, err := p.or()
	for err == nil && p.take("if") {
		var cond, other string
		if cond, err = p.or(); err != nil {
			break
		}
		if !p.take("else") {
			value = fmt.Sprintf("(%s if %s)", value, cond)
			continue
		}
		if other, err = p.expression(); err == nil {
			value = fmt.Sprintf("(%s if %s else %s)", value, cond, other)
		}
	}
	return value, err
}

// chain reads operands of one level that words or signs part, left to right.
func (p *exprParser) chain(operand func() (string, error), signs []string, join func(left, sign, right string) string) (string, error) {
	left, err := operand()
	for err == nil {
		t := p.peek()
		if t.kind != nameToken && t.kind != signToken || !slices.Contains(signs, t.text) {
			return left, nil
		}
		p.pos++
		var right string
		if right, err = operand(); err == nil {
			left = join(left, t.text, right)
		}
	}
	return "", err
}

func native(left, sign, right string) string { return "(" + left + " " + sign + " " + right + ")" }

func (p *exprParser) or() (string, error)  { return p.chain(p.and, []string{"or"}, native) }
func (p *exprParser) and() (string, error) { return p.chain(p.not, []string{"and"}, native) }

func (p *exprParser) not() (string, error) {
	odd := false
	for p.take("not") {
		odd = !odd
		if p.take("not") {
			odd = !odd
		}
	}
	value, err := p.compare()
	if odd {
		value = "(not " + value + ")"
	}
	return value, err
}

// compare reads a < b <= c, in and not in.
func (p *exprParser) compare() (string, error) {
	first, err := p.sum()
	if err != nil {
		return "", err
	}
	args := []string{first}
	for {
		t := p.peek()
		sign := t.text
		switch {
		case t.kind == signToken && slices.Contains([]string{"==", "!=", "<", ">", "<=", ">="}, sign), t.kind == nameToken && sign == "in":
			p.pos++
		case t.kind == nameToken && sign == "not" && p.pos+1 < len(p.tokens) && p.tokens[p.pos+1].text == "in":
			p.pos += 2
			sign = "not in"
		case len(args) == 1:
			return first, nil
		default:
			return call(fnCompare, args...), nil
		}
		operand, err := p.sum()
		if err != nil {
			return "", err
		}
		args = append(args, literal(sign), operand)
	}
}

// flat reads operands of one level into one call, so that a long chain does not nest.
func (p *exprParser) flat(operand func() (string, error), signs ...string) (string, error) {
	first, err := operand()
	if err != nil {
		return "", err
	}
	args := []string{first}
	for t := p.peek(); t.kind == signToken && slices.Contains(signs, t.text); t = p.peek() {
		p.pos++
		right, err := operand()
		if err != nil {
			return "", err
		}
		args = append(args, literal(t.text), right)
	}
	if len(args) == 1 {
		return first, nil
	}
	return call(fnMath, args...), nil
}

func (p *exprParser) sum() (string, error)     { return p.flat(p.concat, "+", "-") }
func (p *exprParser) concat() (string, error)  { return p.flat(p.product, "~") }
func (p *exprParser) product() (string, error) { return p.flat(p.power, "*", "/", "//", "%") }
func (p *exprParser) power() (string, error) {
	return p.flat(func() (string, error) { return p.unary(true) }, "**")
}

// unary reads signs, a primary, what is attached to it, and with filters the filters and tests behind it.
func (p *exprParser) unary(filters bool) (string, error) {
	if p.is("-") || p.is("+") {
		if p.depth++; p.depth > mostDepth {
			return "", p.unexpected("too many signs")
		}
		defer func() { p.depth-- }()
		sign := p.next().text
		value, err := p.unary(false)
		if err != nil {
			return "", err
		}
		value = call(fnSign, literal(sign), value)
		if filters {
			return p.filters(value)
		}
		return value, nil
	}
	value, err := p.primary()
	if err == nil {
		value, err = p.postfix(value, p.tokens[p.pos-1])
	}
	if err == nil && filters {
		return p.filters(value)
	}
	return value, err
}

func (p *exprParser) primary() (string, error) {
	switch t := p.next(); t.kind {
	case nameToken:
		switch t.text {
		case "true", "True", "false", "False", "none", "None":
			return strings.ToLower(t.text), nil
		case "and", "or", "not", "if", "else", "in", "is":
			p.pos--
			return "", p.unexpected("want a value")
		}
		if strings.HasPrefix(t.text, reserved) {
			return "", faultAt(t.line, "names that begin with %s are graft's own", reserved)
		}
		return t.text, nil
	case textToken:
		text := t.text
		for p.peek().kind == textToken {
			text += p.next().text
		}
		return literal(text), nil
	case numToken:
		return number(t)
	case signToken:
		switch t.text {
		case "(":
			if p.take(")") {
				return call(fnList), nil
			}
			value, err := p.tuple()
			if err != nil {
				return "", err
			}
			return value, p.need(")")
		case "[":
			items, err := p.items("]")
			return call(fnList, items...), err
		case "{":
			items, err := p.dict()
			return call(fnDict, items...), err
		}
	}
	p.pos--
	return "", p.unexpected("want a value")
}

// number writes a number in the form that the library reads.
func number(t token) (string, error) {
	if i, err := strconv.ParseInt(t.text, 0, 64); err == nil && !(len(t.text) > 1 && t.text[0] == '0' && t.text[1] >= '0' && t.text[1] <= '9') {
		return strconv.FormatInt(i, 10), nil
	}
	f, err := strconv.ParseFloat(t.text, 64)
	if err != nil {
		return "", faultAt(t.line, "%s is no number", t.text)
	}
	return call(fnFloat, literal(strconv.FormatFloat(f, 'g', -1, 64))), nil
}

// items reads expressions up to a closing bracket.
func (p *exprParser) items(end string) ([]string, error) {
	var items []string
	for !p.take(end) {
		if len(items) > 0 {
			if err := p.need(","); err != nil {
				return nil, err
			}
			if p.take(end) {
				break
			}
		}
		item, err := p.expression()
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

// dict reads keys and values, alternating.
func (p *exprParser) dict() ([]string, error) {
	var items []string
	for !p.take("}") {
		if len(items) > 0 {
			if err := p.need(","); err != nil {
				return nil, err
			}
			if p.take("}") {
				break
			}
		}
		key, err := p.expression()
		if err == nil {
			err = p.need(":")
		}
		if err != nil {
			return nil, err
		}
		value, err := p.expression()
		if err != nil {
			return nil, err
		}
		items = append(items, key, value)
	}
	return items, nil
}
