# SPDX-License-Identifier: GPL-3.0-or-later
"""Tiny tokenizers of the kinds that public vision-language checkpoints carry, trained here on a few
lines of English and Korean: a
byte-fallback BPE as Llama's (tokenizer.json through transformers, or the sentencepiece model
alone), and a byte-level BPE as Qwen's. And
the chat templates that go with them."""
import io
import json
from pathlib import Path

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (BartTokenizer, CohereTokenizer, GemmaTokenizer, GPT2Tokenizer,
                          LlamaTokenizer, Qwen2Tokenizer)
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX
from transformers.tokenization_utils_sentencepiece import SentencePieceBackend

TEXT = """A red circle stands left of a small blue square, and two green triangles are above them.
How many shapes are there in the picture? There are four shapes: one circle, one square and two triangles.
What colour is the largest one? It is red. Where is the yellow star? There is no star here.
The old harbour was quiet in the morning; boats lay on the sand and nobody was working yet.
She counted 1, 2, 3, 4, 5 and 67890 pieces, paid $12.50 and left at 08:45.
def area(width, height): return width * height  # in pixels
{"shape": "circle", "colour": "red", "count": 1}
USER: describe the image in detail. ASSISTANT: the image shows a man ironing clothes on the back of a yellow taxi.
빨간 원이 작은 파란 사각형의 왼쪽에 있고 그 위에는 초록색 삼각형이 두 개 있습니다.
그림에 도형이 몇 개 있나요? 모두 네 개입니다. 가장 큰 것은 무슨 색인가요? 빨간색입니다.
아침의 오래된 항구는 조용했고 배들은 모래 위에 놓여 있었습니다. 안녕하세요, 반갑습니다.
이 사진을 자세히 설명해 주세요. 호수 위로 나무 다리가 놓여 있고 멀리 산이 보입니다.
"""

LINES = [
    "A red circle stands left of a small blue square.", "two  spaces   three", "빨간 원이 왼쪽에 있습니다.",
    "한글과 English 를 섞은 문장, 숫자 12345!",
    "각 (decomposed jamo) and é", "👩‍🚀🚀 rocket", "def f(x):\n    return x**2",
    "I'm you're WE'LL they'D", "1234567 3.14159", "▁literal mark",
    "Ünïcödé ß straße İ", "中文字符 日本語", "\u200b zero\u00a0width", "...!!!???", "x <unk> y",
    "\x07 control \x7f",
]
TEXTS = ["\n".join(LINES), " | ".join(reversed(LINES)), "", " ", "   leading and trailing  ",
         "\n\n \r\n\ttab", "<image>what?<image> <image>\n",
         "<s>bos </s>eos", "a</s> b", "<|im_start|>user\nhi<|im_end|>\n"]

VICUNA = (
    "{% for message in messages %}"
    "{% if message['role'] != 'system' %}{{ message['role'].upper() + ': ' }}{% endif %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
    "{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' ' }}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
INST = (
    "{{ bos_token }}{%- if messages[0]['role'] == 'system' -%}{%- set system = messages[0]['content'][0]['text'] | trim -%}"
    "{%- set rest = messages[1:] -%}{%- else -%}{%- set system = none -%}{%- set rest = messages -%}{%- endif -%}"
    "{%- for message in rest -%}"
    "{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}"
    "{{ raise_exception('user and assistant must take turns') }}{%- endif -%}"
    "{%- if message.role == 'user' -%}{{ '[INST] ' }}{%- if loop.first and system is not none -%}"
    "{{ '<<SYS>>' ~ system ~ '<</SYS>> ' }}{%- endif -%}"
    "{%- for part in message.content -%}{%- if part.type == 'image' -%}<image>{%- else -%}{{ part.text }}{%- endif -%}{%- endfor -%}"
    "{{ ' [/INST]' }}"
    "{%- else -%}{% generation %}{{ ' ' + message.content[0].text | trim + eos_token }}{% endgeneration %}{%- endif -%}"
    "{%- endfor -%}"
)
CHATML = """{%- set state = namespace(pictures=0) -%}
{%- for message in messages -%}
    {%- if loop.first and message.role != 'system' -%}
        {{- '<|im_start|>system\\nYou look at pictures.<|im_end|>\\n' -}}
    {%- endif -%}
    {{- '<|im_start|>' + message.role + '\\n' -}}
    {%- if message.role == 'assistant' -%}
        {%- generation -%}
        {%- for part in message.content -%}{{- part.text -}}{%- endfor -%}
        {{- '<|im_end|>' -}}
        {%- endgeneration -%}
        {{- '\\n' -}}
    {%- elif message.content is string -%}
        {{- message.content + '<|im_end|>\\n' -}}
    {%- else -%}
        {%- for part in message.content -%}
            {%- if part.type == 'image' or 'image' in part -%}
                {%- set state.pictures = state.pictures + 1 -%}
                {{- 'Picture ' ~ state.pictures ~ ': <image>' -}}
            {%- elif part.type == 'video' -%}
                {{- '<video>' -}}
            {%- elif 'text' in part -%}
                {{- part['text'] -}}
            {%- endif -%}
        {%- endfor -%}
        {{- '<|im_end|>\\n' -}}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""


def turns(start, end, picture, prompt,
          join="{%- if part.type == 'image' -%}PICTURE{%- else -%}{{- part.text -}}{%- endif -%}"):
    """A template of one shape: `start` (an expression) before each turn, its parts, `end` after
    it."""
    return ("{%- for message in messages -%}{{- " + start + " -}}{%- for part in message.content -%}" + join.replace("PICTURE", "{{- '" + picture + "' -}}")
            + "{%- endfor -%}{{- '" + end + "' -}}{%- endfor -%}{%- if add_generation_prompt -%}{{- '" + prompt + "' -}}{%- endif -%}")


TEMPLATES = {
    "vicuna": VICUNA, "inst": INST, "chatml": CHATML,
    "qwen_vl": turns("'<|im_start|>' + message.role + '\\n'", "<|im_end|>\\n",
                     "<|vision_start|><|image_pad|><|vision_end|>",
                     "<|im_start|>assistant\\n",
                     "{%- if part.type == 'image' -%}PICTURE{%- elif part.type == 'video' -%}"
                     "{{- '<|vision_start|><|video_pad|><|vision_end|>' -}}"
                     "{%- else -%}{{- part.text -}}{%- endif -%}"),
    "minicpmv": turns("'<|im_start|>' + message.role + '\\n'", "<|im_end|>\\n",
                      "<|image_pad|>\\n", "<|im_start|>assistant\\n"),
    "internvl": turns("'<|im_start|>' + message.role + '\\n'", "<|im_end|>\\n", "<IMG_CONTEXT>\\n",
                      "<|im_start|>assistant\\n"),
    "smolvlm": turns("('<|im_start|>' if loop.first else '') + message.role | capitalize + ':'",
                     "<end_of_utterance>\\n", "<image>", "Assistant:",
                     "{%- if part.type == 'image' -%}PICTURE{%- else -%}{{- ' ' + part.text -}}{%- endif -%}"),
    "gemma": turns("(bos_token if loop.first else '') + '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\\n'",
                   "<end_of_turn>\\n", "<start_of_image>", "<start_of_turn>model\\n"),
    "gemma3n": turns("(bos_token if loop.first else '') + '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\\n'",
                     "<end_of_turn>\\n", "<image_soft_token>", "<start_of_turn>model\\n"),
    "gemma4": turns("(bos_token if loop.first else '') + '<|turn>' + ('model' if message.role == 'assistant' else message.role) + '\\n'",
                    "<turn|>\\n", "<|image|>", "<|turn>model\\n"),
    # as GLM-V's: a turn has no end of its own
    "glm": turns("('[gMASK]<sop>' if loop.first else '') + '<|' + message.role + '|>\\n'", "",
                 "<|begin_of_image|><|image|><|end_of_image|>", "<|assistant|>\\n"),
    "phi4": turns("'<|' + message.role + '|>'", "<|im_end|>", "<|image|>", "<|assistant|>"),
    "pixtral": turns("'[' + message.role + ']'", "[/]\\n", "[IMG]", "[assistant]"),
    # as Command R7B's and Aya Vision's
    "cohere": turns("(bos_token if loop.first else '') + '<|START_OF_TURN_TOKEN|>' + message.role",
                    "<|END_OF_TURN_TOKEN|>", "<image>", "<|START_OF_TURN_TOKEN|>assistant"),
    # as Llama 3.2 Vision's; and one that begins with a picture where the conversation does
    "llama3": turns("(bos_token if loop.first else '') + '[' + message.role + ']\\n\\n'",
                    "</s>", "<|image|>", "[assistant]\\n\\n"),
    # turns with Chameleon's end between them, which its processor writes behind the last, too
    "chameleon": turns("'' if loop.first else '<reserved08706>'", "", "<image>", ""),
    # as Idefics': no space beside a picture; and one of whose turns each hides what was before it
    "idefics": turns("(bos_token if loop.first else '') + message.role | capitalize + ':'",
                     "<end_of_utterance>\\n", "<image>", "Assistant:",
                     "{%- if part.type == 'image' -%}PICTURE{%- else -%}{{- part.text | trim -}}{%- endif -%}"),
    "idefics_ends": turns("(bos_token if loop.first else '') + '[' + message.role + ']'", "</s>",
                          "<image>", "[assistant]",
                          "{%- if part.type == 'image' -%}PICTURE{%- else -%}{{- part.text | trim -}}{%- endif -%}"),
    "marks_first": turns("'' if loop.first else '[' + message.role + '] '", "\\n", "<|image|>",
                         "[assistant] "),
    "bos_turns": turns("(bos_token if loop.first else '') + '[' + message.role + '] '", "\\n",
                       "<image>", "[assistant] "),
}


class SlowLlama(SentencePieceBackend):
    """transformers' LlamaTokenizer over sentencepiece, as a folder with tokenizer.model alone is
    read (version 4's slow class)."""

    vocab_files_names = {"vocab_file": "tokenizer.model"}

    def __init__(self, vocab_file, add_bos_token=True, add_eos_token=False, add_prefix_space=True,
                 **kwargs):
        self.add_bos_token, self.add_eos_token = add_bos_token, add_eos_token
        self.add_prefix_space = add_prefix_space
        kwargs.setdefault("unk_token", "<unk>")
        kwargs.setdefault("bos_token", "<s>")
        kwargs.setdefault("eos_token", "</s>")
        super().__init__(vocab_file=vocab_file, **kwargs)

    def tokenize(self, text, **kwargs):
        if self.legacy or not text:
            return super().tokenize(text, **kwargs)
        text = text.replace("▁", " ")
        if self.add_prefix_space:
            text = "▁" + text
        tokens = super().tokenize(text, **kwargs)
        return tokens[1:] if len(tokens) > 1 and tokens[0] == "▁" and tokens[1] in self.all_special_tokens else tokens

    def ids(self, text, special=True):
        ids = self.convert_tokens_to_ids(self.tokenize(text))
        if special:
            ids = [self.bos_token_id] * self.add_bos_token + ids + [
                self.eos_token_id] * self.add_eos_token
        return ids


def sentencepiece_model(pieces=560):
    """A sentencepiece BPE model of Llama's settings: byte fallback, digits apart, no normalisation,
    dummy prefix."""
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(TEXT.splitlines()), model_writer=out, vocab_size=pieces,
        model_type="bpe", byte_fallback=True,
        split_digits=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        character_coverage=0.98, unk_id=0, bos_id=1, eos_id=2, pad_id=-1, minloglevel=2,
        num_threads=1)
    return out.getvalue()


def add_special(tokenizer, tokens):
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in tokens],
                         special_tokens=True)


def llama_tokenizer(folder: Path, tokens=(), **settings):
    """transformers' own LlamaTokenizer made from a sentencepiece model: saving it writes
    tokenizer.json. `tokens`: more special ones."""
    source = folder / "sentencepiece"
    source.mkdir(parents=True, exist_ok=True)
    (source / "tokenizer.model").write_bytes(sentencepiece_model())
    (source / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "LlamaTokenizer", **settings}))
    tokenizer = LlamaTokenizer.from_pretrained(source)
    tokenizer.add_special_tokens({"pad_token": "<pad>"})
    add_special(tokenizer, ["<image>", *tokens])
    return tokenizer


def qwen_tokenizer(size=600, tokens=(), **named):
    """A byte-level BPE with Qwen's split expression and NFC. `tokens`: more special ones; `named`:
    those that the processor asks the
    tokenizer for, such as start_image_token."""
    raw = Tokenizer(models.BPE())
    raw.normalizer = normalizers.NFC()
    raw.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    raw.decoder = decoders.ByteLevel()
    raw.train_from_iterator(TEXT.splitlines(), trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    model = json.loads(raw.to_str())["model"]
    tokenizer = Qwen2Tokenizer(vocab=model["vocab"],
                               merges=[tuple(merge) for merge in model["merges"]],
                               eos_token="<|im_end|>",
                               pad_token="<|endoftext|>", extra_special_tokens=named)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    add_special(tokenizer, ["<image>", *tokens])
    return tokenizer


def gemma_tokenizer(size=620, tokens=(), **named):
    """A byte-fallback BPE of Gemma's settings: spaces are marks that end a piece, no dummy prefix.
    `named`: tokens that the processor asks
    the tokenizer for, such as image_token."""
    raw = Tokenizer(models.BPE())
    raw.normalizer = normalizers.Replace(" ", "▁")
    raw.pre_tokenizer = pre_tokenizers.Split(pattern=" ", behavior="merged_with_previous")
    raw.train_from_iterator(TEXT.splitlines(keepends=True),
                            trainers.BpeTrainer(vocab_size=size - 261, show_progress=False))
    model = json.loads(raw.to_str())["model"]
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>",
              *(f"<0x{byte:02X}>" for byte in range(256))]
    vocab = {piece: index for index, piece in enumerate(
        [*pieces, *sorted(model["vocab"], key=model["vocab"].get)])}
    tokenizer = GemmaTokenizer(vocab=vocab, merges=[tuple(merge) for merge in model["merges"]],
                               extra_special_tokens=named)
    add_special(tokenizer, [*named.values(), *tokens])
    return tokenizer


def cohere_tokenizer(size=560, tokens=()):
    """A byte-level BPE of Cohere's settings: every digit by itself, GPT-2's words. `tokens`: more
    special ones."""
    raw = Tokenizer(models.BPE())
    raw.normalizer = normalizers.NFC()
    raw.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False)])
    raw.train_from_iterator(TEXT.splitlines(), trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    model = json.loads(raw.to_str())["model"]
    pieces = ["<PAD>", "<UNK>", "<CLS>", "<SEP>", "<MASK_TOKEN>", "<BOS_TOKEN>",
              *sorted(model["vocab"], key=model["vocab"].get)]
    tokenizer = CohereTokenizer(vocab={piece: index for index, piece in enumerate(pieces)},
                                merges=[tuple(merge) for merge in model["merges"]])
    add_special(tokenizer, ["<|END_OF_TURN_TOKEN|>", "<|START_OF_TURN_TOKEN|>", "<image>", *tokens])
    return tokenizer


def bart_tokenizer(size=560, tokens=(), **named):
    """A byte-level BPE of BART's settings, whose special tokens stand around every text. `named`:
    tokens that the processor asks the tokenizer for, such as image_token."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.train_from_iterator(TEXT.splitlines(), trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    model = json.loads(raw.to_str())["model"]
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *sorted(model["vocab"], key=model["vocab"].get),
              "<mask>"]
    tokenizer = BartTokenizer(vocab={piece: index for index, piece in enumerate(pieces)},
                              merges=[tuple(merge) for merge in model["merges"]],
                              extra_special_tokens=named)
    add_special(tokenizer, [*named.values(), *tokens])
    return tokenizer


def gpt2_tokenizer(size=560, tokens=()):
    """A byte-level BPE of GPT-2's settings: one special token, which begins, ends and is unknown."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.train_from_iterator(TEXT.splitlines(), trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    model = json.loads(raw.to_str())["model"]
    pieces = [*sorted(model["vocab"], key=model["vocab"].get), "<|endoftext|>"]
    tokenizer = GPT2Tokenizer(vocab={piece: index for index, piece in enumerate(pieces)},
                              merges=[tuple(merge) for merge in model["merges"]])
    add_special(tokenizer, tokens)
    return tokenizer


def opt_tokenizer(size=560, tokens=()):
    """A byte-level BPE of OPT's settings: GPT-2's, and </s> stands before every text and ends it.
    `tokens`: more special ones."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.train_from_iterator(TEXT.splitlines(), trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    model = json.loads(raw.to_str())["model"]
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *sorted(model["vocab"], key=model["vocab"].get)]
    tokenizer = GPT2Tokenizer(vocab={piece: index for index, piece in enumerate(pieces)},
                              merges=[tuple(merge) for merge in model["merges"]],
                              bos_token="</s>", eos_token="</s>", pad_token="<pad>",
                              unk_token="</s>")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="</s> $A", pair="</s> $A </s> $B", special_tokens=[("</s>", 2)])
    add_special(tokenizer, tokens)
    return tokenizer


def write_sentencepiece_folder(folder: Path, legacy: bool, add_prefix_space=None):
    """A folder as old checkpoints have it: tokenizer.model and settings, no tokenizer.json. Returns
    its slow tokenizer."""
    model = sentencepiece_model()
    (folder / "tokenizer.model").write_bytes(model)
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model).get_piece_size()
    added = {0: "<unk>", 1: "<s>", 2: "</s>", pieces: "<pad>", pieces + 1: "<image>"}
    config = {
        "tokenizer_class": "LlamaTokenizer", "legacy": legacy, "add_bos_token": True,
        "add_eos_token": False, "bos_token": "<s>",
        "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>",
        "clean_up_tokenization_spaces": False, "sp_model_kwargs": {},
        "added_tokens_decoder": {str(i): {"content": text, "lstrip": False, "rstrip": False,
                                          "normalized": False, "single_word": False,
                                          "special": True} for i, text in added.items()}}
    if add_prefix_space is not None:
        config["add_prefix_space"] = add_prefix_space
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2))
    return read_sentencepiece_folder(folder)


def read_sentencepiece_folder(folder: Path):
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config.pop("tokenizer_class")
    config["added_tokens_decoder"] = {int(i): AddedToken(**token)
                                      for i, token in config["added_tokens_decoder"].items()}
    return SlowLlama(str(folder / "tokenizer.model"), **config)
