// SPDX-License-Identifier: GPL-3.0-or-later
// LoRA (Hu et al. 2021): low-rank pairs beside fixed weights. Its settings are members of
// AdapterSettings, since it was there before settings could be a kind's own; what came later is its
// own.
#include "engine/config/kinds/adapter_rows.h"
#include "engine/config/kinds/invocation_rule.h"
#include "engine/config/kinds/layer_rows.h"
#include "engine/config/kinds/start_rules.h"

namespace luthier {

namespace {

/// What PEFT has no arithmetic for together.
Status check_lora_together(const AdapterSettings& adapter) {
  if (adapter.use_dora && adapter.init_lora_weights == kMica)
    return cross_fault("adapter.use_dora", "does not go with adapter.init_lora_weights: mica.",
                       "Start otherwise, or write adapter.use_dora: false.");
  if (!adapter.more.flag("adapter.lora_bias")) return {};
  if (adapter.use_dora)
    return cross_fault("adapter.lora_bias", "does not go with adapter.use_dora.",
                       "Set one of them to false.");
  if (adapter.init_lora_weights == "true" || adapter.init_lora_weights == "false") return {};
  return cross_fault(
      "adapter.lora_bias",
      "does not go with adapter.init_lora_weights: " + adapter.init_lora_weights + ".",
      "It starts with true or false.");
}

/// A start that takes something out of the base's weights needs them as they are.
Status check_lora_weights(const Recipe& recipe) {
  const std::string& start = recipe.adapter.init_lora_weights;
  if (!starts_from_weight(start)) return {};
  for (const char* packs : {"quantization.load_in_4bit", "quantization.load_in_8bit"}) {
    if (!recipe.more.flag(packs)) continue;
    return cross_fault("adapter.init_lora_weights",
                       "is " + start + ", which takes its start out of weights that are packed.",
                       std::string("Start otherwise, or leave ") + packs + " false.");
  }
  return {};
}

/// What EVA looks at is what whole modules read.
Status check_eva(const AdapterSettings& adapter) {
  if (adapter.init_lora_weights != "eva" || adapter.more.names("adapter.target_parameters").empty())
    return {};
  return cross_fault("adapter.target_parameters",
                     "does not go with adapter.init_lora_weights: eva.",
                     "Name the modules in adapter.target_modules.");
}

/// PEFT knows four bits and eight.
Status check_loftq_bits(const AdapterSettings& adapter) {
  const std::int64_t bits = adapter.more.integer("adapter.loftq_bits");
  if (bits == 4 || bits == 8) return {};
  return cross_fault("adapter.loftq_bits", "is " + std::to_string(bits) + ", and only 4 and 8 are.",
                     "Write 4 or 8.");
}

Status check_lora(const Recipe& recipe) {
  using Kind = ModuleSelector::Kind;
  if (recipe.adapter.init_from.empty()) {
    LUTHIER_CHECK(check_lora_together(recipe.adapter));
    if (const char* other = set_beside_invocation(recipe.adapter))
      return cross_fault(
          kInvocation, std::string("does not go with ") + other + ".",
          "An adapter that is on for a part of the tokens leaves weights as they are.");
    LUTHIER_CHECK(check_lora_weights(recipe));
    LUTHIER_CHECK(check_loftq_bits(recipe.adapter));
    LUTHIER_CHECK(check_eva(recipe.adapter));
    LUTHIER_CHECK(check_layers_of(recipe));
  }
  const ModuleSelector& targets = recipe.adapter.target_modules;
  const bool by_weight = !recipe.adapter.more.names("adapter.target_parameters").empty();
  if (by_weight && recipe.adapter.lora_dropout > 0) {
    return cross_fault("adapter.lora_dropout",
                       "must be 0 with adapter.target_parameters, which change weights.",
                       "Write adapter.lora_dropout: 0.0.");
  }
  const bool none =
      targets.kind == Kind::None || (targets.kind == Kind::Names && targets.names.empty() &&
                                     recipe.adapter.modules_to_save.empty() && !by_weight);
  if (!recipe.adapter.init_from.empty() || !none) return {};
  return cross_fault("adapter.target_modules",
                     "names no module, so there would be nothing to train.",
                     "Write all-linear, a list of names or a regular expression.");
}

}  // namespace

MethodKind lora_method_kind() {
  MethodKind kind{
      {"lora",
       "Low-rank adapters train beside fixed weights.",
       rows::fields_of(
           {rows::kind_boolean("adapter.lora_bias", "Bias of B",
                               "A bias trains with each B, scaled as the pair is.", false)
                .advanced(),
            rows::layers_to_transform(), rows::layers_pattern(),
            rows::kind_optional_number("training.loraplus_lr_ratio", "LoRA+ ratio",
                                       "B trains at so many times the learning rate; empty: at the "
                                       "same.")
                .above(0)
                .at_most(1e6)
                .advanced(),
            rows::kind_number("training.loraplus_lr_embedding", "LoRA+ rate of embeddings",
                              "The learning rate of pairs on an embedding, with a ratio.", 1e-6)
                .at_least(0)
                .at_most(1e3)
                .advanced(),
            rows::kind_names("adapter.trainable_token_indices", "Tokens whose rows train",
                             "Ids of tokens whose rows of the embedding train beside "
                             "the pairs.")
                .numbers()
                .unit("tokens")
                .advanced(),
            rows::kind_names("adapter.alora_invocation_tokens", "Invocation",
                             "Ids of tokens from which on the adapter is in effect, from the last "
                             "place in a row where they stand one after another (aLoRA); empty: "
                             "everywhere.")
                .numbers()
                .unit("tokens")
                .advanced(),
            rows::kind_boolean("adapter.ensure_weight_tying", "Keep a tied head tied",
                               "Where head and embedding share a weight, a copy of it that trains "
                               "whole stands at both ends.",
                               false)
                .advanced(),
            rows::kind_names("adapter.target_parameters", "Weights by their names",
                             "Linears that get a pair by their weight's name, as in "
                             "up_proj.weight; it takes no dropout.")
                .advanced(),
            rows::kind_number("adapter.eva_rho", "EVA's reach",
                              "Of an eva start: a module's rank is at most so many times the one "
                              "asked for; 1: ranks stay as they are.",
                              2)
                .at_least(1)
                .at_most(1000)
                .advanced(),
            rows::kind_number(
                "adapter.eva_tau", "EVA's patience",
                "Of an eva start: how alike directions must be (cosine) from batch to "
                "batch to be taken.",
                0.99)
                .at_least(0)
                .at_most(1)
                .advanced(),
            rows::kind_boolean("adapter.eva_use_label_mask", "EVA by labels",
                               "Of an eva start: of a text's tokens those with a label count.",
                               true)
                .advanced(),
            rows::kind_integer("adapter.eva_label_mask_value", "EVA's label of no label",
                               "Of an eva start: tokens with this label do not count.", -100)
                .at_least(-1e9)
                .at_most(1e9)
                .advanced(),
            rows::kind_boolean("adapter.eva_whiten", "EVA whitens",
                               "Of an eva start: directions are divided by the root of their "
                               "lengths.",
                               false)
                .advanced(),
            rows::kind_boolean("adapter.eva_adjust_scaling_factors", "EVA adjusts alpha",
                               "Of an eva start: a module's alpha goes with the rank that it gets.",
                               true)
                .advanced(),
            rows::kind_integer("adapter.loftq_bits", "LoftQ bits",
                               "Of a loftq start: bits of a packed weight's number, 4 (NF4) or 8.",
                               4)
                .at_least(4)
                .at_most(8)
                .advanced(),
            rows::kind_integer("adapter.loftq_iter", "LoftQ rounds",
                               "Of a loftq start: how often weight and pair are made in turn.", 1)
                .at_least(1)
                .at_most(1000)
                .advanced()}),
       {"adapter.r", "adapter.lora_alpha", "adapter.lora_dropout", "adapter.target_modules",
        "adapter.exclude_modules", "adapter.rank_pattern", "adapter.alpha_pattern",
        "adapter.use_rslora", "adapter.use_dora", "adapter.init_lora_weights",
        "adapter.modules_to_save", "adapter.bias", "adapter.init_from"},
       {{"training.learning_rate", 2e-4}},
       check_lora,
       true}};
  kind.peft_type = "LORA";
  return kind;
}

}  // namespace luthier
