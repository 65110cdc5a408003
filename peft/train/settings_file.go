package train

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/graft-go/graft/peft"
)

// Beyond these a file is no settings file. Settings are one level deep, with lists; the YAML reader's memory grows with
// the square of the depth, so that a file of brackets alone would take all there is.
const (
	mostSettings = 64 << 10 // bytes
	mostDepth    = 16       // brackets in brackets, list marks on a line
	mostIndent   = 64       // columns
)

// LoadSettings reads a YAML settings file into c: what the file does not name stays as it is. Every fault names the
// file and, where there is one, the line.
func LoadSettings(path string, c *Config) error {
	_, err := LoadGiven(path, c)
	return err
}

// LoadGiven is LoadSettings and returns the names of the settings that the file gives a value.
func LoadGiven(path string, c *Config) (given []string, err error) {
	text, err := readSettings(path)
	if err != nil {
		var p *os.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return nil, &peft.InputError{What: "settings", Where: path, Err: err, Do: "check --config"}
	}
	return parseGiven(path, text, c)
}

// readSettings reads a file or a pipe that is no larger than settings are.
func readSettings(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, mostSettings+1))
	if err == nil && len(text) > mostSettings {
		err = errors.New("is no settings file, being larger than 64 kB")
	}
	return text, err
}

// ParseSettings reads the text of a settings file; path is for errors alone. A fault leaves c as it was.
func ParseSettings(path string, text []byte, c *Config) error {
	_, err := parseGiven(path, text, c)
	return err
}

// parseGiven is ParseSettings and returns the names of the settings that have a value in the text.
func parseGiven(path string, text []byte, c *Config) (given []string, err error) {
	fault := func(line int, why, do string) ([]string, error) {
		where := path
		if line > 0 {
			where = fmt.Sprintf("%s:%d", path, line)
		}
		return nil, &peft.InputError{What: "settings", Where: where, Why: why, Do: do}
	}
	if line := tooDeep(string(text)); line > 0 {
		return fault(line, "nested too deep; settings are lines of the form `name: value`", "")
	}
	file, err := parser.ParseBytes(text, 0)
	var syntax *yaml.SyntaxError
	switch {
	case errors.As(err, &syntax) && syntax.Token != nil:
		return fault(syntax.Token.Position.Line, "not valid YAML: "+syntax.Message, "")
	case err != nil:
		return fault(0, "not valid YAML: "+firstLine(err.Error()), "")
	}
	table, filled := settingsByName(), *c
	for _, doc := range file.Docs {
		pairs, ok := mappings(doc.Body)
		if !ok {
			return fault(lineOf(doc.Body), "no settings, which are lines of the form `name: value`", "")
		}
		for _, pair := range pairs {
			key := strings.ReplaceAll(pair.Key.GetToken().Value, "_", "-")
			s, ok := table[key]
			if !ok {
				return fault(lineOf(pair.Key), fmt.Sprintf("unknown setting %q", key),
					peft.DidYouMean(key, settingNames(), "see docs/settings.md"))
			}
			if s.Name == "config" {
				return fault(lineOf(pair.Key), "a settings file cannot name another", "leave the line out")
			}
			if err := setNode(s, &filled, pair.Value); err != nil {
				return fault(lineOf(pair.Key), fmt.Sprintf("%s: %v", key, err), "")
			}
			if _, null := pair.Value.(*ast.NullNode); !null {
				given = append(given, s.Name)
			}
		}
	}
	*c = filled
	return given, nil
}

// tooDeep is the first line that is nested deeper than settings can be, or 0. It knows nothing of quotation marks: a
// value with that many brackets is none either.
func tooDeep(text string) int {
	depth, number := 0, 0
	for line := range strings.Lines(text) {
		number++
		rest := strings.TrimLeft(line, " ")
		indent, marks := len(line)-len(rest), 0
		for strings.HasPrefix(rest, "- ") || strings.HasPrefix(rest, "? ") {
			rest = strings.TrimLeft(rest[2:], " ")
			marks++
		}
		for _, r := range line {
			switch r {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(0, depth-1)
			}
			if depth > mostDepth {
				return number
			}
		}
		if marks > mostDepth || indent > mostIndent {
			return number
		}
	}
	return 0
}

// settingsByName finds a setting by any of its names.
func settingsByName() map[string]Setting {
	table := map[string]Setting{}
	for _, s := range Settings() {
		table[s.Name] = s
		for _, a := range s.Aliases {
			table[a] = s
		}
	}
	return table
}

func settingNames() []string {
	var names []string
	for _, s := range Settings() {
		names = append(names, s.Name)
	}
	return names
}

// mappings lists the pairs of a mapping; an empty document has none.
func mappings(body ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := body.(type) {
	case nil, *ast.NullNode, *ast.CommentGroupNode:
		return nil, true
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	default:
		return nil, false
	}
}

// setNode reads the value of a setting: a scalar, or a list of scalars for a list. A null leaves the default.
func setNode(s Setting, c *Config, node ast.Node) error {
	switch n := node.(type) {
	case *ast.NullNode:
		return nil
	case *ast.SequenceNode:
		if s.Kind != "list" {
			return errors.New("a list, where one value is needed")
		}
		s.value(c).SetZero()
		for _, item := range n.Values {
			text, err := scalar(item)
			if err != nil {
				return err
			}
			s.Add(c, text)
		}
		return nil
	default:
		text, err := scalar(node)
		if err != nil {
			return err
		}
		if err := s.Set(c, text); err != nil {
			return fmt.Errorf("%q is %w", text, err)
		}
		return nil
	}
}

// scalar is the text of a scalar as it stands in the file, without quotation marks.
func scalar(node ast.Node) (string, error) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, nil
	case *ast.LiteralNode:
		return n.Value.Value, nil
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return node.GetToken().Value, nil
	default:
		return "", errors.New("not one plain value")
	}
}

func lineOf(n ast.Node) int {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return 0
	}
	return n.GetToken().Position.Line
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
