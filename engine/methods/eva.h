// SPDX-License-Identifier: GPL-3.0-or-later
// EVA's start of LoRA (Paischer et al. 2024), as PEFT 0.21 makes it: each A begins as the
// directions in which what its layer reads varies most, and ranks go to the layers where more of
// that is explained. What layers read is looked at batch after batch until the directions stand.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "engine/methods/adapter.h"

namespace luthier {

/// The batches of the rows that a run begins with; behind the last comes the first again.
struct EvaBatches {
  std::int64_t count = 0;
  /// Which tokens of a batch count: bool [tokens] on the CPU.
  using Told = std::function<void(const torch::Tensor& tokens)>;
  /// The base alone over batch `number`, with no graph; tells of its tokens before that.
  std::function<Status(std::int64_t number, const Told& told)> pass;
};

/// Whether an adapter of these settings, newly made, is to start so.
bool starts_by_eva(const std::string& strategy, const AdapterSettings& settings);

/// Which tokens of these labels count (eva_use_label_mask, eva_label_mask_value).
torch::Tensor eva_tokens(const torch::Tensor& labels, const AdapterSettings& settings);

/// The adapter with EVA's ranks and A. What no row of the beginning reaches, and what is no Linear,
/// starts as LoRA does otherwise. An Input error where the directions cannot be found or do not
/// come to stand.
Result<std::shared_ptr<Adapter>> create_eva_adapter(LoadedModel& base,
                                                    const AdapterSettings& settings,
                                                    std::uint64_t seed, const EvaBatches& batches);

}  // namespace luthier
