// SPDX-License-Identifier: GPL-3.0-or-later
// The tensors whose gradients a verb is asked for with --grad.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/methods/adapter.h"
#include "engine/models/loaded_model.h"

namespace luthier::cli {

class WantedGradients {
 public:
  /// By any name that the checkpoint may use; "adapter" means all that the adapter trains, by the
  /// keys of its file, and "all" every tensor of the model that learns, by the checkpoint's names.
  /// They get gradients from here on. An Input error names what there is not.
  static Result<WantedGradients> find(const LoadedModel& loaded, const Adapter* adapter,
                                      const std::vector<std::string>& names);

  bool empty() const { return wanted_.empty(); }
  /// Behind the backward: "grad.NAME" in float32, as files have it. One that no loss reached is 0
  /// where it was asked for by name, and left out of "all".
  void add_to(std::vector<std::pair<std::string, torch::Tensor>>& results) const;

 private:
  struct Wanted {
    std::string asked;
    torch::Tensor parameter;
    bool named = true;
  };
  Status take_all(const LoadedModel& loaded);

  const Family* family_ = nullptr;
  std::vector<Wanted> wanted_;
};

}  // namespace luthier::cli
