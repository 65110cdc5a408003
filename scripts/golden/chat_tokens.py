"""Token ids and masks of conversations from transformers' apply_chat_template: peft/data/testdata/chat/.

  spm.gguf, bpe.gguf  two small vocabularies, made here, each equal to a Hugging Face tokenizer made beside it:
                      SentencePiece BPE with byte fallback, and byte-level BPE with Llama 3's pattern
  <template>.jinja    templates that render as the published ones of Llama 2, Llama 3, ChatML and Mistral do, and one
                      with tools; in the text written here, GEN(…) marks what the assistant says
  own.json            ids and masks of conversations written here, in full
  rows.txt            of ../shared/data: template, file, line, number of ids, number of trained ids, first 16 hex digits of
                      the SHA-256 of the ids and of the mask (int32, little endian); "fail" where the template refuses

The masks are transformers' (return_assistant_tokens_mask) with {% generation %} around each GEN; an answer whose weight
is 0 is rendered without the marks.
"""

import hashlib
import json
import re
import sys
from pathlib import Path

import gguf
import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

ROWS = 200
MARKS = ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|im_start|>", "<|im_end|>"]
# Words that the vocabularies are trained on.
CORPUS = """
The assistant answers the question that the user asks. What is the weather today? It will be sunny in the morning, with
some clouds later on; there is a chance of rain in the evening. Here are three steps: 1. Read the text. 2. Write down what
you think. 3. Compare it with others. Please explain this in your own words, and give an example. Information about the
system can be found in the following list of functions and their arguments. She said that they would have done it for him
because of the other people who were there. In 2024 about 1500 persons were asked: 37 % agreed. {"name": "value"} <b> I'm,
don't, we'll, you've. Every sentence should be short, clear and helpful. Thank you for the message; have a nice day!
"""

TEMPLATES = {
    "llama2": "{% if messages and messages[0]['role'] == 'system' %}{% set turns = messages[1:] %}{% set system = messages[0]['content'] %}"
    "{% else %}{% set turns = messages %}{% set system = false %}{% endif %}{% for message in turns %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if loop.index0 == 0 and system != false %}{% set content = '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}"
    "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}GEN({{ ' ' + content.strip() + ' ' + eos_token }}){% endif %}{% endfor %}",
    "llama3": "{% for message in messages %}{% set head = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' %}"
    "{% if loop.index0 == 0 %}{% set head = bos_token + head %}{% endif %}{{ head }}"
    "{% if message['role'] == 'assistant' %}GEN({{ message['content'] | trim + '<|eot_id|>' }})"
    "{% else %}{{ message['content'] | trim + '<|eot_id|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}",
    "chatml": "{% for message in messages %}\n{{- '<|im_start|>' + message['role'] + '\\n' }}\n"
    "{%- if message['role'] == 'assistant' %}GEN({{- message['content'] + '<|im_end|>' + '\\n' }})"
    "{% else %}{{ message['content'] + '<|im_end|>' + '\\n' }}{% endif %}{% endfor %}\n"
    "{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "mistral": "{%- if messages[0]['role'] == 'system' %}\n    {%- set system = messages[0]['content'] %}\n    {%- set turns = messages[1:] %}\n"
    "{%- else %}\n    {%- set turns = messages %}\n{%- endif %}\n{{- bos_token }}\n{%- for message in turns %}\n"
    "    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}\n        {{- raise_exception('roles must alternate') }}\n    {%- endif %}\n"
    "    {%- if message['role'] == 'user' %}\n        {%- if loop.first and system is defined %}\n"
    "            {{- '[INST] ' + system + '\\n\\n' + message['content'] + ' [/INST]' }}\n        {%- else %}\n"
    "            {{- '[INST] ' + message['content'] + ' [/INST]' }}\n        {%- endif %}\n"
    "    {%- elif message['role'] == 'assistant' %}GEN({{- ' ' + message['content'] + eos_token }})\n    {%- endif %}\n{%- endfor %}\n",
    "tools": "{{- bos_token }}{%- if tools %}{{- '<|im_start|>system\\nTools:\\n' }}{%- for tool in tools %}{{- tool | tojson(indent=2) ~ '\\n' }}{%- endfor %}"
    "{{- '<|im_end|>\\n' }}{%- endif %}{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' }}"
    "{%- if message.role == 'assistant' %}GEN({%- if message.content %}{{- message.content }}{%- endif %}"
    "{%- for call in message.tool_calls or [] %}{{- '<call>' ~ (call.function | tojson) ~ '</call>' }}{%- endfor %}{{- '<|im_end|>\\n' }})"
    "{%- else %}{{- message.content ~ '<|im_end|>\\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}",
}  # fmt: skip
VOCABULARY = {"llama2": "spm", "mistral": "spm", "llama3": "bpe", "chatml": "bpe", "tools": "bpe"}

TOOL = {"type": "function", "function": {"name": "weather", "description": "Weather & wind of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}}}  # fmt: skip


def own_chats() -> list[dict]:
    def turns(*texts, system=None):
        head = [] if system is None else [{"role": "system", "content": system}]
        return head + [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]

    weighted = turns("One?", "First.", "Two?", "Second.", "Three?", "Third.")
    weighted[1]["weight"], weighted[3]["weight"], weighted[5]["weight"] = 0, 1, 0
    calls = [
        {"role": "user", "content": "Will it rain in M\u00fcnchen?"},
        {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": {"name": "weather", "arguments": {"days": 2, "city": "M\u00fcnchen"}}}]},
        {"role": "tool", "content": '{"rain": false}'},
        {"role": "assistant", "content": "No."},
    ]  # fmt: skip
    return [
        {"name": "one turn", "messages": turns("What is the weather?", "Sunny.")},
        {"name": "system", "messages": turns("Hello", "Hi, how can I help?", system="Be brief.")},
        {"name": "empty system", "messages": turns("Hello", "Hi.", system="")},
        {"name": "several turns", "messages": turns("a", "b", "c", "d", "e", "f")},
        {"name": "white space at the edges", "messages": turns("  two blanks\n", "\n\tand a tab \n\n", " ", "  x", system=" s ")},
        {"name": "accents and emoji", "messages": turns("\u00e9t\u00e9 \u2014 na\u00efve?", "\u65e5\u672c\u8a9e \U0001f469\u200d\U0001f680 ok\u2028.")},
        {"name": "an answer that begins and ends with emoji", "messages": turns("\U0001f600", "\U0001f680\U0001f600", "x", "\u00e9")},
        {"name": "spelled markers", "messages": turns("say </s> and <|im_end|> and <|eot_id|>", "</s>? <s>!<|im_start|>x")},
        {"name": "weights", "messages": weighted},
        {"name": "a question at the end", "messages": turns("a?", "b.", "c?")},
        {"name": "digits and line breaks", "messages": turns("1234567 + 89 = ?\r\n\r\n", "1.  1234656\n2.\tdone\n\n\n\nend")},
        {"name": "code", "messages": turns("def f(x):\n    return x**2", "```python\nfor i in range(3):\n\tprint(f\"{i}\")\n```")},
        {"name": "tools", "messages": calls, "tools": [TOOL]},
    ]  # fmt: skip


def marked(template: str) -> str:
    """GEN(x) becomes x between {% generation %} marks, or x alone where the message's weight is 0."""
    def both(match):
        text = match.group(1)
        return "{% if message.get('weight', 1) %}{% generation %}" + text + "{% endgeneration %}{% else %}" + text + "{% endif %}"

    return re.sub(r"GEN\((.*?[%}]})\)", both, template, flags=re.DOTALL)


def plain(template: str) -> str:
    return re.sub(r"GEN\((.*?[%}]})\)", r"\1", template, flags=re.DOTALL)


def train_pieces(split, normalizer) -> tuple[list[str], list[list[str]]]:
    """Pieces in the order of their ids, and merges."""
    tokenizer = Tokenizer(models.BPE())
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = split
    trainer = trainers.BpeTrainer(vocab_size=700, min_frequency=2, show_progress=False)
    tokenizer.train_from_iterator([CORPUS], trainer)
    return [piece for piece, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])], json.loads(tokenizer.to_str())["model"]["merges"]


def keys(writer, model: str, pre: str, tokens, types) -> None:
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name("chat vocabulary")
    writer.add_context_length(512)
    writer.add_embedding_length(8)
    writer.add_block_count(1)
    writer.add_feed_forward_length(16)
    writer.add_head_count(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model(model)
    writer.add_tokenizer_pre(pre)
    writer.add_token_list([t.encode() for t in tokens])
    writer.add_token_types([int(t) for t in types])


def finish(writer) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def special(name: str) -> AddedToken:
    return AddedToken(name, special=True, normalized=False)


def make_spm(folder: Path) -> PreTrainedTokenizerFast:
    kind = gguf.TokenType
    normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    words = pre_tokenizers.Split(Regex("\u2581?[^\u2581\n]+|\n|\u2581"), "isolated")
    pieces, _ = train_pieces(words, normalizer)
    pieces = ["\u2581"] + [p for p in pieces if p != "\u2581"]
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)] + pieces + MARKS
    longest_last = {p: -float(i) for i, p in enumerate(sorted(pieces, key=lambda p: (len(p) == 1, pieces.index(p))))}
    scores = [0.0] * 259 + [longest_last[p] for p in pieces] + [0.0] * len(MARKS)
    types = [kind.UNKNOWN, kind.CONTROL, kind.CONTROL] + [kind.BYTE] * 256 + [kind.NORMAL] * len(pieces) + [kind.CONTROL] * len(MARKS)
    writer = gguf.GGUFWriter(str(folder / "spm.gguf"), "llama")
    keys(writer, "llama", "default", tokens, types)
    writer.add_token_scores(scores)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    finish(writer)

    vocab = {t: i for i, t in enumerate(tokens)}
    merges = []
    for piece in sorted((p for p in pieces if len(p) > 1), key=lambda p: -longest_last[p]):
        parts = [(piece[:i], piece[i:]) for i in range(1, len(piece)) if piece[:i] in longest_last and piece[i:] in longest_last]
        merges += sorted(parts, key=lambda pair: (vocab[pair[0]], vocab[pair[1]]))
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([special(t) for t in ["<unk>", "<s>", "</s>"] + MARKS])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def make_bpe(folder: Path) -> PreTrainedTokenizerFast:
    kind = gguf.TokenType
    split = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])  # fmt: skip
    pieces, merges = train_pieces(split, None)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = alphabet + [p for p in pieces if p not in alphabet]
    specials = ["<s>", "</s>"] + MARKS
    tokens = pieces + specials
    writer = gguf.GGUFWriter(str(folder / "bpe.gguf"), "llama")
    keys(writer, "gpt2", "llama-bpe", tokens, [kind.NORMAL] * len(pieces) + [kind.CONTROL] * len(specials))
    writer.add_token_merges([" ".join(m) for m in merges])
    writer.add_bos_token_id(len(pieces))
    writer.add_eos_token_id(len(pieces) + 1)
    writer.add_eot_token_id(len(pieces) + 1 + len(MARKS))
    writer.add_add_bos_token(True)
    finish(writer)

    tokenizer = Tokenizer(models.BPE({t: i for i, t in enumerate(tokens)}, [tuple(m) for m in merges], ignore_merges=True))
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([special(t) for t in specials])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")


def encode(tokenizer, template: str, chat: dict) -> tuple[list[int], list[int]] | None:
    """ids of the plain template and the mask of the marked one, which must have the same ids."""
    options = {"tools": chat.get("tools"), "tokenize": True, "return_dict": True}
    try:
        ids = tokenizer.apply_chat_template(chat["messages"], chat_template=plain(template), **options)["input_ids"]
    except Exception:  # a template that refuses raises what it likes
        return None
    out = tokenizer.apply_chat_template(chat["messages"], chat_template=marked(template), return_assistant_tokens_mask=True, **options)
    if out["input_ids"] != ids:
        raise ValueError("the marks change the ids")
    return ids, [int(m) for m in out["assistant_masks"]]


def digest(numbers: list[int]) -> str:
    return hashlib.sha256(np.array(numbers, dtype="<i4").tobytes()).hexdigest()[:16]


ROLES = {"human": "user", "gpt": "assistant", "system": "system", "function_call": "assistant", "observation": "tool"}


def shared_rows(shared: Path):
    for name in ("chat_messages", "sharegpt"):
        with open(shared / name / "train.jsonl", encoding="utf-8") as file:
            for line, text in zip(range(1, ROWS + 1), file):
                row = json.loads(text)
                if name == "sharegpt":
                    head = [{"role": "system", "content": row["system"]}] if row.get("system") else []
                    row = {"messages": head + [{"role": ROLES[m["from"]], "content": m["value"]} for m in row["conversations"]]}
                yield f"{name}/train.jsonl", line, {"messages": row["messages"]}


def make_all(folder: Path, shared: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tokenizers = {"spm": make_spm(folder), "bpe": make_bpe(folder)}
    own = []
    for name, template in TEMPLATES.items():
        (folder / f"{name}.jinja").write_text(plain(template), encoding="utf-8")
        for chat in own_chats():
            if ("tools" in chat) != (name == "tools"):
                continue
            got = encode(tokenizers[VOCABULARY[name]], template, chat)
            case = {"template": name, "vocabulary": VOCABULARY[name], **chat, "ids": None, "mask": None}
            if got:
                case["ids"], case["mask"] = got[0], "".join(map(str, got[1]))
            own.append(case)
    with open(folder / "own.json", "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in own) + "\n]\n")
    print(f"own.json: {len(own)} conversations, {sum(c['ids'] is None for c in own)} of them refused")
    if not shared.exists():
        print(f"rows.txt is left as it is: no {shared}", file=sys.stderr)
        return
    count = 0
    with open(folder / "rows.txt", "w", encoding="utf-8") as file:
        for name, template in TEMPLATES.items():
            if name == "tools":
                continue
            for path, line, chat in shared_rows(shared):
                got = encode(tokenizers[VOCABULARY[name]], template, chat)
                rest = f"{len(got[0])} {sum(got[1])} {digest(got[0])} {digest(got[1])}" if got else "fail"
                file.write(f"{name} {path} {line} {rest}\n")
                count += 1
    print(f"rows.txt: {count} rows")
