package chat

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	minijinja "github.com/mitsuhiko/minijinja/minijinja-go/v2"
	"github.com/mitsuhiko/minijinja/minijinja-go/v2/syntax"
	"github.com/mitsuhiko/minijinja/minijinja-go/v2/value"

	"github.com/graft-go/graft/peft"
)

// Limits of one rendering. The largest templates need some thousand steps a message.
const (
	mostSource    = 1 << 20   // bytes of a template
	mostSteps     = 2_000_000 // of the library, and of graft's functions: about a second
	mostBytes     = 128 << 20 // of strings and lists that are made
	mostRecursion = 60        // macros and loops within each other
	valueBytes    = 32        // of a value in a list
)

var errTooMuch = errors.New("it makes more text than a conversation can have, so that rendering was stopped")

// Template is a chat template, ready to be rendered. It may be used by several goroutines at once.
type Template struct {
	Source string // as given
	Origin string // where it came from, for errors: a file, a built-in name
	tmpl   *minijinja.Template
	tables *tables
}

// Compile reads a template. A fault is a peft.InputError that names origin.
func Compile(source, origin string) (t *Template, err error) {
	fault := func(why string) error {
		return &peft.InputError{What: "chat template", Where: origin, Why: why, Do: "choose another with --chat-template NAME|FILE"}
	}
	if len(source) > mostSource {
		return nil, fault(fmt.Sprintf("%d bytes, more than %d", len(source), mostSource))
	}
	defer func() {
		if p := recover(); p != nil {
			t, err = nil, fault(fmt.Sprintf("cannot be read (%v)", p))
		}
	}()
	text, err := translate(source)
	if err != nil {
		return nil, fault(err.Error())
	}
	env := newEnvironment()
	tmpl, err := env.TemplateFromNamedString("template", text)
	if err != nil {
		return nil, fault(firstLine(err))
	}
	return &Template{Source: source, Origin: origin, tmpl: tmpl, tables: &tables{filterTable(), testTable(), stringMethods()}}, nil
}

// newEnvironment has graft's functions and none of the library's own.
func newEnvironment() *minijinja.Environment {
	env := minijinja.EmptyEnvironment()
	env.SetWhitespace(syntax.WhitespaceConfig{KeepTrailingNewline: true})
	env.SetRecursionLimit(mostRecursion)
	fuel := uint64(mostSteps)
	env.SetFuel(&fuel)
	for name, f := range functionTable() {
		env.AddFunction(name, func(state *minijinja.State, args []value.Value, kwargs map[string]value.Value) (value.Value, error) {
			r, err := rendererOf(state)
			if err != nil {
				return value.Undefined(), err
			}
			return f(r, state, args, kwargs)
		})
	}
	return env
}

// renderer is one rendering: what it has used up, and its clock.
type renderer struct {
	*tables
	steps, bytes int
	depth        int // of macros within each other
	now          time.Time
}

// tables are the filters, tests and methods that templates know, by name.
type tables struct {
	filters map[string]filter
	tests   map[string]test
	methods map[string]stringMethod
}

type rendererKey struct{}

func rendererOf(state value.State) (*renderer, error) {
	if r, ok := state.Context().Value(rendererKey{}).(*renderer); ok {
		return r, nil
	}
	return nil, errors.New("a function of graft outside of a rendering")
}

// charge counts bytes that are made.
func (r *renderer) charge(bytes int) error {
	if r.bytes += bytes; bytes < 0 || r.bytes > mostBytes {
		return errTooMuch
	}
	return nil
}

// visit counts a value that is looked at, at some depth, with so many bytes written so far.
func (r *renderer) visit(depth, written int) error {
	if r.steps++; r.steps > mostSteps {
		return errors.New("it takes more steps than a conversation can need, so that rendering was stopped")
	}
	if depth > mostDepth {
		return fmt.Errorf("a value nested deeper than %d", mostDepth)
	}
	if written > mostBytes {
		return errTooMuch
	}
	return nil
}

func (r *renderer) text(s string) (value.Value, error) {
	return value.FromString(s), r.charge(len(s))
}

func (r *renderer) list(items []value.Value) (value.Value, error) {
	if items == nil {
		items = []value.Value{} // nil would be no list to the library
	}
	return value.FromSlice(items), r.charge(valueBytes * len(items))
}

func (r *renderer) strings(parts []string) (value.Value, error) {
	items := make([]value.Value, len(parts))
	for i, s := range parts {
		items[i] = value.FromString(s)
	}
	return r.list(items)
}

// render renders the template with variables.
func (t *Template) render(vars map[string]value.Value, now time.Time) (text string, err error) {
	defer func() {
		if p := recover(); p != nil {
			text, err = "", fmt.Errorf("cannot be rendered (%v)", p)
		}
	}()
	ctx := context.WithValue(context.Background(), rendererKey{}, &renderer{tables: t.tables, now: now})
	text, err = t.tmpl.RenderCtx(ctx, vars)
	if err == nil && len(text) > mostBytes {
		err = errTooMuch
	}
	if err != nil {
		return "", cause(err)
	}
	return text, nil
}

// raised is what raise_exception(…) of a template says.
type raised struct{ text string }

func (e *raised) Error() string { return e.text }

// cause takes the library's words off an error of graft's functions.
func cause(err error) error {
	var own *raised
	if errors.As(err, &own) {
		return own
	}
	if e := new(minijinja.Error); errors.As(err, &e) && e.Kind == minijinja.ErrOutOfFuel {
		return errors.New("it takes more steps than a conversation can need, so that rendering was stopped")
	}
	return errors.New(firstLine(err))
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
