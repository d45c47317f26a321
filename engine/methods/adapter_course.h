// SPDX-License-Identifier: GPL-3.0-or-later
// What a method does while its adapter trains, besides hanging plugs: a term of the loss, something
// after each step, what of that a checkpoint keeps and what a finished file holds. Most methods
// have none.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/device/torch.h"
#include "engine/io/json.h"

namespace luthier {

class AdapterCourse {
 public:
  using Named = std::vector<std::pair<std::string, torch::Tensor>>;
  virtual ~AdapterCourse() = default;

  /// Before the first step, of a resume too: how many the run has in all.
  virtual Status begin(std::int64_t total_steps) = 0;
  /// Joins the loss of each micro-batch: a number with a graph where gradients are on.
  virtual torch::Tensor loss_term() const = 0;
  /// After the optimizer has moved the tensors, while the gradients that moved them stand. `step`
  /// counts from 0.
  virtual void after_step(std::int64_t step) = 0;

  /// What the next step depends on besides the adapter's tensors, and back. An Input error names
  /// what does not fit.
  virtual std::map<std::string, torch::Tensor> state() const = 0;
  virtual Status load_state(const std::map<std::string, torch::Tensor>& state,
                            const std::string& where) = 0;

  /// Of what trains, by PEFT's keys, what a finished adapter's file holds.
  virtual Named finished(Named trained) const = 0;
  /// What adapter_config.json says of it; `finished`: not of a checkpoint, which holds all.
  virtual Json facts(bool finished) const = 0;
};

}  // namespace luthier
