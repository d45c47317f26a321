// SPDX-License-Identifier: GPL-3.0-or-later
// What tests of decoders share: a small one with drawn weights, and the states of its rows, all at
// once or token by token.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/family.h"

namespace luthier::test {

inline std::shared_ptr<Model> built(const Family& family, const Json& config) {
  const auto plan = family.read(config, "");
  if (!plan) qFatal("%s", plan.error().sentence().c_str());
  const auto model = plan->made(torch::TensorOptions());
  const torch::NoGradGuard no_grad;
  torch::manual_seed(3);
  for (auto& parameter : model->parameters()) parameter.normal_(0, 0.4);
  return model;
}

/// `lengths`: of rows, where it is not one: [ids, hidden].
inline torch::Tensor states(Model& model, const std::vector<std::int64_t>& ids,
                            std::vector<std::int64_t> lengths = {}) {
  const torch::NoGradGuard no_grad;
  ModelInput input;
  input.input_ids = torch::tensor(ids, torch::kInt64);
  input.lengths = lengths.empty() ? std::vector<std::int64_t>{input.input_ids.size(0)} : lengths;
  return states_before_head(model, input);
}

/// The same of one row whose tokens come one by one, each going on from a cache.
inline torch::Tensor states_token_by_token(Model& model, const std::vector<std::int64_t>& ids) {
  const torch::NoGradGuard no_grad;
  Causal& causal = *model.causal();
  KeyValueCache cache(causal.num_hidden_layers(), static_cast<std::int64_t>(ids.size()));
  std::vector<torch::Tensor> found;
  for (const std::int64_t id : ids) {
    ModelInput input;
    input.input_ids = torch::tensor({id}, torch::kInt64);
    input.lengths = {1};
    found.push_back(causal.decode(causal.embed(input), &cache)[0]);
  }
  return torch::stack(found);
}

}  // namespace luthier::test
