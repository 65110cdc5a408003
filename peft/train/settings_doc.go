package train

import (
	"fmt"
	"strings"
)

//go:generate go test -run TestSettingsDocument -args -update

// SettingsDocument is docs/settings.md.
func SettingsDocument() string {
	var b strings.Builder
	b.WriteString(`# Settings of graft train

Every setting is a flag and a key of the YAML settings file (` + "`--config FILE`" + `) of the same name. Flags win over the file;
` + "`_`" + ` is read as ` + "`-`" + `; what is not given has the default. A value of ` + "`auto`" + ` is solved from the data, the model and the
machine, and a run's config.yaml holds the number that was chosen. This page is generated: ` + "`go generate ./peft/train`" + `.

| flag | key | default | meaning |
|---|---|---|---|
`)
	defaults := DefaultConfig()
	for _, s := range Settings() {
		flag := "`--" + s.Name + "`"
		if s.Short != "" {
			flag += ", `-" + s.Short + "`"
		}
		for _, a := range s.Aliases {
			flag += ", `--" + a + "`"
		}
		key := "`" + s.Name + "`"
		if s.Name == "config" {
			key = ""
		}
		value := s.Get(&defaults)
		if s.Auto != "" {
			value = "auto: " + s.Auto
		} else if value != "" {
			value = "`" + value + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", flag, key, value, s.Help)
	}
	b.WriteString(`
In the file a list is a YAML list, or one text with commas:

` + "```yaml" + `
model: base.gguf
data: [train.jsonl]
targets: [attn_q, attn_v]
rank: 16
lr: 1e-4
` + "```" + `
`)
	return b.String()
}
