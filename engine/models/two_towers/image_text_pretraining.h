// SPDX-License-Identifier: GPL-3.0-or-later
// Beside TwoTowers and PairMatcher, what models offer that are pretrained by contrast, matching and
// writing at once (BLIP, Li et al. 2022; BLIP-2's first stage, Li et al. 2023).
#pragma once

#include "engine/models/model_input.h"
#include "engine/nn/linear.h"

namespace luthier {

/// The temperature that likenesses are divided by is a parameter of the model.
class PretrainedTowers {
 public:
  virtual ~PretrainedTowers() = default;
  /// Whether this folder has it.
  virtual bool learns_temperature() const = 0;
  /// Puts it back between its bounds, where it has some; before a step's loss.
  virtual void hold_temperature() {}
  /// Numbers of a point.
  virtual std::int64_t points_width() const = 0;
};

/// Writes each row's text behind its picture by weights that also tell the two apart
/// (image-grounded text generation).
class PictureTextWriter {
 public:
  virtual ~PictureTextWriter() = default;
  /// Whether this folder has the head of words.
  virtual bool writes() const = 0;
  struct Written {
    torch::Tensor images;  ///< as TwoTowers::image, made on the way
    torch::Tensor states;  ///< [labels, width] as word_head() takes them
    torch::Tensor labels;  ///< [labels] int64: each next token, the text's end among them
  };
  /// Of the rows that have a picture, whose texts begin with [DEC] in the place of their first
  /// token.
  virtual Written write(const ModelInput& input) = 0;
  /// [.., width] → [.., words].
  virtual Linear word_head() = 0;
};

/// Of a row's tokens the share that is covered and said again where the model is an Encoder that
/// sees its picture (FIBER, Dou et al. 2022), as BERT's authors chose it.
inline constexpr double kCoveredShare = 0.15;

/// The rows' tokens but the last of each, and the token behind each of those, of the first `rows`
/// rows: [labels] int64 each, on the ids' device.
struct NextTokens {
  torch::Tensor places, tokens;
};
NextTokens next_tokens(const torch::Tensor& ids, const std::vector<std::int64_t>& lengths,
                       std::size_t rows);

}  // namespace luthier
