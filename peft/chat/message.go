package chat

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mitsuhiko/minijinja/minijinja-go/v2/value"
)

// Roles of messages.
const (
	System    = "system"
	User      = "user"
	Assistant = "assistant"
	Tool      = "tool"
)

// Message is one turn of a conversation.
type Message struct {
	Role    string
	Content string // its text; parts are joined by line breaks
	Trained bool   // an assistant's turn whose weight is not 0
	fields  *dict  // what a template sees
}

// NewMessage is a turn that is text alone.
func NewMessage(role, content string) Message {
	m := Message{Role: role, Content: content, Trained: role == Assistant, fields: newDict()}
	m.fields.set("role", value.FromString(role))
	m.fields.set("content", value.FromString(content))
	return m
}

// Conversation is a list of turns, and the tools the assistant may call.
type Conversation struct {
	Messages []Message
	Tools    value.Value // a list, or None
}

// NewConversation is a conversation without tools.
func NewConversation(messages ...Message) *Conversation {
	return &Conversation{Messages: messages, Tools: value.None()}
}

// ParseMessages reads OpenAI's messages, and tools where there are any (nil for none). The error says what is wrong,
// for a caller that knows the file and line.
func ParseMessages(messages, tools []byte) (*Conversation, error) {
	list, err := parseMessageList("messages", messages)
	if err != nil {
		return nil, err
	}
	c := &Conversation{}
	for i, fields := range list {
		m, err := parseMessage(fields)
		if err != nil {
			return nil, fmt.Errorf("messages[%d]: %w", i, err)
		}
		c.Messages = append(c.Messages, m)
	}
	if c.Tools, err = parseTools(tools); err != nil {
		return nil, err
	}
	return c, c.check("messages")
}

// parseMessageList reads a list of objects that is not empty.
func parseMessageList(name string, text []byte) ([]*dict, error) {
	v, err := ParseJSON(text)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", name, err)
	}
	items, ok := v.AsSlice()
	if !ok {
		return nil, fmt.Errorf("%q is %s, not a list of messages", name, kindName(v))
	}
	if len(items) == 0 {
		return nil, fmt.Errorf("%q is empty", name)
	}
	out := make([]*dict, len(items))
	for i, item := range items {
		if out[i], ok = asDict(item); !ok {
			return nil, fmt.Errorf("%s[%d] is %s, not an object", name, i, kindName(item))
		}
	}
	return out, nil
}

// check refuses a conversation without an answer to learn from.
func (c *Conversation) check(name string) error {
	for _, m := range c.Messages {
		if m.Role == Assistant {
			return nil
		}
	}
	return fmt.Errorf("%q has no assistant turn", name)
}

func parseMessage(d *dict) (Message, error) {
	m := Message{fields: newDict()}
	var err error
	if m.Role, err = textField(d, "role"); err != nil {
		return m, err
	}
	switch m.Role {
	case System, User, Assistant, Tool:
	default:
		return m, fmt.Errorf("the role %s is unknown; it is system, user, assistant or tool", shortQuote(m.Role))
	}
	calls := d.GetAttr("tool_calls")
	if m.Content, err = content(d, m.Role, calls.IsTrue()); err != nil {
		return m, err
	}
	if m.Trained, err = weight(d, m.Role); err != nil {
		return m, err
	}
	for _, key := range d.keys {
		v := d.values[key]
		switch {
		case key == "weight":
			continue
		case key == "content" && isList(v):
			v = value.FromString(m.Content)
		case key == "tool_calls" && !v.IsNone():
			if v, err = toolCalls(v); err != nil {
				return m, err
			}
		}
		m.fields.set(key, v)
	}
	reasoning(m.fields)
	return m, nil
}

// reasoning gives an answer's reasoning the names under which templates look for it, as transformers does.
func reasoning(d *dict) {
	for _, name := range []string{"reasoning_content", "thinking", "reasoning"} {
		if v, ok := d.values[name]; ok && !v.IsNone() {
			d.set("reasoning_content", v)
			if _, ok := d.values["thinking"]; !ok {
				d.set("thinking", v)
			}
			return
		}
	}
}

func textField(d *dict, name string) (string, error) {
	v, ok := d.values[name]
	if !ok {
		return "", fmt.Errorf("no field %q", name)
	}
	s, ok := v.AsString()
	switch {
	case !ok:
		return "", fmt.Errorf("%q is %s, not a string", name, jsonName(v))
	case strings.IndexByte(s, 0) >= 0:
		return "", fmt.Errorf("%q holds a NUL character, which is no text", name)
	}
	return s, nil
}

// content is the text of a message. An assistant that calls tools may have none; a system or tool message may be empty.
func content(d *dict, role string, calls bool) (string, error) {
	v, ok := d.values["content"]
	if role == Assistant && calls && (!ok || v.IsNone()) {
		return "", nil
	}
	s := ""
	if parts, isParts := v.AsSlice(); ok && isParts {
		texts := make([]string, len(parts))
		for i, part := range parts {
			text, err := contentPart(part)
			if err != nil {
				return "", fmt.Errorf("content[%d]: %w", i, err)
			}
			texts[i] = text
		}
		s = strings.Join(texts, "\n")
	} else {
		var err error
		if s, err = textField(d, "content"); err != nil {
			return "", err
		}
	}
	if s == "" && !calls && (role == User || role == Assistant) {
		return "", errors.New(`"content" is empty`)
	}
	return s, nil
}

func contentPart(v value.Value) (string, error) {
	d, ok := asDict(v)
	if !ok {
		return "", fmt.Errorf("%s, not an object with type and text", jsonName(v))
	}
	kind, err := textField(d, "type")
	if err != nil {
		return "", err
	}
	if kind != "text" {
		return "", fmt.Errorf("a part of the type %s; graft trains on text parts alone", shortQuote(kind))
	}
	return textField(d, "text")
}

// weight tells whether a message is trained.
func weight(d *dict, role string) (bool, error) {
	v, ok := d.values["weight"]
	if !ok || v.IsNone() {
		return role == Assistant, nil
	}
	f, isNumber := v.AsFloat()
	if !isNumber || f != 0 && f != 1 {
		return false, errors.New(`"weight" is neither 0 nor 1`)
	}
	return role == Assistant && f == 1, nil
}

// toolCalls makes the arguments of calls objects where they are written as JSON in a string, since that is what
// templates take.
func toolCalls(v value.Value) (value.Value, error) {
	calls, ok := v.AsSlice()
	if !ok {
		return v, fmt.Errorf(`"tool_calls" is %s, not a list`, jsonName(v))
	}
	out := make([]value.Value, len(calls))
	for i, c := range calls {
		d, ok := asDict(c)
		if !ok {
			return v, fmt.Errorf("tool_calls[%d] is %s, not an object", i, jsonName(c))
		}
		call := openArguments(d)
		if f, ok := asDict(call.GetAttr("function")); ok {
			call.set("function", value.FromObject(openArguments(f)))
		}
		out[i] = value.FromObject(call)
	}
	return value.FromSlice(out), nil
}

func openArguments(d *dict) *dict {
	out := newDict()
	for _, key := range d.keys {
		v := d.values[key]
		if text, ok := v.AsString(); ok && key == "arguments" {
			if parsed, err := ParseJSON([]byte(text)); err == nil && isDict(parsed) {
				v = parsed
			}
		}
		out.set(key, v)
	}
	return out
}

// parseTools reads a list of tools, or a string that holds one as JSON. A bare function is put into {"type": "function"},
// the form that templates take. An empty list is none.
func parseTools(text []byte) (value.Value, error) {
	if len(text) == 0 {
		return value.None(), nil
	}
	v, err := ParseJSON(text)
	if s, ok := v.AsString(); ok && err == nil {
		if strings.TrimSpace(s) == "" {
			return value.None(), nil
		}
		if v, err = ParseJSON([]byte(s)); err != nil {
			return value.None(), errors.New(`"tools" is a string that holds no JSON`)
		}
	}
	if err != nil {
		return value.None(), fmt.Errorf(`"tools": %w`, err)
	}
	items, ok := v.AsSlice()
	switch {
	case v.IsNone() || ok && len(items) == 0:
		return value.None(), nil
	case !ok:
		return value.None(), fmt.Errorf(`"tools" is %s, not a list`, jsonName(v))
	}
	out := make([]value.Value, len(items))
	for i, item := range items {
		d, ok := asDict(item)
		if !ok {
			return value.None(), fmt.Errorf("tools[%d] is %s, not an object", i, jsonName(item))
		}
		if d.GetAttr("function").IsUndefined() && !d.GetAttr("name").IsUndefined() {
			wrapped := newDict()
			wrapped.set("type", value.FromString("function"))
			wrapped.set("function", item)
			item = value.FromObject(wrapped)
		}
		out[i] = item
	}
	return value.FromSlice(out), nil
}

// jsonName names the kind of a JSON value.
func jsonName(v value.Value) string {
	if v.IsNone() {
		return "null"
	}
	if isDict(v) {
		return "an object"
	}
	return kindName(v)
}

func shortQuote(s string) string {
	const most = 40
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
