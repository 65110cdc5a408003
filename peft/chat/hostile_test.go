package chat

import (
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/graft-go/graft/peft"
)

// Templates that would run for ever, fill the memory or overflow the stack end soon with one error.
func TestHostileTemplates(t *testing.T) {
	for _, c := range []struct{ name, template string }{
		{"nested loops", strings.Repeat("{% for a in range(1000) %}", 20) + "x" + strings.Repeat("{% endfor %}", 20)},
		{"loops without output", "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}"},
		{"a huge range", "{{ range(1000000000000) | length }}"},
		{"a range beyond 64 bits", "{{ range(0, 9223372036854775807, 4611686018427387904) | length }}{% for x in range(10000000) %}{% endfor %}"},
		{"a macro without end", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"},
		{"two macros without end", "{% macro f(a) %}{{ g([a, a]) }}{% endmacro %}{% macro g(a) %}{{ f([a, a]) }}{% endmacro %}{{ f(1) }}"},
		{"a caller without end", "{% macro f() %}{{ caller() }}{% endmacro %}{% call f() %}{% call f() %}{{ caller() }}{% endcall %}{% endcall %}{% macro g() %}{% call f() %}{{ g() }}{% endcall %}{% endmacro %}{{ g() }}"},
		{"a loop that calls itself", "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}"},
		{"a text repeated", "{{ 'a' * 1000000000000 }}"},
		{"a text repeated by its length", "{% set x = 'a' * 100000 %}{{ x * (x | length) * (x | length) }}"},
		{"doubling", "{% set x = 'aaaaaaaa' %}" + strings.Repeat("{% set x = x ~ x %}", 60) + "{{ x | length }}"},
		{"doubling by +", "{% set x = 'aaaaaaaa' %}" + strings.Repeat("{% set x = x + x %}", 60) + "{{ x | length }}"},
		{"doubling a list", "{% set x = [1] %}" + strings.Repeat("{% set x = x + x %}", 60) + "{{ x | length }}"},
		{"a text in itself", "{% set x = 'a' * 1000000 %}{{ x | replace('a', x) }}"},
		{"a text joined by itself", "{% set x = 'a' * 1000000 %}{{ x.join(x | list) }}"},
		{"lists in lists", "{% set x = [1, 1] %}" + strings.Repeat("{% set x = [x, x] %}", 50) + "{{ x }}"},
		{"lists in lists, compared", "{% set x = [1, 1] %}" + strings.Repeat("{% set x = [x, x] %}", 50) + "{% set y = [1, 1] %}" + strings.Repeat("{% set y = [y, y] %}", 50) + "{{ x == y }}"},
		{"lists in lists as JSON", "{% set x = [1, 1] %}" + strings.Repeat("{% set x = [x, x] %}", 50) + "{{ x | tojson }}"},
		{"lists too deep", "{% set ns = namespace(x=[]) %}{% for i in range(1000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}"},
		{"a namespace in itself", "{% set ns = namespace(x=[]) %}{% set ns.x = [ns] %}{% for i in range(1000000) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}"},
		{"much text in a loop", "{% for a in range(100000) %}" + strings.Repeat("x", 100000) + "{% endfor %}"},
		{"much text in a set block", "{% set x %}{% for a in range(100000) %}" + strings.Repeat("x", 100000) + "{% endfor %}{% endset %}{{ x | length }}"},
		{"much text in a macro", "{% macro f() %}" + strings.Repeat("x", 100000) + "{% endmacro %}{% for a in range(100000) %}{% set x = f() %}{% endfor %}"},
		{"a wide indent", "{{ 'a\nb' | indent(1000000000) }}"},
		{"a wide indent of JSON", "{{ [1] | tojson(indent=1000000000) }}"},
		{"a wide text", "{{ 'a'.center(1000000000000) }}"},
		{"brackets", "{{ " + strings.Repeat("(", 100000) + " }}"},
		{"signs", "{{ " + strings.Repeat("-", 60000) + "1 }}"},
		{"nots", "{{ " + strings.Repeat("not ", 15000) + "undefined_name.x }}"},
		{"conditions", "{{ " + strings.Repeat("1 if 0 else ", 5000) + "1 }}"},
		{"attributes", "{{ x" + strings.Repeat(".a", 30000) + " }}"},
		{"operands", "{{ 1" + strings.Repeat(" or 1", 10000) + " }}{{ undefined_name.x }}"},
		{"ifs", strings.Repeat("{% if 1 %}", 10000) + strings.Repeat("{% endif %}", 10000)},
		{"elifs", "{% if 0 %}" + strings.Repeat("{% elif 0 %}", 20000) + "{% endif %}{{ undefined_name.x }}"},
		{"a large template", strings.Repeat("a", mostSource+1)},
		{"a long tag", "{{ " + strings.Repeat("'a' ~ ", 20000) + "'a' }}"},
		{"functions of graft's own", "{{ graft_tick(-1000000) }}"},
		{"a file", "{% include '/etc/passwd' %}"},
		{"an import", "{% import '/etc/passwd' as x %}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			tmpl, err := Compile(c.template, "model.gguf")
			if err == nil {
				_, err = tmpl.Render(NewConversation(NewMessage(User, "Hi")), 1, true, Settings{})
			} else {
				require.True(t, errors.Is(err, peft.ErrInput))
				require.Contains(t, err.Error(), "model.gguf")
			}
			require.Error(t, err)
			require.NotContains(t, err.Error(), "\n")
			require.Less(t, len(err.Error()), 400)
			require.Less(t, time.Since(start), 30*time.Second)
			runtime.ReadMemStats(&after)
			require.Less(t, after.Sys-min(before.Sys, after.Sys), uint64(2<<30))
			t.Logf("%v: %s", time.Since(start).Round(time.Millisecond), err)
		})
	}
}

// FuzzTemplate: no template panics, hangs or crashes.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{
		"{% for m in messages %}{{ m.role }}: {{ m['content'] | trim }}\n{% endfor %}", "{%- if a is defined and b not in [1, 2] -%}x{%- endif +%}",
		"{% macro f(a, b=1) %}{{ a[1:] }}{% endmacro %}{{ f('x') }}", "{% set ns = namespace(a=1) %}{% set ns.a = {'k': [1, 2.5, none]} %}{{ ns.a | tojson(indent=2) }}",
		"{% raw %}{{ x }}{% endraw %}{# c #}{{ 'a' 'b' ~ \"\\x41\" }}", "{% set x %}a{% endset %}{{ x * 3 }}{{ 'a b'.split()[-1] }}", "{% call(a) f() %}{% endcall %}{% filter upper %}a{% endfilter %}",
		"{{ '%s' | format(1) }}{{ range(3) | batch(2) | list }}{% for a in 'ab' recursive %}{{ loop(a) }}{% endfor %}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, source string) {
		tmpl, err := Compile(source, "fuzz")
		if err == nil {
			_, err = tmpl.Render(NewConversation(NewMessage(User, "Hi"), NewMessage(Assistant, "Ho")), 2, true, Settings{BOS: "<s>"})
		}
		if err != nil {
			require.NotContains(t, err.Error(), "panic")
		}
	})
}
