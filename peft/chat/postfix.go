package chat

import "slices"

// mostLinks bounds what is attached to one value, and the branches of one if.
const mostLinks = 500

// postfix reads what is attached to a value: .name, [key], [from:to] and (arguments). first is the token that the value
// ended with.
func (p *exprParser) postfix(value string, first token) (string, error) {
	bare := first.kind == nameToken // a plain name, whose call is the library's matter: a macro, caller or a function
	for links := 0; ; links++ {
		if links > mostLinks {
			return "", p.unexpected("too many names and subscripts behind one value")
		}
		var err error
		switch {
		case p.take("."):
			t := p.next()
			if t.kind != nameToken && t.kind != numToken {
				p.pos--
				return "", p.unexpected("want a name")
			}
			if p.is("(") {
				p.pos++
				args, err := p.arguments()
				if err != nil {
					return "", err
				}
				value = call(fnMethod, append([]string{value, literal(t.text)}, args...)...)
			} else if t.kind == numToken {
				value = call(fnItem, value, t.text)
			} else {
				value = call(fnAttr, value, literal(t.text))
			}
		case p.take("["):
			value, err = p.subscript(value)
		case p.take("("):
			var args []string
			if args, err = p.arguments(); err == nil && bare {
				value = call(value, args...)
			} else if err == nil {
				value = call(fnCall, append([]string{value}, args...)...)
			}
		default:
			return value, nil
		}
		if err != nil {
			return "", err
		}
		bare = false
	}
}

// subscript reads a key or a slice up to the closing bracket.
func (p *exprParser) subscript(value string) (string, error) {
	parts := []string{"none", "none", "none"}
	n, isSlice := 0, false
	for !p.is("]") {
		if p.take(":") {
			isSlice = true
			if n++; n > 2 {
				return "", p.unexpected("a slice has three parts at most")
			}
			continue
		}
		part, err := p.expression()
		if err != nil {
			return "", err
		}
		parts[n] = part
		if !p.is(":") && !p.is("]") {
			return "", p.unexpected("want ]")
		}
	}
	p.pos++
	switch {
	case isSlice:
		return call(fnSlice, append([]string{value}, parts...)...), nil
	case parts[0] == "none":
		return call(fnItem, value, "none"), nil
	default:
		return call(fnItem, value, parts[0]), nil
	}
}

// arguments reads positional and named arguments up to the closing bracket.
func (p *exprParser) arguments() ([]string, error) {
	var args []string
	named := false
	for !p.take(")") {
		if len(args) > 0 {
			if err := p.need(","); err != nil {
				return nil, err
			}
			if p.take(")") {
				break
			}
		}
		name := ""
		if t := p.peek(); t.kind == nameToken && p.pos+1 < len(p.tokens) && p.tokens[p.pos+1].text == "=" && p.tokens[p.pos+1].kind == signToken {
			name, named = t.text+"=", true
			p.pos += 2
		} else if named {
			return nil, p.unexpected("a named argument must follow")
		}
		value, err := p.expression()
		if err != nil {
			return nil, err
		}
		args = append(args, name+value)
	}
	return args, nil
}

// filters reads |filter, is test and (arguments) behind a value.
func (p *exprParser) filters(value string) (string, error) {
	for {
		var err error
		switch {
		case p.take("|"):
			value, err = p.filter(value)
		case p.take("is"):
			value, err = p.test(value)
		case p.take("("):
			var args []string
			if args, err = p.arguments(); err == nil {
				value = call(fnCall, append([]string{value}, args...)...)
			}
		default:
			return value, nil
		}
		if err != nil {
			return "", err
		}
	}
}

func (p *exprParser) filter(value string) (string, error) {
	t := p.next()
	if t.kind != nameToken {
		p.pos--
		return "", p.unexpected("want the name of a filter")
	}
	var args []string
	if p.take("(") {
		var err error
		if args, err = p.arguments(); err != nil {
			return "", err
		}
	}
	return call(fnFilter, append([]string{literal(t.text), value}, args...)...), nil
}

func (p *exprParser) test(value string) (string, error) {
	negated := p.take("not")
	t := p.next()
	if t.kind != nameToken {
		p.pos--
		return "", p.unexpected("want the name of a test")
	}
	args := []string{literal(t.text), value}
	next := p.peek()
	switch {
	case p.take("("):
		more, err := p.arguments()
		if err != nil {
			return "", err
		}
		args = append(args, more...)
	case next.kind == textToken, next.kind == numToken, p.is("["), p.is("{"),
		next.kind == nameToken && !slices.Contains([]string{"else", "or", "and", "is", "if", "not", "in", "recursive"}, next.text):
		more, err := p.primary()
		if err == nil {
			more, err = p.postfix(more, p.tokens[p.pos-1])
		}
		if err != nil {
			return "", err
		}
		args = append(args, more)
	}
	value = call(fnTest, args...)
	if negated {
		value = "(not " + value + ")"
	}
	return value, nil
}
