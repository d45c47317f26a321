// SPDX-License-Identifier: GPL-3.0-or-later
// What Gemma 3n's text config says of its layers beside what all decoders have and what they share
// with Gemma 4's (Gemma3nTextConfig of transformers 5.17).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

struct DecoderOptions;

struct Gemma3nOptions {
  std::int64_t streams = 4;  ///< states of each token that pass through the layers side by side
  std::int64_t active = 0;   ///< the stream that a layer's attention and MLP read
  double coefficient_clip = 120;  ///< of what mixes the streams, while a model trains
  bool scales_corrected = true;   ///< what opens a layer's own embeddings is scaled before
  std::int64_t laurel_rank = 64;
  std::vector<std::int64_t> widths;  ///< of each layer's MLP
  /// So many standard deviations over its mean a gate of each layer must lie to open; none: any
  /// may.
  std::vector<std::optional<double>> cutoffs;
};

/// Fills `options` (whose sizes and type are read, but for the MLPs') with Gemma 3n's own settings,
/// sliding windows, rotary positions and the cap on the logits.
Status read_gemma3n_layers(const Json& config, const std::string& where, DecoderOptions& options);

}  // namespace luthier
