# SPDX-License-Identifier: GPL-3.0-or-later
"""DPO against TRL's DPOTrainer, with pictures: one batch through `loss` under every loss type, and
runs of ten steps against each kind of reference."""
import dataclasses

import torch
from trl import DPOConfig, DPOTrainer
from trl.trainer.dpo_trainer import DataCollatorForVisionPreference, add_fused_lm_head

import adapters
import preferences
from checkpoints import make

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


def trainer(world, checkpoint, model, lines, settings, ref_model=None, training=None):
    """DPOTrainer on these rows in their order; pictures are opened by its own collator."""
    collator = DataCollatorForVisionPreference(processor=preferences.processor_of(checkpoint))

    def collate(examples):
        return collator([preferences.for_trl(lines[example["index"]], "prompt", "chosen",
                                             "rejected") for example in examples])

    arguments = preferences.arguments(DPOConfig, world, settings, training, max_length=None)
    return preferences.silenced(DPOTrainer(
        model, ref_model=ref_model, args=arguments, data_collator=collate,
        train_dataset=preferences.numbered(lines), processing_class=checkpoint.processor))


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
    return wanted | preferences.gradients(model)


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
            preferences.check(result, label, preferences.loss(world, path, lines), wanted, METRICS)
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
        preferences.check(result, "copy", preferences.loss(world, path, lines), wanted, METRICS)
    return case


def train_case(name, kind, settings, **how):
    """Runs of pairs."""
    return preferences.train_case(name, "dpo", lambda world: preferences.pairs(world, 8), trainer,
                                  METRICS, settings, kind, **how)


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
        # What TRL refuses with pictures is what it computes without having been asked beforehand.
        "dpo/clip-llama/beforehand": train_case(
            "clip-llama", "attention", dict(beta=0.3), reference="base", training=dict(max_steps=6),
            ours=dict(precompute_ref_log_probs=True)),
        "dpo/clip-llama/moving": train_case(
            "clip-llama", None, dict(sync_ref_model=True, ref_model_sync_steps=2, beta=0.5),
            strategy="full", training=dict(learning_rate=5e-4, max_steps=6)),
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
