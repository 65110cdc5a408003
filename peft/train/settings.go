package train

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
)

// Setting is one field of a Config as flags, settings files and documents see it.
type Setting struct {
	Name    string   // of the flag and of the YAML key
	Short   string   // one-letter flag, or ""
	Aliases []string // other names that are accepted
	Kind    string   // "string", "list", "int", "number", "seed", "switch", or "auto int", "auto number", "auto switch"
	Auto    string   // what an auto value that is not given means
	Help    string
	Basic   bool // shown by --help
	Once    bool // concerns one call and is not kept in config.yaml
	fold    bool // capitals do not matter
	field   int
}

// Settings is the table of a Config's settings, in the order of its fields.
func Settings() []Setting {
	t := reflect.TypeFor[Config]()
	table := make([]Setting, 0, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		s := Setting{
			Name: f.Tag.Get("yaml"), Short: f.Tag.Get("short"), Help: f.Tag.Get("help"), Auto: f.Tag.Get("auto"),
			Basic: f.Tag.Get("basic") != "", Once: f.Tag.Get("once") != "", fold: f.Tag.Get("fold") != "", field: i,
		}
		if a := f.Tag.Get("alias"); a != "" {
			s.Aliases = strings.Split(a, ",")
		}
		s.Kind = kindOf(f)
		table = append(table, s)
	}
	return table
}

// kindOf tells what values a field takes.
func kindOf(f reflect.StructField) string {
	switch f.Type.Kind() {
	case reflect.String:
		return "string"
	case reflect.Slice:
		return "list"
	case reflect.Bool:
		return "switch"
	case reflect.Int:
		return "int"
	case reflect.Uint64:
		return "seed"
	case reflect.Float64:
		return "number"
	}
	switch f.Tag.Get("yaml") {
	case "packing":
		return "auto switch"
	case "valid-split", "alpha", "lr", "base-lr":
		return "auto number"
	default:
		return "auto int"
	}
}

// Get returns the value of the setting in c as text that Set reads back. A list is joined by commas.
func (s Setting) Get(c *Config) string {
	switch v := s.value(c).Interface().(type) {
	case []string:
		return strings.Join(v, ",")
	case float64:
		return number(v)
	case Auto:
		switch {
		case !v.Given:
			return "auto"
		case s.Kind == "auto switch":
			return strconv.FormatBool(v.On())
		default:
			return number(v.Value)
		}
	default:
		return fmt.Sprint(v)
	}
}

// number prints the shortest text that reads back as v.
func number(v float64) string {
	if a := math.Abs(v); a == 0 || a >= 1e-4 && a < 1e15 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

func (s Setting) value(c *Config) reflect.Value {
	return reflect.ValueOf(c).Elem().Field(s.field)
}

// Set reads text into the setting. Only its form is checked; what it may be is Validate's matter.
func (s Setting) Set(c *Config, text string) error {
	text = strings.TrimSpace(text)
	v := s.value(c)
	switch s.Kind {
	case "string":
		if s.fold {
			text = strings.ToLower(text)
		}
		v.SetString(text)
	case "list":
		v.Set(reflect.ValueOf(s.items(text)))
	case "switch":
		on, err := strconv.ParseBool(strings.ToLower(text))
		if err != nil {
			return fmt.Errorf("not true or false")
		}
		v.SetBool(on)
	case "int":
		if strings.EqualFold(text, "off") {
			text = "0"
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("not a whole number")
		}
		v.SetInt(int64(n))
	case "seed":
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return fmt.Errorf("not a whole number from 0 to 2^64-1")
		}
		v.SetUint(n)
	case "number":
		n, err := parseNumber(text)
		if err != nil {
			return err
		}
		v.SetFloat(n)
	default:
		a, err := parseAuto(s.Kind, text)
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(a))
	}
	return nil
}

// items takes a list apart at its commas; file names keep theirs.
func (s Setting) items(text string) []string {
	if s.Name == "data" {
		return []string{text}
	}
	var out []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// Add appends text to a list, for a flag that is given again.
func (s Setting) Add(c *Config, text string) {
	v := s.value(c)
	v.Set(reflect.AppendSlice(v, reflect.ValueOf(s.items(text))))
}

func parseNumber(text string) (float64, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, fmt.Errorf("not a number")
	}
	return n, nil
}

// parseAuto reads "auto" or a value of the kind.
func parseAuto(kind, text string) (Auto, error) {
	if strings.EqualFold(text, "auto") {
		return Auto{}, nil
	}
	switch kind {
	case "auto switch":
		on, err := strconv.ParseBool(strings.ToLower(text))
		if err != nil {
			return Auto{}, fmt.Errorf("not true, false or auto")
		}
		if on {
			return Given(1), nil
		}
		return Given(0), nil
	case "auto int":
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return Auto{}, fmt.Errorf("not a whole number or auto")
		}
		return Given(float64(n)), nil
	default:
		n, err := parseNumber(text)
		if err != nil {
			return Auto{}, fmt.Errorf("not a number or auto")
		}
		return Given(n), nil
	}
}

// YAML is the settings file of c: every setting that a run depends on, so that `graft train --config` does the same again. What is still
// auto in a solved run has no part in it (a rate of a method that is not used, the memory of this machine) and is left out.
func (c *Config) YAML() ([]byte, error) {
	var b strings.Builder
	b.WriteString("# Settings of a graft run; `graft train --config THIS --out NEW` does it again.\n")
	for _, s := range Settings() {
		if s.Once || s.Name != "format" && s.Get(c) == "auto" {
			continue
		}
		value := any(s.value(c).Interface())
		switch s.Kind {
		case "string", "list":
			line, err := yaml.MarshalWithOptions(value, yaml.Flow(true), yaml.JSON())
			if err != nil {
				return nil, fmt.Errorf("write setting %s: %w", s.Name, err)
			}
			fmt.Fprintf(&b, "%s: %s\n", s.Name, strings.TrimSpace(string(line)))
		default:
			fmt.Fprintf(&b, "%s: %s\n", s.Name, s.Get(c))
		}
	}
	return []byte(b.String()), nil
}
