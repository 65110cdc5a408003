package data

import (
	"errors"
	"fmt"
	"slices"

	"github.com/graft-go/graft/peft/chat"
)

// ChatTemplate returns the template by which conversations are written. It is asked once, when the first is read, so
// that a model's template need not be sound for data that has none; its error is returned as it is.
type ChatTemplate func() (*chat.Choice, error)

// templateError is a fault of the chat template, which no line of the data is to blame for.
type templateError struct{ err error }

func (e *templateError) Error() string { return e.err.Error() }

// template returns the chat template and the vocabulary.
func (r *reader) template() (*chat.Choice, chat.Vocabulary, error) {
	if err := r.needTokenizer(); err != nil {
		return nil, nil, err
	}
	v, ok := r.tok.(chat.Vocabulary)
	if !ok || r.o.Chat == nil {
		return nil, nil, &refusal{"a conversation needs a chat template, and none is given here"}
	}
	if r.chat == nil {
		c, err := r.o.Chat()
		if err != nil {
			return nil, nil, &templateError{err}
		}
		r.chat = c
		if c.Note != "" && !slices.Contains(r.set.Notes, c.Note) {
			r.set.Notes = append(r.set.Notes, c.Note)
		}
	}
	return r.chat, v, nil
}

func (s *Set) warn(text string) {
	if !slices.Contains(s.Warnings, text) {
		s.Warnings = append(s.Warnings, text)
	}
}

// field is a field's JSON without half surrogates, which the JSON reader would replace silently; nil where it is absent.
func (o object) field(name string) ([]byte, error) {
	raw, ok := o[name]
	if !ok {
		return nil, nil
	}
	if loneSurrogate(raw) {
		return nil, fmt.Errorf(`%q holds half of a surrogate pair (\ud800 … \udfff), which is no character`, name)
	}
	return raw, nil
}

// needed is field of a row that must have it.
func (o object) needed(name string) ([]byte, error) {
	if !o.has(name) {
		return nil, fmt.Errorf("no field %q, but %s", name, o.names())
	}
	return o.field(name)
}

// optional reads a field that holds a string, or null, or is absent.
func (o object) optional(name string) (string, error) {
	if raw, ok := o[name]; !ok || raw[0] == 'n' {
		return "", nil
	}
	return o.text(name)
}

// filled reads a field that holds a string which is not empty.
func (o object) filled(name string) (string, error) {
	s, err := o.text(name)
	if err == nil && s == "" {
		err = fmt.Errorf("%q is empty", name)
	}
	return s, err
}

// messagesRow is a conversation as OpenAI writes it.
func (r *reader) messagesRow(o object) (Row, error) {
	messages, err := o.needed("messages")
	if err != nil {
		return Row{}, err
	}
	tools, err := o.field("tools")
	if err != nil {
		return Row{}, err
	}
	c, err := chat.ParseMessages(messages, tools)
	if err != nil {
		return Row{}, err
	}
	return r.conversation(c)
}

// shareRow is a conversation as ShareGPT writes it.
func (r *reader) shareRow(o object) (Row, error) {
	turns, err := o.needed("conversations")
	if err != nil {
		return Row{}, err
	}
	tools, err := o.field("tools")
	if err != nil {
		return Row{}, err
	}
	system, err := o.optional("system")
	if err != nil {
		return Row{}, err
	}
	c, err := chat.ParseShareGPT(turns, system, tools, false)
	if err != nil {
		return Row{}, err
	}
	choice, _, err := r.template()
	if err != nil {
		return Row{}, err
	}
	if choice.Template != nil && choice.OwnTools() {
		if c, err = chat.ParseShareGPT(turns, system, tools, true); err != nil {
			return Row{}, err
		}
	}
	return r.conversation(c)
}

// alpacaRow is one turn each of user and assistant; an input stands behind the instruction, on a line of its own.
func (r *reader) alpacaRow(o object) (Row, error) {
	prompt, err := o.filled("instruction")
	if err != nil {
		return Row{}, err
	}
	input, err := o.optional("input")
	if err != nil {
		return Row{}, err
	}
	if input != "" {
		prompt += "\n" + input
	}
	answer, err := o.filled("output")
	if err != nil {
		return Row{}, err
	}
	return r.exchange(o, prompt, answer)
}

// promptRow is one turn each of user and assistant. Without a template the prompt may be empty.
func (r *reader) promptRow(o object) (Row, error) {
	prompt, err := o.text("prompt")
	if err != nil {
		return Row{}, err
	}
	answer, err := o.filled("completion")
	if err != nil {
		return Row{}, err
	}
	return r.exchange(o, prompt, answer)
}

// exchange is a prompt and its answer: two turns of the chat template, behind the row's system message if it has one;
// without a template, their text.
func (r *reader) exchange(o object, prompt, answer string) (Row, error) {
	system, err := o.optional("system")
	if err != nil {
		return Row{}, err
	}
	choice, v, err := r.template()
	if err != nil {
		return Row{}, err
	}
	if choice.Template == nil {
		if system != "" {
			return Row{}, &refusal{`a row with "system" needs a chat template; leave --chat-template none out`}
		}
		return r.plainExchange(prompt, answer, v)
	}
	if prompt == "" {
		return Row{}, errors.New(`"prompt" is empty`)
	}
	turns := []chat.Message{chat.NewMessage(chat.User, prompt), chat.NewMessage(chat.Assistant, answer)}
	if system != "" {
		turns = slices.Insert(turns, 0, chat.NewMessage(chat.System, system))
	}
	return r.conversation(chat.NewConversation(turns...))
}

// plainExchange is BOS where the tokenizer adds one, prompt, completion and EOS, of which completion and EOS are
// labels. Prompt and completion are tokenized as one text; a token on their border counts to the completion.
func (r *reader) plainExchange(prompt, answer string, v chat.Vocabulary) (Row, error) {
	eos, ok := r.tok.EOS()
	if !ok {
		return Row{}, &refusal{"the model's tokenizer has no EOS token to end a completion with; choose a chat template"}
	}
	text := prompt + answer
	tokens, err := v.Tokenize(text, false, true)
	if err != nil {
		return Row{}, fmt.Errorf("tokenize: %w", err)
	}
	trained, err := chat.Mark(tokens, text, len(prompt), len(text), v)
	if err != nil {
		return Row{}, err
	}
	if n := len(tokens); n == 0 || tokens[n-1] != eos {
		tokens, trained = append(tokens, eos), append(trained, true)
	}
	if len(r.set.bos) > 0 && tokens[0] != r.set.bos[0] {
		tokens, trained = append([]int32{r.set.bos[0]}, tokens...), append([]bool{false}, trained...)
	}
	return r.labelled(tokens, trained), nil
}

// conversation is a conversation written by the chat template.
func (r *reader) conversation(c *chat.Conversation) (Row, error) {
	choice, v, err := r.template()
	if err != nil {
		return Row{}, err
	}
	if choice.Template == nil {
		return Row{}, &refusal{"a conversation needs a chat template; leave --chat-template none out"}
	}
	e, err := choice.Encode(c, choice.Settings, v)
	if err != nil {
		return Row{}, fmt.Errorf("%w; --skip-bad leaves such rows out, --chat-template chooses another template", err)
	}
	if e.Last && !r.o.LossAll {
		r.set.warn("the chat template writes earlier turns otherwise once others follow, so that only the last answer of such rows is trained")
	}
	if !e.Ends && !r.o.LossAll {
		r.set.warn("the chat template ends an answer without an end-of-generation token, so that the model will not learn to stop; choose another with --chat-template")
	}
	return r.labelled(e.Tokens, e.Trained), nil
}

// labelled is a row whose trained tokens are its labels.
func (r *reader) labelled(tokens []int32, trained []bool) Row {
	if r.o.LossAll {
		return Row{Tokens: tokens, Labels: tokens}
	}
	labels := make([]int32, len(tokens))
	for i := range labels {
		if labels[i] = NoLabel; trained[i] {
			labels[i] = tokens[i]
		}
	}
	return Row{Tokens: tokens, Labels: labels}
}
