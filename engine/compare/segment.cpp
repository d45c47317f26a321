// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/compare/segment.h"

#include "engine/base/text.h"
#include "engine/data/processor.h"
#include "engine/device/failure.h"
#include "engine/models/clipseg/segmenter.h"
#include "engine/models/loaded_model.h"

namespace luthier {

namespace {

/// A picture and a text as the model takes them; the text says nothing where a picture prompts.
Result<Example> prompted_example(const ChatProcessor& processor,
                                 const std::filesystem::path& picture, const std::string& text) {
  Conversation shown;
  shown.messages.push_back({"user",
                            {ContentPart::of_image(picture),
                             ContentPart::of_text(text.empty() ? std::string("a") : text)},
                            nullptr});
  return processor.encode_caption(shown, 0, picture.string());
}

}  // namespace

Result<std::vector<ProbabilityMap>> segment_picture(const LoadedModel& model,
                                                    const ChatProcessor& processor,
                                                    const std::filesystem::path& picture,
                                                    const std::vector<SegmentPrompt>& prompts) try {
  auto* segmenter = dynamic_cast<Segmenter*>(model.model.get());
  if (!segmenter)
    return input_error("A model of type " + std::string(model.family->model_type) +
                           " does not say which pixels a prompt means.",
                       model.folder.string(), "Such a model is clipseg.");
  if (prompts.empty()) return input_error("There is no prompt.", "--prompt");
  LUTHIER_TRY(const ImageSize size, read_image_size(picture));
  std::vector<Example> examples;
  Segmenter::Rows rows;
  std::int64_t pictures = 0;
  for (const SegmentPrompt& prompt : prompts) {
    if (prompt.picture.empty() && prompt.text.find_first_not_of(" \t\r\n") == std::string::npos)
      return input_error("The prompt is empty.", "--prompt", "Say in words what is sought.");
    // The picture goes through the tower once, with the first prompt.
    const bool first = examples.empty();
    LUTHIER_TRY(
        Example example,
        prompted_example(processor, first || prompt.picture.empty() ? picture : prompt.picture,
                         prompt.text));
    if (!first && prompt.picture.empty()) example.images.clear();
    if (first) ++pictures;
    if (first && !prompt.picture.empty()) {
      LUTHIER_TRY(Example other, prompted_example(processor, prompt.picture, ""));
      example.images.push_back(std::move(other.images.front()));
    }
    rows.pictures.push_back(0);
    rows.prompts.push_back(prompt.picture.empty() ? -1 : pictures++);
    examples.push_back(std::move(example));
  }
  const torch::NoGradGuard no_grad;
  const torch::Tensor logits =
      segmenter->segment(to_device(collate(examples), model.model->device()), rows);
  const torch::Tensor here =
      at::upsample_bilinear2d(logits.sigmoid().unsqueeze(1), {size.height, size.width},
                              /*align_corners=*/false)
          .squeeze(1)
          .clamp(0, 1)
          .cpu()
          .contiguous();
  std::vector<ProbabilityMap> maps;
  const std::int64_t pixels = here[0].numel();
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const float* values = here.const_data_ptr<float>() + static_cast<std::int64_t>(i) * pixels;
    maps.push_back({size.width, size.height, std::vector<float>(values, values + pixels)});
  }
  return maps;
} catch (const std::exception& problem) {
  return device_failure(
      problem,
      machine_error("Memory ran out over the picture.", picture.string(), "Give fewer prompts."),
      machine_error("The picture could not be segmented: " + first_line(problem.what()),
                    picture.string()));
}

}  // namespace luthier
