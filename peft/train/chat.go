package train

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/graft-go/graft/ggml"
	"github.com/graft-go/graft/ggml/gguf"
	"github.com/graft-go/graft/peft"
	"github.com/graft-go/graft/peft/chat"
	"github.com/graft-go/graft/peft/data"
)

// Values of --loss-on.
const (
	LossOnCompletion = "completion"
	LossOnAll        = "all"
)

// ChatTemplateFile is the name under which a run folder keeps the chat template of its data.
const ChatTemplateFile = "chat_template.jinja"

// chat checks the settings of conversations.
func (k *checker) chat() {
	c := k.c
	k.need(c.LossOn == LossOnCompletion || c.LossOn == LossOnAll, "loss-on", "neither completion nor all", "completion learns the answers alone")
	if err := chat.Known(c.ChatTemplate); err != nil {
		k.faults = append(k.faults, err)
	}
	if c.ChatDate != "" {
		_, err := time.Parse(time.DateOnly, c.ChatDate)
		k.need(err == nil, "chat-date", "no date", "write it as 2026-01-31")
	}
}

// templates chooses the chat template of a run once, for all its files.
type templates struct {
	name   string
	model  *chat.Model // nil where the model has no tokenizer
	choice *chat.Choice
	err    error
}

// newTemplates checks a template that is chosen by name at once; the model's own is looked at when a row needs it.
func newTemplates(name, date string, model *gguf.File, tok data.Tokenizer) (*templates, error) {
	t := &templates{name: name}
	v, ok := tok.(chat.Vocabulary)
	if !ok {
		return t, chat.Known(name)
	}
	t.model = chatModel(model, tok, v)
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return nil, &peft.InputError{What: "chat template", Where: "--chat-date " + date, Why: "no date", Do: "write it as 2026-01-31"}
	}
	t.model.Settings.Date = day
	if name != "" {
		_, err = chat.Choose(name, *t.model)
	}
	return t, err
}

// chatModel is what a chat template needs of a model's file and its tokenizer.
func chatModel(model *gguf.File, tok data.Tokenizer, v chat.Vocabulary) *chat.Model {
	m := &chat.Model{Vocabulary: v, Path: model.Path, AddBOS: tok.AddBOS()}
	m.Template, _ = model.String("tokenizer.chat_template")
	if id, ok := tok.BOS(); ok {
		m.Settings.BOS = v.Text(id)
	}
	if id, ok := tok.EOS(); ok {
		m.Settings.EOS = v.Text(id)
	}
	for key, to := range map[string]*string{"unknown": &m.Settings.UNK, "padding": &m.Settings.PAD} {
		if id, ok := model.Uint("tokenizer.ggml." + key + "_token_id"); ok && id < math.MaxInt32 {
			*to = v.Text(int32(id))
		}
	}
	return m
}

// choose is the data.ChatTemplate of a run.
func (t *templates) choose() (*chat.Choice, error) {
	if t.choice == nil && t.err == nil {
		if t.model == nil {
			return nil, &peft.InputError{What: "chat template", Where: "the model", Why: "it has no tokenizer", Do: "give a model with one"}
		}
		t.choice, t.err = chat.Choose(t.name, *t.model)
	}
	return t.choice, t.err
}

// Marks of turns whose embeddings say that no training has seen them: their length is below untrainedNorm of the usual
// one, or two of them are nearer to each other than untrainedNear of it.
const (
	untrainedNorm  = 0.1
	untrainedNear  = 0.02
	embeddingProbe = 256 // tokens whose median length is the usual one
)

// untrained says which tokens that mark turns look as if they had never been trained, or "".
func (t *templates) untrained(model *gguf.File) string {
	if t.choice == nil || len(t.choice.Marked) == 0 {
		return ""
	}
	info, ok := model.Tensor("token_embd.weight")
	if !ok || len(info.Ne) != 2 {
		return ""
	}
	row := func(id int64) []float32 {
		size := info.Type.RowSize(info.Ne[0])
		out := make([]float32, info.Ne[0])
		bytes := model.Data(info)
		if id < 0 || (id+1)*size > int64(len(bytes)) || ggml.Dequantize(info.Type, bytes[id*size:(id+1)*size], out) != nil {
			return nil
		}
		return out
	}
	var usual []float64
	for i := range int64(embeddingProbe) {
		if r := row(i * info.Ne[1] / embeddingProbe); r != nil {
			usual = append(usual, distance(r, nil))
		}
	}
	if len(usual) == 0 {
		return ""
	}
	slices.Sort(usual)
	median := usual[len(usual)/2]
	for i, id := range t.choice.Marked {
		a := row(int64(id))
		if a == nil {
			continue
		}
		name := t.model.Vocabulary.Text(id)
		if distance(a, nil) < untrainedNorm*median {
			return fmt.Sprintf("the chat template's marker %s looks untrained (its embedding is nearly zero); LoRA does not train it, so choose a template of the model's own, or --chat-template plain", name)
		}
		for _, other := range t.choice.Marked[:i] {
			if b := row(int64(other)); b != nil && distance(a, b) < untrainedNear*median {
				return fmt.Sprintf("the chat template's markers %s and %s look untrained (their embeddings are the same); LoRA does not train them, so choose a template of the model's own, or --chat-template plain", t.model.Vocabulary.Text(other), name)
			}
		}
	}
	return ""
}

// distance is |a − b|; b may be nil for 0.
func distance(a, b []float32) float64 {
	sum := 0.0
	for i, x := range a {
		d := float64(x)
		if b != nil {
			d -= float64(b[i])
		}
		sum += d * d
	}
	return math.Sqrt(sum)
}

// chatSource is the text of the chat template by which rows were written, or "".
func (r *Resolved) chatSource() string {
	if r.Chat == nil || r.Chat.Template == nil {
		return ""
	}
	return r.Chat.Source
}

// keptChat is the chat template that an adapter was trained with.
type keptChat struct {
	known  bool
	source string // "" for none
	origin string
	date   string
}

// take reads it from a run folder, or takes that of the adapter file itself.
func (k *keptChat) take(from, template string) error {
	if k.known {
		return nil
	}
	info, err := os.Stat(from)
	if err != nil || !info.IsDir() {
		k.source, k.origin = template, from
		k.known = k.source != ""
		return nil
	}
	var c Config
	if err := LoadSettings(filepath.Join(from, "config.yaml"), &c); err == nil {
		k.date = c.ChatDate
		k.known = c.ChatTemplate == chat.None
	}
	path := filepath.Join(from, ChatTemplateFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &peft.InputError{What: "chat template", Where: path, Why: reason(err)}
	}
	k.known, k.source, k.origin = true, string(text), path
	return nil
}

// templates is the choice of a session: the template of that name, else that of its adapters, else the model's.
func (s *Session) templates(name string) (*templates, error) {
	date := s.chat.date
	if date == "" {
		date = chat.Today()
	}
	kept := name == "" && s.chat.known
	if kept && s.chat.source == "" {
		name = chat.None
	}
	t, err := newTemplates(name, date, s.Model.File, asTokenizer(s.Vocab))
	if err == nil && kept && name == "" && t.model != nil {
		t.model.Template, t.model.Path = s.chat.source, s.chat.origin
	}
	return t, err
}

// ChatPrompt is one turn of a user, behind a system message where there is one, and the beginning of an answer, as
// tokens. template is as in EvalOptions.Chat.
func (s *Session) ChatPrompt(template, system, user string) ([]int32, *chat.Choice, error) {
	t, err := s.templates(template)
	if err != nil {
		return nil, nil, err
	}
	c, err := t.choose()
	if err != nil {
		return nil, nil, err
	}
	if c.Template == nil {
		return nil, nil, &peft.InputError{What: "generate", Where: "--chat", Why: "there is no chat template to write the prompt by", Do: "give one with --chat-template, or leave --chat out"}
	}
	turns := []chat.Message{chat.NewMessage(chat.User, user)}
	if system != "" {
		turns = slices.Insert(turns, 0, chat.NewMessage(chat.System, system))
	}
	tokens, err := c.Prompt(chat.NewConversation(turns...), c.Settings, s.Vocab)
	if err != nil {
		return nil, nil, &peft.InputError{What: "generate", Where: "--chat", Why: err.Error(), Do: "choose another template with --chat-template"}
	}
	return tokens, c, nil
}
