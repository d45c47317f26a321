// SPDX-License-Identifier: GPL-3.0-or-later
// What can be decided before a model is loaded, and what a fully tuned checkpoint is stored as.
#include "engine/base/log.h"
#include "engine/data/media_limits.h"
#include "engine/device/product_library.h"
#include "engine/device/threads.h"
#include "engine/io/named_place.h"
#include "engine/methods/adapter.h"
#include "engine/methods/adapter_notes.h"
#include "engine/methods/method.h"
#include "engine/models/sharded_layers.h"
#include "engine/objectives/objective.h"
#include "engine/runs/named_run.h"
#include "engine/runs/resume_device.h"
#include "engine/train/trainer.h"

namespace luthier {
namespace fs = std::filesystem;
namespace {

/// A run that goes on from an adapter may show it pictures of another size; that is said, since
/// nobody would see it.
Status compare_pixels(const fs::path& init_from, const Recipe& recipe) {
  LUTHIER_TRY(const MediaLimits before, adapter_pixels(init_from));
  const MediaLimits now = media_limits(recipe);
  if (before == now) return {};
  const auto said = [](const MediaLimits& pixels) {
    return pixels.any() ? pixels_text(pixels) : "no pixel limits";
  };
  log_warning("adapter.init_from: " + init_from.string() + " was trained with " + said(before) +
              ", this run has " + said(now) + ".");
  return {};
}

/// Micro-batches of the run's window. A run that goes on has those that it was begun with, where
/// this recipe comes to them by the number of ranks that it had; else it is told what differs.
std::int64_t batches_of_window(const Recipe& recipe, int ranks) {
  const std::int64_t own = recipe.training.gradient_accumulation_steps, asked = own * ranks;
  std::error_code problem;
  if (!fs::exists(fs::path(recipe.output_dir) / "run.json", problem)) return asked;
  const auto folder = RunFolder::open(recipe.output_dir);
  if (!folder) return asked;
  const auto manifest = folder->read_manifest();
  const auto yaml = folder->read_recipe_yaml();
  if (!manifest || !yaml) return asked;
  const auto recorded = parse_recipe(*yaml, "recipe.yaml");
  if (!recorded) return asked;
  const std::int64_t there = recorded->training.gradient_accumulation_steps;
  return there == own || there == own * manifest->ranks ? there : asked;
}

}  // namespace

std::optional<RunResult> BegunRun::ended_before() const {
  if (nothing_left) return RunResult();
  if (!run || run->kind != PreparedRun::Kind::Finished) return std::nullopt;
  RunResult result;
  result.folder = run->folder.path();
  if (run->recorded) {
    result.step = run->recorded->step;
    result.loss = run->recorded->last_loss;
    result.seconds = run->recorded->seconds;
  }
  return result;
}

Result<BegunRun> begin_run(const Recipe& given, const std::optional<fs::path>& resume_run,
                           int ranks) {
  BegunRun begun{given, {}};
  Recipe& recipe = begun.recipe;
  // Whatever lies beside it must not come to lie in it: "runs/first/".
  recipe.output_dir = named_place(resume_run.value_or(recipe.output_dir)).string();
  std::int64_t& batches = recipe.training.gradient_accumulation_steps;
  batches = resume_run ? batches_of_window(recipe, ranks) : batches * ranks;
  if (batches < ranks)
    log_warning("A step of this run has " + std::to_string(batches) +
                " micro-batches: " + std::to_string(ranks - batches) + " of " +
                std::to_string(ranks) + " ranks have nothing to do.");
  LUTHIER_CHECK(check_recipe(recipe));
  LUTHIER_TRY(const auto objective, make_objective(recipe));
  LUTHIER_CHECK(check_generations(objective->generations(), recipe.training));
  std::error_code problem;
  if (resume_run) LUTHIER_CHECK(check_named_run(*resume_run, given.output_dir));
  const fs::path folder = resume_run ? *resume_run : fs::path(recipe.output_dir);
  const bool exists = fs::exists(folder, problem) &&
                      !(fs::is_directory(folder, problem) && fs::is_empty(folder, problem));
  LUTHIER_TRY(const Method* method, find_method(recipe.strategy));
  if (method->hangs_adapter() && !recipe.adapter.init_from.empty()) {
    // A folder's settings replace those of the recipe; a resume has them written down already.
    const std::string init_from = recipe.adapter.init_from;
    bool known = false;
    if (resume_run && exists) {
      if (const auto run = RunFolder::open(folder)) {
        const auto yaml = run->read_recipe_yaml();
        const auto recorded = yaml ? parse_recipe(*yaml, (folder / "recipe.yaml").string())
                                   : Result<Recipe>(yaml.error());
        if (recorded) recipe.adapter = recorded->adapter;
        known = recorded.ok();
      }
    }
    if (!known) {
      LUTHIER_TRY(recipe.adapter, settings_to_train(recipe));
      LUTHIER_CHECK(compare_pixels(init_from, recipe));
    }
    recipe.adapter.init_from = init_from;
  }
  if (!resume_run && recipe.adapter.init_from.empty()) LUTHIER_CHECK(check_adapter_of(recipe));
  std::string products;  // the library that the run was begun with, whose last bits it has
  if (resume_run || exists) {
    LUTHIER_TRY(begun.run, prepare_run(recipe, resume_run));
    const PreparedRun& found = *begun.run;
    if (found.kind == PreparedRun::Kind::Resume && found.recorded) {
      LUTHIER_TRY(recipe.training.dtype, resumed_dtype(recipe.training.dtype, *found.recorded,
                                                       found.folder.path().string()));
      products = found.recorded->products;
    }
  }
  // A run that has ended needs nothing any more.
  if (!begun.ended_before()) LUTHIER_CHECK(objective->can_begin());
  keep_products(products);
  take_all_cores();  // MKL's threads go by who makes the products
  return begun;
}

torch::ScalarType result_dtype(const LoadedModel& base, const Recipe& recipe) {
  std::string stored = base.stored_dtype;
  if (recipe.init == "random") {
    for (const char* key : {"dtype", "torch_dtype"}) {
      const auto found = base.config.find(key);
      if (found != base.config.end() && found->is_string()) stored = found->get<std::string>();
    }
  }
  const torch::ScalarType type = stored == "F16" || stored == "float16"     ? torch::kFloat16
                                 : stored == "BF16" || stored == "bfloat16" ? torch::kBFloat16
                                                                            : torch::kFloat32;
  if (type != torch::kFloat16) return type;
  const torch::NoGradGuard no_grad;
  const auto sharded = sharded_of(*base.model);
  for (const auto& item : base.model->named_parameters()) {
    const torch::Tensor& tensor = item.value();
    if (sharded) sharded->bring(item.key());
    if (tensor.numel() > 0 && tensor.abs().max().item<double>() > 65504)
      return torch::kFloat32;  // half precision would make it infinite
  }
  return type;
}

}  // namespace luthier
