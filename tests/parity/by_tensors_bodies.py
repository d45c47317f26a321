# SPDX-License-Identifier: GPL-3.0-or-later
"""`forward --tensors` of classes without a head, whose outputs are states: as transformers' class of config.json's `architectures` gives them."""
import torch
import transformers as t

from pictures_alone import STAGES

from by_tensors import BART, BERT, GPT2, T5, VIT, System, decoder, encoder, forward_case, ids, masked_words, next_words, padded, pictured, pictures_and_texts, pixels, two, words


def read(inputs):
    """The same without labels: what has no head has no loss."""
    return lambda config: {key: value for key, value in inputs(config).items() if key != "labels"}


def one_of(name, *config):
    """A part of two towers by its own class."""
    return lambda: getattr(two(*config)(), name)


CLIP = (t.CLIPConfig, {}, {})
SIGLIP = (t.SiglipConfig, dict(max_position_embeddings=11), {})


def texts(config):
    given, mask = ids(3, 11, config.vocab_size - 3), padded(3, 11, 11, 6, 8)
    given[torch.arange(3), mask.sum(1) - 1] = config.eos_token_id
    return {"input_ids": given.masked_fill(mask == 0, config.pad_token_id or 0), "attention_mask": mask}


def sources(config):
    given, mask = ids(2, 14, config.vocab_size - 10), padded(2, 14, 14, 10)
    return {"input_ids": given.masked_fill(mask == 0, config.pad_token_id), "attention_mask": mask}


def both_texts(config):
    return sources(config) | {"decoder_input_ids": ids(2, 9, config.vocab_size - 10, seed=8)}


SYSTEMS = {
    "bert-body": System(t.BertModel, BERT, read(masked_words), core=True),
    "bert-next": System(t.BertForNextSentencePrediction, BERT, lambda config: read(masked_words)(config) | {"labels": torch.tensor([0, 1, 1])}),
    "roberta-body": System(t.RobertaModel, encoder(t.RobertaConfig, pad_token_id=1), read(words)),
    "xlm-roberta-body": System(t.XLMRobertaModel, encoder(t.XLMRobertaConfig, pad_token_id=1), read(words)),
    "albert-body": System(t.AlbertModel, encoder(t.AlbertConfig, embedding_size=24), read(masked_words)),
    "electra-body": System(t.ElectraModel, encoder(t.ElectraConfig, embedding_size=24), read(masked_words)),
    "deberta-body": System(t.DebertaV2Model, encoder(t.DebertaV2Config, relative_attention=True, position_buckets=8, max_relative_positions=40,
                                                     pos_att_type=["c2p", "p2c"], type_vocab_size=0), read(words)),
    "gpt2-body": System(t.GPT2Model, lambda: t.GPT2Config(**GPT2), read(next_words)),
    "llama-body": System(t.LlamaModel, decoder(t.LlamaConfig), read(next_words)),
    "qwen3-body": System(t.Qwen3Model, decoder(t.Qwen3Config, head_dim=12), read(next_words)),
    "t5-encoder": System(t.T5EncoderModel, lambda: t.T5Config(**T5), sources),
    "t5-body": System(t.T5Model, lambda: t.T5Config(**T5), both_texts),
    "bart-body": System(t.BartModel, lambda: t.BartConfig(**BART), both_texts),
    "mbart-body": System(t.MBartModel, lambda: t.MBartConfig(**BART), both_texts),
    "vit-body": System(t.ViTModel, lambda: t.ViTConfig(**VIT), pictured(24, labels=False), core=True),
    "dinov2-body": System(t.Dinov2Model, lambda: t.Dinov2Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, mlp_ratio=2, image_size=24, patch_size=8),
                          pictured(24, labels=False)),
    "dinov2-registers-body": System(t.Dinov2WithRegistersModel, lambda: t.Dinov2WithRegistersConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, mlp_ratio=2,
                                                                                                   image_size=24, patch_size=8), pictured(24, labels=False)),
    "swin-body": System(t.SwinModel, lambda: t.SwinConfig(image_size=32, patch_size=4, embed_dim=16, depths=[1, 2], num_heads=[2, 4], window_size=4, drop_path_rate=0.0),
                        pictured(32, labels=False)),
    "resnet-body": System(t.ResNetModel, lambda: t.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"), pictured(32, labels=False)),
    "efficientnet": System(t.EfficientNetForImageClassification, lambda: efficient(num_labels=3), pictured(32)),
    "efficientnet-body": System(t.EfficientNetModel, lambda: efficient(), pictured(32, labels=False)),
    "clip-tower": System(t.CLIPVisionModel, one_of("vision_config", *CLIP), pictured(24, labels=False), core=True),
    "clip-tower-projected": System(t.CLIPVisionModelWithProjection, one_of("vision_config", *CLIP), pictured(24, labels=False)),
    "clip-text": System(t.CLIPTextModel, one_of("text_config", *CLIP), texts),
    "clip-text-projected": System(t.CLIPTextModelWithProjection, one_of("text_config", *CLIP), texts),
    "siglip-tower": System(t.SiglipVisionModel, one_of("vision_config", *SIGLIP), pictured(24, labels=False)),
    "siglip-text": System(t.SiglipTextModel, one_of("text_config", *SIGLIP), lambda config: {"input_ids": ids(3, 11, config.vocab_size - 3)}),
    "siglip-classes": System(t.SiglipForImageClassification, lambda: two(*SIGLIP, num_labels=3)(), pictured(24)),
    "clip-classes": System(t.CLIPForImageClassification, lambda: two(*CLIP, num_labels=3)(), pictured(24)),
}


def efficient(**more):
    return t.EfficientNetConfig(image_size=32, width_coefficient=0.5, depth_coefficient=1.0, hidden_dim=640, dropout_rate=0.0,
                                drop_connect_rate=0.0, **STAGES, **more)


def cases(everything=False):
    return {f"by-tensors/{name}": forward_case(name, system) for name, system in SYSTEMS.items() if everything or system.core}
