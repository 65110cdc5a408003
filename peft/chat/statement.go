package chat

import (
	"fmt"
	"slices"
	"strings"
)

// statement writes a {% … %} tag.
func (t *translator) statement(tokens []token, line int) error {
	p := &exprParser{tokens: tokens, line: line}
	word := p.next()
	if word.kind != nameToken {
		return faultAt(line, "a statement without a name")
	}
	err := t.word(word.text, p, line)
	if err == nil {
		err = p.done()
	}
	return err
}

func (t *translator) word(word string, p *exprParser, line int) error {
	switch word {
	case "for":
		return t.forLoop(p, line)
	case "if":
		value, err := p.tuple()
		if err != nil {
			return err
		}
		t.emit("{% if ", value, " %}")
		return t.begin("if", line, "{% endif %}", false)
	case "elif", "else":
		return t.otherwise(word, p, line)
	case "set":
		return t.set(p, line)
	case "macro":
		return t.macro(p, line)
	case "call":
		return t.callBlock(p, line)
	case "filter":
		return t.filterBlock(p, line)
	case "with":
		return t.with(p, line)
	case "break", "continue":
		if !slices.ContainsFunc(t.open, func(b block) bool { return b.kind == "for" }) {
			return faultAt(line, "{%% %s %%} outside of a loop", word)
		}
		t.emit("{% ", word, " %}")
		return nil
	case "generation": // marks what the assistant says; transformers prints its body as it is
		return t.begin("generation", line, "", false)
	case "raw":
		return t.raw(line)
	}
	if kind, ok := strings.CutPrefix(word, "end"); ok {
		return t.finish(word, line, kind)
	}
	return faultAt(line, "the statement %q is none that chat templates have", word)
}

// raw copies what stands before {% endraw %} as it is.
func (t *translator) raw(line int) error {
	for from := t.at; ; {
		n := strings.Index(t.source[from:], "{%")
		if n < 0 {
			return faultAt(line, "{%% raw %%} is never ended")
		}
		at := from + n
		tokens, end, next, err := lexTag(t.source, at+2+len(signOf(t.source[at+2:])), line, "%}")
		if err != nil || len(tokens) != 1 || tokens[0].text != "endraw" {
			from = at + 2
			continue
		}
		text := t.before(t.source[t.at:at], signOf(t.source[at+2:]), "{%")
		t.line += strings.Count(t.source[t.at:next], "\n")
		t.emit("{{", call(fnOut, literal(text)), "}}")
		t.after(end, next)
		return nil
	}
}

func signOf(s string) string {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		return s[:1]
	}
	return ""
}

// names reads names that commas part, in brackets or not.
func (p *exprParser) names() ([]string, error) {
	var names []string
	inner := p.take("(")
	for {
		t := p.next()
		if t.kind != nameToken || strings.HasPrefix(t.text, reserved) {
			p.pos--
			return nil, p.unexpected("want a name")
		}
		names = append(names, t.text)
		if !p.take(",") {
			break
		}
		if p.is(")") || p.is("in") || p.is("=") {
			names = append(names, reserved+"rest") // a comma at the end: one value to unpack
			break
		}
	}
	if inner {
		return names, p.need(")")
	}
	return names, nil
}

func (t *translator) forLoop(p *exprParser, line int) error {
	names, err := p.names()
	if err == nil {
		err = p.need("in")
	}
	if err != nil {
		return err
	}
	over, err := p.or()
	for args := []string{over}; err == nil && p.is(","); over = call(fnList, args...) {
		p.pos++
		var item string
		if item, err = p.or(); err == nil {
			args = append(args, item)
		}
	}
	if err != nil {
		return err
	}
	rest := ""
	if p.take("if") {
		cond, err := p.expression()
		if err != nil {
			return err
		}
		rest = " if " + cond
	}
	if p.take("recursive") {
		rest += " recursive"
	}
	t.emit("{% for ", strings.Join(names, ","), " in ", call(fnIter, fmt.Sprint(len(names)), over), rest, " %}")
	return t.begin("for", line, "{% endfor %}", true)
}

func (t *translator) otherwise(word string, p *exprParser, line int) error {
	kinds := []string{"if", "for"}
	if word == "elif" {
		kinds = kinds[:1]
	}
	b, err := t.top(word, line, kinds...)
	if err != nil {
		return err
	}
	if b.isElse {
		return faultAt(line, "{%% %s %%} behind {%% else %%}", word)
	}
	if b.branches++; b.branches > mostLinks {
		return faultAt(line, "more than %d branches of one if", mostLinks)
	}
	t.closeCount(b)
	if word == "else" {
		b.isElse = true
		t.emit("{% else %}")
		return nil
	}
	value, err := p.tuple()
	if err == nil {
		t.emit("{% elif ", value, " %}")
	}
	return err
}

// set reads name = value, a, b = values, namespace.name = value, and the form that holds a block.
func (t *translator) set(p *exprParser, line int) error {
	space := ""
	if len(p.tokens) > 3 && p.tokens[2].text == "." && p.tokens[2].kind == signToken {
		if p.tokens[1].kind != nameToken || p.tokens[3].kind != nameToken {
			return p.unexpected("want a name")
		}
		space = p.tokens[1].text
		p.pos += 3
	}
	var names []string
	var name string
	if space == "" {
		var err error
		if names, err = p.names(); err != nil {
			return err
		}
	} else {
		name = p.tokens[p.pos-1].text
	}
	assign := func(value string) string {
		switch {
		case space != "":
			return "{% set " + fnScope + "=" + call(fnSetAttr, space, literal(name), value) + " %}"
		case len(names) > 1:
			return "{% set " + strings.Join(names, ",") + "=" + call(fnUnpack, fmt.Sprint(len(names)), value) + " %}"
		}
		return "{% set " + names[0] + "=" + value + " %}"
	}
	if p.take("=") {
		value, err := p.tuple()
		if err == nil {
			t.emit(assign(value))
		}
		return err
	}
	t.blocks++
	temp := fmt.Sprintf("%sset%d", reserved, t.blocks)
	value, err := p.filters(temp)
	if err != nil {
		return err
	}
	t.emit("{% set ", temp, " %}")
	return t.begin("set", line, "{% endset %}"+assign(value), false)
}

// parameters reads (a, b=1) of a macro.
func (p *exprParser) parameters() (string, error) {
	if err := p.need("("); err != nil {
		return "", err
	}
	var out []string
	for !p.take(")") {
		if len(out) > 0 {
			if err := p.need(","); err != nil {
				return "", err
			}
			if p.take(")") {
				break
			}
		}
		t := p.next()
		if t.kind != nameToken {
			p.pos--
			return "", p.unexpected("want a name")
		}
		one := t.text
		if p.take("=") {
			value, err := p.expression()
			if err != nil {
				return "", err
			}
			one += "=" + value
		}
		out = append(out, one)
	}
	return "(" + strings.Join(out, ",") + ")", nil
}

func (t *translator) macro(p *exprParser, line int) error {
	name := p.next()
	if name.kind != nameToken || strings.HasPrefix(name.text, reserved) {
		p.pos--
		return p.unexpected("want the name of the macro")
	}
	params, err := p.parameters()
	if err != nil {
		return err
	}
	t.emit("{% macro ", name.text, params, " %}")
	return t.begin("macro", line, "{% endmacro %}", true)
}

func (t *translator) callBlock(p *exprParser, line int) error {
	params := ""
	var err error
	if p.is("(") {
		if params, err = p.parameters(); err != nil {
			return err
		}
	}
	value, err := p.unary(false)
	if err != nil {
		return err
	}
	t.emit("{% call", params, " ", value, " %}")
	return t.begin("call", line, "{% endcall %}", true)
}

func (t *translator) filterBlock(p *exprParser, line int) error {
	t.blocks++
	temp := fmt.Sprintf("%sset%d", reserved, t.blocks)
	value, err := p.filter(temp)
	if err == nil {
		value, err = p.filters(value)
	}
	if err != nil {
		return err
	}
	t.emit("{% set ", temp, " %}")
	return t.begin("filter", line, "{% endset %}{{"+call(fnOut, value)+"}}", false)
}

func (t *translator) with(p *exprParser, line int) error {
	var out []string
	for p.peek().kind != endToken {
		if len(out) > 0 {
			if err := p.need(","); err != nil {
				return err
			}
		}
		name := p.next()
		if name.kind != nameToken {
			p.pos--
			return p.unexpected("want a name")
		}
		if err := p.need("="); err != nil {
			return err
		}
		value, err := p.expression()
		if err != nil {
			return err
		}
		out = append(out, name.text+"="+value)
	}
	if len(out) == 0 {
		out = []string{fnScope + "=1"}
	}
	t.emit("{% with ", strings.Join(out, ","), " %}")
	return t.begin("with", line, "{% endwith %}", false)
}
