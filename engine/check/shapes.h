// SPDX-License-Identifier: GPL-3.0-or-later
// Models of the sizes that people tune, with drawn weights: Qwen3-VL with the language models of
// Qwen3 0.6 B to 8 B. Where there is no card, a very small one in their place shows that the checks
// work.
#pragma once

#include <string>
#include <vector>

#include "engine/check/checks.h"
#include "engine/check/tuning.h"
#include "engine/forecast/forecast.h"

namespace luthier {

struct CardShape {
  const char* name;  ///< "0.6 B"
  std::int64_t hidden, intermediate, layers, heads, key_value_heads, head_dim, vocabulary;
  bool tied;
  std::int64_t vision_depth, vision_hidden, vision_intermediate, vision_heads;
  std::int64_t rows, length, side;  ///< of a micro-batch; a picture's side in patches
  /// What an H100 is to reach with LoRA (tokens/s); 0: nothing is said.
  double goal;
};
/// Those of the language models of Qwen3, ascending.
const std::vector<CardShape>& card_shapes();
/// Those to try on this device, ascending.
const std::vector<CardShape>& shapes_for(torch::Device device);

Json config_of(const CardShape& shape);
/// A micro-batch of full rows; each shows one picture where asked.
MicroBatch rows_of(const CardShape& shape, bool pictures);
/// The same for the forecast.
BatchShape batch_shape_of(const CardShape& shape, bool pictures);
/// The model with weights drawn on the device itself.
Result<LoadedModel> drawn_in_place(const CardShape& shape, const torch::TensorOptions& tensors,
                                   std::shared_ptr<const ChatProcessor> processor);

}  // namespace luthier
