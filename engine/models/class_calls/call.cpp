// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/class_calls/call.h"

#include <algorithm>

#include "engine/models/smoothed_labels.h"

namespace luthier {

using torch::Tensor;

bool ClassCall::is_one_of(std::initializer_list<std::string_view> types) const {
  return std::find(types.begin(), types.end(), loaded.family->model_type) != types.end();
}

void ClassCall::add(const std::string& output, const Tensor& value) {
  out.named.emplace_back(output, value.to(torch::kFloat32));
}

ModelInput ClassCall::ready(ModelInput input) const {
  if (!input.labels.defined())
    input.labels = torch::full_like(input.input_ids, kIgnoreLabel, torch::kInt64);
  return for_model(model, std::move(input));
}

Tensor ClassCall::entropy(const Tensor& logits, const Tensor& labels) const {
  return at::cross_entropy_loss(logits.to(torch::kFloat32), labels.to(logits.device()), {},
                                at::Reduction::Mean, kIgnoreLabel, label_smoothing_of(model));
}

void ClassCall::add_written(const FilledUp& rows, const ModelInput& input, const Tensor& states) {
  const Tensor logits = model.output_head()->forward(states).to(torch::kFloat32);
  add("logits", rows.put_back(logits));
  if (!given.find("labels")) return;
  const NextLabels next = next_labels(input);
  out.loss = entropy(logits.index_select(0, next.places), next.labels);
}

}  // namespace luthier
