# SPDX-License-Identifier: GPL-3.0-or-later
"""`forward --tensors` of classes whose head no objective trains here, and of what BLIP's and BLIP-2's second classes answer: as transformers' class gives them."""
import torch
import transformers as t

from by_tensors import (BERT, GPT2, VIT, System, blip, classes, decoder, encoder, forward_case, ids, masked_words, next_words, padded, pictured, pixels)
from by_tensors_bodies import captioned

DEBERTA = encoder(t.DebertaV2Config, relative_attention=True, position_buckets=8, max_relative_positions=40, pos_att_type=["c2p", "p2c"], type_vocab_size=0)


def labelled(labels):
    """Rows that are filled up with padding, by whose last word a decoder's class is told."""
    def inputs(config):
        given = next_words(config)
        given["input_ids"] = given["input_ids"].masked_fill(given["attention_mask"] == 0, config.pad_token_id)
        return given | {"labels": labels(given)}
    return inputs


def spans(types=True):
    """Rows of one length; the second answer ends behind its row, which is passed over."""
    def inputs(config):
        given = {"input_ids": ids(3, 17, config.vocab_size), "attention_mask": torch.ones(3, 17, dtype=torch.int64)}
        given |= {"token_type_ids": (torch.arange(17) > 6).long().expand(3, 17).contiguous()} if types else {}
        return given | {"start_positions": torch.tensor([3, 2, 5]), "end_positions": torch.tensor([6, 40, 5])}
    return inputs


def asked(config):
    answers = ids(2, 6, 80, seed=11)
    return {"pixel_values": pixels(2, 24), "input_ids": ids(2, 9, 80), "attention_mask": torch.ones(2, 9, dtype=torch.int64), "decoder_input_ids": answers,
            "decoder_attention_mask": padded(2, 6, 6, 4), "labels": answers.masked_fill(padded(2, 6, 6, 4) == 0, -100)}


def covered(config):
    return {"pixel_values": pixels(2, 24), "bool_masked_pos": torch.arange(18).view(2, 9) % 3 == 0}


def blip2():
    return t.Blip2Config(
        vision_config=dict(hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4, image_size=24, patch_size=8),
        qformer_config=dict(vocab_size=90, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, encoder_hidden_size=32,
                            cross_attention_frequency=2, use_qformer_text_input=True, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0),
        num_query_tokens=5, image_text_hidden_size=20)


def mae():
    return t.ViTMAEConfig(**VIT, decoder_num_attention_heads=4, decoder_hidden_size=24, decoder_num_hidden_layers=2, decoder_intermediate_size=40)


def noisy(config):
    return {"pixel_values": pixels(2, 24), "noise": torch.rand(2, 9, generator=torch.Generator().manual_seed(2))}


ACTIVATIONS = ("relu", "relu2", "relu6", "leaky_relu", "sigmoid", "tanh", "mish", "linear", "gelu_new", "quick_gelu")
# A softmax over a row's places does not feel what all of them get alike.
SILENT = ("key.bias", "key_proj.bias", "qa_outputs.bias", "layer.1.output.LayerNorm.bias")
ROWS = labelled(lambda given: torch.tensor([2, 0, 1]))
TOKENS = labelled(lambda given: (given["input_ids"] % 3).masked_fill(given["attention_mask"] == 0, -100))
SYSTEMS = {
    "llama-rows": System(t.LlamaForSequenceClassification, decoder(t.LlamaConfig, num_labels=3, pad_token_id=0), ROWS, core=True),
    "llama-number": System(t.LlamaForSequenceClassification, decoder(t.LlamaConfig, num_labels=1, pad_token_id=0), labelled(lambda given: torch.tensor([.2, 1., -1.]))),
    "llama-several": System(t.LlamaForSequenceClassification, decoder(t.LlamaConfig, num_labels=3, pad_token_id=0), labelled(lambda given: torch.eye(3))),
    "qwen3-tokens": System(t.Qwen3ForTokenClassification, decoder(t.Qwen3Config, head_dim=12, num_labels=3, pad_token_id=0), TOKENS),
    "gpt2-rows": System(t.GPT2ForSequenceClassification, lambda: t.GPT2Config(**GPT2, num_labels=3, pad_token_id=0), ROWS),
    "gpt2-tokens": System(t.GPT2ForTokenClassification, lambda: t.GPT2Config(**GPT2, num_labels=3, pad_token_id=0), TOKENS),
    "bert-spans": System(t.BertForQuestionAnswering, BERT, spans(), silent=SILENT),
    "roberta-spans": System(t.RobertaForQuestionAnswering, encoder(t.RobertaConfig, pad_token_id=1), spans(types=False), silent=SILENT),
    "electra-spans": System(t.ElectraForQuestionAnswering, encoder(t.ElectraConfig, embedding_size=24), spans(), silent=SILENT),
    "deberta-spans": System(t.DebertaV2ForQuestionAnswering, DEBERTA, spans(types=False), silent=SILENT),
    "deberta-rows": System(t.DebertaV2ForSequenceClassification, lambda: DEBERTA(num_labels=3), classes(lambda given, mask: torch.tensor([2, 0, 1]), types=False)),
    "roberta-tokens": System(t.RobertaForTokenClassification, lambda: encoder(t.RobertaConfig, pad_token_id=1)(num_labels=3),
                             classes(lambda given, mask: (given % 3).masked_fill(mask == 0, -100), types=False)),
    "albert-rows": System(t.AlbertForSequenceClassification, lambda: encoder(t.AlbertConfig, embedding_size=24)(num_labels=3),
                          classes(lambda given, mask: torch.tensor([2, 0, 1]))),
    "albert-groups": System(t.AlbertForMaskedLM, encoder(t.AlbertConfig, embedding_size=24, num_hidden_groups=2, inner_group_num=2, num_hidden_layers=4), masked_words),
    "electra-words": System(t.ElectraForMaskedLM, encoder(t.ElectraConfig, embedding_size=24), masked_words),
    "vit-covered": System(t.ViTForMaskedImageModeling, lambda: t.ViTConfig(**VIT, encoder_stride=8), covered),
    "vit-stretched": System(t.ViTForImageClassification, lambda: t.ViTConfig(**VIT, num_labels=3),
                            lambda config: {"pixel_values": pixels(2, 40)[:, :, :32], "labels": torch.tensor([2, 0])}, dict(interpolate_pos_encoding=True)),
    "mae-body": System(t.ViTMAEModel, mae, noisy),
    "dinov2-registers": System(t.Dinov2WithRegistersForImageClassification, lambda: t.Dinov2WithRegistersConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, mlp_ratio=2, image_size=24, patch_size=8, num_labels=3), pictured(24)),
    "blip-answers": System(t.BlipForQuestionAnswering, blip, asked, core=True),
    "blip2-points": System(t.Blip2ForImageTextRetrieval, blip2, captioned),
    "blip2-matching": System(t.Blip2ForImageTextRetrieval, blip2, captioned, dict(use_image_text_matching_head=True), without=("text_embeds",)),
}

# Between two products, and of a gate.
SYSTEMS |= {f"bert-{name}": System(t.BertForMaskedLM, lambda name=name: BERT(hidden_act=name), masked_words, core=name == "relu2") for name in ACTIVATIONS}
SYSTEMS |= {f"llama-{name}": System(t.LlamaForCausalLM, decoder(t.LlamaConfig, hidden_act=name), next_words, core=name == "mish") for name in ACTIVATIONS}


def cases(everything=False):
    return {f"by-tensors/{name}": forward_case(name, system) for name, system in SYSTEMS.items() if everything or system.core}
