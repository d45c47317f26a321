# SPDX-License-Identifier: GPL-3.0-or-later
"""Chat templates as models were published with them (TRL has copies): rows whose contents are
texts, as datasets have them, are written as transformers writes them, whether a template walks a
list of parts or joins a text. Labels begin behind the last generation prompt."""
import json
import shutil
from pathlib import Path

import trl
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoTokenizer

from checkpoints import make

FOLDER = Path(trl.__file__).parent / "chat_templates"
DAILY = ("qwen2_5", "qwen3", "llama3", "gemma4")
MORE = ("cohere2", "deepseekv3", "gemma", "glm4moe", "gptoss", "lfm2_2_5", "llama3_1", "llama3_2", "phi3",
        "phi3_5", "qwen2_5_vl", "qwen3_5_think", "qwen3_instruct_2507", "qwen3_vl", "gemma3")
CALL = {"type": "function", "function": {"name": "weather", "arguments": {"city": "서울"}}}
TOOLS = [{"type": "function", "function": {
    "name": "weather", "description": "The weather.", "parameters": {
        "type": "object", "properties": {"city": {"type": "string", "description": "도시"}}}}}]


def turn(role, content, **more):
    return {"role": role, "content": content, **more}


CONVERSATIONS = {
    "one": [turn("user", "How many shapes? "), turn("assistant", "There are four.")],
    "system": [turn("system", "Be brief."), turn("user", "Hi <there>, 안녕!"),
               turn("assistant", "Hello.")],
    "turns": [turn("user", "2+2?"), turn("assistant", "4"), turn("user", "And 3+3?"),
              turn("assistant", "6")],
    "tools": [turn("user", "Weather?"), turn("assistant", "", tool_calls=[CALL]),
              turn("tool", "sunny"), turn("assistant", "It is sunny.")],
}


def case_of(name):
    def case(world, result):
        source = (FOLDER / f"{name}.jinja").read_text()
        folder, out = world.scratch / "model", world.scratch / "out.safetensors"
        base = "llama-plain" if "bos_token" in source else "qwen3-plain"
        shutil.copytree(make(base, world.checkpoints).path, folder)
        (folder / "chat_template.jinja").write_text(source)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.chat_template = source
        held = 0
        for label, messages in CONVERSATIONS.items():
            row = {"messages": messages} | ({"tools": TOOLS} if label == "tools" else {})

            def ids(messages, prompt):
                return tokenizer.apply_chat_template(
                    messages, tools=row.get("tools"), add_generation_prompt=prompt, tokenize=True,
                    return_dict=True)["input_ids"]
            try:
                wanted, prompt = ids(messages, False), ids(messages[:-1], True)
            except Exception:       # what the template has no form for
                continue
            if messages[0]["content"] not in tokenizer.decode(wanted):
                continue            # its contents are lists, which every other case has
            if label == "tools" and "tools" not in source:
                continue            # left out there without a word, refused here
            file = world.scratch / "row.json"
            file.write_text(json.dumps(row, ensure_ascii=False))
            world.program.run("forward", folder, "--input", file, "--out", out, "--device", "cpu")
            got = load_file(out)
            held += 1
            if not result.same(f"{label} ids", got["input_ids"][0].tolist(), wanted):
                continue
            if wanted[:len(prompt)] == prompt:
                result.same(f"{label} labels", got["labels"][0].tolist(),
                            [-100] * len(prompt) + wanted[len(prompt):])
        result.expect(held > 0, "the case is blind: transformers took no conversation")
    return case


JOINS = ("{% for message in messages %}{{ '[' + message.role + ']' + message.content + '[/]' }}"
         "{% endfor %}{% if add_generation_prompt %}{{ '[assistant]' }}{% endif %}")


def joined_case(world, result):
    """A template that joins a text, as Phi-4-multimodal's: pictures stand in it by their marks, as
    people write them there for transformers."""
    checkpoint = make("clip-llama", world.checkpoints)
    folder, out = world.scratch / "model", world.scratch / "out.safetensors"
    shutil.copytree(checkpoint.path, folder)
    (folder / "chat_template.json").unlink(missing_ok=True)
    (folder / "chat_template.jinja").write_text(JOINS)
    pictures = [world.inputs / name for name in ("photo.png", "square.png")]
    parts = [{"type": "image", "path": str(path)} for path in pictures]
    parts.insert(1, {"type": "text", "text": "beside "})
    file = world.scratch / "row.json"
    file.write_text(json.dumps({"messages": [turn("user", parts), turn("assistant", "Two.")]}))
    world.program.run("forward", folder, "--input", file, "--out", out, "--device", "cpu")
    text = "[user]<image>beside <image>[/][assistant]Two.[/]"
    wanted = checkpoint.processor(text=[text], images=[[Image.open(path) for path in pictures]],
                                  return_tensors="pt")["input_ids"][0].tolist()
    result.same("ids", load_file(out)["input_ids"][0].tolist(), wanted)


def cases(everything=False):
    found = {f"templates/{name}": case_of(name)
             for name in (DAILY + MORE if everything else DAILY)}
    return found | {"templates/joined": joined_case}
