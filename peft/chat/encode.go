package chat

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mitsuhiko/minijinja/minijinja-go/v2/value"
)

// Vocabulary is what encoding needs of a model's vocabulary.
type Vocabulary interface {
	Tokenize(text string, addSpecial, parseSpecial bool) ([]int32, error)
	Text(id int32) string  // a token as the file spells it
	Piece(id int32) []byte // the bytes that a token stands for; none for a control token
	IsEOG(id int32) bool   // whether a token ends a generation
}

// Settings are what a template is given besides the conversation.
type Settings struct {
	BOS, EOS, UNK, PAD string    // special tokens as the vocabulary spells them; "" where there is none
	Date               time.Time // what strftime_now tells, and date_string
}

// Render renders the first n turns of a conversation; with prompt, followed by the beginning of an answer
// (add_generation_prompt).
func (t *Template) Render(c *Conversation, n int, prompt bool, s Settings) (string, error) {
	messages := make([]value.Value, n)
	for i := range messages {
		messages[i] = value.FromObject(c.Messages[i].fields)
	}
	vars := map[string]value.Value{
		"messages": value.FromSlice(messages), "tools": c.Tools, "documents": value.None(),
		"add_generation_prompt": value.FromBool(prompt), "date_string": value.FromString(strftime("%d %b %Y", s.Date)),
	}
	for name, token := range map[string]string{"bos_token": s.BOS, "eos_token": s.EOS, "unk_token": s.UNK, "pad_token": s.PAD} {
		if token != "" {
			vars[name] = value.FromString(token)
		}
	}
	return t.render(vars, s.Date)
}

// Encoded is a conversation as tokens.
type Encoded struct {
	Tokens  []int32
	Trained []bool // for each token, whether it is learned
	Last    bool   // turns before the last could not be told apart, so that only the last answer is trained
	Ends    bool   // every trained answer ends with an end-of-generation token
}

// Encode renders a whole conversation and turns it into tokens, all at once; special tokens that the text spells are
// read as such, and none is added. So the ids are those of transformers' apply_chat_template.
//
// Trained are the tokens of each answer whose weight is not 0: what rendering the turns up to it adds to rendering the
// turns before it with the generation prompt, its end-of-turn token included. A token that lies on the border counts to
// the answer, as in transformers' mask of a template with {% generation %}. Where the rendering of the turns before is
// no prefix (templates that shorten earlier turns), only the last answer is trained.
func (t *Template) Encode(c *Conversation, s Settings, v Vocabulary) (*Encoded, error) {
	text, err := t.Render(c, len(c.Messages), false, s)
	if err != nil {
		return nil, fmt.Errorf("the chat template (%s) cannot render it: %w", t.Origin, err)
	}
	spans, last, err := t.spans(c, text, s)
	if err != nil {
		return nil, err
	}
	tokens, err := v.Tokenize(text, false, true)
	if err != nil {
		return nil, fmt.Errorf("tokenize: %w", err)
	}
	e := &Encoded{Tokens: tokens, Trained: make([]bool, len(tokens)), Last: last, Ends: true}
	offsets, err := align(tokens, text, v)
	if err != nil {
		return nil, err
	}
	for _, span := range spans {
		ends := false
		for i, o := range offsets {
			if within(o, span[0], span[1]) {
				e.Trained[i] = true
				ends = ends || v.IsEOG(tokens[i])
			}
		}
		e.Ends = e.Ends && ends
	}
	return e, nil
}

// spans are the bytes of text that are trained.
func (t *Template) spans(c *Conversation, text string, s Settings) (spans [][2]int, last bool, err error) {
	answer := -1
	for i, m := range c.Messages {
		if m.Role == Assistant {
			answer = i
		}
		if !m.Trained || last {
			continue
		}
		before, err1 := t.Render(c, i, true, s)
		upTo, err2 := t.Render(c, i+1, false, s)
		if err1 != nil || err2 != nil || !strings.HasPrefix(upTo, before) || !strings.HasPrefix(text, upTo) {
			last = true
			continue
		}
		spans = append(spans, [2]int{len(before), len(upTo)})
	}
	if !last {
		return spans, false, nil
	}
	if !c.Messages[answer].Trained {
		return nil, true, nil
	}
	span, err := t.lastSpan(c, answer, text, s)
	return [][2]int{span}, true, err
}

// lastSpan is the span of the last answer. Where the generation prompt goes on into what the answer begins with (such
// as an opened <think>), it begins where the two part.
func (t *Template) lastSpan(c *Conversation, answer int, text string, s Settings) ([2]int, error) {
	upTo := text
	if answer < len(c.Messages)-1 {
		var err error
		if upTo, err = t.Render(c, answer+1, false, s); err != nil || !strings.HasPrefix(text, upTo) {
			return [2]int{}, errors.New("the chat template renders the last answer otherwise when turns follow it; end the conversation with an answer")
		}
	}
	said := strings.TrimSpace(c.Messages[answer].Content)
	at := strings.LastIndex(upTo, said)
	before, err := t.Render(c, answer, true, s)
	if err != nil {
		if at < 0 || said == "" {
			return [2]int{}, fmt.Errorf("the chat template (%s) cannot render the turns before the last answer: %w", t.Origin, err)
		}
		return [2]int{at, len(upTo)}, nil
	}
	if strings.HasPrefix(upTo, before) {
		return [2]int{len(before), len(upTo)}, nil
	}
	from := 0
	for from < len(before) && from < len(upTo) && before[from] == upTo[from] {
		from++
	}
	for from > 0 && from < len(upTo) && !utf8.RuneStart(upTo[from]) {
		from--
	}
	if said != "" && at >= 0 {
		from = min(from, at)
	}
	return [2]int{from, len(upTo)}, nil
}

// align finds the bytes of text that each token stands for. A space that the tokenizer put before the text takes none.
func align(tokens []int32, text string, v Vocabulary) ([][2]int, error) {
	offsets := make([][2]int, len(tokens))
	at := 0
	for i, id := range tokens {
		piece := string(v.Piece(id))
		if piece == "" {
			piece = v.Text(id)
		}
		n := match(text[at:], piece)
		if n < 0 && piece[:min(1, len(piece))] == " " {
			n = match(text[at:], piece[1:])
		}
		if n < 0 { // a special token that takes the white space before it
			blank := len(text[at:]) - len(strings.TrimLeftFunc(text[at:], isSpace))
			if n = match(text[at+blank:], piece); n >= 0 {
				at += blank
			}
		}
		if n < 0 {
			return nil, fmt.Errorf("token %d (%s) cannot be found in the text at byte %d", id, shortQuote(v.Text(id)), at)
		}
		offsets[i] = [2]int{at, at + n}
		at += n
	}
	return offsets, nil
}

// Mark tells for each token of a text whether it lies in the bytes from…to, wholly or in part.
func Mark(tokens []int32, text string, from, to int, v Vocabulary) ([]bool, error) {
	offsets, err := align(tokens, text, v)
	if err != nil {
		return nil, err
	}
	marks := make([]bool, len(tokens))
	for i, o := range offsets {
		marks[i] = within(o, from, to)
	}
	return marks, nil
}

// within tells whether a token touches the bytes from…to. A token of no bytes counts to what follows it.
func within(o [2]int, from, to int) bool {
	return o[0] < to && (o[1] > from || o[0] == o[1] && o[0] >= from)
}

// match is how many bytes of text a token's bytes stand for, or -1. SentencePiece reads U+2581 as a space.
func match(text, piece string) int {
	if strings.HasPrefix(text, piece) {
		return len(piece)
	}
	at := 0
	for i := range len(piece) {
		switch {
		case at < len(text) && text[at] == piece[i]:
			at++
		case piece[i] == ' ' && strings.HasPrefix(text[at:], "\u2581"):
			at += len("\u2581")
		default:
			return -1
		}
	}
	return at
}

// Prompt renders a conversation with the beginning of an answer, as tokens.
func (t *Template) Prompt(c *Conversation, s Settings, v Vocabulary) ([]int32, error) {
	text, err := t.Render(c, len(c.Messages), true, s)
	if err != nil {
		return nil, fmt.Errorf("the chat template (%s) cannot render it: %w", t.Origin, err)
	}
	return v.Tokenize(text, false, true)
}
