// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/train/fresh_adapter.h"

#include "engine/base/text.h"
#include "engine/device/exact_math.h"
#include "engine/device/failure.h"
#include "engine/methods/adapter.h"
#include "engine/methods/adapter_notes.h"
#include "engine/methods/method.h"
#include "engine/models/score_head.h"
#include "engine/train/eva_rows.h"
#include "engine/train/load_options.h"

namespace luthier {

Status write_fresh_adapter(const Recipe& recipe, const std::filesystem::path& folder,
                           const std::function<bool()>& go_on) try {
  LUTHIER_TRY(const Method* method, find_method(recipe.strategy));
  if (!method->hangs_adapter())
    return input_error("The method " + recipe.strategy + " has no adapter.", "strategy");
  if (!recipe.adapter.init_from.empty())
    return input_error("The recipe goes on from a folder, which is its start.", "adapter.init_from",
                       "Take it out for a fresh adapter.");
  const auto wanted = [&] { return !go_on || go_on(); };
  LoadOptions load = load_options(recipe);
  load.go_on = [&](double) { return wanted(); };
  LUTHIER_TRY(LoadedModel base, load_model(recipe.model, load));
  const ExactMath exact(base.model->device());  // as its run would
  const auto seed = static_cast<std::uint64_t>(recipe.training.seed);
  LUTHIER_TRY(const auto objective, make_objective(recipe));
  LUTHIER_CHECK(set_score_head(base, objective->score_numbers(), seed));
  LUTHIER_TRY(auto adapter, adapter_by_rows(base, recipe, [&](std::int64_t) { return wanted(); }));
  if (!adapter) {
    LUTHIER_TRY(adapter, create_adapter(base, recipe.strategy, recipe.adapter, seed));
  }
  LUTHIER_CHECK(adapter->save(folder, recipe.model));
  return write_adapter_notes(folder, base.pixels);
} catch (const std::exception& problem) {
  return device_failure(
      problem, machine_error("Memory ran out while the adapter was made.", recipe.model),
      machine_error("The adapter could not be made: " + first_line(problem.what()), recipe.model));
}

}  // namespace luthier
