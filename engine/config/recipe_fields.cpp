// SPDX-License-Identifier: GPL-3.0-or-later
// The one table of the recipe's fields. A new setting is a member of its struct in recipe.h and a
// row here (of `training`: in training_fields.cpp): the YAML reader, --set, the command line's
// help, the window's form and recipe.yaml follow.
#include <algorithm>
#include <iterator>

#include "engine/config/chosen_field.h"
#include "engine/config/kind_fields.h"
#include "engine/config/order_fields.h"
#include "engine/config/quantization_fields.h"
#include "engine/config/recipe_rows.h"
#include "engine/config/watch_fields.h"

namespace luthier {
namespace {

using namespace rows;

constexpr double kMostFrames = 4096;  // that the vision room shows

struct Tables {
  std::vector<RecipeField> fields, otherwise;
};

Tables build_tables() {
  std::vector<Row> rows;
  auto add = [&rows](Row row) { rows.push_back(std::move(row)); };

  add(text(Type::Path, "model", "Model",
           "The folder of the base checkpoint, as transformers writes it.", LUTHIER_FIELD(model)));
  add(choice("init", "Starting weights",
             "Start from the checkpoint's weights, or from random ones made by its config.json "
             "(training from scratch).",
             {"pretrained", "random"}, LUTHIER_FIELD(init))
          .advanced());
  add(names(
      Type::Paths, "dataset", "Training data",
      "One file of rows, or several: JSON lines, JSON, CSV, Parquet, Arrow, tar, or a folder.",
      LUTHIER_FIELD(dataset)));
  add(names(Type::Paths, "eval_dataset", "Evaluation data",
            "Rows that are never trained on; their loss is the evaluation loss.",
            LUTHIER_FIELD(eval_dataset)));
  add(kind_names("dataset_columns", "Columns",
                 "Which column of the data is what, where it is called otherwise: image=photo, "
                 "prompt=question. Empty: rows are read as they are.")
          .advanced());
  add(kind_text("dataset_prompt", "Question of all rows",
                "What is asked where the data has no question, or how it is put together, {column} "
                "being a column's text. Empty: as the rows say.")
          .advanced());
  add(kind_text(
          "dataset_answer", "Answer of all rows",
          "How the answer is put together, {column} being a column's text. Empty: as the rows "
          "say.")
          .advanced());
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

  add(integer("adapter.r", "Rank",
              "Columns of A and B: more can learn more and costs more memory; 8 to 64 is usual.",
              LUTHIER_FIELD(adapter.r))
          .at_least(1)
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
             "first rows; mica: B is the smallest part of each weight and stays, A trains.",
             {"true", "false", "gaussian", "orthogonal", "pissa", "olora", "loftq", "eva", "mica"},
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
             {"none", "all", "lora_only"}, LUTHIER_FIELD(adapter.bias))
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

  add(optional_integer("film.num_frames", "Frames of a film",
                       "So many frames of each film are shown, evenly; empty: as the checkpoint's "
                       "processor says.",
                       LUTHIER_FIELD(film.num_frames))
          .unit("frames")
          .at_least(1)
          .at_most(kMostFrames)
          .advanced());
  add(optional_number("film.fps", "Frames of a second",
                      "So many frames of each second of a film are shown; empty: as the "
                      "checkpoint's processor says.",
                      LUTHIER_FIELD(film.fps))
          .above(0)
          .at_most(1e6)
          .advanced());
  add(optional_integer("film.min_frames", "Fewest frames",
                       "Frames of a film are at least so many under frames of a second; empty: as "
                       "the checkpoint's processor says.",
                       LUTHIER_FIELD(film.min_frames))
          .unit("frames")
          .at_least(1)
          .at_most(kMostFrames)
          .advanced());
  add(optional_integer("film.max_frames", "Most frames",
                       "Frames of a film are at most so many under frames of a second; empty: as "
                       "the checkpoint's processor says.",
                       LUTHIER_FIELD(film.max_frames))
          .unit("frames")
          .at_least(1)
          .at_most(kMostFrames)
          .advanced());
  add(optional_integer("film.min_pixels", "Smallest frame",
                       "Pixels that the checkpoint's processor counts of a film are at least so "
                       "many: a frame's, or all frames' (Qwen3-VL); empty: as it says itself.",
                       LUTHIER_FIELD(film.min_pixels))
          .unit("pixels")
          .at_least(1)
          .at_most(kMany)
          .advanced());
  add(optional_integer("film.max_pixels", "Largest frame",
                       "Pixels that the checkpoint's processor counts of a film are at most so "
                       "many: a frame's, or all frames' (Qwen3-VL); empty: as it says itself.",
                       LUTHIER_FIELD(film.max_pixels))
          .unit("pixels")
          .at_least(1)
          .at_most(kMany)
          .advanced());

  std::vector<Row> training = training_rows();
  std::move(training.begin(), training.end(), std::back_inserter(rows));
  Tables tables{fields_of(std::move(rows)), {}};
  std::vector<RecipeField>& table = tables.fields;
  for (RecipeField& field : table) {
    field.older = true;
    std::erase_if(field.not_built, [&](const std::string& value) {
      const auto& built = field.about.choices;
      return std::find(built.begin(), built.end(), value) != built.end();
    });
  }
  add_kinds(table, tables.otherwise, list_of(method_kinds()), &FieldDescription::strategies);
  for (const RecipeField& field : quantization_fields()) add_field(table, field);
  for (const RecipeField& field : order_fields()) add_field(table, field);
  for (const RecipeField& field : watch_fields()) add_field(table, field);
  add_kinds(table, tables.otherwise, list_of(objective_kinds()), &FieldDescription::objectives);
  add_kinds(table, tables.otherwise, list_of(optimizer_kinds()), &FieldDescription::optimizers);
  return tables;
}

const Tables& all_tables() {
  static const Tables tables = build_tables();
  return tables;
}

}  // namespace

const std::vector<RecipeField>& recipe_field_table() { return all_tables().fields; }

const std::vector<RecipeField>& fields_otherwise() { return all_tables().otherwise; }

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

const RecipeField& as_chosen(const RecipeField& field, const ChosenKinds& kinds) {
  for (const RecipeField& other : fields_otherwise()) {
    const FieldDescription& about = other.about;
    if (about.key == field.about.key && names_kind(about.strategies, kinds.strategy) &&
        names_kind(about.objectives, kinds.objective) &&
        names_kind(about.optimizers, kinds.optimizer))
      return other;
  }
  return field;
}

ChosenKinds chosen_kinds(const Recipe& recipe) {
  return {recipe.strategy, recipe.objective, recipe.training.optim};
}

const FieldDescription* as_chosen(const std::string& key, const Recipe& recipe) {
  const RecipeField* field = exact_field(key);
  return field ? &as_chosen(*field, chosen_kinds(recipe)).about : nullptr;
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
