# SPDX-License-Identifier: GPL-3.0-or-later
"""The kinds of text encoders: their classes in transformers, and a small tokenizer of the class that their folders have."""
import json
from dataclasses import dataclass
from typing import Any, Callable

import torch
import transformers
from safetensors.torch import load_file
from transformers import (AlbertTokenizer, BertTokenizer, DebertaV2Tokenizer, RobertaTokenizer,
                          XLMRobertaTokenizer)

from deberta_parts import EnhancedDeberta
from tokenizers_ import TEXT


def letters_and_words(text):
    letters = sorted(set(text) - set(" \n"))
    words = sorted({word for word in "".join(c if c.isalpha() else " " for c in text).split()})
    return letters, words


def wordpieces():
    """Characters, their continuations, and the words of a few lines."""
    letters, words = letters_and_words(TEXT.lower())
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *["##" + c for c in letters],
              "##ing", "##ed", *words]
    return BertTokenizer(vocab={piece: number for number, piece in enumerate(dict.fromkeys(pieces))})


def bytes_in_pairs():
    """All bytes, and what a few words are put together of."""
    shown = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    letters = [chr(byte) for byte in shown] + [chr(256 + place) for place in range(256 - len(shown))]
    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("i", "n"), ("e", "r"), ("Ġ", "a"), ("o", "u"), ("r", "e"), ("s", "t"), ("in", "g")]
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *letters, *["".join(pair) for pair in merges], "<mask>"]
    return RobertaTokenizer(vocab={piece: number for number, piece in enumerate(dict.fromkeys(pieces))}, merges=merges)


def unigram(text, first, last=()):
    """Words and letters, of which the longest piece is the likeliest, between the special ones."""
    letters, words = letters_and_words(text)
    scores = {piece: 0.0 for piece in first} | {"▁": -2.0}
    for number, letter in enumerate(letters):
        scores.setdefault(letter, -6.0 - number * 0.01)
    for number, word in enumerate(words):
        scores.setdefault("▁" + word, -3.0 - number * 0.013)
    return list((scores | {piece: 0.0 for piece in last}).items())


@dataclass(frozen=True)
class Kind:
    body: str
    config: Any
    model: Any
    tokenizer: Callable
    pretraining: Any = None     # what the first files were of: heads that a masked language model has no use for

    def load(self, folder):
        """As transformers loads it; the second of DeBERTa's heads it can make and not load."""
        config = json.loads((folder / "config.json").read_text())
        model = EnhancedDeberta if config.get("enhanced_mask_decoder") else self.model
        if config.get("legacy", True) or model is EnhancedDeberta:
            return model.from_pretrained(folder, dtype=torch.float32)
        model = self.model(self.config.from_pretrained(folder))
        tensors = {key: tensor.float() for key, tensor in load_file(folder / "model.safetensors").items()}
        missing, unknown = model.load_state_dict(tensors, strict=False)
        assert set(missing) <= {"lm_predictions.lm_head.weight"} and not unknown   # the table of words by another name
        return model


BERT = Kind("bert", transformers.BertConfig, transformers.BertForMaskedLM, wordpieces, transformers.BertForPreTraining)
KINDS = {
    "bert": BERT,
    "roberta": Kind("roberta", transformers.RobertaConfig, transformers.RobertaForMaskedLM, bytes_in_pairs),
    "xlm-roberta": Kind("roberta", transformers.XLMRobertaConfig, transformers.XLMRobertaForMaskedLM,
                        lambda: XLMRobertaTokenizer(vocab=unigram(TEXT, ("<s>", "<pad>", "</s>", "<unk>"), ("<mask>",)))),
    "albert": Kind("albert", transformers.AlbertConfig, transformers.AlbertForMaskedLM,
                   lambda: AlbertTokenizer(vocab=unigram(TEXT.lower(), ("<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"))),
                   transformers.AlbertForPreTraining),
    "electra": Kind("electra", transformers.ElectraConfig, transformers.ElectraForMaskedLM, wordpieces),
    "deberta-v2": Kind("deberta", transformers.DebertaV2Config, transformers.DebertaV2ForMaskedLM,
                       lambda: DebertaV2Tokenizer(vocab=unigram(TEXT, ("[PAD]", "[CLS]", "[SEP]", "[UNK]"), ("[MASK]",)))),
}
