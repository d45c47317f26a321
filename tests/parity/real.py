# SPDX-License-Identifier: GPL-3.0-or-later
"""--real DIR: a checkpoint that save_pretrained writes with a 32,000-piece Llama tokenizer, trained
on real rows and photographs. The folder
holds llama2-tokenizer.model, mllm_demo.json and its pictures, and is not part of the project."""
import json
import shutil

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from tokenizers import AddedToken
from transformers import CLIPImageProcessorPil, LlamaConfig, LlamaTokenizer, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

import forward
import train
from checkpoints import FAMILY_OF, Checkpoint
from families.base import Plan, Spec, randomise
from families.llava import clip
from tokenizers_ import TEMPLATES


def make(source, root):
    path = root / "real"
    spec = Spec(clip(hidden_size=64, intermediate_size=128, image_size=56, patch_size=14),
                LlamaConfig, {})
    if not path.exists():
        scratch = root / "real.tokenizer"
        scratch.mkdir()
        shutil.copy(source / "llama2-tokenizer.model", scratch / "tokenizer.model")
        (scratch / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "LlamaTokenizer", "add_bos_token": True}))
        tokenizer = LlamaTokenizer.from_pretrained(scratch)
        tokenizer.add_tokens([AddedToken("<image>", special=True, normalized=False)],
                             special_tokens=True)
        tokenizer.add_special_tokens({"pad_token": "<pad>"})
        text = LlamaConfig(vocab_size=32064, hidden_size=64, intermediate_size=128,
                           num_hidden_layers=2, num_attention_heads=4,
                           num_key_value_heads=2, pad_token_id=tokenizer.pad_token_id)
        model = LlavaForConditionalGeneration(LlavaConfig(vision_config=spec.tower,
                                                          text_config=text,
                                                          image_token_index=tokenizer.convert_tokens_to_ids("<image>")))
        randomise(model, 3)
        model.save_pretrained(path)
        pictures = CLIPImageProcessorPil(size={"shortest_edge": 56},
                                         crop_size={"height": 56, "width": 56})
        LlavaProcessor(pictures, tokenizer, patch_size=14, vision_feature_select_strategy="default",
                       num_additional_image_tokens=1,
                       chat_template=TEMPLATES["vicuna"]).save_pretrained(path)
        shutil.rmtree(scratch)
    return Checkpoint("real", path, spec, FAMILY_OF["clip-llama"])


def read_rows(source):
    """The rows in the inner form: <image> marks become picture parts in their places."""
    for row in json.loads((source / "mllm_demo.json").read_text()):
        pictures = iter(row["images"])
        messages = []
        for message in row["messages"]:
            content = []
            for index, piece in enumerate(message["content"].split("<image>")):
                content += [{"type": "image", "path": str(
                    source / next(pictures))}] if index else []
                content += [{"type": "text", "text": piece}] if piece else []
            messages.append({"role": message["role"], "content": content})
        yield messages


def cases(source):
    def case(world, result):
        checkpoint = make(source, world.checkpoints)
        data = [checkpoint.example(messages) for messages in read_rows(source)]
        photograph = [{"role": "user", "content": [{"type": "image",
                                                    "path": str(source / "extreme_ironing.jpg")},
                                                   {"type": "text",
                                                    "text": "What is unusual about this image? 이 사진은?"}]},
                      {"role": "assistant", "content": [
                          {"type": "text",
                           "text": "A man irons clothes on the back of a taxi. 특이합니다."}]}]
        (world.scratch / "photo.json").write_text(json.dumps({"messages": photograph}))
        world.program.run("forward", checkpoint.path, "--input", world.scratch / "photo.json",
                          "--out", world.scratch / "o.safetensors",
                          "--dtype", "float32", "--device", "cpu")
        forward.check(result, checkpoint.family, load_file(world.scratch / "o.safetensors"),
                      forward.expected(checkpoint, checkpoint.model(),
                                       checkpoint.example(photograph)))
        torch.manual_seed(1)
        model = get_peft_model(checkpoint.model(),
                               LoraConfig(r=8, lora_alpha=16, target_modules="all-linear",
                                          lora_dropout=0.0))
        model.save_pretrained(world.scratch / "start")
        settings = train.DEFAULTS | dict(shuffle=True, gradient_accumulation_steps=2,
                                         lr_scheduler_type="cosine", warmup_ratio=0.1)
        path = train.recipe(world, Plan("real"), settings, checkpoint, world.scratch / "start")
        path.write_text(path.read_text().replace(str(world.scratch / "train.jsonl"),
                                                 str(source / "mllm_demo.json")))
        world.program.run("train", path)
        log = train.trained_by_transformers(model, checkpoint.family.batch, data, [], settings,
                                            world.scratch / "oracle")
        train.compare_curves(result, train.curve(world.scratch / "run"), log)
    return {"real/llama2-tokenizer": case}
