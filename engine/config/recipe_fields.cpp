// SPDX-License-Identifier: GPL-3.0-or-later
// The one table of the recipe's fields. A new setting is a member of its struct in recipe.h and a
// row here: the YAML reader, --set, the command line's help, the window's form and recipe.yaml
// follow.
#include <algorithm>
#include <type_traits>
#include <utility>

#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"
#include "engine/config/quantization_fields.h"

namespace luthier {
namespace {

using namespace rows;

template <class Access>
Row text(Type type, const char* key, const char* label, const char* help, Access access) {
  Row row = describe(type, key, label, help);
  row.field.read = [access](const Recipe& recipe) { return Json(access(recipe)); };
  row.field.write = [access](Recipe& recipe, const Json& value) {
    access(recipe) = value.is_null() ? std::string() : value.get<std::string>();
  };
  return row;
}

template <class Access>
Row choice(const char* key, const char* label, const char* help, std::vector<std::string> choices,
           Access access) {
  Row row = text(Type::Choice, key, label, help, access);
  row.field.about.choices = std::move(choices);
  return row;
}

/// The choice of a kind: its words come from the kinds' table. A kind that is built is not refused.
template <class K, class Access>
Row kind_choice(const char* key, const char* label, const char* help, const std::vector<K>& kinds,
                Access access) {
  Row row = text(Type::Choice, key, label, help, access);
  for (const K& kind : kinds) {
    row.field.about.choices.push_back(kind.name);
    row.field.about.choice_help.push_back(kind.help);
  }
  return row;
}

template <class Access>
Row integer(const char* key, const char* label, const char* help, Access access) {
  Row row = describe(Type::Integer, key, label, help);
  row.field.read = [access](const Recipe& recipe) { return Json(access(recipe)); };
  row.field.write = [access](Recipe& recipe, const Json& value) {
    access(recipe) = value.get<std::int64_t>();
  };
  return row;
}

template <class Access>
Row optional_integer(const char* key, const char* label, const char* help, Access access) {
  Row row = describe(Type::Integer, key, label, help);
  row.field.about.nullable = true;
  row.field.read = [access](const Recipe& recipe) {
    const auto& value = access(recipe);
    return value ? Json(*value) : Json(nullptr);
  };
  row.field.write = [access](Recipe& recipe, const Json& value) {
    if (value.is_null())
      access(recipe).reset();
    else
      access(recipe) = value.get<std::int64_t>();
  };
  return row;
}

/// A whole number that 0 and null take away.
template <class Access>
Row zero_as_null(const char* key, const char* label, const char* help, Access access) {
  Row row = describe(Type::Integer, key, label, help);
  row.field.about.nullable = true;
  row.field.read = [access](const Recipe& recipe) {
    return access(recipe) == 0 ? Json(nullptr) : Json(access(recipe));
  };
  row.field.write = [access](Recipe& recipe, const Json& value) {
    access(recipe) = value.is_null() ? 0 : value.get<std::int64_t>();
  };
  return row;
}

template <class Access>
Row number(const char* key, const char* label, const char* help, Access access) {
  Row row = describe(Type::Number, key, label, help);
  row.field.read = [access](const Recipe& recipe) { return Json(access(recipe)); };
  row.field.write = [access](Recipe& recipe, const Json& value) {
    access(recipe) = value.get<double>();
  };
  return row;
}

template <class Access>
Row boolean(const char* key, const char* label, const char* help, Access access) {
  Row row = describe(Type::Boolean, key, label, help);
  row.field.read = [access](const Recipe& recipe) { return Json(access(recipe)); };
  row.field.write = [access](Recipe& recipe, const Json& value) {
    access(recipe) = value.get<bool>();
  };
  return row;
}

template <class Access>
Row names(Type type, const char* key, const char* label, const char* help, Access access) {
  Row row = describe(type, key, label, help);
  row.field.read = [access](const Recipe& recipe) {
    const auto& list = access(recipe);
    return list.empty() ? Json(nullptr) : Json(list);
  };
  row.field.write = [access](Recipe& recipe, const Json& value) {
    access(recipe) =
        value.is_null() ? std::vector<std::string>() : value.get<std::vector<std::string>>();
  };
  return row;
}

template <class Access>
Row modules(const char* key, const char* label, const char* help, Access access) {
  Row row = describe(Type::Modules, key, label, help);
  row.field.read = [access](const Recipe& recipe) { return selector_to_json(access(recipe)); };
  row.field.write = [access](Recipe& recipe, const Json& value) {
    access(recipe) = selector_from_json(value);
  };
  return row;
}

template <class Access>
Row pattern(const char* key, const char* label, const char* help, Access access) {
  Row row = describe(Type::Pattern, key, label, help);
  row.field.whole_numbers =
      std::is_same_v<std::decay_t<decltype(access(std::declval<Recipe&>()).front().second)>,
                     std::int64_t>;
  row.field.read = [access](const Recipe& recipe) {
    Json map = Json::object();
    for (const auto& [name, value] : access(recipe)) map[name] = value;
    return map;
  };
  row.field.write = [access](Recipe& recipe, const Json& value) {
    auto& list = access(recipe);
    using Entry = typename std::decay_t<decltype(list)>::value_type::second_type;
    list.clear();
    for (const auto& [name, entry] : value.items())
      list.emplace_back(name, entry.template get<Entry>());
  };
  return row;
}

/// Behind the last field of its section; a section of its own stands before the pictures' settings.
std::size_t place_for(const std::vector<RecipeField>& table, const std::string& key) {
  std::size_t place = table.size();
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (table[i].about.key == "image.min_pixels") place = i;
  }
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (section_of(table[i].about.key) == section_of(key)) place = i + 1;
  }
  return place;
}

/// The kinds' own settings into the table, and into each setting's description the kinds that have
/// it.
template <class K>
void add_kinds(std::vector<RecipeField>& table, const std::vector<K>& kinds,
               std::vector<std::string> FieldDescription::*names) {
  for (const K& kind : kinds) {
    for (const RecipeField& field : kind.fields) {
      const auto same = [&](const RecipeField& known) {
        return known.about.key == field.about.key;
      };
      if (std::any_of(table.begin(), table.end(), same)) continue;  // of an earlier kind, too
      const std::size_t place = place_for(table, field.about.key);
      table.insert(table.begin() + static_cast<std::ptrdiff_t>(place), field);
    }
  }
  for (const K& kind : kinds) {
    std::vector<std::string> keys = kind.shares;
    for (const RecipeField& field : kind.fields) keys.push_back(field.about.key);
    for (RecipeField& field : table) {
      if (std::find(keys.begin(), keys.end(), field.about.key) != keys.end())
        (field.about.*names).push_back(kind.name);
    }
  }
}

#define LUTHIER_FIELD(path) \
  [](auto& recipe) -> auto& { return recipe.path; }

std::vector<RecipeField> build_table() {
  constexpr double kMany = 1e12;
  std::vector<Row> rows;
  auto add = [&rows](Row row) { rows.push_back(std::move(row)); };

  add(text(Type::Path, "model", "Model",
           "The folder of the base checkpoint, as transformers writes it.", LUTHIER_FIELD(model)));
  add(choice("init", "Starting weights",
             "Start from the checkpoint's weights, or from random ones made by its config.json "
             "(training from scratch).",
             {"pretrained", "random"}, LUTHIER_FIELD(init))
          .advanced());
  add(names(Type::Paths, "dataset", "Training data",
            "One file of rows (JSONL or JSON), or several.", LUTHIER_FIELD(dataset)));
  add(names(Type::Paths, "eval_dataset", "Evaluation data",
            "Rows that are never trained on; their loss is the evaluation loss.",
            LUTHIER_FIELD(eval_dataset)));
  add(text(Type::Path, "image_folder", "Picture folder",
           "Where relative picture paths of the rows start; empty: beside each dataset's file.",
           LUTHIER_FIELD(image_folder))
          .nullable()
          .advanced());
  add(text(Type::Path, "output_dir", "Run folder",
           "Where the run is written: settings, metrics, checkpoints and the result.",
           LUTHIER_FIELD(output_dir)));
  add(kind_choice("objective", "Objective", "What is learned from the rows.", objective_kinds(),
                  LUTHIER_FIELD(objective))
          .not_built({"kto", "orpo", "cpo", "simpo", "reward", "grpo", "rloo", "ppo", "gkd",
                      "online_dpo"}));
  add(kind_choice("strategy", "Method", "Which weights train, and what is added beside them.",
                  method_kinds(), LUTHIER_FIELD(strategy))
          .not_built({"qlora", "dora", "ia3", "prefix_tuning", "prompt_tuning", "p_tuning"}));

  add(boolean("freeze.vision_tower", "Keep the vision tower fixed",
              "The picture encoder's weights do not change.", LUTHIER_FIELD(freeze.vision_tower)));
  add(boolean("freeze.projector", "Keep the projector fixed",
              "The weights that carry picture features into the language model do not change.",
              LUTHIER_FIELD(freeze.projector)));
  add(boolean("freeze.language_model", "Keep the language model fixed",
              "The decoder's weights do not change; with the tower fixed too, only the projector "
              "learns.",
              LUTHIER_FIELD(freeze.language_model)));

  add(integer("adapter.r", "LoRA rank",
              "Columns of A and B: more can learn more and costs more memory; 8 to 64 is usual.",
              LUTHIER_FIELD(adapter.r))
          .at_least(0)
          .at_most(65536));
  add(number("adapter.lora_alpha", "LoRA alpha",
             "The adapter's output is scaled by alpha / rank; twice the rank is usual.",
             LUTHIER_FIELD(adapter.lora_alpha))
          .above(0)
          .at_most(1e6));
  add(number("adapter.lora_dropout", "LoRA dropout",
             "Share of the adapter's inputs that are dropped while training.",
             LUTHIER_FIELD(adapter.lora_dropout))
          .at_least(0)
          .below(1));
  add(modules("adapter.target_modules", "Target modules",
              "Which linear layers get an adapter: names (endings are enough), one regular "
              "expression over whole names, or all-linear.",
              LUTHIER_FIELD(adapter.target_modules)));
  add(modules("adapter.exclude_modules", "Excluded modules",
              "Which of the target modules are left out, by names or one regular expression.",
              LUTHIER_FIELD(adapter.exclude_modules))
          .advanced());
  add(pattern("adapter.rank_pattern", "Rank by module",
              "Other ranks for modules whose name ends so or matches: {q_proj: 32}.",
              LUTHIER_FIELD(adapter.rank_pattern))
          .at_least(1)
          .at_most(65536)
          .advanced());
  add(pattern("adapter.alpha_pattern", "Alpha by module",
              "Other alphas for modules whose name ends so or matches: {q_proj: 64}.",
              LUTHIER_FIELD(adapter.alpha_pattern))
          .above(0)
          .at_most(1e6)
          .advanced());
  add(boolean("adapter.use_rslora", "Rank-stabilized scale",
              "Scale by alpha / √rank instead of alpha / rank, which suits high ranks.",
              LUTHIER_FIELD(adapter.use_rslora))
          .advanced());
  add(boolean("adapter.use_dora", "DoRA", "Train a magnitude beside the direction of each weight.",
              LUTHIER_FIELD(adapter.use_dora))
          .advanced());
  add(choice("adapter.init_lora_weights", "Initial adapter",
             "true: A uniform by Kaiming's rule and B zero; gaussian: A normal and B zero; false: "
             "both random; orthogonal: rows that cancel out; pissa and olora: the largest part of "
             "each weight, by its singular values or by QR (pissa_niter_4: nearly, and faster). "
             "loftq: what packing a weight leaves out of it; eva: in what the layers read of the "
             "first rows.",
             {"true", "false", "gaussian", "orthogonal", "pissa", "olora", "loftq", "eva"},
             LUTHIER_FIELD(adapter.init_lora_weights))
          .not_built({"corda"})
          .advanced());
  add(names(Type::NameList, "adapter.modules_to_save", "Modules trained whole",
            "Modules that train without low rank and are saved with the adapter (lm_head, say).",
            LUTHIER_FIELD(adapter.modules_to_save))
          .advanced());
  add(choice("adapter.bias", "Biases",
             "Which of the base's biases train beside the adapter: none, all, or those of the "
             "modules that have one (METHOD_only, as in lora_only).",
             {"none", "all", "lora_only", "vera_only", "oft_only", "boft_only", "hra_only",
              "fourier_only"},
             LUTHIER_FIELD(adapter.bias))
          .advanced());
  add(text(Type::Path, "adapter.init_from", "Start from adapter",
           "A PEFT adapter's folder to go on from; its settings replace the ones here.",
           LUTHIER_FIELD(adapter.init_from))
          .nullable()
          .advanced());

  add(optional_integer("image.min_pixels", "Smallest picture",
                       "Pixels a picture has at least after resizing; empty: as the checkpoint's "
                       "processor says.",
                       LUTHIER_FIELD(image.min_pixels))
          .unit("pixels")
          .at_least(1)
          .at_most(kMany)
          .advanced());
  add(optional_integer(
          "image.max_pixels", "Largest picture",
          "Pixels a picture has at most after resizing; empty: as the checkpoint's processor says.",
          LUTHIER_FIELD(image.max_pixels))
          .unit("pixels")
          .at_least(1)
          .at_most(kMany)
          .advanced());
  add(choice("image.on_error", "Broken pictures",
             "refuse stops before training and names the row; skip leaves such rows out and counts "
             "them.",
             {"refuse", "skip"}, LUTHIER_FIELD(image.on_error))
          .advanced());

  add(choice("training.device", "Device",
             "auto takes the CUDA device with most free memory, else the CPU; cuda:1 names the "
             "second one.",
             {"auto", "cpu", "cuda"}, LUTHIER_FIELD(training.device)));
  add(choice("training.dtype", "Compute type",
             "auto computes in bfloat16 on a CUDA device that has it, else in float32; a resumed "
             "run keeps its own.",
             {"auto", "float32", "bfloat16"}, LUTHIER_FIELD(training.dtype)));
  add(number("training.num_train_epochs", "Epochs",
             "How often every row is seen; max steps replaces it when it is above 0.",
             LUTHIER_FIELD(training.num_train_epochs))
          .unit("epochs")
          .above(0)
          .at_most(1e6));
  add(integer("training.max_steps", "Max steps", "Optimizer steps in all; -1: as the epochs give.",
              LUTHIER_FIELD(training.max_steps))
          .unit("steps")
          .at_least(-1)
          .at_most(kMany));
  add(integer("training.per_device_train_batch_size", "Batch size",
              "Rows that go through the model at once.",
              LUTHIER_FIELD(training.per_device_train_batch_size))
          .unit("rows")
          .at_least(1)
          .at_most(65536));
  add(integer("training.gradient_accumulation_steps", "Gradient accumulation",
              "Batches whose gradients are summed before one step.",
              LUTHIER_FIELD(training.gradient_accumulation_steps))
          .unit("batches")
          .at_least(1)
          .at_most(1048576));
  add(number("training.learning_rate", "Learning rate",
             "The peak rate; each method and objective has a default of its own.",
             LUTHIER_FIELD(training.learning_rate))
          .at_least(0)
          .at_most(100));
  const auto add_rate = [&add](const char* key, const char* label, const char* help) {
    add(kind_optional_number(key, label, help).at_least(0).at_most(100).advanced());
  };
  add_rate("training.vision_tower_learning_rate", "Learning rate of the tower",
           "The peak rate of what trains in the vision tower; empty: the common one.");
  add_rate("training.projector_learning_rate", "Learning rate of the projector",
           "The peak rate of what trains in the projector; empty: the common one.");
  add_rate("training.language_model_learning_rate", "Learning rate of the language model",
           "The peak rate of what trains in the language model; empty: the common one.");
  add_rate("training.adapter_learning_rate", "Learning rate of the adapter",
           "The peak rate of the adapter's own tensors, where their part has none of its own; "
           "empty: the common one, which modules trained whole keep.");
  add(choice("training.lr_scheduler_type", "LR scheduler", "How the rate goes on after the warmup.",
             {"constant", "constant_with_warmup", "linear", "cosine"},
             LUTHIER_FIELD(training.lr_scheduler_type))
          .not_built({"cosine_with_restarts", "polynomial", "inverse_sqrt", "reduce_lr_on_plateau",
                      "cosine_with_min_lr", "warmup_stable_decay"}));
  add(number("training.warmup_ratio", "Warmup ratio",
             "Share of all steps in which the rate rises from 0 to its peak.",
             LUTHIER_FIELD(training.warmup_ratio))
          .at_least(0)
          .at_most(1));
  add(integer("training.warmup_steps", "Warmup steps",
              "Steps of warmup; above 0 it replaces the ratio.",
              LUTHIER_FIELD(training.warmup_steps))
          .unit("steps")
          .at_least(0)
          .at_most(kMany)
          .advanced());
  add(number("training.weight_decay", "Weight decay",
             "Pull towards zero on trained weights, biases and norms left out.",
             LUTHIER_FIELD(training.weight_decay))
          .at_least(0)
          .at_most(100)
          .advanced());
  add(number("training.max_grad_norm", "Max grad norm",
             "Gradients longer than this are scaled down to it; 0 never clips.",
             LUTHIER_FIELD(training.max_grad_norm))
          .at_least(0)
          .at_most(1e9)
          .advanced());
  add(kind_choice("training.optim", "Optimizer", "How gradients become a step.", optimizer_kinds(),
                  LUTHIER_FIELD(training.optim))
          .not_built({"adagrad", "rmsprop", "ademamix", "paged_lion_8bit", "paged_lion_32bit",
                      "schedule_free_sgd", "schedule_free_radam", "galore_adamw", "apollo_adamw"})
          .advanced());
  add(number("training.adam_beta1", "Adam beta 1", "Decay of the running mean of gradients.",
             LUTHIER_FIELD(training.adam_beta1))
          .at_least(0)
          .below(1)
          .advanced());
  add(number("training.adam_beta2", "Adam beta 2",
             "Decay of the running mean of squared gradients.", LUTHIER_FIELD(training.adam_beta2))
          .at_least(0)
          .below(1)
          .advanced());
  add(number("training.adam_epsilon", "Adam epsilon", "Added to the denominator for stability.",
             LUTHIER_FIELD(training.adam_epsilon))
          .at_least(0)
          .at_most(1)
          .advanced());
  add(choice("training.gradient_checkpointing", "Gradient checkpointing",
             "Recompute activations in the backward pass: less memory, more time. auto turns it on "
             "where memory would not do.",
             {"auto", "true", "false"}, LUTHIER_FIELD(training.gradient_checkpointing))
          .advanced());
  add(zero_as_null("training.max_length", "Context length",
                   "Tokens a row holds at most, picture tokens counted; longer rows are cut at the "
                   "end. Empty: no row is cut.",
                   LUTHIER_FIELD(training.max_length))
          .unit("tokens")
          .at_least(0)
          .at_most(16777216));
  add(boolean("training.shuffle", "Shuffle",
              "Visit the rows in another order each epoch, always the same for a seed.",
              LUTHIER_FIELD(training.shuffle))
          .advanced());
  add(integer("training.seed", "Seed", "The same seed, data and settings give the same run.",
              LUTHIER_FIELD(training.seed))
          .at_least(0)
          .at_most(4294967295.0)
          .advanced());
  add(choice("training.loss_on", "Train on",
             "completion: every token after the last prompt; assistant: every assistant turn; all: "
             "every text token.",
             {"completion", "assistant", "all"}, LUTHIER_FIELD(training.loss_on)));
  add(integer("training.logging_steps", "Log every", "Steps between two lines of metrics.",
              LUTHIER_FIELD(training.logging_steps))
          .unit("steps")
          .at_least(1)
          .at_most(kMany)
          .advanced());
  add(integer("training.eval_steps", "Evaluate every",
              "Steps between two evaluations; 0: at every checkpoint and at the end.",
              LUTHIER_FIELD(training.eval_steps))
          .unit("steps")
          .at_least(0)
          .at_most(kMany)
          .advanced());
  add(integer("training.save_steps", "Save every",
              "Steps between two checkpoints; 0 saves at the end only.",
              LUTHIER_FIELD(training.save_steps))
          .unit("steps")
          .at_least(0)
          .at_most(kMany)
          .advanced());
  add(number("training.save_minutes", "Save every (minutes)",
             "Minutes between two checkpoints at most, whatever the steps; 0: by steps alone.",
             LUTHIER_FIELD(training.save_minutes))
          .unit("minutes")
          .at_least(0)
          .at_most(1e6)
          .advanced());
  add(integer("training.save_total_limit", "Keep checkpoints",
              "Older checkpoints beyond this number are removed; 0 keeps all.",
              LUTHIER_FIELD(training.save_total_limit))
          .unit("checkpoints")
          .at_least(0)
          .at_most(1e6)
          .advanced());
  add(choice("training.on_low_memory", "Memory that will not do",
             "refuse does not start a run whose forecast is more than 95 % of the free memory; try "
             "starts it all the same.",
             {"refuse", "try"}, LUTHIER_FIELD(training.on_low_memory))
          .advanced());

  std::vector<RecipeField> table = fields_of(std::move(rows));
  for (RecipeField& field : table) {
    field.older = true;
    std::erase_if(field.not_built, [&](const std::string& value) {
      const auto& built = field.about.choices;
      return std::find(built.begin(), built.end(), value) != built.end();
    });
  }
  add_kinds(table, method_kinds(), &FieldDescription::strategies);
  for (const RecipeField& field : quantization_fields()) {
    const std::size_t place = place_for(table, field.about.key);
    table.insert(table.begin() + static_cast<std::ptrdiff_t>(place), field);
  }
  add_kinds(table, objective_kinds(), &FieldDescription::objectives);
  add_kinds(table, optimizer_kinds(), &FieldDescription::optimizers);
  return table;
}

#undef LUTHIER_FIELD

}  // namespace

const std::vector<RecipeField>& recipe_field_table() {
  static const std::vector<RecipeField> table = build_table();
  return table;
}

const RecipeField* exact_field(const std::string& key) {
  for (const RecipeField& field : recipe_field_table())
    if (field.about.key == key) return &field;
  return nullptr;
}

bool names_kind(const std::vector<std::string>& kinds, const std::string& chosen) {
  return kinds.empty() || std::find(kinds.begin(), kinds.end(), chosen) != kinds.end();
}

bool applies(const FieldDescription& field, const Recipe& recipe) {
  return names_kind(field.strategies, recipe.strategy) &&
         names_kind(field.objectives, recipe.objective) &&
         names_kind(field.optimizers, recipe.training.optim);
}

const std::vector<FieldDescription>& recipe_fields() {
  static const std::vector<FieldDescription> fields = [] {
    std::vector<FieldDescription> all;
    for (const RecipeField& field : recipe_field_table()) all.push_back(field.about);
    return all;
  }();
  return fields;
}

}  // namespace luthier
