// SPDX-License-Identifier: GPL-3.0-or-later
// Inputs by which two states of one model are held against each other, and how far apart their
// logits are: what a merge is proven by.
#pragma once

#include <filesystem>
#include <vector>

#include "engine/models/loaded_model.h"

namespace luthier {

/// A picture with question and answer, and a text without: what of the two the folder can encode,
/// each followed by drawn tokens. The second is drawn tokens alone where the folder has no chat
/// template. `scratch`: a folder for the picture's file, which is taken away again.
Result<std::vector<Example>> make_probes(const LoadedModel& base,
                                         const std::filesystem::path& scratch);
bool same_probes(const std::vector<Example>& a, const std::vector<Example>& b);

/// [rows, vocabulary] float32 of each probe's last rows.
std::vector<torch::Tensor> probe_logits(Model& model, const std::vector<Example>& probes);
/// The largest difference, of the largest value. Not a number where a logit is none.
double relative_difference(const std::vector<torch::Tensor>& got,
                           const std::vector<torch::Tensor>& wanted);
/// What the order of its sums changes in the model's float32 logits; 0 where there is one library.
double difference_of_order(Model& model, const std::vector<Example>& probes,
                           const std::vector<torch::Tensor>& logits);

}  // namespace luthier
