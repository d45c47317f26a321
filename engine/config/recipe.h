// SPDX-License-Identifier: GPL-3.0-or-later
// The recipe: every setting of a run, under the names that transformers' TrainingArguments, PEFT's
// configs and TRL use. One table of fields (recipe_fields) describes each with default, range, unit
// and help; the YAML reader, --set, the command line's help and the window's forms are made from
// it, so none of them can drift from the others.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/kind_values.h"

namespace luthier {

/// target_modules / exclude_modules as PEFT takes them: null, a list of suffixes, or one string (a
/// regular expression that matches whole names; the word all-linear).
struct ModuleSelector {
  enum class Kind { None, Names, Regex, AllLinear } kind = Kind::None;
  std::vector<std::string> names;
  std::string regex;
  bool operator==(const ModuleSelector&) const = default;
};

struct AdapterSettings {
  std::int64_t r = 16;
  double lora_alpha = 32;
  double lora_dropout = 0.05;
  ModuleSelector target_modules{ModuleSelector::Kind::AllLinear, {}, {}};
  ModuleSelector exclude_modules;
  std::vector<std::pair<std::string, std::int64_t>> rank_pattern;
  std::vector<std::pair<std::string, double>> alpha_pattern;
  bool use_rslora = false;
  bool use_dora = false;
  std::string init_lora_weights = "true";  ///< true | false | gaussian | ...
  std::vector<std::string> modules_to_save;
  std::string bias = "none";  ///< none | all | METHOD_only
  std::string init_from;      ///< a PEFT folder, or empty
  KindValues more;            ///< settings of other methods, by their keys
};

struct FreezeSettings {
  bool vision_tower = true, projector = false, language_model = true;
};

struct ImageSettings {
  std::optional<std::int64_t> min_pixels, max_pixels;
  std::string on_error = "refuse";  ///< refuse | skip
};

/// What stands in place of the checkpoint's own numbers for films.
struct FilmSettings {
  std::optional<std::int64_t> num_frames;
  std::optional<double> fps;
  std::optional<std::int64_t> min_frames, max_frames, min_pixels, max_pixels;
};

struct TrainingSettings {
  std::string device = "auto";  ///< auto | cpu | cuda | cuda:N
  std::string dtype = "auto";   ///< auto | float32 | bfloat16
  double num_train_epochs = 1;
  std::int64_t max_steps = -1;
  std::int64_t per_device_train_batch_size = 1;
  std::int64_t gradient_accumulation_steps = 8;
  double learning_rate = 2e-4;
  std::string lr_scheduler_type = "cosine";  ///< optim/schedule.cpp's names
  double warmup_ratio = 0.03;
  std::int64_t warmup_steps = 0;
  double weight_decay = 0.0;
  double max_grad_norm = 1.0;
  std::string optim = "adamw_torch";
  double adam_beta1 = 0.9, adam_beta2 = 0.999, adam_epsilon = 1e-8;
  std::string gradient_checkpointing = "auto";  ///< auto | true | false
  std::int64_t max_length = 2048;               ///< 0: no cut (null in a recipe)
  bool shuffle = true;
  std::int64_t seed = 42;
  std::string loss_on = "completion";  ///< completion | assistant | all
  std::int64_t logging_steps = 1, eval_steps = 0, save_steps = 100, save_total_limit = 3;
  double save_minutes = 10;              ///< a checkpoint so often beside save_steps; 0: none
  std::string on_low_memory = "refuse";  ///< refuse | try
};

struct Recipe {
  std::string model;
  std::string init = "pretrained";  ///< pretrained | random: random weights from config.json
                                    ///< (training from scratch)
  std::vector<std::string> dataset, eval_dataset;
  std::string image_folder;  ///< root of relative picture paths; empty: beside the dataset's file
  std::string output_dir;
  std::string objective = "sft";
  std::string strategy = "lora";  ///< full | freeze | lora
  FreezeSettings freeze;
  AdapterSettings adapter;
  ImageSettings image;
  FilmSettings film;
  TrainingSettings training;
  KindValues more;  ///< settings of objectives, optimizers and others, by their keys
};

/// One field of the recipe. `key` is its dotted path ("training.learning_rate").
struct FieldDescription {
  enum class Type {
    Text,
    Path,
    Paths,
    Choice,
    Integer,
    Number,
    Boolean,
    Modules,
    Pattern,
    NameList
  } type = Type::Text;
  std::string key;
  std::string label;                 ///< English, as the window shows it (translated there)
  std::string help;                  ///< one sentence
  std::string unit;                  ///< "tokens", "steps", ... or empty
  std::vector<std::string> choices;  ///< Choice
  std::optional<double> minimum, maximum;
  bool exclusive_minimum = false, exclusive_maximum = false;
  bool nullable = false;  ///< null is a value (Integer, Path): as the checkpoint says, or none
  bool advanced = false;  ///< behind "Advanced" in the window
  /// Kinds that have this setting; it means something where the recipe names one of them. All
  /// empty: always.
  std::vector<std::string> strategies, objectives, optimizers;
  std::vector<std::string> choice_help;  ///< of kinds: a sentence for each choice
};

/// Every field, in the order a form shows them.
const std::vector<FieldDescription>& recipe_fields();
/// Whether the setting means something under the recipe's method, objective and optimizer.
bool applies(const FieldDescription& field, const Recipe& recipe);

/// The value of a field as the text that a form edits, and back ("2.0e-4", "true", "q_proj,
/// v_proj", "all-linear", "null"). set_field checks type and range; unknown keys are refused with
/// the nearest known name; a bare leaf name works when it is unique. Setting `strategy` also moves
/// the fields whose default depends on it (training.learning_rate, freeze.*), unless they were
/// changed from their default.
Result<std::string> get_field(const Recipe& recipe, const std::string& key);
Status set_field(Recipe& recipe, const std::string& key, const std::string& value);

/// Reads a YAML file: defaults, then the strategy's own defaults (learning_rate 1e-5 for full and
/// freeze when the file does not name one), then the file, then `overrides`
/// ("training.max_steps=10"; a bare leaf name works when it is unique). Checks types, ranges,
/// unknown and duplicate keys (nearest known name), and combinations (warmup_steps over
/// warmup_ratio, dora etc. not built yet are refused by name). Paths in the file are relative to
/// the working directory of the process unless they exist only beside the file.
Result<Recipe> read_recipe(const std::filesystem::path& file,
                           const std::vector<std::string>& overrides = {});
Result<Recipe> parse_recipe(const std::string& yaml, const std::string& where,
                            const std::vector<std::string>& overrides = {});

/// All settings, defaults filled in, in the order of the specification; parse_recipe reads it back
/// equal.
std::string recipe_to_yaml(const Recipe& recipe);

/// Keys whose values differ: {key, left, right}, for resume refusals and the Runs page.
struct FieldDifference {
  std::string key, left, right;
};
std::vector<FieldDifference> recipe_differences(const Recipe& left, const Recipe& right);

/// What is wrong across fields (nothing to train on, no output_dir, ...), before a run starts.
Status check_recipe(const Recipe& recipe);

}  // namespace luthier
