# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmark trains: a LLaVA of about 70 M parameters with random weights (8 x 384 tower, 8 x 512 decoder, 32,064 words), written by
transformers, and rows of random pictures whose texts make every row 264 tokens long (196 of them the picture's)."""
import json
import random
from pathlib import Path

import numpy
from PIL import Image
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (CLIPVisionConfig, CLIPImageProcessor, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor,
                          PreTrainedTokenizerFast)

TEMPLATE = ("{% for message in messages %}{{ message['role'] + ': ' }}{% for part in message['content'] %}{% if part['type'] == 'image' %}<image>"
            "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{{ '\n' }}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}")
WORDS = "the a of red green blue circle square triangle left right above below small large near two three and is at on with one".split()


def make_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=["<unk>", "<s>", "</s>", "<pad>", "<image>"],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([" ".join(WORDS) + " user: assistant: \n"] * 50, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>",
                                   extra_special_tokens={"image_token": "<image>"})


def make_checkpoint(folder: Path):
    import torch
    torch.manual_seed(1)
    tokenizer = make_tokenizer()
    vision = CLIPVisionConfig(hidden_size=384, intermediate_size=1536, num_hidden_layers=8, num_attention_heads=6, image_size=224, patch_size=16,
                              projection_dim=384)
    text = LlamaConfig(vocab_size=32064, hidden_size=512, intermediate_size=1408, num_hidden_layers=8, num_attention_heads=8, num_key_value_heads=8,
                       bos_token_id=1, eos_token_id=2, pad_token_id=3)
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=tokenizer.convert_tokens_to_ids("<image>"), image_seq_length=196)
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    images = CLIPImageProcessor(size={"shortest_edge": 224}, crop_size={"height": 224, "width": 224})
    LlavaProcessor(image_processor=images, tokenizer=tokenizer, patch_size=16, vision_feature_select_strategy="default", num_additional_image_tokens=1,
                   chat_template=TEMPLATE).save_pretrained(folder)


def make_rows(model: Path, folder: Path, count: int, length: int):
    """Rows of exactly `length` tokens: half of the text is the question, half the answer."""
    from transformers import AutoProcessor
    processor = AutoProcessor.from_pretrained(model)
    folder.mkdir(parents=True, exist_ok=True)
    pick, draw = random.Random(7), numpy.random.default_rng(7)
    with open(folder / "train.jsonl", "w") as out:
        for row in range(count):
            pixels = draw.integers(0, 256, (240, 320, 3), dtype=numpy.uint8)
            image = Image.fromarray(pixels)
            image.save(folder / f"{row}.png")
            question, answer = [pick.choice(WORDS) for _ in range(6)], [pick.choice(WORDS) for _ in range(6)]

            def messages():
                return [{"role": "user", "content": [{"type": "image", "path": f"{row}.png"}, {"type": "text", "text": " ".join(question)}]},
                        {"role": "assistant", "content": [{"type": "text", "text": " ".join(answer)}]}]

            def tokens():
                text = processor.apply_chat_template(messages())
                return len(processor(text=text, images=[image])["input_ids"][0])

            while (have := tokens()) < length:
                (question if len(question) <= len(answer) else answer).extend(pick.choice(WORDS) for _ in range(max(1, (length - have) // 4)))
            while tokens() > length and len(answer) > 1:
                answer.pop()
            out.write(json.dumps({"messages": messages()}) + "\n")
