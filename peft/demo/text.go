package demo

import (
	"math/rand/v2"
	"strings"
)

// Marks of a conversation, each one token of the model.
const (
	MarkUser      = "<|user|>"
	MarkAssistant = "<|assistant|>"
	MarkEnd       = "<|end|>"
)

// ChatTemplate is the model's own (Jinja). What a user says begins with a space, so that its first word is the same token as in the
// middle of a sentence; an answer has none, so that it can be JSON.
const ChatTemplate = `{{ bos_token }}{% for message in messages %}{% if message['role'] == 'assistant' %}` + MarkAssistant +
	`{{ message['content'] }}` + MarkEnd + `{% else %}` + MarkUser + ` {{ message['content'] }}` + MarkEnd +
	`{% endif %}{% endfor %}{% if add_generation_prompt %}` + MarkAssistant + `{% endif %}`

// Text writes n pieces of pretraining text, drawn by the seed: stories, conversations in the form of ChatTemplate, words to copy,
// questions whose answer stands before them, and JSON objects of other shapes than the household task's.
func Text(n int, seed uint64) []string {
	const stream = 0x74657874 // "text"
	g := newGrammar(rand.New(rand.NewPCG(seed, stream)), wordLists())
	kinds := patterns()
	texts := make([]string, n)
	for i := range texts {
		kind := kinds[g.rng.IntN(len(kinds))]
		texts[i] = conversation(g.write(kind[g.rng.IntN(len(kind))], nil))
	}
	return texts
}

// conversation replaces "> " and "< " at the beginning of a line by the marks of a chat; a text without them stays as it is.
func conversation(text string) string {
	if !strings.HasPrefix(text, "> ") {
		return text
	}
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		mark := MarkUser + " "
		rest, isUser := strings.CutPrefix(line, "> ")
		if !isUser {
			mark, rest = MarkAssistant, strings.TrimPrefix(line, "< ")
		}
		b.WriteString(mark + rest + MarkEnd)
	}
	return b.String()
}
