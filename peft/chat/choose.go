package chat

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/graft-go/graft/peft"
)

// Model is what choosing a template needs of a model.
type Model struct {
	Vocabulary Vocabulary
	Template   string // its own, from tokenizer.chat_template; "" for none
	Path       string // of its file, for errors
	AddBOS     bool   // whether its tokenizer begins a text with BOS
	Settings   Settings
}

// Choice is the template of a run.
type Choice struct {
	*Template // nil for None
	Settings  Settings
	Note      string  // what is to be said about the choice, or ""
	Marked    []int32 // tokens that mark the turns
}

// Known reports an error unless name is a built-in template, None, "" or a file that exists.
func Known(name string) error {
	if name == "" || slices.Contains(Names(), name) {
		return nil
	}
	info, err := os.Stat(name)
	if err == nil && info.Mode().IsRegular() {
		return nil
	}
	why := "neither a file nor one of " + strings.Join(Names(), ", ")
	if err == nil {
		why = "no regular file"
	}
	return &peft.InputError{What: "chat template", Where: "--chat-template " + name, Why: why, Do: peft.DidYouMean(name, Names(), "give one of these, or a file with a Jinja template")}
}

// Choose finds the template that name means: the model's own for "", or plain where it has none; a built-in one; a
// file. Of a template that is chosen by name, every marker of a turn must be one token of the model.
func Choose(name string, m Model) (*Choice, error) {
	if err := Known(name); err != nil {
		return nil, err
	}
	c := &Choice{Settings: m.Settings}
	source, origin := m.Template, "tokenizer.chat_template of "+m.Path
	switch {
	case name == None:
		return c, nil
	case name == "" && strings.TrimSpace(source) != "":
	case name == "":
		name = Plain
		c.Note = `the model has no chat template; turns are written plainly, as "User: …" and "Assistant: …", each answer ended by EOS; --chat-template chooses another`
		fallthrough
	default:
		var err error
		if source, origin, err = load(name, m); err != nil {
			return nil, err
		}
	}
	var err error
	if c.Template, err = Compile(source, origin); err != nil {
		return nil, err
	}
	return c, c.markers(name, m)
}

// load reads a template by its name.
func load(name string, m Model) (source, origin string, err error) {
	i := slices.IndexFunc(builtins(), func(b builtin) bool { return b.name == name })
	if i < 0 {
		info, err := os.Stat(name)
		if err == nil && info.Size() > mostSource {
			err = fmt.Errorf("%d bytes, more than %d", info.Size(), mostSource)
		}
		var text []byte
		if err == nil {
			text, err = os.ReadFile(name)
		}
		if err != nil {
			return "", "", &peft.InputError{What: "chat template", Where: name, Why: err.Error(), Do: "give a file that can be read"}
		}
		return strings.TrimPrefix(string(text), "\ufeff"), name, nil
	}
	b := builtins()[i]
	fault := func(what string) error {
		return &peft.InputError{What: "chat template", Where: "--chat-template " + name, Why: "it needs " + what + " token, which the model lacks", Do: "choose another"}
	}
	switch {
	case b.eos && m.Settings.EOS == "":
		return "", "", fault("an EOS")
	case b.bos && m.Settings.BOS == "":
		return "", "", fault("a BOS")
	case !b.bos && m.AddBOS && m.Settings.BOS != "":
		b.source = "{{ bos_token }}" + b.source
	}
	return b.source, "the built-in template " + name, nil
}

// marker finds what looks like the mark of a turn in a rendered conversation.
var marker = regexp.MustCompile(`<\|[^<>|\s]{1,60}\|>|<｜[^<>\s]{1,60}｜>|<(?:start|end)_of_turn>|<(?:start|end)_of_role>`)

// markers collects the tokens that mark turns, and refuses a template chosen by name whose markers are not tokens.
func (c *Choice) markers(name string, m Model) error {
	text, err := c.sample(true)
	if err != nil {
		return nil // templates that refuse a first conversation are judged by the data
	}
	seen := map[string]bool{m.Settings.BOS: true, m.Settings.EOS: true}
	for _, mark := range marker.FindAllString(text, -1) {
		if seen[mark] {
			continue
		}
		seen[mark] = true
		ids, err := m.Vocabulary.Tokenize(mark, false, true)
		if err != nil {
			return err
		}
		if len(ids) == 1 {
			c.Marked = append(c.Marked, ids[0])
			continue
		}
		if name != "" {
			return &peft.InputError{What: "chat template", Where: "--chat-template " + name,
				Why: fmt.Sprintf("its marker %s is no single token of this model but %d, so that the model could not tell a turn's end from text", mark, len(ids)),
				Do:  "choose plain, or another whose markers the model has"}
		}
	}
	return nil
}

// OwnTools tells whether the template writes calls of tools itself; the built-in ones have no form for them.
func (c *Choice) OwnTools() bool {
	return !strings.Contains(c.Source, noCalls) && strings.Contains(c.Source, "tool_calls")
}

// sample renders a short conversation, with a beginning of another answer if the template takes it.
func (c *Choice) sample(prompt bool) (string, error) {
	turns := NewConversation(NewMessage(User, "Hello"), NewMessage(Assistant, "Hi."), NewMessage(User, "Bye"))
	return c.Render(turns, len(turns.Messages), prompt, c.Settings)
}

// Today is the date that strftime_now tells in a run that starts now.
func Today() string { return time.Now().Format(time.DateOnly) }
