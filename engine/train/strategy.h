// SPDX-License-Identifier: GPL-3.0-or-later
// What a method makes of a loaded model: which tensors train, the base's own or an adapter's beside
// a base that takes no gradient.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/config/recipe.h"
#include "engine/methods/adapter.h"
#include "engine/models/loaded_model.h"
#include "engine/optim/optimizer.h"

namespace luthier {

struct Companion;

struct Trainables {
  /// Sorted by name, those of a companion behind them.
  std::vector<TrainedTensor> tensors;
  std::shared_ptr<Adapter> adapter;      ///< of a method that hangs one; active on the model
  std::shared_ptr<Companion> companion;  ///< a second model that learns beside; null: there is none
  /// Of norms that learn what no optimizer moves (nn/convolutions/batch_norm.h), by names in the
  /// model.
  std::vector<std::pair<std::string, torch::Tensor>> statistics;
  bool tower_fixed = false;  ///< no tensor of the vision tower trains, so its features can be kept

  /// Of the adapters (Adapter::set_training), and of norms that learn by a batch's own statistics.
  void set_training(bool training, std::uint64_t seed) const;
  /// Before a step (counted from 0 on): what trains from a later one on takes no gradient yet.
  void begin_step(std::int64_t step) const;
  /// Whether what trains changes in the course of the run.
  bool gradual() const;

  /// The policy's tensors by their names, in their order.
  std::vector<std::pair<std::string, torch::Tensor>> named() const;
  /// The companion's by its own names.
  std::vector<std::pair<std::string, torch::Tensor>> named_of_companion() const;
  std::int64_t parameters() const;
  std::int64_t adapter_bytes() const;  ///< of what trains beside the weights of bases
};

/// Of the base, and of a companion's.
std::int64_t weight_bytes(const LoadedModel& base, const Trainables& trainables);
/// Numbers of the base and of a companion, what both share once.
std::int64_t parameter_count(const LoadedModel& base, const Trainables& trainables);

/// Sets what requires a gradient. A method with an adapter takes `adapter_folder` (a checkpoint's),
/// else the recipe's init_from, else `made`, else a fresh adapter. `made`: a fresh one that goes by
/// rows (adapter_by_rows); null: there is none.
Result<Trainables> apply_strategy(LoadedModel& base, const Recipe& recipe,
                                  const std::optional<std::filesystem::path>& adapter_folder = {},
                                  std::shared_ptr<Adapter> made = {});

}  // namespace luthier
