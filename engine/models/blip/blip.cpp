// SPDX-License-Identifier: GPL-3.0-or-later
// BLIP (Li et al. 2022) as a family: config.json's `architectures` says whether it writes what a
// picture shows, answers questions about it, or finds texts for it. There is no chat template:
// what is written begins with [DEC], in the place of the tokenizer's first token, and ends with
// [SEP].
#include "engine/data/asked_question.h"
#include "engine/models/bert/text_encoder.h"
#include "engine/models/blip/blip_options.h"
#include "engine/models/two_towers/two_tower_parts.h"

namespace luthier {

namespace blip {

constexpr const char* kProcessor = "BlipImageProcessor";

/// A caption's picture is all that is read, in as many places as it has states; a question is read
/// alone, and looks across to its picture.
Result<ImageTokens> written_marks(const Options& options) {
  constexpr std::int64_t kMostStates = 1 << 20;
  if (options.states() > kMostStates)
    return input_error("A picture comes to " + std::to_string(options.states()) + " states.",
                       "config.json: vision_config: image_size", "Make its patches larger.");
  const bool asked = options.task == Task::Answer;
  ImageTokens tokens;
  tokens.mark.clear();
  tokens.form = RowForm::SourceAnswer;
  tokens.answer_start = options.start;
  const std::string places(asked ? 0 : static_cast<std::size_t>(options.states()), '.');
  tokens.expand = [places](const PixelValues&) { return places; };
  tokens.ask = [asked, end = options.end](const std::string& question) -> Result<std::string> {
    if (asked && question.empty())
      return input_error("The row asks nothing about its picture.", "",
                         "Give rows of a picture, a question and its answer.");
    if (!asked && !question.empty())
      return input_error(
          "The row says something beside its picture, and this model reads pictures alone.", "",
          "Give rows of a picture and its text: {\"image\": \"…\", \"text\": \"…\"}.");
    return written({question, end, {}});
  };
  return tokens;
}

Result<Plan> read(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const Options options, read_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = [options](const torch::TensorOptions& tensors, HeadWeight head) {
    Options chosen = options;
    if (head == HeadWeight::Own) chosen.tie_word_embeddings = false;
    return chosen.task == Task::Retrieve ? make_retriever(chosen, tensors)
                                         : make_writer(chosen, tensors);
  };
  plan.pictures = options.task == Task::Retrieve
                      ? pictures_beside(kProcessor)
                      : PicturePlan{-1, ProcessorDefaults{kProcessor},
                                    [options](const auto&) { return written_marks(options); }};
  plan.initializer_range = options.text_range;
  plan.initializer_ranges = [options](const std::string& name) {
    return name.starts_with("vision_model.") ? options.vision.initializer_range
                                             : options.text_range;
  };
  plan.longest_row = options.text.tables.positions;
  return plan;
}

void untie(Json& config) {
  config["tie_word_embeddings"] = false;
  config["text_config"]["tie_word_embeddings"] = false;
}

}  // namespace blip

extern const Family blip_family;
const Family blip_family = [] {
  Family family{"blip", /*takes_pictures=*/true, blip::read, text_encoder_memory_name, same_name};
  family.untie = blip::untie;
  return family;
}();

}  // namespace luthier
