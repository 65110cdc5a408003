package chat

import (
	"fmt"
	"strings"

	"github.com/mitsuhiko/minijinja/minijinja-go/v2/value"
)

// shareRoles are the names that ShareGPT data has for roles.
func shareRoles() map[string]string {
	return map[string]string{
		"human": User, "user": User, "prompter": User,
		"gpt": Assistant, "assistant": Assistant, "chatgpt": Assistant, "bot": Assistant, "bing": Assistant, "bard": Assistant, "model": Assistant,
		"system":        System,
		"function_call": callRole, "function-call": callRole, "tool_call": callRole,
		"observation": Tool, "tool": Tool, "function": Tool, "function_response": Tool, "function-response": Tool, "tool_response": Tool,
	}
}

const callRole = "function_call" // an assistant's turn that calls a tool

// ParseShareGPT reads ShareGPT's conversations (from, value), and the row's system and tools (nil for none). A
// function_call is an assistant's turn: with structured, its JSON {"name", "arguments"} (or a list of these) becomes
// tool_calls, as a template that knows these takes them; else, and where it is no such JSON, it is the turn's text.
func ParseShareGPT(conversations []byte, system string, tools []byte, structured bool) (*Conversation, error) {
	list, err := parseMessageList("conversations", conversations)
	if err != nil {
		return nil, err
	}
	c := &Conversation{}
	if system != "" {
		c.Messages = append(c.Messages, NewMessage(System, system))
	}
	roles := shareRoles()
	for i, d := range list {
		m, err := shareMessage(d, roles, structured)
		if err == nil && m.Role == System && system != "" {
			err = fmt.Errorf("a system turn, though the row has a field %q too", "system")
		}
		if err != nil {
			return nil, fmt.Errorf("conversations[%d]: %w", i, err)
		}
		c.Messages = append(c.Messages, m)
	}
	if c.Tools, err = parseTools(tools); err != nil {
		return nil, err
	}
	return c, c.check("conversations")
}

func shareMessage(d *dict, roles map[string]string, structured bool) (Message, error) {
	from, err := textField(d, "from")
	if err != nil {
		return Message{}, err
	}
	role, ok := roles[strings.ToLower(from)]
	if !ok {
		return Message{}, fmt.Errorf("from %s is unknown; it is human, gpt, system, function_call or observation", shortQuote(from))
	}
	text, err := textField(d, "value")
	if err != nil {
		return Message{}, err
	}
	if text == "" && role != System && role != Tool {
		return Message{}, fmt.Errorf("%q is empty", "value")
	}
	trained, err := weight(d, Assistant)
	if err != nil {
		return Message{}, err
	}
	if role == callRole {
		m := NewMessage(Assistant, text)
		if calls, ok := shareCalls(text); ok && structured {
			m = Message{Role: Assistant, Trained: true, fields: newDict()}
			m.fields.set("role", value.FromString(Assistant))
			m.fields.set("content", value.FromString(""))
			m.fields.set("tool_calls", calls)
		}
		m.Trained = trained
		return m, nil
	}
	m := NewMessage(role, text)
	m.Trained = m.Trained && trained
	return m, nil
}

// shareCalls reads the calls of a function_call turn.
func shareCalls(text string) (value.Value, bool) {
	v, err := ParseJSON([]byte(text))
	if err != nil {
		return v, false
	}
	items, ok := v.AsSlice()
	if !ok {
		items = []value.Value{v}
	}
	out := []value.Value{}
	for _, item := range items {
		d, ok := asDict(item)
		if !ok || d.GetAttr("name").IsUndefined() || d.GetAttr("arguments").IsUndefined() {
			return v, false
		}
		call := newDict()
		call.set("type", value.FromString("function"))
		call.set("function", value.FromObject(openArguments(d)))
		out = append(out, value.FromObject(call))
	}
	return value.FromSlice(out), len(out) > 0
}
