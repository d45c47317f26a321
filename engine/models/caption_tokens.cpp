// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/caption_tokens.h"

#include <string>

#include "engine/data/asked_question.h"
#include "engine/models/processor_files.h"

namespace luthier {

Status check_one_frame(const std::filesystem::path& folder, const ProcessorDefaults& defaults,
                       std::int64_t height, std::int64_t width) {
  LUTHIER_TRY(const PixelValues outline, frame_outline(folder, defaults, 0));
  const auto& shape = outline.shape;
  if (shape[0] == 1 && shape[2] == height && shape[3] == width) return {};
  return input_error(
      "The picture processor makes " + std::to_string(shape[0]) + " x " + std::to_string(shape[2]) +
          " x " + std::to_string(shape[3]) + ", the tower takes one picture of " +
          std::to_string(height) + " x " + std::to_string(width) + ".",
      folder.string() + ": size", "Processor and config.json do not belong together.");
}

ImageTokens caption_tokens(std::int64_t states, TokenId start, TokenId end) {
  ImageTokens tokens;
  tokens.mark.clear();
  tokens.form = RowForm::SourceAnswer;
  tokens.answer_start = start;
  const std::string places(static_cast<std::size_t>(states), '.');
  tokens.expand = [places](const PixelValues&) { return places; };
  tokens.ask = [end](const std::string& question) -> Result<std::string> {
    if (question.empty()) return written(AskedQuestion{"", end, {}});
    return input_error(
        "The row says something beside its picture, and this model reads pictures alone.", "",
        "Give rows of a picture and its text: {\"image\": \"…\", \"text\": \"…\"}.");
  };
  return tokens;
}

}  // namespace luthier
