# SPDX-License-Identifier: GPL-3.0-or-later
"""A published size of a family, and what says that its numbers are right."""
from dataclasses import dataclass

from families.base import Spec

# What holds a size's numbers, as the pages name it.
COUNT = "count"     # recalled, and so is the published checkpoint's count of parameters: the one
                    # comes to the other, to the last
READ = "read"       # in a copy of its config.json, or in transformers: defaults, conversion scripts
ROUNDED = "rounded"     # recalled in part; they come to what was read: the published parameters or
                        # the length of the published files, as either is rounded


@dataclass
class Size:
    spec: Spec
    parameters: int             # a tied head counted once; what the program reads must be as many
    source: str
    picture: tuple = (640, 480)     # such that one of them leaves room in the row
    note: str = ""              # for the page, where the name alone would say too much


def decoder(parameters, source, tokenizer, template, **sizes):
    return Size(Spec(None, None, sizes, tokenizer, template), parameters, source)


def llama_like(hidden, width, layers, heads, groups, vocabulary, **more):
    """What most decoders' configurations call their sizes."""
    return dict(hidden_size=hidden, intermediate_size=width, num_hidden_layers=layers,
                num_attention_heads=heads, num_key_value_heads=groups, vocab_size=vocabulary,
                **more)


# Towers that several families have.
CLIP_LARGE = dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24,
                  num_attention_heads=16, image_size=336, patch_size=14, projection_dim=768)
SIGLIP = dict(hidden_size=1152, intermediate_size=4304, num_hidden_layers=27,
              num_attention_heads=16, patch_size=14)
SIGLIP_BASE = dict(hidden_size=768, intermediate_size=3072, num_hidden_layers=12,
                   num_attention_heads=12, patch_size=16)
