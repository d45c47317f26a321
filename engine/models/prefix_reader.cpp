// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/prefix_reader.h"

#include <algorithm>

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char* kPrefixAside = "prefix_blocks";

}  // namespace

Tensor prefix_blocks(const ModelInput& input) {
  std::vector<std::int64_t> blocks;
  const Tensor labels = input.labels.defined() ? input.labels.cpu() : Tensor();
  const auto* label = labels.defined() ? labels.const_data_ptr<std::int64_t>() : nullptr;
  for (std::size_t row = 0; row < input.lengths.size(); ++row) {
    const std::int64_t length = input.lengths[row];
    const auto begin = static_cast<std::int64_t>(blocks.size());
    std::int64_t prefix = input.prompt_lengths[row];
    if (prefix <= 0) {
      const auto learned = [](std::int64_t id) { return id != kIgnoreLabel; };
      prefix = label
                   ? std::find_if(label + begin, label + begin + length, learned) - (label + begin)
                   : length;
    }
    prefix = std::min(prefix, length);
    blocks.resize(static_cast<std::size_t>(begin + prefix), 0);
    blocks.resize(static_cast<std::size_t>(begin + length), -1);
  }
  return torch::tensor(blocks, torch::kInt64);
}

void set_prefix_aside(ModelInput& input) {
  if (!input.prompt_lengths.empty()) input.aside[kPrefixAside] = prefix_blocks(input);
}

Tensor take_prefix_back(const ModelInput& input) {
  if (input.prompt_lengths.empty()) return {};
  const auto made = input.aside.find(kPrefixAside);
  return made != input.aside.end() ? made->second
                                   : prefix_blocks(input).to(input.input_ids.device());
}

}  // namespace luthier
