# SPDX-License-Identifier: GPL-3.0-or-later
# Writes templates.json: small chat templates, their variables, and what transformers' own Jinja
# environment makes of them
# (text, ranges of {% generation %} in bytes, or that it refuses). Run with the oracle's Python:
# make_templates.py
import json
import pathlib

from transformers.utils.chat_template_utils import _compile_jinja_template, _render_with_assistant_indices

TOOLS = [{"type": "function", "function": {"name": "weather",
                                           "description": "The weather <now> & \"here\".",
                                           "parameters": {
    "type": "object", "properties": {"city": {"type": "string", "description": "도시"},
                                     "days": {"type": "integer", "enum": [1, 2]}},
                                     "required": ["city"]}}}]
TALK = [{"role": "system", "content": "Be brief."},
        {"role": "user", "content": " Hi <there>, 안녕! "},
        {"role": "assistant", "content": "Hello."}, {"role": "user", "content": "2+2?"},
        {"role": "assistant", "content": "4\n"}]
PICTURES = [{"role": "user", "content": [{"type": "image"},
                                         {"type": "text", "text": "What is this?"},
                                         {"type": "image_url", "image_url": "x"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]},
            {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "And 그것?"}]}]
BASE = {"messages": TALK, "add_generation_prompt": True, "bos_token": "<s>", "eos_token": "</s>",
        "tools": None, "documents": None}


def case(template, **variables):
    return template, {**BASE, **variables}


# Templates in the manner of public families, written for this test.
CHATML = """{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou help.<|im_end|>\\n' }}{% endif %}
{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"""
QWEN_VL = """{% set image_count = namespace(value=0) %}{% set video_count = namespace(value=0) %}{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system
You are a helper.<|im_end|>
{% endif %}<|im_start|>{{ message['role'] }}
{% if message['content'] is string %}{{ message['content'] }}<|im_end|>
{% else %}{% for content in message['content'] %}{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}{% set image_count.value = image_count.value + 1 %}{% if add_vision_id %}Picture {{ image_count.value }}: {% endif %}<|vision_start|><|image_pad|><|vision_end|>{% elif content['type'] == 'video' or 'video' in content %}{% set video_count.value = video_count.value + 1 %}{% if add_vision_id %}Video {{ video_count.value }}: {% endif %}<|vision_start|><|video_pad|><|vision_end|>{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>
{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
LLAVA = """{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}{% endif %}{# images first #}{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\\n' }}{% endfor %}{% if message['role'] != 'assistant' %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' '}}{% endfor %}{% else %}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{% generation %}{{ content['text'] + ' '}}{% endgeneration %}{% endfor %}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"""
SMOLVLM = """<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}{% elif line['type'] == 'image' %}{{ '<image>' }}{% endif %}{% endfor %}<end_of_utterance>
{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"""
LLAMA3 = """{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{%- if not date_string is defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}

{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Environment: ipython\\n" }}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- "Today: " + date_string + "\\n" + system_message + "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("Only one tool-call at once!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '{"name": "' + tool_call.name + '", "parameters": ' }}{{- tool_call.arguments | tojson }}{{- "}<|eot_id|>" }}
    {%- elif message.role == "tool" or message.role == "ipython" %}
        {%- if message.content is mapping or message.content is iterable %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""
GEMMA = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set first_user_prefix = messages[0]['content'] + '\\n\\n' %}{% set loop_messages = messages[1:] %}{% else %}{% set first_user_prefix = "" %}{% set loop_messages = messages %}{% endif %}
{% for message in loop_messages %}
    {% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{ raise_exception("Roles must alternate") }}
    {% endif %}
    {% if (message['role'] == 'assistant') %}{% set role = "model" %}{% else %}{% set role = message['role'] %}{% endif %}
    {{ '<start_of_turn>' + role + '\\n' + (first_user_prefix if loop.first else "") }}
    {% if message['content'] is string %}
        {{ message['content'] | trim }}
    {% elif message['content'] is iterable %}
        {% for item in message['content'] %}{% if item['type'] == 'image' %}{{ '<start_of_image>' }}{% elif item['type'] == 'text' %}{{ item['text'] | trim }}{% endif %}{% endfor %}
    {% endif %}
    {{ '<end_of_turn>\\n' }}
{% endfor %}
{% if add_generation_prompt %}{{'<start_of_turn>model\\n'}}{% endif %}"""
MISTRAL = """{%- if messages[0]["role"] == "system" %}{%- set system_message = messages[0]["content"] %}{%- set loop_messages = messages[1:] %}{%- else %}{%- set loop_messages = messages %}{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}{{- '"' + key + '": "' + val + '"' }}{%- else %}{{- '"' + key + '": ' + val|tojson }}{%- endif %}
                    {%- if not loop.last %}{{- ", " }}{%- endif %}
                {%- endfor %}
                {{- "}}" }}{%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" }}{%- endif %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}{{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}{%- else %}{{- "[INST] " + message["content"] + "[/INST]" }}{%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token }}
    {%- else %}{{- raise_exception("Only user and assistant roles, not " ~ message.role) }}{%- endif %}
{%- endfor %}"""
TOOL_MACRO = """{%- macro render_type(spec, depth=0) -%}
{%- if spec.type == 'object' -%}{ {%- for name, p in spec.properties|dictsort %}{{ name }}{{ '' if name in spec.required|default([]) else '?' }}: {{ render_type(p, depth + 1) }}{{ ', ' if not loop.last }}{%- endfor %} }
{%- elif spec.enum is defined -%}{{ spec.enum|map('string')|join(' | ') }}{%- else -%}{{ spec.type }}{{ '!' * depth }}{%- endif -%}
{%- endmacro -%}
{% for tool in tools %}{{ tool.function.name }}({{ render_type(tool.function.parameters) }}) // {{ tool.function.description|e }}
{% endfor %}"""
ASSISTANT = """{% for message in messages %}{% if message.role == 'assistant' %}<a>{% generation %}{{ message.content }}</a>{% endgeneration %}{% else %}[{{ message.content }}]{% endif %}{% endfor %}"""

CASES = [
    case(CHATML), case(CHATML, messages=TALK[1:], add_generation_prompt=False),
    case(QWEN_VL, messages=PICTURES), case(QWEN_VL, messages=PICTURES, add_vision_id=True),
    case(QWEN_VL), case(LLAVA, messages=PICTURES), case(SMOLVLM, messages=PICTURES), case(LLAMA3),
    case(LLAMA3, tools=TOOLS), case(LLAMA3, messages=TALK[1:3] + [
        {"role": "assistant", "tool_calls": [{"function": {"name": "f",
                                                           "arguments": {
                                                               "a": 1.5, "b": [True, None],
                                                               "ü": "é"}}}]},
                                                               {"role": "tool",
                                                                "content": {"t": [1, 2]}}]),
    case(LLAMA3, messages=[{"role": "assistant", "tool_calls": []}]), case(GEMMA),
    case(GEMMA, messages=PICTURES), case(GEMMA, messages=TALK[2:]),
    case(MISTRAL, messages=TALK[:4]), case(MISTRAL, messages=TALK[:4], tools=TOOLS),
    case(TOOL_MACRO, tools=TOOLS), case(ASSISTANT),
    # White space.
    case("a\n  {% if true %}\n  b\n  {% endif %}\nc\n"),
    case("a\n  {%+ if true %}\n  b{% endif +%}\nc\n\n"),
    case("a \n {%- if true -%} \n b \n {%- endif -%} \n c"),
    case("x {{- 1 -}} y {{ 2 }} z\n{# c #}\n  {#- d -#}  e {# f\ng #} h\n"),
    case("{% raw %}{{ x }}{% if %}{% endraw %}\n|{%- raw -%}  {{ y }}  {%- endraw -%} |"),
    case("{% for x in [1,2] %}\n{{ x }}\n{% endfor %}\n\nend\r\nx\ry"),
    case("  {% set x = 1 %}  \n\t{{ x }}  {% set y = 2 %}\n{{ y }}"),
    case("{{ '{{' }} {{ '%}' }} {{ {'a': {'b': 1}}['a']['b'] }}"),
    # Expressions.
    case("{{ 1 + 2 * 3 - 4 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7.5 % 2 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 10 / 4 }} {{ 1e3 }} {{ 0x1F }} {{ 1_000 }}"),
    case("{{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 1 == 1.0 }} {{ 'a' < 'b' }} {{ [1,2] < [1,3] }} {{ 3 in [1,2,3] }} {{ 'x' not in 'abc' }} {{ not 1 == 2 }} {{ none == none }} {{ true == 1 }}"),
    case("{{ 'a' ~ 1 ~ none ~ 2.50 ~ true ~ [1, 'b', none, {'k': (1,)}] ~ nothing }}|{{ 'a' 'b' }}|{{ 'x' * 3 }}|{{ [1] * 2 + [3] }}|{{ (1, 2) + (3,) }}|{{ () }}"),
    case("{{ nothing }}|{{ nothing is defined }}|{{ messages[0].nothing }}|{{ messages[99] }}|{{ nothing|default('d') }}|{{ ''|default('e', true) }}|{{ none|d('f') }}|{{ 1 if nothing }}|{{ nothing == other }}"),
    case("{{ messages[-1].role }} {{ messages[1:3]|length }} {{ 'hello'[1:-1] }} {{ 'hello'[::-1] }} {{ [1,2,3,4,5][::2] }} {{ [1,2,3][-2:] }} {{ '안녕하세요'[1:3] }} {{ '안녕'[0] }} {{ [1,2,3,4][5:0:-2] }} {{ 'abc'[-99:99] }}"),
    case("{{ 'a' if false else 'b' if false else 'c' }} {{ 1 and 0 or 'z' }} {{ none or [] or 'y' }} {{ not none }} {{ (1 if true else 2) + 3 }}"),
    case("{{ '\\n\\t\\\\\\'\\x41\\u00e9\\q' }} {{ \"it's\" }} {{ ['it\\'s', \"q\\\"'\", 'new\\nline', 'é\\x07\\u200b'] }}"),
    case("{{ 1.0 }} {{ 0.1 + 0.2 }} {{ 1e16 }} {{ 1e-5 }} {{ 123456789.125 }} {{ 1/3 }} {{ 100000000000000000000.0 }} {{ 5|float }} {{ '3.7'|int }} {{ 'x'|int(9) }} {{ ' 12 '|int }} {{ '0x1f'|int(0, 16) }}"),
    # Statements.
    case("{% for m in messages %}{{ loop.index }}/{{ loop.length }} {{ loop.revindex0 }} {{ loop.first }} {{ loop.last }} {{ loop.previtem.role if not loop.first }}>{{ loop.nextitem.role if not loop.last }}{{ loop.nextitem is defined }} {{ loop.cycle('a', 'b') }} {{ loop.changed(m.role) }}\n{% endfor %}"),
    case("{% for k, v in {'a': 1, 'b': [2]}.items() %}{{ k }}={{ v }};{% else %}none{% endfor %}{% for x in [] %}x{% else %}empty{% endfor %}{% for x in range(10) if x is even and x > 2 %}{{ loop.index0 }}:{{ x }} {% endfor %}{% for (a, b), c in [((1, 2), 3)] %}{{ a }}{{ b }}{{ c }}{% endfor %}"),
    case("{% for i in range(5) %}{% if i == 1 %}{% continue %}{% endif %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}{% for a in [1,2] %}{% for b in [1,2] %}{{ loop.depth }}{% break %}{% endfor %}{% endfor %}"),
    case("{% set x = 1 %}{% for i in [1,2] %}{{ x }}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}{% if true %}{% set x = 9 %}{% endif %}{{ x }}{% set a, b = 'pq' %}{{ a }}{{ b }}"),
    case("{% set ns = namespace(found=false, n=0) %}{% for m in messages %}{% if m.role == 'assistant' %}{% set ns.found = true %}{% set ns.n = ns.n + 1 %}{% endif %}{% endfor %}{{ ns.found }} {{ ns.n }} {{ ns.other is defined }} {{ ns['n'] }}"),
    case("{% set block %}  in {{ 1 + 1 }} {% endset %}[{{ block }}]{% set up | upper | trim %} a{{ 'b' }} {% endset %}[{{ up }}]{% filter upper %}x{{ 'y' }}{% endfilter %}{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a is defined }}"),
    case("{% macro m(a, b='B', c=none) %}({{ a }},{{ b }},{{ c }}){% endmacro %}{{ m(1) }}{{ m(1, 2) }}{{ m(c=3, a=1) }}{{ m() }}{% set r = m('z') %}{{ r|length }}{{ m.name }}{% macro w() %}<{{ caller() }}>{% endmacro %}{% call w() %}in{% endcall %}{% macro each(xs) %}{% for x in xs %}{{ caller(x) }}{% endfor %}{% endmacro %}{% call(v) each([1,2]) %}[{{ v }}]{% endcall %}"),
    case("{% macro fact(n) %}{% if n <= 1 %}1{% else %}{{ n }}*{{ fact(n - 1) }}{% endif %}{% endmacro %}{{ fact(6) }}{% set y = 5 %}{% macro g() %}{{ y }}{{ z }}{% endmacro %}{% set z = 6 %}{{ g() }}"),
    case("{% if messages and messages[0] %}A{% endif %}{% if false %}1{% elif none %}2{% elif [] %}3{% elif {} %}4{% elif 0.0 %}5{% elif 'x' %}6{% else %}7{% endif %}"),
    # Filters.
    case("{{ ' a b '|trim }}|{{ 'xxaxx'|trim('x') }}|{{ 'abc'|upper }}|{{ 'ÀÉ'|lower }}|{{ 'hello world-wide (web) it\\'s'|title }}|{{ 'hELLO wORLD'|capitalize }}|{{ 'aXbXc'|replace('X', '-') }}|{{ 'aaa'|replace('a', 'b', 2) }}|{{ [1,2,3]|join(', ') }}|{{ messages|join(';', attribute='role') }}|{{ messages|map(attribute='role')|join }}"),
    case("{{ [3,1,2]|sort }} {{ ['b','A','c']|sort }} {{ ['b','A']|sort(case_sensitive=true) }} {{ [3,1,2]|sort(reverse=true) }} {{ messages|sort(attribute='content')|map(attribute='role')|list }} {{ {'b': 1, 'a': 2}|dictsort }} {{ {'b': 1, 'a': 2}|dictsort(by='value') }} {{ [1,1,2,'a','A']|unique|list }} {{ [1,2,3]|reverse|list }} {{ 'abc'|reverse }} {{ [4,9,2]|min }} {{ [4,9,2]|max }} {{ [1,2]|sum }} {{ [{'x': 2}, {'x': 3}]|sum(attribute='x') }}"),
    case("{{ [1,2,3]|first }} {{ [1,2,3]|last }} {{ []|first }} {{ 'abc'|first }} {{ 'abc'|list }} {{ {'a': 1}|list }} {{ 'abc'|length }} {{ {'a': 1}|length }} {{ '안녕'|count }} {{ -5|abs }} {{ 2.5|round }} {{ 3.14159|round(2) }} {{ 2.1|round(method='ceil') }} {{ 25|round }} {{ 3.7|int }} {{ 5|string + '!' }} {{ [1,2,3,4,5]|batch(2)|list }} {{ [1,2,3]|batch(2, 0)|list }}"),
    case("{{ [1,2,3,4]|select('odd')|list }} {{ [1,2,3,4]|reject('divisibleby', 2)|list }} {{ [0,1,'',none]|select|list }} {{ messages|selectattr('role', 'in', ['user'])|map(attribute='content')|list }} {{ messages|rejectattr('role', 'equalto', 'user')|list|length }} {{ [{'a': 1}, {}]|selectattr('a')|list }} {{ [{'a': 1}, {'b': 2}]|selectattr('b', 'defined')|list }} {{ ['a', 'b']|map('upper')|join }} {{ [{'f': {'n': 'x'}}]|map(attribute='f.n')|list }} {{ [{}]|map(attribute='q', default='D')|list }}"),
    case("{{ tools|tojson }}\n{{ tools[0]|tojson(indent=2) }}\n{{ {'é': 1.0, 'b': none, 'c': [], 'd': {}}|tojson(ensure_ascii=true) }} {{ {'b': 1, 'a': [1, 2]}|tojson(separators=(',', ':'), sort_keys=true) }} {{ '<a&\"\\n\\x01'|tojson }} {{ [1, true, none, 1e100]|tojson(indent=1) }} {{ (1, 2)|tojson }}", tools=TOOLS),
    case("{{ 'a\\n\\nb\\nc'|indent }}|{{ 'a\\nb'|indent(2, true) }}|{{ 'a\\n\\nb'|indent(1, blank=true) }}|{{ 'a\\nb'|indent('> ') }}|{{ '<a href=\"x\">\\'&'|e }}|{{ '<b>'|safe }}|{{ 'one two  three'|wordcount }}|{{ {'a': 1, 'b': 2}|items|list }}|{{ '%s-%d-%.2f-%05d'|format('a', 3, 2.5, 42) }}|{{ 'x: %s' % 'y' }}|{{ '%s %s' % (1, 2) }}"),
    case("{% for role, group in messages|groupby('role') %}{{ role }}:{{ group|length }} {% endfor %}{{ messages|groupby('role')|map('first')|list }}"),
    # Tests and methods.
    case("{{ 1 is number }} {{ true is number }} {{ true is integer }} {{ 1 is integer }} {{ 1.0 is float }} {{ 'a' is string }} {{ [] is iterable }} {{ 'a' is sequence }} {{ {} is mapping }} {{ {} is sequence }} {{ none is none }} {{ 1 is odd }} {{ 4 is divisibleby 2 }} {{ 3 is in [1,2,3] }} {{ 3 is not in [1] }} {{ 1 is eq 1 }} {{ 1 is sameas 1 }} {{ false is false }} {{ 0 is false }} {{ range is callable }} {{ 'a' is lower }} {{ true is boolean }} {{ nothing is undefined }} {{ nothing is sequence }} {{ 5 is gt 3 }} {{ 5 is ge(5) }}"),
    case("{{ ' a '.strip() }}|{{ 'xxa'.lstrip('x') }}|{{ 'a,b,,c'.split(',') }}|{{ ' a  b c '.split() }}|{{ 'a b c'.split(' ', 1) }}|{{ 'a b c'.rsplit(' ', 1) }}|{{ 'a b  c'.rsplit(none, 1) }}|{{ 'a b  c'.split(none, 1) }}|{{ 'abc'.startswith('ab') }}|{{ 'abc'.endswith(('x', 'c')) }}|{{ 'abc'.find('c') }}|{{ '안녕c'.find('c') }}|{{ 'abc'.find('z') }}|{{ 'abcabc'.count('b') }}|{{ 'hello wOrld it\\'s'.title() }}|{{ 'hello'.capitalize() }}|{{ ','.join(['a', 'b']) }}|{{ 'a-b'.replace('-', '+') }}|{{ 'ab'.replace('', '.') }}|{{ 'prefix_x'.removeprefix('prefix_') }}|{{ 'x.py'.removesuffix('.py') }}|{{ '123'.isdigit() }}|{{ ''.isdigit() }}|{{ 'Ab'.isalpha() }}|{{ 'a\\nb\\r\\nc\\n'.splitlines() }}"),
    case("{{ {'a': 1}.get('a') }} {{ {'a': 1}.get('b') }} {{ {'a': 1}.get('b', 2) }} {{ {'a': 1, 'b': 2}.keys()|list }} {{ {'a': 1}.values()|list }} {{ {'a': 1}.items()|list }} {{ {1: 'x', 'k': 2}[1] }} {{ {'items': 5}['items'] }} {{ {'get': 6}.get('get') }} {{ dict(a=1, b=2) }} {{ dict([('x', 1)]).x }} {{ [1,2,1].count(1) }} {{ [5,6].index(6) }} {{ 'x={} y={name} {0}'.format(1, name='n') if false else 'x={} y={name}'.format(1, name='n') }}"),
    case("{{ range(3)|list }} {{ range(1, 10, 3)|list }} {{ range(5, 0, -2)|list }} {{ range(0)|list }} {{ 'zfill'.zfill(7) }} {{ 'c'.center(4, '*') }} {{ 'l'.ljust(3, '.') }} {{ 'r'.rjust(3) }} {{ 'a-b-c'.partition('-') }} {{ 'a-b-c'.rpartition('-') }}"),
    case("{% generation %}a{% generation %}b{% endgeneration %}{% endgeneration %}{% macro m() %}{% generation %}é{% endgeneration %}{% endmacro %}x{{ m() }}{% for i in [1,2] %}안{% generation %}{{ i }}\n{% endgeneration %}\n{% endfor %}"),
    # Refused, by us as by the reference.
    case("{{ nothing.x }}"), case("{{ nothing + 1 }}"), case("{{ nothing() }}"),
    case("{{ 'a' + 1 }}"), case("{{ [1] < 'a' }}"), case("{% for x in 5 %}{% endfor %}"),
    case("{{ 1 // 0 }}"), case("{{ raise_exception('No: ' ~ messages|length) }}"),
    case("{% if %}x{% endif %}"), case("{{ (1 }}"), case("{% for x in [1] %}"), case("{{ 'a }}"),
    case("{% unknown %}"), case("{{ 1|unknown }}"), case("{% set x.y = 1 %}"),
    case("{{ range(1000000)|length }}"), case("{% endif %}"), case("{{ nothing|tojson }}"),
    case("{{ messages.append(1) }}"), case("{{ messages[0].update({'a': 1}) }}"),
    case("{{ messages[0].pop('role') }}"),
    # Ways out that must lead nowhere: undefined or refused, and either will do.
    case("{{ ''.__class__ }}|{{ messages.__class__ }}|{{ [].__len__ }}"),
    case("{{ ''.__class__.__mro__[1].__subclasses__() }}"),
    case("{{ messages.__class__.__base__ }}"), case("{{ self.__init__.__globals__ }}"),
    case("{{ raise_exception.__globals__['__builtins__'] }}"),
    case("{{ range.__self__.eval('1') }}"),
    case("{{ namespace.__init__.__globals__.os.popen('id').read() }}"),
    case("{{ ''|attr('__class__') }}|{{ {}|attr('get') is defined }}"),
    case("{{ messages|map(attribute='__class__')|list|length }}"),
    case("{{ '{0.__class__}'.format(1) }}"),
    case("{{ lipsum.__globals__ }}"), case("{{ cycler.__init__.__globals__.os }}"),
    case("{{ (messages|first)['__class__'] }}"),
]


def expect(template, variables):
    if "__" in template:
        return {"harmless": True}
    try:
        compiled = _compile_jinja_template(template)
        if "generation" in template:
            text, ranges = _render_with_assistant_indices(compiled, variables["messages"],
                                                          variables["tools"],
                                                          variables["documents"],
                                                          variables["add_generation_prompt"],
                                                          **{k: v for k, v in variables.items()
                                                             if k not in ("messages", "tools", "documents", "add_generation_prompt")})
            return {"text": text, "generation": [[len(text[:a].encode()), len(text[:b].encode())]
                                                 for a, b in ranges]}
        return {"text": compiled.render(**variables)}
    except Exception:
        return {"refused": True}


def main():
    cases = []
    for template, variables in CASES:
        own = {k: v for k, v in variables.items() if k not in BASE or v is not BASE[k]}
        cases.append({"template": template, "variables": own, **expect(template, variables)})
    document = {"base": BASE, "cases": cases}
    path = pathlib.Path(__file__).with_name("templates.json")
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


main()
