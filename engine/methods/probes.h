// SPDX-License-Identifier: GPL-3.0-or-later
// Inputs by which two states of one model are held against each other, and how far apart their
// logits are: what a merge is proven by.
#pragma once

#include <filesystem>
#include <vector>

#include "engine/models/loaded_model.h"

namespace luthier {

class Adapter;

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
/// What rounding changes in the float32 logits of a model with an active adapter: the other library
/// of products adds in another order, where there is one, and the last bit of each of the adapter's
/// float32 numbers is turned meanwhile. Either alone says too little: two libraries may add short
/// sums in one order, and a small adapter may hang where little goes through.
double difference_of_rounding(Model& model, Adapter& adapter, const std::vector<Example>& probes,
                              const std::vector<torch::Tensor>& logits);

}  // namespace luthier
