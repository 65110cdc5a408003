"""Renderings of small templates by transformers' own Jinja environment: peft/chat/testdata/jinja.json.

Each case is {name, template, vars, want}; want is null where rendering fails. transformers builds the environment in
_compile_jinja_template; its clock is fixed to 26 July 2024.
"""

import datetime
import json
from pathlib import Path
from unittest import mock

from transformers.utils import chat_template_utils

CHAT = [
    {"role": "system", "content": " Be brief.\n"},
    {"role": "user", "content": "Hi\u00a0there  "},
    {"role": "assistant", "content": "He said \"it's\" <b>"},
    {"role": "user", "content": "\u00e9t\u00e9 \U0001f600 \u2028."},
]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather & \"more\"",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "a": {"type": "integer", "default": 1.0}}, "required": []},
    },
}
VARS = {
    "messages": CHAT, "tools": [TOOL], "none_value": None, "n": 7, "f": 2.5, "big": 12345678901234567890123, "yes": True,
    "text": "  Hello, World  ", "words": ["b", "A", "c"], "numbers": [3, 1, 2], "empty": "", "nothing": [], "d": {"z": 1, "a": [1, 2], "m": {"k": "v"}},
}  # fmt: skip

EXPRESSIONS = """
1 + 2 * 3 - 4 | 7 // 2 | -7 // 2 | -7 % 3 | 7 % -3 | 2 ** 10 | 7 / 2 | 1.0 * 3 | 1e16 * 1.0 | 0.0001 * 1 | 0.00001 * 1 | 2.50 | -f | +n | - 3 ** 2
'a' ~ 1 ~ none ~ true ~ 2.0 ~ undefined_name | 'a' 'b' "c" | 'it\\'s\\n' | "\\u00e9\\x41\\t|" | 'a' + 'b' * 3 | [1] + [2, 'x'] | 'ab' * 0
n == 7.0 | n != 7 | 1 == true | '1' == 1 | [1, 2] == [1, 2] | d == {'a': [1, 2], 'z': 1, 'm': {'k': 'v'}} | none == none | 1 < 2 < 3 | 3 > 2 >= 2 | 'a' < 'b' | [1, 2] < [1, 3]
'lo' in text | 'x' not in text | 'z' in d | 1 in numbers | 4 not in numbers | 'a' in undefined_name
not yes | not not yes | yes and 'x' | empty or 'y' | none_value or 0 | nothing and 1 | 'a' if yes else 'b' | 'a' if empty | (1 if empty else 2) + 3 | 'a' if empty else 'b' if nothing else 'c'
text | text.strip() | text.lstrip() ~ '|' | '|' ~ text.rstrip() | text.strip(' Hd') | text.upper() | text.lower() | 'hello wORLD-x y1z'.title() | 'hELLO w'.capitalize()
'a,b,,c'.split(',') | 'a b  c '.split() | 'a,b,c'.split(',', 1) | 'a,b,c'.rsplit(',', 1) | ' a b  c '.split(none, 1) | ' a b  c '.rsplit(none, 1) | 'a\\nb\\r\\nc\\n'.splitlines() | 'a\\nb'.splitlines(true)
'aXbX'.replace('X', '-') | 'aXbX'.replace('X', '-', 1) | 'ab'.replace('', '.') | ', '.join(words) | '{} {1} {x}'.format(1, x=2) | '{}-{}'.format('a', 2) | 'abc'.find('c') | 'abc'.find('x') | 'abca'.rfind('a') | 'abca'.count('a')
'abc'.startswith('ab') | 'abc'.endswith(('x', 'c')) | 'abc'.startswith('bc') | '12'.isdigit() | ''.isdigit() | 'ab'.isalpha() | 'Ab'.isupper() | 'ab'.islower() | ' \\n'.isspace() | 'a1'.isalnum()
'a=b=c'.partition('=')[2] | 'a=b=c'.rpartition('=')[0] | 'abc'.removeprefix('a') | 'abc'.removesuffix('c') | 'ab'.ljust(4) ~ '|' | 'ab'.rjust(4, '.') | 'ab'.center(5, '.') | 'abc'.center(6, '.')
messages[0].role | messages[-1]['role'] | messages[0]['nope'] | messages[10] | messages[1:][0].role | messages[::-1][0].role | numbers[:2] | numbers[-2:] | numbers[::2] | 'hello'[1:3] | 'hello'[::-1] | 'hello'[-1] | words[5:] | words[:-1]
d.items() | list | length ;; d.keys() | join ;; d.values() | list ;; d.items() | first | first
 d.get('z') | d.get('q') | d.get('q', 5) | d.m.k | d['m']['k'] | d['items'] is callable | d | messages[2] | [none, true, 1.5, 'a\\'b', "x\\n"] | {} | ()[:0] is sequence | (1,)[0] | (1, 2)[1] | [[]] | {'b': 1, 'a': none}
words | first ;; words | last ;; nothing | first ;; words | length ;; d | length ;; text | length ;; undefined_name | length ;; words | join ;; words | join('-') ;; messages | join(', ', attribute='role') ;; numbers | join('+')
text | trim ;; text | trim | upper ;; 'x-y z'| title ;; text | capitalize ;; 'a b' | replace(' ', '_') ;; n | string ;; [1, 'a'] | string ;; 'abc' | list ;; d | list ;; words | reverse | list ;; 'abc' | reverse ;; 'a\\nb\\n\\nc' | indent ;; 'a\\nb' | indent(2, true) ;; 'a\\nb' | indent('> ') ;; 'a b c' | wordcount
d | tojson ;; d | tojson(indent=4) ;; messages | tojson ;; text | tojson ;; none | tojson ;; [] | tojson(indent=2) ;; {} | tojson(indent=2) ;; [1, 1.0, 2.5e20, true] | tojson ;; 'é<>&\\u2028\\x7f\\x01' | tojson ;; 'é😀' | tojson(ensure_ascii=true) ;; d | tojson(separators=(',', ':')) ;; d | tojson(sort_keys=true) ;; tools | tojson(indent=2) ;; big | tojson ;; undefined_name | tojson
none_value | default('x') ;; undefined_name | default('x') ;; empty | default('x', true) ;; empty | d('x', boolean=true) ;; '12' | int ;; 'x' | int ;; 'x' | int(5) ;; 3.9 | int ;; '2.5' | float ;; -3 | abs ;; 2.5 | round ;; 3.5 | round ;; 2.567 | round(2) ;; 2.1 | round(0, 'ceil') ;; 2.675 | round(2)
words | sort ;; words | sort(case_sensitive=true) ;; numbers | sort(reverse=true) ;; messages | sort(attribute='role') | map(attribute='role') | list ;; d | dictsort | map('first') | list ;; d.m | items | map('last') | list ;; numbers | min ;; numbers | max ;; numbers | sum ;; ['a', 'A', 'b'] | unique | list ;; [1, 2, 3] | batch(2) | list
messages | selectattr('role', 'equalto', 'user') | list | length ;; messages | rejectattr('role', 'eq', 'user') | map(attribute='content') | list ;; messages | selectattr('nope') | list ;; messages | selectattr('nope', 'undefined') | list | length ;; numbers | select('odd') | list ;; numbers | reject('gt', 1) | list ;; words | map('upper') | list ;; words | select('in', ['b', 'c']) | list
n is defined | undefined_name is defined | undefined_name is not defined | d.q is undefined | none_value is none | n is number | yes is number | n is integer | f is float | yes is boolean | text is string | d is mapping | words is sequence | text is sequence | d is sequence | n is iterable | text is iterable | words is iterable | undefined_name is iterable
7 is odd | 8 is even | 9 is divisibleby 3 | 3 is in [1, 3] | 'a' is in 'abc' | n is eq 7 | n is gt 3 and n is lt 9 | yes is true | yes is false | none is sameas none | 'abc' is lower | 'ABC' is upper | raise_exception is callable | n is not string and true | not n is string | n is not none and n is not string
range(4) | list ;; range(1, 7, 2) | list ;; range(3, 0, -1) | list ;; strftime_now('%d %b %Y') ;; strftime_now('%Y-%m-%d %-d %B %A %j %y %%') ;; dict(a=1).a ;; namespace(a=1).a ;; messages[0].content[1:3] | upper ;; (words | first).upper() ;; ('a' ~ 'b') | upper ;; 'a' ~ 'b' | upper ;; -1 | abs ;; 2 ** 3 | string ;; not 'a' in text ;; yes if n == 7 and not empty else none
{'a': 1}.a ;; [1, 2, 3][1] ;; 'abc'.upper().lower() ;; d.a[0] ;; d['a'][-1] ;; d.a.0 ;; words[n - 6] ;; d.get('m').get('k') | upper ;; '%s-%d-%05.2f|%-4s|%3d|%x|%%|%r' | format('a', 7, 2.5, 'b', 3, 255, 'q') ;; '%(a)s %(b)03d' | format(a='x', b=5) ;; '%d' | format(2.9) ;; '%s' | format(none) ;; (d.get('q') or {}).get('k', 'w') ;; 1_000 + 0x10 ;; 1.5e2 ;; '%' ~ 1 ;; 'a}}b' ;; "%}" ;; text.strip().split(',')[0] | lower
"""  # noqa: RUF001

FAILING = """
undefined_name.x ;; undefined_name['x'] ;; undefined_name() ;; d.q.r ;; 'a' + 1 ;; 1 + 'a' ;; none + 'a' ;; undefined_name + 'a' ;; 'a' < 1 ;; '%d' | format('x') ;; '%s %s' | format(1) ;; '%s' | format(1, 2) ;; n in 'abc' ;; 1 in n ;; none[0].x ;; text.nope() ;; words.append('x') ;; d.update({}) ;; d.pop('z')
raise_exception('no') ;; 1 // 0 ;; 1 % 0 ;; n | length ;; none | length ;; none | join ;; words | nope ;; n is nope ;; 'abc'.split('') ;; range(0, 5, 0) ;; 'a' * 'b' ;; {} + {} ;; undefined_name | tojson | string ;; 'abc'.index('x') ;; n.x.y ;; [1, 2] | join('-', attribute='x.y') ;; -'a' ;; (1, 2
"""

TEMPLATES = {
    "trim_blocks": "a\n{% if yes %}\nb\n{% endif %}\nc\n",
    "lstrip_blocks": "a\n   {% if yes %}   \n  b\n\t{% endif %} x\n  {{ n }} \n",
    "lstrip only at a line's beginning": "a   {% if yes %}b   {% endif %}   c",
    "lstrip at the beginning": "   {% if yes %}b{% endif %}",
    "plus keeps": "a\n   {%+ if yes %}\nb{% endif +%}\nc",
    "minus": "a  \n {%- if yes -%}  \n b \n {%- endif -%} \n c {{- n -}} \n d",
    "minus on one side": "a {%- if yes %} \n b {% endif -%} \n c",
    "minus then block at a line": "{% if yes -%}\n   {% if yes %}x{% endif %}\n{%- endif %}y",
    "comments": "a {# c #} b\n  {# d #}\nc {#- e -#} d\n{# f\n #}\ng",
    "one line break at the end": "a\n\n",
    "carriage returns": "a\r\n{% if yes %}\r\nb{% endif %}\rc\r\n",
    "braces": "{ {% if yes %}{ {{ n }} }{% endif %} } {{'{'}} {{ '}}' }} {%- if yes %}{{% endif %}",
    "brace before a trimmed tag": '{"a": {  {%- if yes %}1{% endif %}}',
    "raw": "{% raw %}{{ n }} {% x %}{% endraw %}\nz",
    "raw trimmed": "a {%- raw -%}  {{ n }}  {%- endraw -%}  b",
    "for": "{% for m in messages %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }}{{ m.role }};{% endfor %}",
    "previous and next": "{% for m in numbers %}{{ loop.previtem }}<{{ m }}>{{ loop.nextitem }} {{ loop.previtem is defined }} {% endfor %}",
    "cycle": "{% for m in [1, 1, 2] %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "for else": "{% for m in nothing %}x{% else %}none{% endfor %}{% for m in undefined_name %}x{% else %}none{% endfor %}",
    "for with a condition": "{% for m in numbers if m > 1 %}{{ loop.index }}:{{ m }} {% else %}x{% endfor %}",
    "for two names": "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
    "for over a dict": "{% for k in d %}{{ k }}{% endfor %}",
    "for over a string": "{% for c in 'h\u00e9y' %}{{ c }}.{% endfor %}",
    "for in brackets": "{% for (a, b) in [(1, 2), (3, 4)] %}{{ a }}{{ b }}{% endfor %}",
    "for over a tuple": "{% for a in 1, 2 %}{{ a }}{% endfor %}",
    "wrong number to unpack": "{% for a, b in [[1, 2, 3]] %}{{ a }}{% endfor %}",
    "for none": "{% for a in none_value %}{% endfor %}",
    "break": "{% for m in numbers %}{% if m == 1 %}{% break %}{% endif %}{{ m }}{% endfor %}",
    "continue": "{% for m in numbers %}{% if m == 1 %}{% continue %}{% endif %}{{ m }}{% endfor %}",
    "break of the inner loop": "{% for a in numbers %}{% for b in numbers %}{% if b == a %}{% break %}{% endif %}{{ a }}{{ b }} {% endfor %}{% endfor %}",
    "set in a loop stays there": "{% set x = 0 %}{% for m in numbers %}{% set x = x + m %}{{ x }}{% endfor %}{{ x }}",
    "set in a loop is new each time": "{% for m in numbers %}{% if loop.first %}{% set y = m %}{% endif %}{{ y is defined }}{% endfor %}",
    "set in an if": "{% if yes %}{% set x = 1 %}{% else %}{% set x = 2 %}{% endif %}{{ x }}",
    "namespace": "{% set ns = namespace(found=false, n=0) %}{% for m in numbers %}{% set ns.n = ns.n + m %}{% if m == 1 %}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.n }}{{ ns.found }}{{ ns.q is defined }}",
    "namespace of a dict": "{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}{{ ns['a'] }}",
    "set of an attribute of a dict": "{% set d.x = 1 %}",
    "set of two": "{% set a, b = 1, 'x' %}{{ a }}{{ b }}",
    "set block": "{% set x %}a{{ n }}{% endset %}[{{ x }}]",
    "set block with a filter": "{% set x | upper | trim %} a{{ n }} {% endset %}[{{ x }}]",
    "set block of a namespace": "{% set ns = namespace() %}{% set ns.x %}q{% endset %}{{ ns.x }}",
    "scope of set blocks": "{% for m in numbers %}{% set x %}{{ m }}{% endset %}{{ x }}{% endfor %}{{ x is defined }}",
    "elif": "{% for m in numbers %}{% if m == 1 %}a{% elif m == 2 %}b{% else %}c{% endif %}{% endfor %}",
    "macro": "{% macro f(a, b=2, c='x') %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ f(1) }}{{ f(1, c=3) }}{{ f(b=1, a=0) }}",
    "macro that sees what is set later": "{% macro f() %}{{ x }}{{ n }}{% endmacro %}{% set x = 5 %}{{ f() }}",
    "macro without an argument": "{% macro f(a) %}{{ a is defined }}{{ a }}{% endmacro %}{{ f() }}",
    "macro in a macro": "{% macro g(a) %}<{{ a }}>{% endmacro %}{% macro f(a) %}{{ g(a) }}{{ g(a + 1) }}{% endmacro %}{{ f(1) }}",
    "recursive macro": "{% macro f(a) %}{{ a }}{% if a > 0 %}{{ f(a - 1) }}{% endif %}{% endmacro %}{{ f(5) }}",
    "the text of a macro": "{% macro f(a) %} {{ a }} {% endmacro %}{{ f('x') | trim }}{{ f('x').strip() }}{{ f(1) ~ f(2) }}{{ f(1) is string }}{{ f(1) == ' 1 ' }}{{ f(1)[1] }}",
    "trimmed macro": "{%- macro f(a) -%}\n  {{ a }}\n{%- endmacro -%}\n{{ f(1) }}{{ f(2) }}",
    "loops in a macro": "{% macro f(items) %}{% for i in items %}{{ loop.index }}{{ i }}{% endfor %}{% endmacro %}{% for a in words %}{{ f(numbers) }}{{ loop.index }}{% endfor %}",
    "call": "{% macro f(x) %}<{{ caller() }}{{ x }}>{% endmacro %}{% call f(1) %}in{{ n }}{% endcall %}",
    "call with arguments": "{% macro f() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b) f() %}{{ a }}-{{ b }}{% endcall %}",
    "filter block": "{% filter upper | replace('A', 'b') %}a{{ text }}{% endfilter %}",
    "with": "{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}",
    "with none": "{% set a = 1 %}{% with %}{% set a = 2 %}{{ a }}{% endwith %}{{ a }}",
    "recursive loop": "{% for x in [1, [2, [3]]] recursive %}{% if x is number %}{{ x }}{% else %}({{ loop(x) }}){% endif %}{% endfor %}",
    "generation": "a{% generation %}\nb {{ n }}{% endgeneration %}\nc{%- generation -%} d {%- endgeneration -%} e",
    "joiner and cycler": "{% set j = joiner('|') %}{% set c = cycler('x', 'y') %}{% for w in words %}{{ j() }}{{ w }}{{ c.next() }}{{ c.current }}{% endfor %}",
    "a filter binds closer than a sum": "{{ 'a' ~ 'b' | upper }}{{ 1 + 2 | string | length }}",
    "line break in a tag": "{{ n\n  + 1\n}}{%\n if yes\n%}\nx{% endif %}",
    "string over lines": "{{ 'a\nb' }}",
    "unknown statement": "{% nonsense %}",
    "unclosed": "{% if yes %}",
    "unclosed tag": "{{ n",
    "wrong end": "{% if yes %}{% endfor %}",
    "include": "{% include 'x' %}",
    "undefined in an if": "{% if undefined_name %}a{% else %}b{% endif %}{% if d.q %}a{% endif %}{% if not undefined_name %}c{% endif %}",
    "undefined is empty": "[{{ undefined_name }}][{{ d.q }}][{{ undefined_name ~ 'x' }}][{{ undefined_name | upper }}][{{ undefined_name | list }}]",
    "raise": "{% if n == 7 %}{{ raise_exception('Only ' ~ n) }}{% endif %}",
    "none is printed": "{{ none_value }}{{ [none_value] }}{{ none_value | string }}{{ none_value | trim }}",
    "shadowing a function": "{% set range = 5 %}{{ range }}",
    "shadowing in a loop": "{% for loop_item in numbers %}{% for n in words %}{{ n }}{% endfor %}{{ n }}{% endfor %}",
    "loop variable after the loop": "{% for q in numbers %}{% endfor %}{{ q is defined }}{{ loop is defined }}",
    "date of Llama 3": "{%- if not date_string is defined %}{%- if strftime_now is defined %}{%- set date_string = strftime_now('%d %b %Y') %}{%- else %}{%- set date_string = '26 Jul 2024' %}{%- endif %}{%- endif %}{{ date_string }}",
}


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26)


def render(template: str) -> str | None:
    try:
        return chat_template_utils._compile_jinja_template(template).render(**VARS)
    except Exception:  # jinja2 raises whatever Python raises
        return None


def cases() -> list[dict]:
    templates = []
    for line in EXPRESSIONS.strip().splitlines() + FAILING.strip().splitlines():
        parts = line.split(" ;; ") if " ;; " in line else line.split(" | ")
        templates += [(part.strip(), "{{ " + part.strip() + " }}") for part in parts]
    templates += TEMPLATES.items()
    out = []
    for name, template in templates:
        out.append({"name": name, "template": template, "vars": VARS, "want": render(template)})
    return out


def make_all(testdata: Path) -> None:
    testdata.mkdir(parents=True, exist_ok=True)
    with mock.patch.object(chat_template_utils, "datetime", Clock):
        all_cases = cases()
    shared = {"vars": VARS, "cases": [{k: v for k, v in c.items() if k != "vars"} for c in all_cases]}
    with open(testdata / "jinja.json", "w", encoding="utf-8") as file:
        json.dump(shared, file, ensure_ascii=False, indent=1)
        file.write("\n")
    print(f"jinja.json: {len(all_cases)} templates, {sum(c['want'] is None for c in all_cases)} of them fail")
