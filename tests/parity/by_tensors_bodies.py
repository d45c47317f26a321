# SPDX-License-Identifier: GPL-3.0-or-later
"""`forward --tensors` of classes without a head, whose outputs are states: as transformers' class of config.json's `architectures` gives them."""
import torch
import transformers as t

from pictures_alone import STAGES

from by_tensors import (BART, BERT, GPT2, PATCHES, T5, VIT, WORDS, System, blip, captions, decoder, encoder, forward_case, ids, masked_words, next_words, padded, pictured,
                        pictures_and_texts, pixels, shown, two, words)


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


REGIONS = dict(vocab_size=90, hidden_size=32, num_attention_heads=4, intermediate_size=56, max_position_embeddings=40, hidden_dropout_prob=0.0,
               attention_probs_dropout_prob=0.0)


def seen_regions(labels=True, answers=None):
    """VisualBERT's: words and, behind them, regions, some of which only fill a row up."""
    def inputs(config):
        given = read(masked_words)(config) | {"visual_embeds": torch.randn(3, 5, 20, generator=torch.Generator().manual_seed(5)), "visual_attention_mask": padded(3, 5, 5, 3, 4),
                                              "visual_token_type_ids": torch.ones(3, 5, dtype=torch.int64)}
        if answers:
            given["labels"] = torch.softmax(torch.randn(3, answers, generator=torch.Generator().manual_seed(6)), -1)
        elif labels:
            chosen = (torch.arange(17) % 4 == 1) & given["attention_mask"].bool()
            words = ids(3, 17, config.vocab_size, seed=4).masked_fill(~chosen, -100)
            given |= {"labels": torch.cat([words, torch.full((3, 5), -100)], 1), "sentence_image_labels": torch.tensor([0, 1, 0])}
        return given
    return inputs


def found_regions(labels=True, answers=False):
    """LXMERT's, with their boxes."""
    def inputs(config):
        given = masked_words(config) | {"visual_feats": torch.randn(3, 5, 20, generator=torch.Generator().manual_seed(5)), "visual_attention_mask": padded(3, 5, 5, 3, 4),
                                        "visual_pos": torch.rand(3, 5, 4, generator=torch.Generator().manual_seed(6))}
        if answers or not labels:
            given.pop("labels")
        if answers:
            given["labels"] = torch.tensor([2, 0, 4])
        elif labels:
            given |= {"matched_label": torch.tensor([1, 0, 1]), "ans": torch.tensor([3, 1, 0])}
        return given
    return inputs


def visual_bert(**more):
    return t.VisualBertConfig(**REGIONS, num_hidden_layers=2, visual_embedding_dim=20, **more)


def lxmert(**more):
    return t.LxmertConfig(**REGIONS, l_layers=2, x_layers=2, r_layers=1, visual_feat_dim=20, num_qa_labels=5, num_object_labels=11, num_attr_labels=7, **more)


def vit_and_bert():
    return t.VisionEncoderDecoderConfig.from_encoder_decoder_configs(t.ViTConfig(**VIT), BERT(is_decoder=True, add_cross_attention=True), decoder_start_token_id=1,
                                                                     pad_token_id=0)


def captioned(config):
    return {key: value for key, value in captions(config).items() if key != "labels"}


def llava_next():
    return t.LlavaNextConfig(text_config=decoder(t.LlamaConfig, max_position_embeddings=99)(), vision_config=t.CLIPVisionConfig(
        hidden_size=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=3, image_size=24, patch_size=8), image_token_index=88, image_seq_length=9,
        image_grid_pinpoints=[[24, 48], [48, 24], [48, 48]])


def mistral3():
    return t.Mistral3Config(text_config=dict(model_type="mistral") | WORDS, vision_config=dict(model_type="pixtral", image_size=64, patch_size=8, head_dim=8) | PATCHES,
                            image_token_index=88, spatial_merge_size=2)


def marked(given, counts, config):
    """Rows that begin with so many places for a picture's states."""
    mark = config.image_token_id
    for row, count in enumerate(counts):
        given["input_ids"][row, 1:1 + count], given["labels"][row, :1 + count] = mark, -100
    return given


def long_words(config, length):
    given, mask = ids(2, length, config.get_text_config().vocab_size - 10), padded(2, length, length, length - 4)
    return {"input_ids": given, "attention_mask": mask, "labels": given.masked_fill(mask == 0, -100)}


def tiled(config):
    """Two pictures of other sizes: 1 + 2 tiles, of which the padding falls away, and 1 + 4."""
    values = torch.randn(2, 5, 3, 24, 24, generator=torch.Generator().manual_seed(9))
    values[0, 3:] = 0
    sizes = torch.tensor([[20, 46], [40, 44]])
    return marked(long_words(config, 75), (9 + 3 * 7, 9 + 6 * 7), config) | {"pixel_values": values, "image_sizes": sizes}


def any_size(config):
    values = torch.randn(2, 3, 48, 64, generator=torch.Generator().manual_seed(9))
    values[0, :, 32:], values[1, :, :, 32:] = 0, 0
    return marked(long_words(config, 20), (8, 6), config) | {"pixel_values": values, "image_sizes": torch.tensor([[32, 64], [48, 32]])}


SYSTEMS |= {
    "llava_next": System(t.LlavaNextForConditionalGeneration, llava_next, tiled, without=("image_hidden_states",)),
    "mistral3": System(t.Mistral3ForConditionalGeneration, mistral3, any_size, without=("image_hidden_states",)),
    "blip-matching": System(t.BlipForImageTextRetrieval, blip, captioned, without=("question_embeds",)),
    "blip-points": System(t.BlipForImageTextRetrieval, blip, captioned, dict(use_itm_head=False), without=("question_embeds",)),
    "visual-bert": System(t.VisualBertForPreTraining, visual_bert, seen_regions(), core=True),
    "visual-bert-answers": System(t.VisualBertForQuestionAnswering, lambda: visual_bert(num_labels=6), seen_regions(answers=6)),
    "visual-bert-body": System(t.VisualBertModel, visual_bert, seen_regions(labels=False)),
    "lxmert": System(t.LxmertForPreTraining, lxmert, found_regions()),
    "lxmert-parts": System(t.LxmertForPreTraining, lambda: lxmert(task_matched=False, task_obj_predict=False), found_regions()),
    "lxmert-answers": System(t.LxmertForQuestionAnswering, lxmert, found_regions(answers=True)),
    "vit-bert": System(t.VisionEncoderDecoderModel, vit_and_bert, shown),
    "vit-gpt2-wide": System(t.VisionEncoderDecoderModel, lambda: t.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        t.ViTConfig(**VIT | dict(hidden_size=24, num_attention_heads=2)), t.GPT2Config(**GPT2, add_cross_attention=True, is_decoder=True), decoder_start_token_id=1,
        pad_token_id=0), shown),
    "lxmert-body": System(t.LxmertModel, lxmert, found_regions(labels=False)),
}


def cases(everything=False):
    return {f"by-tensors/{name}": forward_case(name, system) for name, system in SYSTEMS.items() if everything or system.core}
