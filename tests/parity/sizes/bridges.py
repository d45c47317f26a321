# SPDX-License-Identifier: GPL-3.0-or-later
"""OPT, by itself and behind a Q-Former; and families in which pictures and text meet early or
through gates."""
from transformers import LlamaConfig, OPTConfig, PersimmonConfig, T5Config

from families.base import Spec
from sizes.size import COUNT, READ, ROUNDED, Size, decoder, llama_like


def opt_sizes(hidden, layers, heads, vocabulary=50272):
    return dict(hidden_size=hidden, ffn_dim=4 * hidden, num_hidden_layers=layers,
                num_attention_heads=heads, vocab_size=vocabulary, max_position_embeddings=2048)


def opt(parameters, hidden, layers, heads):
    return decoder(parameters, COUNT, "bart", "inst", **opt_sizes(hidden, layers, heads))


# EVA-CLIP's ViT-g and the Q-Former are transformers' defaults.
GIANT = dict(image_size=224, patch_size=14)


def blip2(parameters, source, text_class, text, tokenizer="opt", note="", **qformer):
    return Size(Spec(GIANT, text_class, text, tokenizer, None,
                     dict(num_query_tokens=32, qformer=qformer)), parameters, source, note=note)


def blip2_opt(parameters, source, hidden, layers, heads):
    """With the word that stands for a picture's queries, and rows up to a multiple of 64."""
    return blip2(parameters, source, OPTConfig,
                 dict(word_embed_proj_dim=hidden, **opt_sizes(hidden, layers, heads, 50304)))


HEAD_OF_T5 = ("FLAN-T5's head is its own, which its weights say and no setting: with it XL has "
              "3,942,446,592\nparameters, and XXL 12,229,596,672.")


def blip2_t5(parameters, source, width, inner, heads):
    return blip2(parameters, source, T5Config,
                 dict(d_model=width, d_kv=64, d_ff=inner, num_layers=24, num_decoder_layers=24,
                      num_heads=heads, vocab_size=32128, feed_forward_proj="gated-gelu",
                      scale_decoder_outputs=False), "t5", HEAD_OF_T5)


def instructblip(parameters, hidden, width, layers, heads):
    """Vicuna; the Q-Former has BERT's words and one more."""
    return blip2(parameters, ROUNDED, LlamaConfig,
                 llama_like(hidden, width, layers, heads, heads, 32064,
                            max_position_embeddings=2048), "llama_bos", vocab_size=30523)


PERSIMMON = dict(hidden_size=4096, intermediate_size=16384, num_hidden_layers=36,
                 num_attention_heads=64, vocab_size=262144, max_position_embeddings=16384)


def idefics(parameters, hidden, width, layers, heads):
    text = llama_like(hidden, width, layers, heads, heads, 32000, max_position_embeddings=2048)
    text.pop("num_key_value_heads")
    return Size(Spec(dict(embed_dim=1280, image_size=224, patch_size=14, num_hidden_layers=32,
                          num_attention_heads=16, intermediate_size=5120), None,
                     {**text, "qk_layer_norms": True}, "llama_bos", "idefics",
                     dict(additional_vocab_size=2, cross_layer_interval=4, use_resampler=True,
                          perceiver_config=dict(use_resampler=True))), parameters, ROUNDED)


def chameleon(parameters, source, text):
    return Size(Spec(dict(num_embeddings=8192, resolution=512,
                          channel_multiplier=[1, 1, 2, 2, 4]), None,
                     {**text, "max_position_embeddings": 4096}, "llama_bos", "chameleon"),
                parameters, source)


SIZES = {
    "opt": {"125M": opt(125_239_296, 768, 12, 12), "1.3B": opt(1_315_758_080, 2048, 24, 32),
            "2.7B": opt(2_651_596_800, 2560, 32, 32), "6.7B": opt(6_658_473_984, 4096, 32, 32)},
    "blip-2": {"BLIP-2 OPT 2.7B": blip2_opt(3_744_761_856, COUNT, 2560, 32, 32),
               "BLIP-2 OPT 6.7B": blip2_opt(7_752_869_376, ROUNDED, 4096, 32, 32)},
    "blip-2-t5": {"BLIP-2 FLAN-T5 XL": blip2_t5(3_876_648_448, COUNT, 2048, 5120, 32),
                  "BLIP-2 FLAN-T5 XXL": blip2_t5(12_098_000_384, ROUNDED, 4096, 10240, 64)},
    "instructblip": {"InstructBLIP Vicuna 7B": instructblip(7_913_726_720, 4096, 11008, 32, 32),
                     "InstructBLIP Vicuna 13B": instructblip(14_192_093_952, 5120, 13824, 40, 40)},
    "persimmon": {"Persimmon 8B": Size(Spec(None, None, PERSIMMON, "llama_bos", "vicuna"),
                                       9_397_175_296, READ)},
    "fuyu": {"Fuyu 8B": Size(Spec(None, PersimmonConfig, PERSIMMON, "fuyu", None,
                                  dict(patch_size=30)), 9_408_238_592, READ)},
    "idefics": {"IDEFICS 9B": idefics(8_929_677_328, 4096, 11008, 32, 32),
                "IDEFICS 80B": idefics(79_967_841_320, 8192, 22016, 80, 64)},
    "chameleon": {"Chameleon 7B": chameleon(7_043_090_432, READ,
                                            llama_like(4096, 11008, 32, 32, 32, 65536)),
                  "Chameleon 34B": chameleon(34_323_732_480, ROUNDED, llama_like(
                      8192, 22016, 48, 64, 8, 65536, swin_norm=True))},
}
