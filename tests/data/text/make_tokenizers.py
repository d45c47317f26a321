# SPDX-License-Identifier: GPL-3.0-or-later
# Writes tokenizers.json: small tokenizer folders of many kinds (their files inside) and what the reference makes of some
# texts with them: ids with and without special tokens, decoded text, decoded text without special tokens. The reference is
# transformers' AutoTokenizer, and for folders with tokenizer.model alone its former LlamaTokenizer, written down below on
# the base class that transformers still has. Run with the oracle's Python: make_tokenizers.py
import base64
import json
import os
import pathlib
import tempfile

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, CLIPTokenizer, GemmaTokenizer, LlamaTokenizer, PreTrainedTokenizerFast, Qwen2Tokenizer
from transformers.tokenization_utils_sentencepiece import SentencePieceBackend

LINES = ("The quick brown fox jumps over the lazy dog. Hello, world! It's 2024; we're testing 123,456 tokens.\n"
         "한국어 문장을 토큰으로 나눕니다. 그림에 빨간 원이 세 개 있습니다.\n"
         "def f(x):\n    return x+1\n\tprint('café naïve')\n日本語と中文。 Ünïcödé\n"
         "USER: what is this? ASSISTANT: a red circle, the other one is the blue square\n").split("\n") * 8
TEXTS = ["", "Hello thththe world", "the  quick\n\n brown   fox ", "It's we're I'LL 1234567 12.5%", " leading", "\n\n a\t\tb", "한국어 문장을 세", "café cafe\u0301 ﬁ ½ ①",
         "日本語😀👨‍👩‍👧", "<s>hi</s> there<s> x", "<image>\nUSER: <image>this <pad> <unk>", "<|im_start|>user\nhi<|im_end|><tool> x",
         "a <mask> b<mask>  c <left> d <right> e", "the Fox over OVER ov foxes [MASK] [SEP]", "▁a ▁▁b", "\u0000\u0007 \ufffd", "İ ΑΣ ß", ".,:'\"()",
         "x;\r\n\r\ny", "don't can't ' s 've do not", "<0x41>", "  <s> a"]
SPECIALS = {"<unk>": 0, "<s>": 1, "</s>": 2}


class FormerLlama(SentencePieceBackend):
    def __init__(self, vocab_file, unk_token="<unk>", bos_token="<s>", eos_token="</s>", add_bos_token=True, add_eos_token=False, legacy=None, add_prefix_space=True, **kwargs):
        special = {name: AddedToken(value, normalized=False, special=True) if isinstance(value, str) else value
                   for name, value in (("unk_token", unk_token), ("bos_token", bos_token), ("eos_token", eos_token))}
        self.settings = (add_bos_token, add_eos_token, add_prefix_space)
        super().__init__(vocab_file=vocab_file, legacy=True if legacy is None else legacy, **special, **kwargs)

    def tokenize(self, text, **kwargs):
        if self.legacy or not text:
            return super().tokenize(text, **kwargs)
        text = text.replace("▁", " ")
        tokens = super().tokenize("▁" + text if self.settings[2] else text, **kwargs)
        return tokens[1:] if len(tokens) > 1 and tokens[0] == "▁" and tokens[1] in self.all_special_tokens else tokens

    def ids(self, text, special):
        ids = self.convert_tokens_to_ids(self.tokenize(text))
        return ([self.bos_token_id] if special and self.settings[0] else []) + ids + ([self.eos_token_id] if special and self.settings[1] else [])

    def convert_tokens_to_string(self, tokens):
        if self.settings[2] and tokens[0].startswith("▁"):
            tokens[0] = tokens[0][1:]
        text, run, after = "", [], False
        for i, token in enumerate(tokens):
            if token in self.all_special_tokens:
                text += (" " if not after and i and self.legacy else "") + self.sp_model.decode(run) + token
                run, after = [], True
            else:
                text += " " if after and i == 1 and self.settings[2] and not token.startswith("▁") else ""
                run.append(token)
                after = False
        return text + self.sp_model.decode(run)

    def text(self, ids, skip):
        apart = (set(self._added_tokens_encoder) - set(self.all_special_tokens)) | {str(t) for t in self._extra_special_tokens if self.convert_tokens_to_ids(str(t)) >= self.vocab_size}
        texts, run = [], []
        for token in self.convert_ids_to_tokens(ids, skip_special_tokens=skip):
            if token not in apart:
                run.append(token)
                continue
            texts += [self.convert_tokens_to_string(run)] if run else []
            texts.append(token)
            run = []
        texts += [self.convert_tokens_to_string(run)] if run else []
        return " ".join(t for t in texts if t)


def train(tokenizer, trainer):
    tokenizer.train_from_iterator(LINES, trainer)
    return tokenizer


def byte_level(size, specials, add_prefix_space=False):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
    tokenizer.decoder = decoders.ByteLevel()
    return train(tokenizer, trainers.BpeTrainer(vocab_size=size, special_tokens=specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))


def model_file(name, kind, **options):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        (path / "text").write_text("\n".join(LINES), encoding="utf-8")
        sentencepiece.SentencePieceTrainer.train(input=str(path / "text"), model_prefix=str(path / name), model_type=kind, minloglevel=2, **options)
        return (path / f"{name}.model").read_bytes()


def fast_folders(folder):
    def save(name, tokenizer, model_type=None, **settings):
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, **settings).save_pretrained(folder / name)
        if model_type:
            (folder / name / "config.json").write_text(json.dumps({"model_type": model_type}))

    tokenizer = byte_level(290, ["<|end|>"])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    save("byte level", tokenizer, bos_token="<|end|>", eos_token="<|end|>", unk_token="<|end|>")
    tokenizer = byte_level(280, ["<s>", "</s>"], add_prefix_space=True)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    save("roberta", tokenizer, bos_token="<s>", mask_token=AddedToken("<mask>", lstrip=True, rstrip=True), additional_special_tokens=[AddedToken("<left>", lstrip=True), AddedToken("<right>", rstrip=True)])
    tokenizer = byte_level(280, ["<s>", "</s>"])
    tokenizer.model.ignore_merges = True
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(), processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])])
    save("llama 3", tokenizer, "llama", bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    save("digits", tokenizer, "smolvlm", bos_token="<s>", eos_token="</s>", extra_special_tokens=["<image>"], image_token="<image>")
    qwen = Qwen2Tokenizer(vocab={**{c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}, "<|endoftext|>": 256}, merges=[]).train_new_from_iterator([LINES], 290, show_progress=False)
    qwen.add_special_tokens({"extra_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    qwen.add_tokens(["<tool>"])
    qwen.save_pretrained(folder / "qwen")
    (folder / "qwen" / "config.json").write_text(json.dumps({"model_type": "qwen2_vl"}))

    llama = model_file("llama", "bpe", vocab_size=420, byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False, character_coverage=0.98)
    for name, settings in (("llama", {}), ("llama legacy", {"legacy": True}), ("llama without prefix", {"add_prefix_space": False})):
        source = folder / ".source"
        source.mkdir(exist_ok=True)
        (source / "tokenizer.model").write_bytes(llama)
        tokenizer = LlamaTokenizer.from_pretrained(source, **settings)
        tokenizer.add_tokens([AddedToken("<image>", special=True, normalized=False)])
        tokenizer.save_pretrained(folder / name)
        (folder / name / "config.json").write_text(json.dumps({"model_type": "llava"}))
    # As folders of earlier years are: normalizers instead of a pre-tokenizer, under a plain and under a rebuilding class.
    document = json.loads((folder / "llama" / "tokenizer.json").read_text())
    document["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
    document["pre_tokenizer"] = None
    document["model"]["unk_token"] = "<unk>"
    document["model"]["merges"] = [" ".join(m) for m in document["model"]["merges"]]
    document["post_processor"] = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}], "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}
    for name, model_type in (("old llava", "llava"), ("old llama", "llama")):
        (folder / name).mkdir()
        (folder / name / "tokenizer.json").write_text(json.dumps(document))
        token = {"lstrip": False, "rstrip": False, "single_word": False, "special": True}
        (folder / name / "tokenizer_config.json").write_text(json.dumps({
            "tokenizer_class": "LlamaTokenizer", "legacy": False, "add_bos_token": True, "add_eos_token": True, "eos_token": "</s>", "unk_token": "<unk>", "clean_up_tokenization_spaces": True,
            "bos_token": {"__type": "AddedToken", "content": "<s>", "normalized": True, **{k: v for k, v in token.items() if k != "special"}},
            "added_tokens_decoder": {str(i): {"content": t, "normalized": t == "<pad>", **token} for t, i in (("<unk>", 0), ("<s>", 1), ("</s>", 2), ("<image>", 420), ("<pad>", 421))}}))
        (folder / name / "config.json").write_text(json.dumps({"model_type": model_type}))
    (folder / "map").mkdir()
    (folder / "map" / "tokenizer.json").write_text(json.dumps(document))
    (folder / "map" / "special_tokens_map.json").write_text(json.dumps({"bos_token": {"content": "<s>", "lstrip": False, "normalized": True, "rstrip": True, "single_word": False}, "pad_token": "<unk>"}))
    (folder / "map" / "config.json").write_text(json.dumps({"model_type": "llava"}))
    gemma = model_file("gemma", "bpe", vocab_size=420, byte_fallback=True, pad_id=0, eos_id=1, bos_id=2, unk_id=3, normalization_rule_name="identity", add_dummy_prefix=False, remove_extra_whitespaces=False,
                       user_defined_symbols=["<turn>"], character_coverage=0.98, bos_piece="<bos>", eos_piece="<eos>")
    (folder / ".source" / "tokenizer.model").write_bytes(gemma)
    GemmaTokenizer.from_pretrained(folder / ".source").save_pretrained(folder / "gemma")
    (folder / "gemma" / "config.json").write_text(json.dumps({"model_type": "gemma3"}))

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.decoder = decoders.Metaspace()
    train(tokenizer, trainers.UnigramTrainer(vocab_size=150, unk_token="<unk>", special_tokens=["<unk>", "</s>"], show_progress=False))
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    save("unigram", tokenizer, unk_token="<unk>", eos_token="</s>")
    rules = folder / ".rules"
    rules.write_text("41\t61\n66 69\tFB01\nFB01\t66 69\n00E9\t65\n", encoding="utf-8")
    from sentencepiece import sentencepiece_model_pb2
    proto = sentencepiece_model_pb2.ModelProto.FromString(model_file("rules", "unigram", vocab_size=100, normalization_rule_tsv=str(rules), character_coverage=0.98))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap), normalizers.Strip(left=False)])
    save("precompiled", tokenizer, unk_token="<unk>", eos_token="</s>")

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.decoder = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    train(tokenizer, trainers.WordPieceTrainer(vocab_size=200, special_tokens=["[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    save("wordpiece", tokenizer, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]", clean_up_tokenization_spaces=True)
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("contiguous")])
    train(tokenizer, trainers.WordLevelTrainer(vocab_size=60, special_tokens=["[UNK]"], show_progress=False))
    tokenizer.add_tokens([AddedToken("Fox", normalized=True, single_word=True), AddedToken("ov", single_word=True), AddedToken("OVER", normalized=False)])
    save("wordlevel", tokenizer, unk_token="[UNK]")
    tokenizer = Tokenizer(models.BPE(unk_token="<end>", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r"'s|'t|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.BPEDecoder()
    train(tokenizer, trainers.BpeTrainer(vocab_size=250, special_tokens=["<start>", "<end>"], end_of_word_suffix="</w>", show_progress=False))
    tokenizer.post_processor = processors.RobertaProcessing(("<end>", 1), ("<start>", 0), add_prefix_space=False)
    save("clip", tokenizer, bos_token="<start>", eos_token="<end>", unk_token="<end>")
    # CLIP's own class builds its pipeline anew, whatever the file says.
    alphabet, pieces = sorted(pre_tokenizers.ByteLevel.alphabet()), json.loads(tokenizer.to_str())["model"]
    merges = [tuple(merge) for merge in pieces["merges"]]
    words = [*alphabet, *(character + "</w>" for character in alphabet), *("".join(merge) for merge in merges), "<|startoftext|>", "<|endoftext|>"]
    CLIPTokenizer(vocab={word: index for index, word in enumerate(dict.fromkeys(words))}, merges=merges).save_pretrained(folder / "clip class")
    (folder / "clip class" / "config.json").write_text(json.dumps({"model_type": "clip"}))
    document = json.loads((folder / "clip class" / "tokenizer.json").read_text())
    (folder / "clip class, other pipeline").mkdir()
    document |= {"normalizer": {"type": "NFD"}, "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": None, "decoder": {"type": "BPEDecoder", "suffix": "</w>"}}
    document["model"] |= {"end_of_word_suffix": None, "unk_token": None, "fuse_unk": True}
    (folder / "clip class, other pipeline" / "tokenizer.json").write_text(json.dumps(document))
    (folder / "clip class, other pipeline" / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer", "unk_token": "<|endoftext|>"}))
    for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=behavior != "isolated"))
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(r"[aeiou\s]"), behavior, invert=behavior == "contiguous"), pre_tokenizers.Split("th", "isolated")])
        tokenizer.train_from_iterator(["hello there the quick brown fox"], trainers.BpeTrainer(vocab_size=45, special_tokens=["<unk>"], show_progress=False))
        save("split " + behavior, tokenizer, unk_token="<unk>")
    return llama, gemma


def fast_cases(path):
    tokenizer = AutoTokenizer.from_pretrained(path)
    cases = []
    for text in TEXTS[:7] if path.name.startswith("split") else TEXTS:
        ids = tokenizer(text)["input_ids"]
        cases.append({"text": text, "with": ids, "without": tokenizer(text, add_special_tokens=False)["input_ids"], "decoded": tokenizer.decode(ids), "skipped": tokenizer.decode(ids, skip_special_tokens=True)})
    return cases, tokenizer


def main():
    here = pathlib.Path(__file__).parent
    document = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        llama, gemma = fast_folders(folder)
        for path in sorted(p for p in folder.iterdir() if not p.name.startswith(".")):
            cases, tokenizer = fast_cases(path)
            files = {f.name: json.loads(f.read_text()) for f in sorted(path.iterdir()) if f.suffix == ".json"}
            document.append({"name": path.name, "files": files, "size": len(tokenizer), "special": [tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token, tokenizer.unk_token], "cases": cases})
        token = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": False}
        added = {"0": {"content": "<unk>", "special": True}, "1": {"content": "<s>", "special": True}, "2": {"content": "</s>", "special": True}, "420": {"content": "<image>", "special": True},
                 "421": {"content": "<left>", "lstrip": True, "special": False}, "422": {"content": "<right>", "rstrip": True, "special": False}, "423": {"content": "<pad>", "special": True}}
        added = {i: {**token, **t} for i, t in added.items()}
        for name, model, config in (("model alone", llama, None), ("model legacy", llama, {"legacy": True, "added_tokens_decoder": added, "pad_token": "<pad>"}),
                                    ("model new", llama, {"legacy": False, "added_tokens_decoder": added, "pad_token": "<pad>"}), ("model new with eos", llama, {"legacy": False, "add_bos_token": False, "add_eos_token": True}),
                                    ("model without prefix", llama, {"legacy": False, "add_prefix_space": False, "added_tokens_decoder": added}),
                                    ("model extra", llama, {"legacy": False, "pad_token": "<pad>", "additional_special_tokens": ["<image>", "<mask>"]}),
                                    ("model gemma", gemma, {"legacy": False, "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"})):
            (folder / "tokenizer.model").write_bytes(model)
            settings = {{"additional_special_tokens": "extra_special_tokens"}.get(k, k): v for k, v in (config or {}).items()}
            if "added_tokens_decoder" in settings:
                settings["added_tokens_decoder"] = {int(i): AddedToken(**t) for i, t in added.items()}
                if "pad_token" in settings:
                    settings["pad_token"] = settings["added_tokens_decoder"][423]
            tokenizer = FormerLlama(str(folder / "tokenizer.model"), **settings)
            cases = []
            for text in TEXTS:
                ids = tokenizer.ids(text, True)
                cases.append({"text": text, "with": ids, "without": tokenizer.ids(text, False), "decoded": tokenizer.text(ids, False), "skipped": tokenizer.text(ids, True)})
            document.append({"name": name, "model": base64.b64encode(model).decode(), "files": {} if config is None else {"tokenizer_config.json": {"tokenizer_class": "LlamaTokenizer", **config}}, "size": len(tokenizer),
                             "special": [tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token, tokenizer.unk_token], "cases": cases})
    # Without special tokens the ids are the same but for those around them: say once how many these are.
    for entry in document:
        cases = entry["cases"]
        extra = len(cases[0]["with"])
        entry["around"] = next([front, extra - front] for front in range(extra + 1) if all(c["with"][front:len(c["with"]) - extra + front] == c["without"] for c in cases))
        for case in cases:
            del case["without"]
            if case["skipped"] == case["decoded"]:
                del case["skipped"]
    # The same tokenizer.json or model under several configurations stands there once.
    shared, index = [], {}
    for entry in document:
        for key in [k for k in ("tokenizer.json",) if k in entry["files"]] + (["model"] if "model" in entry else []):
            holder = entry if key == "model" else entry["files"]
            text = json.dumps(holder[key], sort_keys=False)
            if text not in index:
                index[text] = len(shared)
                shared.append(holder[key])
            holder[key] = {"shared": index[text]}
    text = json.dumps({"shared": shared, "folders": document}, ensure_ascii=False, separators=(",", ":"))
    (here / "tokenizers.json").write_text(text + "\n", encoding="utf-8")


main()
