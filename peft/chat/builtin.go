package chat

// None is the name that chooses no template: prompt and completion stand as they are.
const None = "none"

// Plain is the name of the template for models that have none.
const Plain = "plain"

// builtin is a template that graft brings. Of toolless ones a call of a tool is an error and never lost silently.
type builtin struct {
	name   string
	source string
	bos    bool // begins with BOS of its own; else graft puts one there for a vocabulary that begins texts with one
	eos    bool // needs an EOS token
}

const (
	noCalls = `{% if m.tool_calls %}{{ raise_exception('it has no form for tool calls; use a template that has one') }}{% endif %}`
	// alternate checks that user and assistant take turns, behind a system message that becomes part of the first turn.
	alternate = `{% if messages and messages[0].role == 'system' %}{% set system = messages[0].content %}{% set turns = messages[1:] %}` +
		`{% else %}{% set system = '' %}{% set turns = messages %}{% endif %}{% for m in turns %}` + noCalls +
		`{% if (m.role == 'user') != (loop.index0 % 2 == 0) or m.role not in ['user', 'assistant'] %}` +
		`{{ raise_exception('user and assistant must take turns, with a system message at most before them') }}{% endif %}`
)

// builtins are the templates by name, in the order in which help lists them.
func builtins() []builtin {
	return []builtin{
		{name: "chatml", source: `{% for m in messages %}` + noCalls +
			`{{ '<|im_start|>' ~ m.role ~ '\n' ~ m.content ~ '<|im_end|>\n' }}{% endfor %}` +
			`{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}`},
		{name: "llama2", bos: true, eos: true, source: alternate + `{% if m.role == 'user' %}` +
			`{% set text = '<<SYS>>\n' ~ system ~ '\n<</SYS>>\n\n' ~ m.content if system and loop.first else m.content %}` +
			`{{ bos_token ~ '[INST] ' ~ text.strip() ~ ' [/INST]' }}{% else %}{{ ' ' ~ m.content.strip() ~ ' ' ~ eos_token }}{% endif %}{% endfor %}`},
		{name: "llama3", bos: true, source: `{{ bos_token }}{% for m in messages %}` + noCalls +
			`{{ '<|start_header_id|>' ~ m.role ~ '<|end_header_id|>\n\n' ~ m.content.strip() ~ '<|eot_id|>' }}{% endfor %}` +
			`{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}`},
		{name: "mistral", bos: true, eos: true, source: `{{ bos_token }}` + alternate + `{% if m.role == 'user' %}` +
			`{{ '[INST] ' ~ (system ~ '\n\n' if system and loop.first else '') ~ m.content ~ ' [/INST]' }}` +
			`{% else %}{{ ' ' ~ m.content.strip() ~ eos_token }}{% endif %}{% endfor %}`},
		{name: "zephyr", eos: true, source: `{% for m in messages %}` + noCalls +
			`{{ '<|' ~ m.role ~ '|>\n' ~ m.content ~ eos_token ~ '\n' }}{% endfor %}` +
			`{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}`},
		{name: "alpaca", eos: true, source: `{% for m in messages %}` + noCalls + `{% if not loop.first %}{{ '\n\n' }}{% endif %}` +
			`{% if m.role == 'system' %}{{ m.content }}{% elif m.role == 'user' %}{{ '### Instruction:\n' ~ m.content }}` +
			`{% elif m.role == 'tool' %}{{ '### Input:\n' ~ m.content }}{% else %}{{ '### Response:\n' ~ m.content ~ eos_token }}{% endif %}{% endfor %}` +
			`{% if add_generation_prompt %}{{ '\n\n### Response:\n' }}{% endif %}`},
		{name: Plain, eos: true, source: `{% for m in messages %}` + noCalls + `{% if not loop.first %}{{ '\n' }}{% endif %}` +
			`{% if m.role == 'system' %}{{ m.content }}{% elif m.role == 'user' %}{{ 'User: ' ~ m.content }}` +
			`{% elif m.role == 'tool' %}{{ 'Tool: ' ~ m.content }}{% else %}{{ 'Assistant: ' ~ m.content ~ eos_token }}{% endif %}{% endfor %}` +
			`{% if add_generation_prompt %}{{ '\nAssistant:' }}{% endif %}`},
	}
}

// Names lists what --chat-template takes besides a file.
func Names() []string {
	names := []string{}
	for _, b := range builtins() {
		names = append(names, b.name)
	}
	return append(names, None)
}
