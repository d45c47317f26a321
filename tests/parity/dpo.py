# SPDX-License-Identifier: GPL-3.0-or-later
"""DPO against TRL's DPOTrainer, with pictures: one batch through `loss` under every loss type, and
runs of ten steps against each kind of reference."""
import dataclasses

import torch
from datasets import Dataset
from peft import get_peft_model_state_dict
from safetensors.torch import load_file
from trl import DPOConfig, DPOTrainer
from trl.trainer.dpo_trainer import DataCollatorForVisionPreference, add_fused_lm_head

import adapters
import forward
import preferences
import train
from checkpoints import make
from report import LOGITS

SUMS = 2e-5     # of log-probabilities and what is made of them, as a share of the largest
METRICS = ("rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins",
           "logps/chosen", "logps/rejected", "logits/chosen", "logits/rejected", "entropy",
           "mean_token_accuracy")
TYPES = {
    "sigmoid": {}, "hinge": {}, "ipo": {}, "nca_pair": {}, "bco_pair": {}, "sppo_hard": {},
    "apo_zero": {}, "apo_down": {}, "discopop": dict(discopop_tau=0.1), "sft": {},
    "sigmoid_norm": dict(beta=2.0), "robust": dict(label_smoothing=0.1),
    "exo_pair": dict(label_smoothing=0.2), "aot": dict(label_smoothing=0.1), "aot_unpaired": {},
}
OPTIONS = {
    "several": dict(loss_type=["sigmoid", "bco_pair", "sft"], loss_weights=[0.8, 0.2, 1.0]),
    "js": dict(f_divergence_type="js_divergence"),
    "forward": dict(f_divergence_type="forward_kl", beta=0.5, loss_type=["hinge"]),
    "alpha": dict(f_divergence_type="alpha_divergence", f_alpha_divergence_coef=0.3),
    "length": dict(ld_alpha=0.5),
    "weighted": dict(use_weighting=True, loss_type=["sigmoid"]),
    "firm": dict(beta=0.9, loss_type=["sigmoid", "ipo"]),
}


def own(model):
    """The tensors that train, by the names of our files."""
    return {name.replace(".default", ""): parameter for name, parameter in model.named_parameters()
            if parameter.requires_grad}


def trainer(world, checkpoint, model, lines, settings, ref_model=None, training=None):
    """DPOTrainer on these rows in their order; pictures are opened by its own collator."""
    training = preferences.STEPS | (training or {})
    training.pop("shuffle"), training.pop("warmup_ratio")
    arguments = DPOConfig(
        output_dir=str(world.scratch / "oracle"), logging_steps=1, report_to=[],
        save_strategy="no", use_cpu=True, bf16=False, disable_tqdm=True,
        gradient_checkpointing=False, remove_unused_columns=False,
        train_sampling_strategy="sequential", dataloader_pin_memory=False, max_length=None,
        **settings, **training)
    processor = checkpoint.processor
    if processor.tokenizer.pad_token is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    collator = DataCollatorForVisionPreference(processor=processor)

    def collate(examples):
        return collator([preferences.for_trl(lines[example["index"]], "prompt", "chosen",
                                             "rejected") for example in examples])

    data = Dataset.from_dict({"index": list(range(len(lines))), "images": [[0]] * len(lines)})
    made = DPOTrainer(model, ref_model=ref_model, args=arguments, data_collator=collate,
                      train_dataset=data, processing_class=processor)
    for callback in list(made.callback_handler.callbacks):
        if "Print" in type(callback).__name__:
            made.remove_callback(callback)
    return made


def expected(made, count):
    """Of all rows as one batch: the row's log-probabilities, loss, gradients and metrics."""
    inputs = made.data_collator([{"index": index} for index in range(count)])
    inputs = {key: value for key, value in inputs.items()}
    model = made.model.train()
    model.zero_grad()
    made._metrics["train"].clear()
    loss = made.compute_loss(model, dict(inputs))
    loss.backward()
    mask = inputs["completion_mask"]
    plain = {key: value for key, value in inputs.items() if key != "completion_mask"}
    labels = inputs["input_ids"].masked_fill(mask == 0, -100)
    with torch.no_grad():
        steps = model(**plain, use_cache=False, labels=labels, fused_lm_head=True).log_probs
    references = torch.cat(made.compute_ref_log_probs(made.ref_model or model, dict(inputs)))
    wanted = {
        "loss": loss.detach().view(1), "ref_logps": references,
        "token_logps": torch.nn.functional.pad(steps, (1, 0)),
        "completion_mask": mask, "attention_mask": inputs["attention_mask"],
        "input_ids": inputs["input_ids"],
    }
    wanted |= {f"metric.{name}": torch.tensor(made._metrics["train"][name][-1:])
               for name in METRICS}
    if made.aux_loss_enabled:
        wanted["metric.aux_loss"] = torch.tensor(made._metrics["train"]["aux_loss"][-1:])
    return wanted | {f"grad.{name}": parameter.grad if parameter.grad is not None else
                     torch.zeros_like(parameter) for name, parameter in own(model).items()}


def check(result, label, got, wanted):
    mask = wanted["attention_mask"].bool()
    for key in ("attention_mask", "completion_mask"):
        if not result.same(f"{label} {key}", got[key].tolist(), wanted[key].tolist()):
            return
    result.same(f"{label} input_ids", got["input_ids"][mask].tolist(),
                wanted["input_ids"][mask].tolist())
    result.close(f"{label} token_logps", got["token_logps"], wanted["token_logps"], LOGITS,
                 "token_logps")
    result.close(f"{label} ref_logps", got["ref_logps"], wanted["ref_logps"], SUMS, "logps")
    result.close(f"{label} loss", got["loss"], wanted["loss"], SUMS, "loss")
    for name in METRICS:
        key = f"metric.{name}"
        result.close(f"{label} {key}", got.get(key), wanted[key], 1e-4, "metrics", 0.1)
    result.same(f"{label} metric.aux_loss", "metric.aux_loss" in got, "metric.aux_loss" in wanted)
    if "metric.aux_loss" in wanted:
        result.close(f"{label} aux_loss", got["metric.aux_loss"], wanted["metric.aux_loss"], LOGITS,
                     "loss")
    gradients = {key: value for key, value in wanted.items() if key.startswith("grad.")}
    names = sorted(key for key in got if key.startswith("grad."))
    if result.same(f"{label} names of gradients", names, sorted(gradients)):
        largest = max(gradient.abs().max().item() for gradient in gradients.values())
        for key, gradient in gradients.items():
            result.close(f"{label} {key}", got[key], gradient, forward.GRADIENTS, "grad",
                         largest * 1e-3)


def loss_case(name, kind, choices):
    """A drawn adapter against the base that it hangs on, all of `choices` on one batch."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder = adapters.make(checkpoint, kind, world.adapters)
        lines = preferences.pairs(world, 4)
        model = adapters.PeftModel.from_pretrained(checkpoint.model(), folder, is_trainable=True)
        first = dict(loss_type=["sigmoid"])
        made = trainer(world, checkpoint, model, lines, first, ref_model=checkpoint.model())
        for label, settings in choices.items():
            settings = dict(loss_type=[label]) | settings if label in TYPES else settings
            reset(made, settings)
            wanted = expected(made, len(lines))
            preferences.write(world.scratch / "train.jsonl", lines)
            path = preferences.recipe(world, checkpoint, "lora", "dpo", settings, folder,
                                      checkpoint.path)
            check(result, label, preferences.loss(world, path, lines), wanted)
    return case


def reset(made, settings):
    """The same trainer under other settings of the loss: what its constructor reads from them."""
    defaults = {field.name: field.default for field in dataclasses.fields(DPOConfig)}
    for name in ("beta", "label_smoothing", "ld_alpha", "f_divergence_type",
                 "f_alpha_divergence_coef", "use_weighting"):
        setattr(made, name, settings.get(name, defaults[name]))
    made.loss_types = settings.get("loss_type", ["sigmoid"])
    made.loss_weights = settings.get("loss_weights") or [1.0] * len(made.loss_types)
    made.args.discopop_tau = settings.get("discopop_tau", defaults["discopop_tau"])
    text, asked = made.model.config.get_text_config(), settings.get("router_aux_loss_coef")
    made.router_aux_loss_coef = (getattr(text, "router_aux_loss_coef", 0.0) if asked is None
                                 else asked)
    made.aux_loss_enabled = (hasattr(text, "output_router_logits")
                             and made.router_aux_loss_coef != 0.0)
    outputs = ("log_probs", "entropy", "mean_logits", "is_top1")
    if made.use_weighting:
        outputs += ("log_sum_sq_probs",)
    add_fused_lm_head(made.model.get_base_model(), outputs=outputs)


def references_case(name, kind):
    """A frozen copy of the adapter that a run starts from: the first loss is log 2, whatever the
    adapter does."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        folder = adapters.make(checkpoint, kind, world.adapters)
        lines = preferences.pairs(world, 3)
        model = adapters.PeftModel.from_pretrained(checkpoint.model(), folder, is_trainable=True)
        made = trainer(world, checkpoint, model, lines, dict(loss_type=["sigmoid"]))
        wanted = expected(made, len(lines))
        result.near("the oracle's first loss", wanted["loss"].item(), 0.6931472, 1e-5)
        wanted = {key: value for key, value in wanted.items() if ".ref." not in key}
        preferences.write(world.scratch / "train.jsonl", lines)
        path = preferences.recipe(world, checkpoint, "lora", "dpo", {}, folder)
        check(result, "copy", preferences.loss(world, path, lines), wanted)
    return case


def train_case(name, kind, settings, drawn=True, reference=None, strategy="lora", training=None):
    """Ten steps; `reference`: "base" where the recipe names the base, else TRL's rule."""
    def case(world, result):
        checkpoint = make(name, world.checkpoints)
        lines = preferences.pairs(world, 8)
        preferences.write(world.scratch / "train.jsonl", lines)
        folder, model = None, checkpoint.model()
        reference_model = checkpoint.model() if reference or strategy == "full" else None
        if strategy == "lora":
            folder = adapters.make(checkpoint, kind, world.adapters, random=drawn)
            model = adapters.PeftModel.from_pretrained(model, folder, is_trainable=True)
        path = preferences.recipe(world, checkpoint, strategy, "dpo", settings, folder,
                                  checkpoint.path if reference else None, training)
        world.program.run("train", path)
        made = trainer(world, checkpoint, model, lines, settings, reference_model, training)
        made.train()
        run = world.scratch / "run"
        curve, log = train.curve(run), made.state.log_history
        train.compare_curves(result, curve, log)
        for mine, theirs in zip(curve, [entry for entry in log if "loss" in entry]):
            for key in METRICS:
                value = mine.get(key, float("nan"))
                result.near(f"step {theirs['step']} {key}", value, theirs[key], 2e-3, "metrics",
                            0.05)
        if strategy == "lora":
            got = load_file(run / "adapter" / "adapter_model.safetensors")
            wanted = get_peft_model_state_dict(made.model, save_embedding_layers=False)
            if result.same("adapter tensors", sorted(got), sorted(wanted)):
                for key, tensor in wanted.items():
                    result.close(key, got[key], tensor.detach(), train.WEIGHTS, "adapter")
        else:
            train.compare_model(world, result, checkpoint, made.model)
    return case


def cases(everything=False):
    some = {label: TYPES[label] for label in ("sigmoid", "ipo", "sft", "aot")}
    batches = dict(per_device_train_batch_size=2, gradient_accumulation_steps=2, max_steps=6)
    found = {
        "dpo/clip-llama/types": loss_case("clip-llama", "attention", TYPES),
        "dpo/clip-llama/options": loss_case("clip-llama", "attention", OPTIONS),
        "dpo/clip-llama/copy": references_case("clip-llama", "attention"),
        "dpo/qwen2_vl-plain/types": loss_case("qwen2_vl-plain", "attention", some),
        "dpo/clip-llama/new": train_case("clip-llama", "attention", {}, drawn=False,
                                         training=batches),
        "dpo/clip-llama/base": train_case("clip-llama", "attention", dict(beta=0.3),
                                          reference="base"),
        # The routers' loss beside it, as the checkpoint has it, as the recipe says, and not at all.
        "dpo/qwen3_5_moe-all/routers": loss_case("qwen3_5_moe-all", "attention", {
            "sigmoid": {}, "asked": dict(router_aux_loss_coef=0.3, loss_type=["sigmoid"]),
            "none": dict(router_aux_loss_coef=0.0, loss_type=["sigmoid"])}),
        "dpo/clip-llama/full": train_case("clip-llama", None, dict(loss_type=["sigmoid", "sft"]),
                                          strategy="full",
                                          training=dict(learning_rate=5e-4, max_steps=5)),
    }
    if everything:
        for name in ("smolvlm-plain", "siglip-mistral", "qwen2_5_vl-plain"):
            found[f"dpo/{name}/types"] = loss_case(name, "attention", TYPES)
            found[f"dpo/{name}/base"] = train_case(name, "attention", dict(beta=0.3),
                                                   reference="base")
        found["dpo/clip-llama/kept"] = train_case("clip-llama", "attention", {})
    return found
