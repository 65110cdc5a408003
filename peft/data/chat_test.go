package data

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/peft/chat"
)

// A template with a header, an end of each turn, and BOS.
const headed = `{{ bos_token }}{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}[{{ m.role }}]{{ m.content }}{% if m.tool_calls %}{{ m.tool_calls | tojson }}{% endif %}` +
	`{{ eos_token if m.role == 'assistant' else ';' }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}`

// written makes a ChatTemplate of a Jinja text, or of a name.
func written(t testing.TB, source, name string) ChatTemplate {
	return func() (*chat.Choice, error) {
		return chat.Choose(name, chat.Model{Vocabulary: byteTokenizer{}, Template: source, Path: "model.gguf", AddBOS: true,
			Settings: chat.Settings{BOS: "<s>", EOS: "</s>"}})
	}
}

// marked shows a row with its labels in brackets.
func marked(r Row) string {
	var b strings.Builder
	inside := false
	for i, id := range r.Tokens {
		if on := r.Labels[i] != NoLabel; on != inside {
			b.WriteString(map[bool]string{true: "{", false: "}"}[on])
			inside = on
		}
		b.WriteString(byteTokenizer{}.Text(id))
	}
	if inside {
		b.WriteString("}")
	}
	return b.String()
}

func TestConversations(t *testing.T) {
	fields := map[string]string{"prompt": "question", "completion": "answer"}
	for _, c := range []struct {
		name, content string
		template      string // a name; "" is headed
		o             Options
		want          string
	}{
		{"messages", `{"messages":[{"role":"system","content":"s"},{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}`, "", Options{},
			"<s>[system]s;[user]q;[assistant]{a</s>}"},
		{"several answers", `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"},{"role":"user","content":"r"},{"role":"assistant","content":"b"}]}`, "", Options{},
			"<s>[user]q;[assistant]{a</s>}[user]r;[assistant]{b</s>}"},
		{"weights", `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a","weight":0},{"role":"user","content":"r"},{"role":"assistant","content":"b","weight":1}]}`, "", Options{},
			"<s>[user]q;[assistant]a</s>[user]r;[assistant]{b</s>}"},
		{"a question at the end", `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"},{"role":"user","content":"r"}]}`, "", Options{},
			"<s>[user]q;[assistant]{a</s>}[user]r;"},
		{"parts of text", `{"messages":[{"role":"user","content":[{"type":"text","text":"q"},{"type":"text","text":"r"}]},{"role":"assistant","content":"a"}]}`, "", Options{},
			"<s>[user]q\nr;[assistant]{a</s>}"},
		{"an empty system message", `{"messages":[{"role":"system","content":""},{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}`, "", Options{},
			"<s>[system];[user]q;[assistant]{a</s>}"},
		{"loss on all", `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}`, "", Options{LossAll: true},
			"{<s>[user]q;[assistant]a</s>}"},
		{"tool calls and tools", `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":"{\"b\":1,\"a\":2}"}}]},{"role":"tool","content":"5"},{"role":"assistant","content":"a"}],"tools":[{"name":"f"}]}`, "", Options{},
			`<s>[{"type": "function", "function": {"name": "f"}}][user]q;[assistant]{[{"function": {"name": "f", "arguments": {"b": 1, "a": 2}}}]</s>}[tool]5;[assistant]{a</s>}`},
		{"ShareGPT", `{"conversations":[{"from":"human","value":"q"},{"from":"gpt","value":"a"}],"system":"s","tools":"[]"}`, "", Options{},
			"<s>[system]s;[user]q;[assistant]{a</s>}"},
		{"ShareGPT with a call", `{"conversations":[{"from":"human","value":"q"},{"from":"function_call","value":"{\"name\":\"f\",\"arguments\":{\"x\":1}}"},{"from":"observation","value":"5"},{"from":"gpt","value":"a"}]}`, "", Options{},
			`<s>[user]q;[assistant]{[{"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}]</s>}[tool]5;[assistant]{a</s>}`},
		{"ShareGPT with a call, plain template", `{"conversations":[{"from":"human","value":"q"},{"from":"function_call","value":"{\"name\":\"f\",\"arguments\":{}}"},{"from":"observation","value":"5"},{"from":"gpt","value":"a"}]}`, "plain", Options{},
			"<s>User: q\nAssistant:{ {\"name\":\"f\",\"arguments\":{}}</s>}\nTool: 5\nAssistant:{ a</s>}"},
		{"Alpaca", `{"instruction":"do","input":"x","output":"a"}`, "", Options{}, "<s>[user]do\nx;[assistant]{a</s>}"},
		{"Alpaca without an input", `{"instruction":"do","input":"","output":"a"}`, "", Options{}, "<s>[user]do;[assistant]{a</s>}"},
		{"Alpaca by format, without the field input", `{"instruction":"do","output":"a","text":"x","messages":[]}`, "", Options{Format: FormatAlpaca}, "<s>[user]do;[assistant]{a</s>}"},
		{"prompt and completion", `{"prompt":"q","completion":"a"}`, "", Options{}, "<s>[user]q;[assistant]{a</s>}"},
		{"other names", `{"question":"q","answer":"a"}`, "", Options{Fields: fields}, "<s>[user]q;[assistant]{a</s>}"},
		{"no template", `{"prompt":"q","completion":"a"}`, "none", Options{}, "<s>q{a</s>}"},
		{"no template, an empty prompt", `{"prompt":"","completion":"a"}`, "none", Options{}, "<s>{a</s>}"},
		{"no template, EOS not doubled", `{"prompt":"<s>q","completion":"a</s>"}`, "none", Options{}, "<s>q{a</s>}"},
		{"no template, Alpaca", `{"instruction":"do","input":"x","output":"a"}`, "none", Options{}, "<s>do\nx{a</s>}"},
		{"no template, loss on all", `{"prompt":"q","completion":"a"}`, "none", Options{LossAll: true}, "{<s>qa</s>}"},
		{"plain", `{"messages":[{"role":"system","content":"s"},{"role":"user","content":"q"},{"role":"assistant","content":"a"},{"role":"user","content":"r"},{"role":"assistant","content":"b"}]}`, "plain", Options{},
			"<s>s\nUser: q\nAssistant:{ a</s>}\nUser: r\nAssistant:{ b</s>}"},
		{"alpaca template", `{"prompt":"q","completion":"a"}`, "alpaca", Options{}, "<s>### Instruction:\nq\n\n### Response:\n{a</s>}"},
		{"llama2 template", `{"messages":[{"role":"system","content":"s"},{"role":"user","content":" q "},{"role":"assistant","content":"a "},{"role":"user","content":"r"},{"role":"assistant","content":"b"}]}`, "llama2", Options{},
			"<s>[INST] <<SYS>>\ns\n<</SYS>>\n\n q [/INST]{ a </s>}<s>[INST] r [/INST]{ b </s>}"},
		{"mistral template", `{"prompt":"q","completion":"a"}`, "mistral", Options{}, "<s>[INST] q [/INST]{ a</s>}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			source := headed
			if c.template != "" {
				source = ""
			}
			c.o.Chat, c.o.Ctx = written(t, source, c.template), 1000
			s, err := Read([]string{write(t, "a.jsonl", c.content)}, byteTokenizer{addBOS: true}, c.o)
			require.NoError(t, err)
			require.Len(t, s.Rows, 1)
			require.Empty(t, s.Warnings)
			require.Equal(t, c.want, marked(s.Rows[0]))
		})
	}
}

func TestConversationFaults(t *testing.T) {
	ok := `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]}` + "\n"
	share := `{"conversations":[{"from":"human","value":"q"},{"from":"gpt","value":"a"}]}` + "\n"
	for _, c := range []struct{ name, content, reason string }{
		{"unknown role", ok + `{"messages":[{"role":"alien","content":"q"},{"role":"assistant","content":"a"}]}`, `messages[0]: the role "alien" is unknown`},
		{"no role", ok + `{"messages":[{"content":"q"},{"role":"assistant","content":"a"}]}`, `messages[0]: no field "role"`},
		{"a role that is a number", ok + `{"messages":[{"role":1,"content":"q"}]}`, `"role" is a number`},
		{"no assistant", ok + `{"messages":[{"role":"user","content":"q"}]}`, "no assistant turn"},
		{"no messages", ok + `{"messages":[]}`, "is empty"},
		{"messages are a string", ok + `{"messages":"q"}`, "a string, not a list"},
		{"a message is a list", ok + `{"messages":[[]]}`, "messages[0] is a list"},
		{"no content", ok + `{"messages":[{"role":"user"},{"role":"assistant","content":"a"}]}`, `messages[0]: no field "content"`},
		{"null content", ok + `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":null}]}`, `messages[1]: "content" is null`},
		{"empty content", ok + `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":""}]}`, `messages[1]: "content" is empty`},
		{"content is an object", ok + `{"messages":[{"role":"user","content":{}},{"role":"assistant","content":"a"}]}`, "an object, not a string"},
		{"an image", ok + `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]},{"role":"assistant","content":"a"}]}`, `content[0]: a part of the type "image_url"`},
		{"a weight of 2", ok + `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a","weight":2}]}`, `"weight" is neither 0 nor 1`},
		{"a weight that is a string", ok + `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a","weight":"1"}]}`, `"weight"`},
		{"tools that are a number", ok + `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],"tools":5}`, `"tools" is a number`},
		{"half a surrogate pair", ok + `{"messages":[{"role":"user","content":"\ud83d"},{"role":"assistant","content":"a"}]}`, "surrogate"},
		{"NUL", ok + `{"messages":[{"role":"user","content":"\u0000"},{"role":"assistant","content":"a"}]}`, "NUL"},
		{"another format", ok + `{"prompt":"q","completion":"a"}`, "format prompt_completion, but the first row of the file has the format messages"},
		{"ShareGPT: unknown from", share + `{"conversations":[{"from":"alien","value":"q"},{"from":"gpt","value":"a"}]}`, `conversations[0]: from "alien" is unknown`},
		{"ShareGPT: no value", share + `{"conversations":[{"from":"human"},{"from":"gpt","value":"a"}]}`, `no field "value"`},
		{"ShareGPT: empty value", share + `{"conversations":[{"from":"human","value":"q"},{"from":"gpt","value":""}]}`, `"value" is empty`},
		{"ShareGPT: no answer", share + `{"conversations":[{"from":"human","value":"q"}]}`, "no assistant turn"},
		{"ShareGPT: two system messages", share + `{"conversations":[{"from":"system","value":"q"},{"from":"gpt","value":"a"}],"system":"s"}`, "too"},
		{"completion is null", `{"prompt":"q","completion":"a"}` + "\n" + `{"prompt":"q","completion":null}`, `"completion" is null`},
		{"completion is empty", `{"prompt":"q","completion":"a"}` + "\n" + `{"prompt":"q","completion":""}`, `"completion" is empty`},
		{"prompt is empty", `{"prompt":"q","completion":"a"}` + "\n" + `{"prompt":"","completion":"a"}`, `"prompt" is empty`},
		{"prompt is a list", `{"prompt":"q","completion":"a"}` + "\n" + `{"prompt":[],"completion":"a"}`, `"prompt" is a list`},
		{"instruction is empty", `{"instruction":"q","output":"a"}` + "\n" + `{"instruction":"","output":"a"}`, `"instruction" is empty`},
		{"input is a number", `{"instruction":"q","output":"a"}` + "\n" + `{"instruction":"q","input":5,"output":"a"}`, `"input" is a number`},
		{"the template refuses the row", ok + `{"messages":[{"role":"user","content":"q"},{"role":"user","content":"stop"},{"role":"assistant","content":"a"}]}`, "the chat template (tokenizer.chat_template of model.gguf) cannot render it: not this"},
	} {
		t.Run(c.name, func(t *testing.T) {
			source := `{% if messages[1] and messages[1].content == 'stop' %}{{ raise_exception('not this') }}{% endif %}` + headed
			path := write(t, "a.jsonl", c.content)
			o := Options{Ctx: 1000, Chat: written(t, source, "")}
			_, err := Read([]string{path}, byteTokenizer{}, o)
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, 2, e.Line)
			require.Contains(t, e.Error(), c.reason)
			require.Less(t, len(e.Error()), 1400)
			o.SkipBad = true
			s, err := Read([]string{path}, byteTokenizer{}, o)
			require.NoError(t, err)
			require.Equal(t, 1, s.RowsBad)
		})
	}
	t.Run("messages without a template", func(t *testing.T) {
		_, err := Read([]string{write(t, "a.jsonl", ok)}, byteTokenizer{}, Options{SkipBad: true, Chat: written(t, "", "none")})
		require.ErrorContains(t, err, "a.jsonl:1: a conversation needs a chat template; leave --chat-template none out")
	})
	t.Run("a template that cannot be read", func(t *testing.T) {
		_, err := Read([]string{write(t, "a.jsonl", ok)}, byteTokenizer{}, Options{Chat: written(t, "{% if %}", "")})
		require.EqualError(t, err, "chat template: tokenizer.chat_template of model.gguf: line 1: the tag ends too early; want a value; choose another with --chat-template NAME|FILE")
	})
	t.Run("a template that is not needed", func(t *testing.T) {
		_, err := Read([]string{write(t, "a.jsonl", `{"text":"ab"}`)}, byteTokenizer{}, Options{Ctx: 8, Chat: written(t, "{% if %}", "")})
		require.NoError(t, err)
	})
}

// Templates that write earlier turns otherwise once others follow.
func TestOnlyTheLastAnswer(t *testing.T) {
	// As Qwen3 and DeepSeek-R1 do, thoughts of earlier answers are left out, and the generation prompt opens a thought.
	thinking := `{% for m in messages %}{{ m.role[0] }}:{% if m.role == 'assistant' and not loop.last %}{{ m.content.split('</think>')[-1] }}{% else %}{{ m.content }}{% endif %}` +
		`{{ eos_token }}{% endfor %}{% if add_generation_prompt %}a:<think>{% endif %}`
	row := `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"<think>x</think>a"},{"role":"user","content":"r"},{"role":"assistant","content":"<think>y</think>b"}]}` + "\n"
	plain := strings.ReplaceAll(strings.ReplaceAll(row, "<think>x</think>", ""), "<think>y</think>", "")
	s, err := Read([]string{write(t, "a.jsonl", row+row+plain)}, byteTokenizer{}, Options{Ctx: 1000, Chat: written(t, thinking, "")})
	require.NoError(t, err)
	require.Len(t, s.Warnings, 1, "said once")
	require.Contains(t, s.Warnings[0], "only the last answer")
	require.Equal(t, "u:q</s>a:a</s>u:r</s>a:<think>{y</think>b</s>}", marked(s.Rows[0]))
	require.Equal(t, "u:q</s>a:a</s>u:r</s>a:{b</s>}", marked(s.Rows[2]))
}

func TestTemplateThatNeverEndsATurn(t *testing.T) {
	source := `{% for m in messages %}{{ m.content }};{% endfor %}`
	s, err := Read([]string{write(t, "a.jsonl", `{"prompt":"q","completion":"a"}`)}, byteTokenizer{}, Options{Ctx: 100, Chat: written(t, source, "")})
	require.NoError(t, err)
	require.Equal(t, "q;{a;}", marked(s.Rows[0]))
	require.Len(t, s.Warnings, 1)
	require.Contains(t, s.Warnings[0], "--chat-template")
}

// FuzzConversations: no row panics, and what is accepted obeys the rules of rows.
func FuzzConversations(f *testing.F) {
	for _, seed := range []string{
		`{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a","weight":0.0}],"tools":[{}]}`,
		`{"messages":[{"role":"assistant","content":null,"tool_calls":[{"function":{"arguments":"{}"}}]}]}`,
		`{"conversations":[{"from":"gpt","value":"<s>\u2581</s>"}],"system":null}`, `{"instruction":"a","output":"b","input":null}`,
		`{"prompt":"<","completion":"/s>"}`, `{"messages":[{"role":"user","content":[{"type":"text","text":""}]}]}`, `{"messages":[[[[[]]]]]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		for _, name := range []string{"", "none"} {
			s, err := Read([]string{write(t, "a.jsonl", content)}, byteTokenizer{addBOS: true}, Options{Ctx: 64, Chat: written(t, headed, name)})
			if err != nil {
				require.Less(t, len(err.Error()), 1400)
				continue
			}
			for _, r := range s.Rows {
				require.Len(t, r.Labels, len(r.Tokens))
				for i, label := range r.Labels {
					require.True(t, label == NoLabel || label == r.Tokens[i])
				}
			}
		}
	})
}
