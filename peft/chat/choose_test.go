package chat

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/peft"
)

// spelled is a vocabulary of bytes and of some special tokens; 0 ends a generation.
type spelled struct{ special []string }

func (v spelled) Tokenize(text string, _, _ bool) ([]int32, error) {
	var out []int32
next:
	for text != "" {
		for i, s := range v.special {
			if strings.HasPrefix(text, s) {
				out, text = append(out, int32(i)), text[len(s):]
				continue next
			}
		}
		out, text = append(out, 1000+int32(text[0])), text[1:]
	}
	return out, nil
}
func (v spelled) Text(id int32) string {
	if id < 1000 {
		return v.special[id]
	}
	return string([]byte{byte(id - 1000)})
}
func (v spelled) Piece(id int32) []byte {
	if id < 1000 {
		return nil
	}
	return []byte{byte(id - 1000)}
}
func (v spelled) IsEOG(id int32) bool { return id == 0 }

func TestChoose(t *testing.T) {
	bare := spelled{[]string{"</s>", "<s>"}}
	marks := spelled{[]string{"</s>", "<s>", "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|user|>", "<|assistant|>"}}
	file := filepath.Join(t.TempDir(), "my.jinja")
	require.NoError(t, os.WriteFile(file, []byte("\ufeff{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}"), 0o600))
	ends := Settings{BOS: "<s>", EOS: "</s>"}
	const two = "<s>a</s>" // what the model's own template renders
	for _, c := range []struct {
		name, choice, own string
		vocabulary        spelled
		settings          Settings
		addBOS            bool
		want, fault       string
		marked            int
	}{
		{"the model's own", "", "{{ bos_token }}{{ messages[1].content }}{{ eos_token }}", bare, ends, true, two, "", 0},
		{"the model's own with markers that are no tokens", "", "{% for m in messages %}<|u|>{% endfor %}", bare, ends, true, "<|u|><|u|>", "", 0},
		{"none of its own", "", " ", bare, ends, true, "<s>User: q\nAssistant: a</s>", "", 0},
		{"plain without BOS", "plain", "x", bare, ends, false, "User: q\nAssistant: a</s>", "", 0},
		{"chatml", "chatml", "x", marks, ends, false, "<|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n", "", 2},
		{"chatml with BOS", "chatml", "x", marks, ends, true, "<s><|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\na<|im_end|>\n", "", 2},
		{"llama3", "llama3", "x", marks, ends, true, "<s><|start_header_id|>user<|end_header_id|>\n\nq<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\na<|eot_id|>", "", 3},
		{"llama2", "llama2", "", bare, ends, true, "<s>[INST] q [/INST] a </s>", "", 0},
		{"mistral", "mistral", "", bare, ends, true, "<s>[INST] q [/INST] a</s>", "", 0},
		{"zephyr", "zephyr", "", marks, ends, false, "<|user|>\nq</s>\n<|assistant|>\na</s>\n", "", 2},
		{"alpaca", "alpaca", "", bare, ends, false, "### Instruction:\nq\n\n### Response:\na</s>", "", 0},
		{"a file", file, "x", marks, ends, false, "q<|im_end|>a<|im_end|>", "", 1},
		{"none", "none", "x", bare, ends, false, "", "", 0},
		{"chatml without its tokens", "chatml", "x", bare, ends, false, "", "<|im_start|> is no single token", 0},
		{"a file without its tokens", file, "x", bare, ends, false, "", "<|im_end|> is no single token", 0},
		{"plain without EOS", "plain", "", bare, Settings{BOS: "<s>"}, false, "", "needs an EOS token", 0},
		{"llama2 without BOS", "llama2", "", bare, Settings{EOS: "</s>"}, false, "", "needs a BOS token", 0},
		{"no such name", "lama3", "", bare, ends, false, "", "did you mean llama3?", 0},
		{"a folder", t.TempDir(), "", bare, ends, false, "", "no regular file", 0},
		{"the model's own is broken", "", "{{ messages[ }}", bare, ends, false, "", "tokenizer.chat_template of model.gguf: line 1", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			choice, err := Choose(c.choice, Model{Vocabulary: c.vocabulary, Template: c.own, Path: "model.gguf", AddBOS: c.addBOS, Settings: c.settings})
			if c.fault != "" {
				require.ErrorContains(t, err, c.fault)
				require.True(t, errors.Is(err, peft.ErrInput))
				return
			}
			require.NoError(t, err)
			require.Equal(t, strings.TrimSpace(c.own) == "" && c.choice == "", choice.Note != "")
			require.Len(t, choice.Marked, c.marked)
			if c.choice == None {
				require.Nil(t, choice.Template)
				return
			}
			turns := NewConversation(NewMessage(User, "q"), NewMessage(Assistant, "a"))
			got, err := choice.Render(turns, 2, false, choice.Settings)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			if c.choice == "" && c.own != " " {
				return
			}
			e, err := choice.Encode(turns, choice.Settings, c.vocabulary)
			require.NoError(t, err)
			require.False(t, e.Last, "the beginning of an answer is a prefix of the answer")
		})
	}
}

// A built-in template refuses calls of tools instead of losing them.
func TestBuiltinsRefuseCalls(t *testing.T) {
	c, err := ParseMessages([]byte(`[{"role":"user","content":"q"},{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f"}}]}]`), nil)
	require.NoError(t, err)
	for _, b := range builtins() {
		tmpl, err := Compile(b.source, b.name)
		require.NoError(t, err)
		_, err = tmpl.Render(c, 2, false, Settings{BOS: "<s>", EOS: "</s>"})
		require.ErrorContains(t, err, "no form for tool calls", b.name)
	}
}
