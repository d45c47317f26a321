# SPDX-License-Identifier: GPL-3.0-or-later
"""`generate` against transformers' greedy search: token ids, their log-probabilities, how it
finished, with adapters side by side."""
import json

import torch

import adapters
from checkpoints import make
from conversations import CONVERSATIONS, resolved, rows, write_rows
from families import FAMILIES
from report import of

LOGPROBS = 1e-4


def greedy(model, inputs, count, stop):
    """The oracle's continuation: ids (with the stop token where one came), log-probabilities, why
    it ended."""
    out = model.generate(**inputs, max_new_tokens=count, do_sample=False, output_logits=True,
                         return_dict_in_generate=True,
                         eos_token_id=stop if stop else None, pad_token_id=0)
    # What a decoder of its own writes begins with its start token.
    before = 1 if model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
    ids = out.sequences[0, before:].tolist()
    logprobs = [torch.log_softmax(step[0].float(), -1)[token].item()
                for step, token in zip(out.logits, ids)]
    return ids, logprobs, "eos" if stop and ids[-1] in stop else "length"


def stop_tokens(checkpoint):
    value = json.loads((checkpoint.path / "generation_config.json").read_text()).get("eos_token_id")
    return value if isinstance(value, list) else [] if value is None else [value]


def check(result, got, wanted, label=""):
    ids, logprobs, finish = wanted
    # the stop token itself may or may not be told
    if finish == "eos" and got.get("token_ids") == ids[:-1]:
        result.expect(False, f"{label}token_ids leave out the stop token that transformers returns")
    elif result.same(f"{label}token_ids", got.get("token_ids"), ids):
        result.close(f"{label}logprobs", torch.tensor(got.get("logprobs", [])),
                     torch.tensor(logprobs), LOGPROBS, "logprobs", 0.01)
    result.same(f"{label}finish", got.get("finish"), finish)
    result.expect(isinstance(got.get("text"), str) and isinstance(got.get("seconds"), float | int),
                  f"{label}text or seconds are missing")


def run_generate(world, checkpoint, conversation, count, *extra):
    return world.program.json("generate", checkpoint.path, "--input",
                              world.inputs / f"{conversation}.prompt.json", "--max-new-tokens",
                              count, "--dtype", "float32", "--device", "cpu", "--json", *extra)


def greedy_case(name, conversation, kinds=()):
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folders = [adapters.make(checkpoint, kind, world.adapters) for kind in kinds]
        inputs = checkpoint.encode(resolved(CONVERSATIONS[conversation][:-1], world.inputs),
                                   prompt=True)
        count = checkpoint.family.answer
        got = run_generate(world, checkpoint, conversation, count,
                           *[flag for folder in folders for flag in ("--adapter", folder)])
        result.same("prompt_tokens", got.get("prompt_tokens"), inputs["input_ids"].shape[1])
        if not result.same("number of results", len(got.get("results", [])), max(1, len(folders))):
            return
        for answer, folder in zip(got["results"], folders or [None]):
            model = checkpoint.model() if folder is None else adapters.attach(
                checkpoint.model(), folder)
            check(result, answer, greedy(model, inputs, count, stop_tokens(checkpoint)),
                  f"{folder.name}: " if folder else "")
            result.expect((answer["adapter"] is None) == (folder is None),
                          f"adapter says {answer['adapter']!r}")
            # the model has more rows than the tokenizer has pieces, so some answers hold ids that
            # no text belongs to
            if checkpoint.slow_tokenizer is None and max(answer["token_ids"],
                                                         default=0) < len(
                                                             checkpoint.processor.tokenizer):
                result.same("text", answer["text"].strip(),
                            checkpoint.processor.tokenizer.decode(
                                answer["token_ids"], skip_special_tokens=True).strip())
    return case


def stop_case(name):
    """The stop token set to one that the model does say, in generation_config.json as a list; and
    --ignore-eos."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        inputs = checkpoint.encode(resolved(CONVERSATIONS["plain"][:-1], world.inputs), prompt=True)
        model = checkpoint.model()
        free = greedy(model, inputs, 16, [])
        at = next(i for i in range(3, 16) if free[0][i] not in free[0][:i])
        path = checkpoint.path / "generation_config.json"
        before = path.read_text()
        try:
            path.write_text(json.dumps(json.loads(before) | {"eos_token_id": [3, free[0][at]]}))
            check(result, run_generate(world, checkpoint, "plain", 16)["results"][0],
                  (free[0][:at + 1], free[1][:at + 1], "eos"))
            check(result, run_generate(world, checkpoint, "plain", 16,
                                       "--ignore-eos")["results"][0], free, "ignoring: ")
        finally:
            path.write_text(before)
    return case


def ruled_case(name):
    """What generation_config.json says of answers, rule by rule, and together. Each is chosen so
    that the answer without it breaks it."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        inputs = checkpoint.encode(resolved(CONVERSATIONS["plain"][:-1], world.inputs), prompt=True)
        path = checkpoint.path / "generation_config.json"
        before = path.read_text()
        free = greedy(checkpoint.model(), inputs, 16, [])[0]
        # Comes early, so that it would end the answer.
        end = {"eos_token_id": free[2]}
        rules = {"penalty": {"repetition_penalty": 1.7},
                 "runs": {"no_repeat_ngram_size": 2},
                 "single": {"no_repeat_ngram_size": 1},
                 "words": {"bad_words_ids": [free[2:4], [free[0]]]},
                 "longer": {"min_new_tokens": 9, **end},
                 "length": {"min_length": 6 + (1 if checkpoint.family.two_texts
                                               else inputs["input_ids"].shape[1]), **end},
                 "last": {"forced_eos_token_id": free[0]},
                 "never": {"suppress_tokens": free[:2]},
                 "not-first": {"begin_suppress_tokens": free[:1]},
                 "first": {"forced_bos_token_id": 7, "begin_suppress_tokens": free[1:2]},
                 "all": {"repetition_penalty": 1.2, "no_repeat_ngram_size": 3,
                         "forced_bos_token_id": 7, "forced_eos_token_id": free[1],
                         "suppress_tokens": free[2:3], "min_new_tokens": 5}}
        try:
            for label, settings in rules.items():
                path.write_text(json.dumps(json.loads(before) | {"eos_token_id": None} | settings))
                stop = stop_tokens(checkpoint)
                wanted = greedy(checkpoint.model(), inputs, 16, stop)
                got = run_generate(world, checkpoint, "plain", 16,
                                   *([] if stop else ["--ignore-eos"]))
                check(result, got["results"][0], wanted, f"{label}: ")
                # Long prompts have no second token to force.
                felt = label != "first" or checkpoint.family.two_texts
                result.expect(not felt or stop or wanted[0] != free, f"{label}: the case is blind")
        finally:
            path.write_text(before)
    return case


def sampling_case(name):
    """top-p so small that only the likeliest token is left is greedy; a seed gives the same text
    twice, another one another."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        inputs = checkpoint.encode(resolved(CONVERSATIONS["plain"][:-1], world.inputs), prompt=True)
        narrow = run_generate(world, checkpoint, "plain", 12, "--temperature", 0.7, "--top-p",
                              "0.000001")["results"][0]
        result.same("narrow top-p", narrow["token_ids"],
                    greedy(checkpoint.model(), inputs, 12, stop_tokens(checkpoint))[0])
        draws = [run_generate(world, checkpoint, "plain", 24, "--temperature", 3, "--seed", seed,
                              "--ignore-eos")["results"][0]["token_ids"]
                 for seed in (1, 1, 2)]
        result.same("the same seed", draws[0], draws[1])
        result.expect(draws[0] != draws[2], "another seed draws the same tokens")
    return case


def flags_case(name):
    """--image and --prompt instead of a file."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        messages = [{"role": "user", "content": [{"type": "image",
                                                  "path": str(world.inputs / "photo.png")},
                                                 {"type": "text", "text": "What colour is it?"}]}]
        inputs = checkpoint.encode(messages, prompt=True)
        got = world.program.json("generate", checkpoint.path, "--image", world.inputs / "photo.png",
                                 "--prompt", "What colour is it?",
                                 "--max-new-tokens", 8, "--dtype", "float32", "--device", "cpu",
                                 "--json")
        result.same("prompt_tokens", got.get("prompt_tokens"), inputs["input_ids"].shape[1])
        check(result, got["results"][0], greedy(checkpoint.model(), inputs, 8,
                                                stop_tokens(checkpoint)))
    return case


def rows_case(name):
    """Several prompts of one file, answered one after another or together: each as transformers
    answers it alone."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        messages = [resolved(row, world.inputs) for row in rows(3, seed=21)]
        path, out = write_rows(world.scratch / "samples.jsonl", messages), world.scratch / "out"
        world.program.run("compare", checkpoint.path, "--samples", path, "--out", out,
                          "--max-new-tokens", 10, "--dtype", "float32",
                          "--device", "cpu")
        answers = [row["answers"][0] for row in json.loads(
            (out / "comparison.json").read_text())["rows"]]
        if not result.same("rows", len(answers), len(messages)):
            return
        for index, (answer, row) in enumerate(zip(answers, messages)):
            inputs = checkpoint.encode(row[:-1], prompt=True)
            ids, logprobs, _ = greedy(checkpoint.model(), inputs, 10, stop_tokens(checkpoint))
            if result.same(f"row {index}: token_ids", answer.get("token_ids"), ids):
                result.close(f"row {index}: logprobs", torch.tensor(answer["logprobs"]),
                             torch.tensor(logprobs), LOGPROBS, "logprobs")
    return case


def column_case(base, other):
    """A whole checkpoint as a column beside another base: it answers as transformers does with it
    alone,
    by its own tokenizer and template."""
    def case(world, result):
        first, second = make(base, world.checkpoints), make(other, world.checkpoints)
        messages = [resolved(row, world.inputs) for row in rows(3, seed=22)]
        path, out = write_rows(world.scratch / "samples.jsonl", messages), world.scratch / "out"
        world.program.run("compare", first.path, "--adapter", f"other={second.path}", "--samples",
                          path,
                          "--out", out, "--max-new-tokens", 10, "--dtype", "float32", "--device",
                          "cpu")
        got = json.loads((out / "comparison.json").read_text())
        result.same("kinds", [column.get("kind") for column in got["columns"]],
                    ["base", "checkpoint"])
        for index, (answers, row) in enumerate(zip(got["rows"], messages)):
            for checkpoint, answer in zip((first, second), answers["answers"]):
                inputs = checkpoint.encode(row[:-1], prompt=True)
                wanted = greedy(checkpoint.model(), inputs, 10, stop_tokens(checkpoint))
                check(result, answer, wanted, f"row {index}, {checkpoint.path.name}: ")
    return case


def cases(everything=True):
    """What a family generates with its first checkpoint; with its others every day one answer."""
    found = {}
    for family in FAMILIES:
        done = set()
        for name, conversation in family.generates:
            first = name == family.generates[0][0]
            if everything or first or name not in done:
                found[f"generate/{name}/{conversation}"] = of(greedy_case(name, conversation),
                                                              family, "generate")
            done.add(name)
    found["generate/clip-llama/two-adapters"] = greedy_case("clip-llama", "plain",
                                                            ("linear", "attention"))
    found["generate/siglip-qwen2/two-adapters"] = greedy_case("siglip-qwen2", "korean",
                                                              ("patterns", "attention"))
    found["generate/siglip-llama/saved-modules"] = greedy_case("siglip-llama", "plain",
                                                               ("saved_modules",))
    found["generate/clip-llama/stop"] = stop_case("clip-llama")
    for name in ("clip-llama", "florence2-plain"):
        found[f"generate/{name}/ruled"] = ruled_case(name)
    found["generate/clip-llama/sampling"] = sampling_case("clip-llama")
    found["generate/siglip-llama/flags"] = flags_case("siglip-llama")
    found["generate/clip-llama/checkpoint-column"] = column_case("clip-llama", "siglip-qwen2")
    return found | {f"generate/{name}/rows": of(rows_case(name), family, "generate")
                    for family in FAMILIES for name in family.compared}
