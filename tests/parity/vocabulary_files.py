# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders whose tokenizer is a vocabulary alone: vocab.txt, vocab.json with merges.txt, or a sentencepiece model trained here, under the options of
tokenizer_config.json. The ids of hard texts against transformers, which builds the pipeline by the class."""
import io
import json

import sentencepiece
from transformers import AutoTokenizer

import text_encoders
import tokenizers_
import two_towers

TEXTS = ("", "  two  spaces \n", "Hello, World! It's 3.14\u2014\u201cquotes\u201d \u2026", "\u00c9 \u00e9 e\u0301 \u00f1 \ufb01 \u00bd \u2460 \u338f \u0130stanbul \u00df",
         "\ud55c\uad6d\uc5b4 \ubb38\uc7a5. \u6f22\u5b57\u304b\u306a\u30ab\uff8a\uff9d \u4e2d\u6587\uff0c\u3002", "\U0001f469\u200d\U0001f680 \u2764\ufe0f \U0001f1f0\U0001f1f7",
         "\u0645\u0631\u062d\u0628\u0627 \u05e9\u05dc\u05d5\u05dd \u0939\u093f\u0928\u094d\u0926\u0940", "a\u200bb\u2060e\ufeff \u00a0nbsp\u3000ideo\u2028line\u0085nel\x07",
         "<s> </s> <mask> [CLS] [SEP] x[MASK]y <extra_id_0> <user> the harbour:: ``q''", "\u2581under\u2581score ##ing don't I'M we'LL", "word " * 12 + "a" * 120)
USUAL = dict(pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
ALBERT = dict(pad_id=0, unk_id=1, bos_id=-1, eos_id=-1, user_defined_symbols=["[CLS]", "[SEP]", "[MASK]", "("])
DEBERTA = dict(pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]", bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]")
FAIRSEQ = dict(bos_id=1, eos_id=2, unk_id=0, pad_id=-1)
OPT = dict(add_bos_token=True, bos_token="</s>", eos_token="</s>", unk_token="</s>", pad_token="<pad>")


def words(folder):
    vocabulary = json.loads((folder / "made" / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.get)) + "\n")


def pairs(folder):
    model = json.loads((folder / "made" / "tokenizer.json").read_text())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False))
    merges = (merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"])
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")


def of_a_tokenizer(make, write):
    def files(folder):
        make().save_pretrained(folder / "made")
        write(folder)
    return files


def of_a_model(name, **trained):
    def files(folder):
        made = io.BytesIO()
        sentencepiece.SentencePieceTrainer.Train(sentence_iterator=iter(tokenizers_.TEXT.splitlines()), model_writer=made, model_type="unigram", vocab_size=480,
                                                 hard_vocab_limit=False, character_coverage=1.0, minloglevel=2, num_threads=1, **trained)
        (folder / name).write_bytes(made.getvalue())
    return files


WORDPIECES = of_a_tokenizer(text_encoders.wordpieces, words)
GPT2, ROBERTA, CLIP = (of_a_tokenizer(make, pairs) for make in (tokenizers_.gpt2_tokenizer, text_encoders.bytes_in_pairs, two_towers.words))
# Files, the model type, tokenizer_config.json.
FOLDERS = {
    "bert": (WORDPIECES, "bert", dict(tokenizer_class="BertTokenizer", do_lower_case=False, strip_accents=True)),
    "gpt2": (GPT2, "gpt2", dict(tokenizer_class="GPT2Tokenizer")),
    "deberta": (of_a_model("spm.model", **DEBERTA, user_defined_symbols=["<user>"]), "deberta-v2", dict(do_lower_case=True, split_by_punct=True)),
    "t5": (of_a_model("spiece.model", **USUAL, user_defined_symbols=["<user>", "::"]), "t5", dict(tokenizer_class="T5Tokenizer", extra_ids=20)),
}
MORE = {
    "electra": (WORDPIECES, "electra", dict(tokenize_chinese_chars=False, strip_accents=False)),
    "gpt2-prefix": (GPT2, "gpt2", dict(tokenizer_class="GPT2Tokenizer", add_prefix_space=True)),
    "opt": (of_a_tokenizer(tokenizers_.opt_tokenizer, pairs), "opt", dict(tokenizer_class="GPT2Tokenizer") | OPT),
    "roberta": (ROBERTA, "roberta", dict(add_prefix_space=True)),
    "bart": (of_a_tokenizer(tokenizers_.bart_tokenizer, pairs), "bart", dict(tokenizer_class="BartTokenizer")),
    "clip": (CLIP, "clip", dict(tokenizer_class="CLIPTokenizer")),
    "t5-folded": (of_a_model("spiece.model", **USUAL, normalization_rule_name="nmt_nfkc_cf"), "t5", dict(extra_ids=3)),
    "albert": (of_a_model("spiece.model", **ALBERT), "albert", dict(tokenizer_class="AlbertTokenizer")),
    "albert-cased": (of_a_model("spiece.model", **ALBERT), "albert", dict(do_lower_case=False, keep_accents=True)),
    "deberta-plain": (of_a_model("spm.model", **DEBERTA), "deberta-v2", dict(tokenizer_class="DebertaV2Tokenizer")),
    "xlm-roberta": (of_a_model("sentencepiece.bpe.model", **FAIRSEQ), "xlm-roberta", dict(tokenizer_class="XLMRobertaTokenizer")),
    "mbart": (of_a_model("sentencepiece.bpe.model", **FAIRSEQ), "mbart", dict(tokenizer_class="MBartTokenizer", src_lang="ro_RO")),
}


def case_of(name, texts):
    def case(world, result):
        files, model_type, settings = (FOLDERS | MORE)[name]
        files(world.scratch)
        (world.scratch / "config.json").write_text(json.dumps(dict(model_type=model_type)))
        (world.scratch / "tokenizer_config.json").write_text(json.dumps(settings))
        oracle = AutoTokenizer.from_pretrained(world.scratch)
        for text in texts:
            got = world.program.json("tokenize", world.scratch, "--text", text)
            result.same(repr(text), got["ids"], oracle(text)["input_ids"])
    return case


def refused_case(world, result):
    """A vocabulary without what stands around its texts, a line of merges that is none, and files of no known class."""
    for files, settings, said in (({"vocab.txt": "a\nb\n"}, dict(tokenizer_class="BertTokenizer"), "lacks [CLS]"),
                                  ({"vocab.json": "{}", "merges.txt": "a b c\n"}, dict(tokenizer_class="GPT2Tokenizer"), "Two pieces a line"),
                                  ({"spm.model": "not one"}, dict(tokenizer_class="DebertaV2Tokenizer"), "spm.model"),
                                  ({"vocab.txt": "a\n"}, dict(tokenizer_class="NoSuchTokenizer"), "neither tokenizer.json")):
        folder = world.scratch / str(len(list(world.scratch.iterdir())))
        folder.mkdir()
        for name, text in (files | {"config.json": "{}", "tokenizer_config.json": json.dumps(settings)}).items():
            (folder / name).write_text(text)
        ended = world.program.end("tokenize", folder, "--text", "a")
        result.expect(ended.returncode == 2 and said in ended.stderr, f"{files}: exit {ended.returncode}: {ended.stderr.strip()[-300:]}")


def cases(everything=False):
    names = [*FOLDERS, *MORE] if everything else list(FOLDERS)
    found = {f"vocabulary-files/{name}": case_of(name, TEXTS) for name in names}
    return found | {"vocabulary-files/refused": refused_case}
