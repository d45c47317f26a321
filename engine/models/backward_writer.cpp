// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/backward_writer.h"

#include <algorithm>

namespace luthier {

using torch::Tensor;

namespace {

// What is set aside.
constexpr const char *kBackwardPlaces = "backward_places", *kBackwardTargets = "backward_targets";

NextLabels made_backward_labels(const ModelInput& input) {
  const Tensor ids = input.input_ids.cpu(), labels = input.labels.cpu();
  const auto* id = ids.const_data_ptr<std::int64_t>();
  const auto* label = labels.const_data_ptr<std::int64_t>();
  std::vector<std::int64_t> places, targets;
  std::int64_t begin = 0;
  for (const std::int64_t length : input.lengths) {
    const std::int64_t end = begin + length;
    const bool learned = std::any_of(label + begin, label + end,
                                     [](std::int64_t each) { return each != kIgnoreLabel; });
    for (std::int64_t i = 0; learned && i + 1 < length; ++i) {
      places.push_back(begin + i);
      targets.push_back(id[end - 2 - i]);
    }
    begin = end;
  }
  return {torch::tensor(places, torch::kInt64), torch::tensor(targets, torch::kInt64), {}};
}

}  // namespace

Tensor reversed_places(const std::vector<std::int64_t>& lengths) {
  std::vector<std::int64_t> places;
  for (const std::int64_t length : lengths) {
    const auto last = static_cast<std::int64_t>(places.size()) + length - 1;
    for (std::int64_t i = 0; i < length; ++i) places.push_back(last - i);
  }
  return torch::tensor(places, torch::kInt64);
}

NextLabels backward_labels(const ModelInput& input) {
  const auto places = input.aside.find(kBackwardPlaces),
             targets = input.aside.find(kBackwardTargets);
  if (places != input.aside.end() && targets != input.aside.end())
    return {places->second, targets->second, {}};
  NextLabels made = made_backward_labels(input);
  const torch::Device device = input.input_ids.device();
  return {made.places.to(device), made.labels.to(device), {}};
}

void set_backward_aside(ModelInput& input) {
  if (!input.labels.defined()) return;
  const NextLabels made = made_backward_labels(input);
  input.aside[kBackwardPlaces] = made.places, input.aside[kBackwardTargets] = made.labels;
}

}  // namespace luthier
