# SPDX-License-Identifier: GPL-3.0-or-later
"""`forward --tensors` against the transformers class of the same name, without a tokenizer between: every output that is a tensor, and every gradient (--grad all). A
class is a row of SYSTEMS. Places that only fill a row up are passed over: what stands there is nobody's."""
import math
from dataclasses import dataclass, field
from typing import Callable

import torch
import transformers as t
from safetensors.torch import load_file, save_file

from report import LOGITS

GRADIENTS = 1e-4


@dataclass
class System:
    """A class with a small configuration, and what its forward gets. `options`: arguments that are no tensors. `silent`: parameters that a softmax is blind to, so
    that their gradient is zero but for rounding. `without`: outputs that are not given here."""
    model: type
    config: Callable
    inputs: Callable
    options: dict = field(default_factory=dict)
    silent: tuple = ("key.bias", "k_proj.bias", "key_proj.bias")
    without: tuple = ()
    core: bool = False


def ids(rows, length, vocabulary, seed=3, first=5):
    return torch.randint(first, vocabulary, (rows, length), generator=torch.Generator().manual_seed(seed))


def padded(rows, length, *lengths):
    mask = torch.zeros(rows, length, dtype=torch.int64)
    for row, count in enumerate(lengths):
        mask[row, :count] = 1
    return mask


def pixels(count, side):
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(9))


def masked_words(config, types=True):
    """Three rows of uneven length, some places to be guessed; the mask token is 4."""
    given, mask = ids(3, 17, config.vocab_size), padded(3, 17, 17, 9, 13)
    given = given.masked_fill(mask == 0, config.pad_token_id or 0)
    chosen = (torch.arange(17) % 4 == 1) & mask.bool()
    inputs = {"input_ids": given.masked_fill(chosen, 4), "attention_mask": mask, "labels": given.masked_fill(~chosen, -100)}
    return inputs | ({"token_type_ids": (torch.arange(17) > 6).long().expand(3, 17).contiguous()} if types else {})


def words(config):
    return masked_words(config, types=False)


def and_next(name):
    return lambda config: masked_words(config) | {name: torch.tensor([0, 1, 1])}


def classes(labels, types=True):
    def inputs(config):
        given = masked_words(config, types)
        return given | {"labels": labels(given["input_ids"], given["attention_mask"])}
    return inputs


def next_words(config):
    config = config.get_text_config()
    given, mask = ids(3, 15, config.vocab_size - 10), padded(3, 15, 15, 12, 8)
    return {"input_ids": given, "attention_mask": mask, "labels": given.masked_fill(mask == 0, -100)}


def pictures_and_texts(side, ends=True):
    def inputs(config):
        text = config.text_config
        given, mask = ids(4, 11, text.vocab_size - 1), padded(4, 11, 11, 6, 8, 3)
        given[torch.arange(4), mask.sum(1) - 1] = text.eos_token_id
        if not ends:
            return {"input_ids": given, "pixel_values": pixels(4, side)}
        return {"input_ids": given.masked_fill(mask == 0, text.pad_token_id or 0), "attention_mask": mask, "pixel_values": pixels(4, side)}
    return inputs


def answers(config):
    """Rows for an encoder and what its decoder is to write, both filled up."""
    given, mask = ids(2, 14, config.vocab_size - 10), padded(2, 14, 14, 10)
    labels = ids(2, 9, config.vocab_size - 10, seed=8)
    labels[1, 7:] = -100
    return {"input_ids": given.masked_fill(mask == 0, config.pad_token_id), "attention_mask": mask, "labels": labels}


def read_and_written(config):
    given = answers(config)
    written = given.pop("labels").clamp_min(0)
    return given | {"decoder_input_ids": written}


def seen(side, marks):
    def inputs(config):
        given = next_words(config)
        given["input_ids"][:2, 1:1 + marks] = config.image_token_id
        given["labels"][:, :1 + marks] = -100
        return given | {"pixel_values": pixels(2, side)}
    return inputs


def patches(config):
    """A Qwen-VL's pictures: patches of two grids."""
    given, vision = next_words(config), config.vision_config
    grids = torch.tensor([[1, 4, 4], [1, 2, 6]])
    given["input_ids"][0, 1:5], given["input_ids"][1, 1:4] = config.image_token_id, config.image_token_id
    for row, count in ((0, 4), (1, 3)):
        given["input_ids"][row, 0], given["input_ids"][row, count + 1] = config.vision_start_token_id, config.vision_end_token_id
    numbers = 3 * vision.temporal_patch_size * vision.patch_size ** 2
    types = (given["input_ids"] == config.image_token_id).long()
    return given | {"image_grid_thw": grids, "mm_token_type_ids": types, "pixel_values": torch.randn(28, numbers, generator=torch.Generator().manual_seed(9))}


def encoder(config, **more):
    return lambda **options: config(**dict(vocab_size=90, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=56, max_position_embeddings=40,
                                           hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0) | more | options)


def decoder(config, **more):
    return lambda: config(**dict(vocab_size=90, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=56,
                                 max_position_embeddings=40) | more)


def two(config, text, tower, **more):
    texts = dict(vocab_size=80, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=16, bos_token_id=77,
                 eos_token_id=79, pad_token_id=0)
    towers = dict(hidden_size=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=3, image_size=24, patch_size=8)
    return lambda: config(text_config=texts | text, vision_config=towers | tower, **more)


def qwen2_vl():
    text = dict(vocab_size=90, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=56, max_position_embeddings=64,
                rope_parameters=dict(rope_type="default", rope_theta=10000.0, mrope_section=[1, 1, 2]))
    tower = dict(depth=2, embed_dim=32, hidden_size=32, num_heads=4, mlp_ratio=2, patch_size=4, spatial_merge_size=2, temporal_patch_size=2)
    return t.Qwen2VLConfig(text_config=text, vision_config=tower, image_token_id=86, video_token_id=87, vision_start_token_id=84, vision_end_token_id=85)


def llava():
    return t.LlavaConfig(text_config=decoder(t.LlamaConfig)(), vision_config=t.CLIPVisionConfig(hidden_size=32, intermediate_size=56, num_attention_heads=4,
                         num_hidden_layers=3, image_size=24, patch_size=8), image_token_id=88, image_seq_length=9)


T5 = dict(vocab_size=100, d_model=32, d_kv=10, d_ff=48, num_layers=2, num_decoder_layers=3, num_heads=4, relative_attention_num_buckets=8,
          relative_attention_max_distance=20, dropout_rate=0.0, decoder_start_token_id=0)
BART = dict(vocab_size=100, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=48,
            decoder_ffn_dim=48, max_position_embeddings=40, dropout=0.0)
GPT2 = dict(vocab_size=90, n_embd=32, n_layer=2, n_head=4, n_positions=40, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
VIT = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=56, image_size=24, patch_size=8, hidden_dropout_prob=0.0,
           attention_probs_dropout_prob=0.0)
BERT = encoder(t.BertConfig)
SYSTEMS = {
    "bert": System(t.BertForMaskedLM, BERT, masked_words, core=True),
    "bert-untied": System(t.BertForMaskedLM, lambda: BERT(tie_word_embeddings=False, hidden_act="gelu_new", layer_norm_eps=1e-5), masked_words),
    "bert-pretraining": System(t.BertForPreTraining, BERT, and_next("next_sentence_label")),
    "bert-rows": System(t.BertForSequenceClassification, lambda: BERT(num_labels=3), classes(lambda given, mask: torch.tensor([2, 0, 1]))),
    "bert-several": System(t.BertForSequenceClassification, lambda: BERT(num_labels=3, problem_type="multi_label_classification"),
                           classes(lambda given, mask: (torch.arange(9).view(3, 3) % 2).float())),
    "bert-tokens": System(t.BertForTokenClassification, lambda: BERT(num_labels=4), classes(lambda given, mask: (given % 4).masked_fill(mask == 0, -100))),
    "roberta": System(t.RobertaForMaskedLM, encoder(t.RobertaConfig, pad_token_id=1), words),
    "albert": System(t.AlbertForMaskedLM, encoder(t.AlbertConfig, embedding_size=24), masked_words),
    "albert-pretraining": System(t.AlbertForPreTraining, encoder(t.AlbertConfig, embedding_size=24), and_next("sentence_order_label")),
    "electra": System(t.ElectraForPreTraining, encoder(t.ElectraConfig, embedding_size=24), classes(lambda given, mask: given % 2)),
    "deberta": System(t.DebertaV2ForMaskedLM, encoder(t.DebertaV2Config, relative_attention=True, position_buckets=8, max_relative_positions=40,
                                                      pos_att_type=["c2p", "p2c"], type_vocab_size=0), words),
    "gpt2": System(t.GPT2LMHeadModel, lambda: t.GPT2Config(**GPT2), next_words),
    "llama": System(t.LlamaForCausalLM, decoder(t.LlamaConfig), next_words, core=True),
    "qwen3": System(t.Qwen3ForCausalLM, decoder(t.Qwen3Config, head_dim=12), next_words),
    "gemma3": System(t.Gemma3ForCausalLM, decoder(t.Gemma3TextConfig, head_dim=12, sliding_window=6), next_words),
    "t5": System(t.T5ForConditionalGeneration, lambda: t.T5Config(**T5), answers, core=True),
    "t5-gated": System(t.T5ForConditionalGeneration, lambda: t.T5Config(**T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False), answers),
    "t5-written": System(t.T5ForConditionalGeneration, lambda: t.T5Config(**T5), read_and_written),
    "bart": System(t.BartForConditionalGeneration, lambda: t.BartConfig(**BART), answers),
    "mbart": System(t.MBartForConditionalGeneration, lambda: t.MBartConfig(**BART), answers),
    "clip": System(t.CLIPModel, two(t.CLIPConfig, {}, {}, projection_dim=20), pictures_and_texts(24), dict(return_loss=True), core=True),
    "clip-old": System(t.CLIPModel, two(t.CLIPConfig, dict(eos_token_id=2), {}, projection_dim=20), pictures_and_texts(24), dict(return_loss=True)),
    "siglip": System(t.SiglipModel, two(t.SiglipConfig, dict(max_position_embeddings=11), {}), pictures_and_texts(24, ends=False), dict(return_loss=True)),
    "vit": System(t.ViTForImageClassification, lambda: t.ViTConfig(**VIT, num_labels=3), lambda config: {"pixel_values": pixels(2, 24), "labels": torch.tensor([2, 0])}),
    "mae": System(t.ViTMAEForPreTraining, lambda: t.ViTMAEConfig(**VIT, decoder_num_attention_heads=4, decoder_hidden_size=24, decoder_num_hidden_layers=2,
                                                                 decoder_intermediate_size=40),
                  lambda config: {"pixel_values": pixels(2, 24), "noise": torch.rand(2, 9, generator=torch.Generator().manual_seed(2))}),
    "resnet": System(t.ResNetForImageClassification, lambda: t.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=3),
                     lambda config: {"pixel_values": pixels(2, 32), "labels": torch.tensor([2, 0])}),
    "llava": System(t.LlavaForConditionalGeneration, llava, seen(24, 9), without=("image_hidden_states",)),
    "qwen2_vl": System(t.Qwen2VLForConditionalGeneration, qwen2_vl, patches, without=("rope_deltas",)),
}


def pictured(side, labels=True):
    return lambda config: {"pixel_values": pixels(2, side)} | ({"labels": torch.tensor([2, 0])} if labels else {})


def captions(config):
    given, mask = ids(2, 9, 80), padded(2, 9, 9, 6)
    return {"pixel_values": pixels(2, 24), "input_ids": given.masked_fill(mask == 0, 0), "attention_mask": mask, "labels": given.masked_fill(mask == 0, -100)}


def shown(config):
    labels = ids(2, 7, 80)
    labels[1, 5:] = -100
    return {"pixel_values": pixels(2, 24), "labels": labels}


def prefixed(config):
    """What sees itself both ways is of type 0 (PaliGemma)."""
    given = seen(24, 9)(config)
    given["token_type_ids"] = (torch.arange(15) > 10).long().expand(3, 15) * given["attention_mask"]
    given["input_ids"][:2, :9], given["labels"][:, :11] = config.image_token_id, -100
    given["input_ids"][:2, 9] = 5
    return {key: value[:2].contiguous() for key, value in given.items()}


def blip():
    text = dict(vocab_size=90, hidden_size=32, encoder_hidden_size=32, intermediate_size=48, projection_dim=20, num_hidden_layers=2, num_attention_heads=4,
                max_position_embeddings=40, bos_token_id=86, eos_token_id=3, pad_token_id=0, sep_token_id=3, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    return t.BlipConfig(text_config=text, vision_config=dict(hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4, image_size=24,
                                                             patch_size=8), projection_dim=20, image_text_hidden_size=20)


def vit_and_gpt2():
    return t.VisionEncoderDecoderConfig.from_encoder_decoder_configs(t.ViTConfig(**VIT), t.GPT2Config(**GPT2, add_cross_attention=True, is_decoder=True),
                                                                     decoder_start_token_id=1, pad_token_id=0)


def paligemma():
    text = decoder(t.GemmaConfig, num_key_value_heads=1, head_dim=8)().to_dict()
    tower = dict(model_type="siglip_vision_model", hidden_size=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=2, image_size=24, patch_size=8,
                 projection_dim=32)
    return t.PaliGemmaConfig(text_config=text, vision_config=tower, image_token_index=88, projection_dim=32, hidden_size=32)


def clipseg():
    parts = two(t.CLIPSegConfig, {}, {}, projection_dim=20, extract_layers=[0, 1], reduce_dim=16, decoder_num_attention_heads=4, decoder_intermediate_size=24)
    return parts()


WORDS = dict(vocab_size=90, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=56, max_position_embeddings=64)
MARKS = dict(image_token_id=86, video_token_id=87, vision_start_token_id=84, vision_end_token_id=85)
TOWER = dict(depth=2, hidden_size=32, intermediate_size=40, num_heads=4, out_hidden_size=32, patch_size=4, spatial_merge_size=2, temporal_patch_size=2)
PATCHES = dict(hidden_size=32, intermediate_size=56, num_attention_heads=4, num_hidden_layers=2)


def turned(sections, **more):
    return dict(rope_parameters=dict(rope_type="default", rope_theta=10000.0, mrope_section=sections) | more)


def qwen2_5_vl():
    return t.Qwen2_5_VLConfig(text_config=WORDS | turned([1, 1, 2]), vision_config=TOWER | dict(window_size=16, fullatt_block_indexes=[1]), **MARKS)


def qwen3_vl():
    return t.Qwen3VLConfig(text_config=WORDS | turned([2, 1, 1], mrope_interleaved=True) | dict(head_dim=8),
                           vision_config=TOWER | dict(num_position_embeddings=16, deepstack_visual_indexes=[0]), **MARKS)


def gemma3():
    return t.Gemma3Config(text_config=WORDS | dict(head_dim=8, sliding_window=6), vision_config=PATCHES | dict(image_size=24, patch_size=8), mm_tokens_per_image=1,
                          image_token_id=88, boi_token_index=86, eoi_token_index=87)


def typed(config):
    given = seen(24, 1)(config)
    return given | {"token_type_ids": (given["input_ids"] == config.image_token_id).long()}


def internvl():
    return t.InternVLConfig(text_config=dict(model_type="qwen2") | WORDS, vision_config=PATCHES | dict(image_size=[24, 24], patch_size=[6, 6]), image_token_id=88,
                            image_seq_length=4, downsample_ratio=0.5)


def smolvlm():
    return t.SmolVLMConfig(text_config=dict(model_type="llama", pad_token_id=0) | WORDS, vision_config=PATCHES | dict(image_size=24, patch_size=6), image_token_id=88,
                           scale_factor=2, pad_token_id=0)


def tiles(config):
    """Rows of one tile or of none, filled up with black ones."""
    given, values = next_words(config), torch.zeros(3, 2, 3, 24, 24)
    given["input_ids"][:2, 1:5], given["labels"][:, :5] = config.image_token_id, -100
    values[:2, 0] = pixels(2, 24)
    return given | {"pixel_values": values}


SYSTEMS |= {
    "qwen2_5_vl": System(t.Qwen2_5_VLForConditionalGeneration, qwen2_5_vl, patches, without=("rope_deltas",)),
    "qwen3_vl": System(t.Qwen3VLForConditionalGeneration, qwen3_vl, patches, without=("rope_deltas",)),
    "gemma3-pictures": System(t.Gemma3ForConditionalGeneration, gemma3, typed, without=("image_hidden_states",)),
    "internvl": System(t.InternVLForConditionalGeneration, internvl, seen(24, 4), without=("image_hidden_states",)),
    "smolvlm": System(t.SmolVLMForConditionalGeneration, smolvlm, tiles, without=("image_hidden_states",)),
    "dinov2": System(t.Dinov2ForImageClassification, lambda: t.Dinov2Config(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, mlp_ratio=2, image_size=24,
                                                                            patch_size=8, num_labels=3), pictured(24)),
    "swin": System(t.SwinForImageClassification, lambda: t.SwinConfig(image_size=32, patch_size=4, embed_dim=16, depths=[1, 2], num_heads=[2, 4], window_size=4,
                                                                      drop_path_rate=0.0, num_labels=3), pictured(32)),
    "sam": System(t.SamVisionModel, lambda: t.SamVisionConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, image_size=32, patch_size=8,
                                                              output_channels=16, window_size=2, global_attn_indexes=[1], mlp_ratio=2.0), pictured(32, labels=False)),
    "opt": System(t.OPTForCausalLM, lambda: t.OPTConfig(vocab_size=90, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, ffn_dim=48,
                                                        max_position_embeddings=40, word_embed_proj_dim=32, dropout=0.0), next_words),
    "qwen3_5": System(t.Qwen3_5ForCausalLM, decoder(t.Qwen3_5TextConfig, head_dim=16, linear_num_value_heads=4, linear_num_key_heads=2, linear_key_head_dim=8,
                                                    linear_value_head_dim=8, layer_types=["linear_attention", "full_attention"]), next_words),
    "paligemma": System(t.PaliGemmaForConditionalGeneration, paligemma, prefixed, without=("image_hidden_states",)),
    "blip": System(t.BlipForConditionalGeneration, blip, captions),
    "vit-gpt2": System(t.VisionEncoderDecoderModel, vit_and_gpt2, shown),
    "clipseg": System(t.CLIPSegForImageSegmentation, clipseg, pictures_and_texts(24)),
}


def draw(model, seed):
    """Weights of a size at which every block matters; scalars (a temperature) stay as they start."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.dim() == 1:
                parameter.copy_((1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0) + 0.15 * noise)
            elif ("embed" in name and "patch" not in name) or "relative" in name:
                parameter.copy_(0.6 * noise)
            elif parameter.dim() > 1:
                parameter.copy_(noise * 1.2 / math.sqrt(parameter[0].numel()))


def own_places(inputs, value):
    """Of outputs that stand along the rows, what is the rows' own."""
    mask = inputs.get("attention_mask")
    if mask is not None and "visual_attention_mask" in inputs and value.dim() >= 2 and value.shape[1] > mask.shape[1]:
        mask = torch.cat([mask, inputs["visual_attention_mask"]], 1)
    seen = inputs.get("visual_attention_mask")
    mask = seen if seen is not None and value.dim() >= 2 and value.shape[:2] == seen.shape else mask
    along = mask is not None and value.dim() >= 2 and value.shape[:2] == mask.shape
    return value[mask.bool()] if along else value


def forward_case(name, system):
    def case(world, result):
        folder, given, out = world.scratch / "model", world.scratch / "given.safetensors", world.scratch / "out.safetensors"
        config = system.config()
        torch.manual_seed(1)
        model = system.model(config).eval()
        draw(model, seed=sum(name.encode()))
        model.save_pretrained(folder)
        stored = load_file(folder / "model.safetensors")
        inputs = system.inputs(config)
        said = model(**inputs, **system.options)
        wanted = {key: value.detach().float() for key, value in said.items() if isinstance(value, torch.Tensor) and key not in system.without}
        loss = said.get("loss")
        if loss is not None:
            loss.backward()
            wanted["loss"] = wanted["loss"].view(1)
        save_file({key: value.contiguous() for key, value in inputs.items()}, given)
        options = [flag for key, value in system.options.items() for flag in ("--option", f"{key}={str(value).lower()}")]
        world.program.run("forward", folder, "--tensors", given, "--out", out, *(("--grad", "all") if loss is not None else ()), "--dtype", "float32", "--device", "cpu",
                          *options)
        got = load_file(out)
        for key, value in wanted.items():
            if key not in got:
                result.expect(False, f"{key} lacks; there are {sorted(key for key in got if not key.startswith('grad.'))}")
                continue
            result.close(key, own_places(inputs, got[key]), own_places(inputs, value), LOGITS, "outputs")
        if loss is None:
            return
        # In memory a name may be another than in files: there it is told by what the values are.
        gradients = {}
        for key, parameter in model.named_parameters():
            if parameter.grad is None:
                continue
            names = [key] if key in stored else [each for each, tensor in stored.items() if tensor.shape == parameter.shape and torch.equal(tensor, parameter.detach())]
            gradients |= {names[0]: parameter.grad} if names else {}
        result.same("names of gradients", sorted(key for key in got if key.startswith("grad.")), sorted(f"grad.{key}" for key in gradients))
        largest = max(gradient.abs().max().item() for gradient in gradients.values())
        for key, gradient in gradients.items():
            floor = largest if key.endswith(system.silent) else largest * 1e-4
            result.close(f"grad.{key}", got.get(f"grad.{key}"), gradient, GRADIENTS, "grad", floor)
    return case


def refused_case(world, result):
    """What the class is not given, shapes that do not fit, a loss that is not there."""
    folder = world.scratch / "model"
    t.LlamaForCausalLM(decoder(t.LlamaConfig)()).save_pretrained(folder)
    whole = {"input_ids": ids(2, 7, 90), "attention_mask": torch.ones(2, 7, dtype=torch.int64)}
    for tensors, flags, said in ((whole | {"input_idz": ids(1, 2, 90)}, (), "input_idz"), ({"attention_mask": whole["attention_mask"]}, (), "input_ids"),
                                 (whole | {"labels": ids(2, 5, 90)}, (), "labels"), (whole | {"attention_mask": torch.tensor([[1, 0, 1, 1, 1, 1, 1]] * 2)}, (), "gaps"),
                                 (whole | {"input_ids": whole["input_ids"] - 10 ** 3}, (), "below 0"), (whole | {"input_ids": whole["input_ids"] + 10 ** 6}, (), "does not fit"),
                                 (whole, ("--grad", "all"), "loss"), (whole, ("--option", "return_los=1"), "return_los"), (whole, ("--input", "row.json"), "--tensors")):
        given = world.scratch / "given.safetensors"
        save_file({key: value.contiguous() for key, value in tensors.items()}, given)
        ended = world.program.end("forward", folder, "--tensors", given, "--out", world.scratch / "out.safetensors", "--device", "cpu", *flags)
        result.expect(ended.returncode == 2 and said in ended.stderr, f"{said}: exit {ended.returncode}: {ended.stderr.strip()[-300:]}")


def cases(everything=False):
    found = {f"by-tensors/{name}": forward_case(name, system) for name, system in SYSTEMS.items() if everything or system.core}
    return found | {"by-tensors/refused": refused_case}
