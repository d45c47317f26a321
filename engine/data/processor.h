// SPDX-License-Identifier: GPL-3.0-or-later
// Conversation → what the model gets: chat template, image-token expansion, token ids, labels, pixels. This is the part of a
// transformers processor plus the labelling that TRL's collators do; families differ only in how a picture's place is written
// into the text (ImageTokens).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/data/conversation.h"
#include "engine/text/chat_template.h"
#include "engine/text/tokenizer.h"
#include "engine/vision/image_processor.h"

namespace luthier {

inline constexpr std::int64_t kIgnoreLabel = -100;

enum class LossOn { Completion, Assistant, All };   ///< see the recipe's loss_on

/// One example, before batching.
struct Example {
  std::vector<TokenId> input_ids;
  std::vector<std::int64_t> labels;       ///< same length; kIgnoreLabel where no loss
  std::vector<PixelValues> images;        ///< in the order they stand in the text
  std::int64_t truncated_tokens = 0;      ///< how many max_length cut off
};

/// How a family writes a picture into the text: the mark that templates put there, and the replacement for the i-th
/// picture once its pixels are known (an empty function means: repeat the mark `tokens` times).
struct ImageTokens {
  std::string mark = "<image>";
  std::function<std::string(const PixelValues&)> expand;
};

class ChatProcessor {
 public:
  /// Reads tokenizer, template and image processor of a folder. `image_tokens` comes from the family's row.
  static Result<std::shared_ptr<const ChatProcessor>> load(const std::filesystem::path& folder, ImageTokens image_tokens,
                                                            TokenId image_token_id, const PixelLimits& limits = {});

  /// A training example. `max_length` <= 0: no limit; longer rows are cut at the end, but never inside the picture tokens (an Input error).
  /// Labels by `loss_on`; image tokens never carry a label. `where` names the row in errors.
  Result<Example> encode_training(const Conversation& conversation, LossOn loss_on, std::int64_t max_length, const std::string& where) const;
  /// A prompt: the messages (without a trailing assistant turn) with the generation prompt added. labels stay empty.
  Result<Example> encode_prompt(const Conversation& conversation, const std::string& where) const;
  /// Counts tokens without decoding pixels' values more than needed: the lengths that checks and the forecast use.
  Result<std::int64_t> count_tokens(const Conversation& conversation, const std::string& where) const;

  const Tokenizer& tokenizer() const { return *tokenizer_; }
  const ImageProcessor& image_processor() const { return *image_processor_; }
  TokenId image_token_id() const { return image_token_id_; }

 private:
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<ChatTemplate> template_;
  std::unique_ptr<ImageProcessor> image_processor_;
  ImageTokens image_tokens_;
  TokenId image_token_id_ = -1;
};

}  // namespace luthier
