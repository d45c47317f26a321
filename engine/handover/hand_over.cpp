// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/handover/hand_over.h"

#include <algorithm>
#include <cctype>
#include <fstream>

#include "engine/config/kinds.h"
#include "engine/config/order_fields.h"
#include "engine/config/stages.h"
#include "engine/data/columns.h"
#include "engine/data/media_limits.h"
#include "engine/data/named_class.h"
#include "engine/handover/cluster_files.h"
#include "engine/handover/start.h"
#include "engine/io/companion_files.h"
#include "engine/io/files.h"
#include "engine/io/named_place.h"
#include "engine/io/probe.h"
#include "engine/methods/adapter.h"
#include "engine/models/loaded_model.h"
#include "engine/objectives/objective.h"
#include "engine/runs/run_folder.h"
#include "engine/train/row_check.h"

namespace luthier {

namespace fs = std::filesystem;

namespace handover {

namespace {

struct Refusal {
  const char* model_type;
  const char* why;
};

/// Models that TRL 1.16 does not take, or computes otherwise.
constexpr Refusal kRefused[] = {
    {"mllama_text_model", "TRL 1.16 finds no states before its head"},
    {"fuyu", "its processor has no chat template, which TRL's collators ask for"},
    {"idefics", "its processor takes no chat template, which TRL's collators ask for"},
    {"chameleon", "no run of it has been held against TRL's"},
    {"phi4_multimodal", "its processor has no chat template, which TRL's collators ask for"},
};

/// Its padded rows are other rows there.
constexpr const char* kUnpadded = "mllama";

Status check_model(const Recipe& recipe, const std::string& model_type) {
  for (const Refusal& refusal : kRefused)
    if (model_type == refusal.model_type)
      return input_error(
          "Models of the type " + model_type + " are not handed over: " + refusal.why + ".",
          "model", "Train it here.");
  if (model_type == kUnpadded && recipe.training.per_device_train_batch_size > 1)
    return input_error("Rows of the type " + model_type +
                           " are padded to one length there, and come to something else then.",
                       "training.per_device_train_batch_size",
                       "Write 1, and more for training.gradient_accumulation_steps.");
  return {};
}

Status check_best(const Recipe& recipe) {
  const bool best = recipe.more.flag("training.load_best_model_at_end") ||
                    recipe.more.integer("training.early_stopping_patience") > 0;
  const std::string metric = recipe.more.text("training.metric_for_best_model");
  if (!best || (!recipe.eval_dataset.empty() && metric.find("probe/") == std::string::npos))
    return {};
  return input_error(
      "The best checkpoint goes by answers to a probe, which nothing there asks for.",
      "training.metric_for_best_model", "Go by the loss of eval_dataset.");
}

bool is_identifier(const std::string& text) {
  return !text.empty() && !std::isdigit(static_cast<unsigned char>(text.front())) &&
         std::all_of(text.begin(), text.end(),
                     [](unsigned char letter) { return std::isalnum(letter) || letter == '_'; });
}

/// transformers' class of the checkpoint, as its config.json says.
std::string architecture_of(const Json& config, bool reads_pictures) {
  if (std::string name = named_class(config); is_identifier(name)) return name;
  return reads_pictures ? "AutoModelForImageTextToText" : "AutoModelForCausalLM";
}

/// A snapshot of a hub is named as the hub has it, so that another machine finds it.
void name_model(const std::string& model, ScriptFacts& facts) {
  const fs::path folder = fs::absolute(model).lexically_normal();
  const std::string repository = folder.parent_path().parent_path().filename().string();
  constexpr std::string_view kModels = "models--";
  if (folder.parent_path().filename() != "snapshots" || !repository.starts_with(kModels)) {
    facts.model = folder.string();
    return;
  }
  std::string name = repository.substr(kModels.size());
  if (const std::size_t dashes = name.find("--"); dashes != std::string::npos)
    name.replace(dashes, 2, "/");
  facts.model = name;
  facts.revision = folder.filename().string();
}

/// A recipe's files as rows to write.
Result<RowsToWrite> rows_of(const Recipe& recipe, const std::vector<std::string>& files,
                            const char* key, std::shared_ptr<const ChatProcessor> processor,
                            const Progress& progress) {
  RowReader reader;
  LUTHIER_TRY(reader.dataset, open_rows(recipe, files));
  reader.processor = std::move(processor);
  reader.kind = &row_kind_of(recipe);
  reader.loss_on = loss_on_from_name(recipe.training.loss_on);
  reader.max_length = recipe.training.max_length;
  LUTHIER_TRY(UsableRows usable, check_rows(reader, recipe.image.on_error, key, progress));
  if (usable.rows.empty())
    return input_error("There is no usable row.", key,
                       "See `luthier-cli data check` for what is wrong with each row.");
  return RowsToWrite{reader.dataset, reader.processor, reader.kind, reader.loss_on,
                     std::move(usable.rows)};
}

/// A line an epoch, where the order is more than shuffling.
Status write_order(const Recipe& recipe, const RowsToWrite& rows, const fs::path& folder,
                   ScriptFacts& facts, const Progress& progress) {
  RowReader reader;
  reader.dataset = rows.dataset;
  reader.processor = rows.processor;
  reader.kind = rows.kind;
  reader.loss_on = rows.loss_on;
  reader.max_length = recipe.training.max_length;
  LUTHIER_TRY(const auto order, make_row_order(recipe, reader, rows.usable, progress));
  LUTHIER_TRY(const StepPlan plan,
              plan_steps(order ? order->places() : static_cast<std::int64_t>(rows.usable.size()),
                         recipe.training));
  facts.steps = plan.total_steps;
  facts.ordered = order != nullptr;
  const std::int64_t ranks = facts.cluster.ranks();
  if (ranks > 1 && plan.rows % (plan.batch_size * ranks) != 0)
    facts.notes.emplace_back(
        "The rows do not share out evenly: at an epoch's end accelerate gives some of its first "
        "ones again, so that the last step of an epoch is another one than here.");
  if (!order) return {};
  const fs::path path = folder / "order.jsonl";
  std::ofstream file(path);
  const std::int64_t epochs = (plan.total_steps + plan.steps_per_epoch - 1) / plan.steps_per_epoch;
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
    Json places = Json::array();
    for (const PlacedRow& placed : order->epoch(plan, epoch)) places.push_back(placed.row);
    file << places.dump() << '\n';
  }
  file.flush();
  if (!file) return machine_error("The order cannot be written: is the disk full?", path.string());
  return {};
}

/// The processor's files with the run's limits of pictures in them.
Status write_processor(const Recipe& recipe, const ChatProcessor& processor,
                       const fs::path& folder) {
  std::error_code problem;
  fs::create_directories(folder, problem);
  LUTHIER_CHECK(copy_companion_files(recipe.model, folder));
  LUTHIER_TRY(const std::string config, read_file(fs::path(recipe.model) / "config.json"));
  LUTHIER_CHECK(write_file_atomically(folder / "config.json", config));
  return processor.store_limits(folder, media_limits(recipe));
}

Status write_texts(const Recipe& recipe, const ScriptFacts& facts, const fs::path& folder) {
  std::error_code problem;
  fs::create_directories(folder / "accelerate", problem);
  for (const NamedText& file : accelerate_files(recipe, facts.cluster))
    LUTHIER_CHECK(write_file_atomically(folder / "accelerate" / file.name, file.text));
  LUTHIER_CHECK(
      write_file_atomically(folder / "requirements.txt", requirements_text(recipe, facts)));
  LUTHIER_CHECK(write_file_atomically(folder / "run.sbatch", sbatch_text(recipe, facts.cluster)));
  LUTHIER_CHECK(write_file_atomically(folder / "recipe.yaml", recipe_to_yaml(recipe)));
  return write_file_atomically(folder / "train.py", trl_script(recipe, facts));
}

/// What a folder holds, the script first.
std::vector<std::string> files_of(const fs::path& folder) {
  std::vector<std::string> files{"train.py"};
  for (const std::string& name : names_in(folder)) {
    if (name == "train.py" || name == "manifest.json") continue;
    files.push_back(name + (is_folder(folder / name) ? "/" : ""));
  }
  return files;
}

/// The recipe with what a start from a folder makes of its settings.
Result<Recipe> as_it_runs(const HandOverRequest& request) {
  Recipe recipe = request.recipe;
  if (recipe.output_dir.empty()) recipe.output_dir = place_beside(request.out, ".run").string();
  LUTHIER_CHECK(check_recipe(recipe));
  if (!method_kind(recipe.strategy).hangs_adapter()) return recipe;
  if (recipe.adapter.init_from.empty()) {
    LUTHIER_CHECK(check_adapter_of(recipe));
    return recipe;
  }
  const std::string from = recipe.adapter.init_from;
  LUTHIER_TRY(recipe.adapter, settings_to_train(recipe));
  recipe.adapter.init_from = from;
  return recipe;
}

}  // namespace

}  // namespace handover

using namespace handover;

Result<Recipe> recipe_to_hand_over(const fs::path& path,
                                   const std::vector<std::string>& overrides) {
  fs::path file = path;
  if (is_folder(path)) {
    LUTHIER_TRY(const RunFolder run, RunFolder::open(path));
    file = run.path() / "recipe.yaml";
  }
  LUTHIER_TRY(const auto staged, read_staged_recipe(file, overrides));
  if (staged)
    return input_error(
        "This is a recipe of stages, each of which begins with the last one's "
        "result.",
        file.string(), "Hand over one stage as a recipe of its own.");
  return read_recipe(file, overrides);
}

Result<HandedOver> hand_over(const HandOverRequest& request) {
  LUTHIER_TRY(const Recipe recipe, as_it_runs(request));
  LUTHIER_TRY(const TrlTrainer* trainer, trl_trainer(recipe));
  LUTHIER_CHECK(check_method(recipe, *trainer));
  LUTHIER_CHECK(check_cluster(request.cluster, recipe));
  LUTHIER_CHECK(check_best(recipe));
  LUTHIER_TRY(const CarriedSettings carried, carried_settings(recipe, *trainer));
  LUTHIER_TRY(const auto objective, make_objective(recipe));
  LUTHIER_CHECK(objective->can_begin());

  LUTHIER_TRY(const Json config, read_json_file(fs::path(recipe.model) / "config.json"));
  LUTHIER_TRY(const auto processor, load_processor(recipe.model, media_limits(recipe)));
  ScriptFacts facts;
  facts.trainer = trainer;
  facts.objective = carried.keywords;
  facts.notes = carried.notes;
  facts.cluster = request.cluster;
  facts.reads_pictures = processor->image_processor() != nullptr;
  facts.picture_token = processor->image_token_id();
  facts.architecture = architecture_of(config, facts.reads_pictures);
  facts.model_type = json_string(config, "model_type", "config.json", "").value();
  name_model(recipe.model, facts);
  LUTHIER_CHECK(check_model(recipe, facts.model_type));
  if (trainer->scores && facts.reads_pictures)
    return input_error(
        "TRL's reward models are made of models of texts, and this one reads "
        "pictures.",
        "model", "Train it here.");

  const auto progress = [&](const char* what) -> Progress {
    return [&request, what](std::size_t done, std::size_t total) {
      return !request.go_on ||
             request.go_on(what, static_cast<double>(done) / static_cast<double>(total));
    };
  };
  LUTHIER_TRY(RowsToWrite train, rows_of(recipe, training_files(recipe), "dataset", processor,
                                         progress("Checking rows")));
  std::vector<RowsToWrite> sets{std::move(train)};
  if (!recipe.eval_dataset.empty()) {
    LUTHIER_TRY(RowsToWrite held_out, rows_of(recipe, recipe.eval_dataset, "eval_dataset",
                                              processor, progress("Checking rows")));
    sets.push_back(std::move(held_out));
    facts.evaluates = true;
  }
  LUTHIER_TRY(facts.rows, survey_rows(sets, *trainer, recipe.model, progress("Reading rows")));
  LUTHIER_TRY(PicturePlaces places, picture_places(sets, progress("Looking for pictures")));
  facts.pictures = places.root.string();
  LUTHIER_TRY(facts.trains, trained_names(recipe));
  LUTHIER_TRY(facts.reference, reference_of(recipe, *trainer));
  if (recipe.training.dtype != "float32" && recipe.training.device != "cpu")
    facts.notes.emplace_back(
        "In bfloat16 each program rounds in its own places: losses are near "
        "one another, and equal in float32.");

  LUTHIER_TRY(FolderWriter writer, FolderWriter::begin(request.out));
  const fs::path& folder = writer.path();
  LUTHIER_CHECK(write_order(recipe, sets.front(), folder, facts, progress("Ordering rows")));
  const char* names[] = {"train.jsonl", "eval.jsonl"};
  for (std::size_t i = 0; i < sets.size(); ++i)
    LUTHIER_CHECK(write_trl_rows(sets[i], *trainer, facts.rows, places, folder, names[i],
                                 progress("Writing rows")));
  facts.adapter = method_kind(recipe.strategy).hangs_adapter();
  if (facts.adapter) {
    std::error_code problem;
    fs::create_directories(folder / "adapter", problem);
    const auto go_on = [&] { return !request.go_on || request.go_on("Making the adapter", 0); };
    LUTHIER_CHECK(write_start(recipe, *trainer, folder / "adapter", go_on));
  }
  facts.own_processor = recipe.image.min_pixels || recipe.image.max_pixels;
  if (facts.own_processor) LUTHIER_CHECK(write_processor(recipe, *processor, folder / "processor"));
  LUTHIER_CHECK(write_texts(recipe, facts, folder));
  LUTHIER_CHECK(writer.commit());
  return HandedOver{files_of(request.out), facts.notes};
}

}  // namespace luthier
