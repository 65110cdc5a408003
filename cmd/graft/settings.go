package main

import (
	"github.com/graft-go/graft/peft/train"
)

// bindSettings makes a flag of every setting of a training run. What the flags say is kept until config puts the
// settings file below it.
func bindSettings(f *flags) *givenSettings {
	g := &givenSettings{}
	defaults := train.DefaultConfig()
	for _, s := range train.Settings() {
		v := &settingValue{setting: s, scratch: defaults}
		help := s.Help
		if s.Auto != "" {
			help += "; auto: " + s.Auto
		}
		flag := f.VarPF(v, s.Name, s.Short, help)
		if s.Kind == "switch" {
			flag.NoOptDefVal = "true"
		}
		if !s.Basic {
			f.rare(s.Name)
		}
		for _, other := range s.Aliases {
			f.alias(other, s.Name)
		}
		g.values = append(g.values, v)
	}
	return g
}

// givenSettings are the settings that stand on the command line.
type givenSettings struct{ values []*settingValue }

// config is the defaults, over them the settings file of --config, and over that the flags. names are the settings that stand in the
// file or among the flags.
func (g *givenSettings) config() (c train.Config, names []string, err error) {
	c, names = train.DefaultConfig(), []string{}
	for _, v := range g.values {
		if v.setting.Name == "config" && len(v.texts) > 0 {
			if names, err = train.LoadGiven(v.scratch.File, &c); err != nil {
				return c, nil, err
			}
		}
	}
	for _, v := range g.values {
		if err := v.apply(&c); err != nil {
			return c, nil, err
		}
		if len(v.texts) > 0 {
			names = append(names, v.setting.Name)
		}
	}
	return c, names, nil
}

// settingValue is one setting as a pflag.Value.
type settingValue struct {
	setting train.Setting
	scratch train.Config // where texts are checked
	texts   []string     // as given, in their order
}

// Set checks the form of a value and keeps it.
func (v *settingValue) Set(text string) error {
	if err := v.setting.Set(&v.scratch, text); err != nil {
		return err
	}
	v.texts = append(v.texts, text)
	return nil
}

// String is the default, for help.
func (v *settingValue) String() string {
	if v.setting.Kind == "" {
		return "" // pflag asks an empty value for its zero
	}
	if text := v.setting.Get(&v.scratch); text != "false" {
		return text
	}
	return ""
}

// Type is the word that help shows for a value.
func (v *settingValue) Type() string {
	switch v.setting.Kind {
	case "switch":
		return "bool" // pflag leaves the word out
	case "auto switch":
		return "true|false"
	case "int", "auto int", "seed":
		return "N"
	case "number", "auto number":
		return "X"
	case "list":
		return "LIST"
	default:
		return "TEXT"
	}
}

// apply writes what was given into c: the last value of a flag that is given again, all of them where it is a list.
func (v *settingValue) apply(c *train.Config) error {
	for i, text := range v.texts {
		if v.setting.Kind == "list" && i > 0 {
			v.setting.Add(c, text)
			continue
		}
		if err := v.setting.Set(c, text); err != nil {
			return err
		}
	}
	return nil
}
