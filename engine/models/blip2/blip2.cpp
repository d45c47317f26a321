// SPDX-License-Identifier: GPL-3.0-or-later
// BLIP-2 (Li et al. 2023) and InstructBLIP (Dai et al. 2023) as families: their files, and how a
// picture's queries stand before a question. There is no chat template: a conversation is one
// question, which may be empty, and its answer, which goes on behind it.
#include "engine/data/asked_question.h"
#include "engine/models/blip2/blip2_model.h"
#include "engine/models/family.h"
#include "engine/models/processor_files.h"

namespace luthier {

namespace {

ProcessorDefaults blip2_processor() { return {"BlipImageProcessor"}; }

Result<ImageTokens> blip2_image_tokens(const Blip2Options& options,
                                       const std::filesystem::path& folder) {
  std::shared_ptr<const Tokenizer> beside;  // the Q-Former's own
  const std::filesystem::path own = folder / "qformer_tokenizer";
  const bool instructed = options.qformer.own_words;
  if (std::error_code ignored; instructed && std::filesystem::exists(own, ignored)) {
    LUTHIER_TRY(beside, Tokenizer::load(own));
  }
  LUTHIER_TRY(const PixelValues outline, frame_outline(folder, blip2_processor(), 0));
  const BlipTowerOptions& vision = options.vision;
  if (outline.shape[0] != 1 || outline.shape[2] != vision.image_height ||
      outline.shape[3] != vision.image_width)
    return input_error(
        "The picture processor makes " + std::to_string(outline.shape[0]) + " x " +
            std::to_string(outline.shape[2]) + " x " + std::to_string(outline.shape[3]) +
            ", the tower takes one picture of " + std::to_string(vision.image_height) + " x " +
            std::to_string(vision.image_width) + ".",
        folder.string() + ": size", "Processor and config.json do not belong together.");
  LUTHIER_TRY(const std::int64_t count,
              processor_count(folder, "num_query_tokens", options.qformer.queries));
  LUTHIER_CHECK(check_frame_tokens(count, options.qformer.queries, folder, "num_query_tokens"));
  ImageTokens tokens;
  tokens.form = RowForm::PrefixSuffix;
  LUTHIER_TRY(const TokenId end, answer_end(options.text, folder));
  const std::int64_t words = options.qformer.vocab_size,
                     places = options.qformer.max_position_embeddings;
  tokens.ask = [=](const std::string& question) -> Result<std::string> {
    AskedQuestion asked{question, end, {}};
    if (!instructed) return written(asked);
    if (!beside)
      return input_error(
          "The folder has no tokenizer of the Q-Former's own, which reads the "
          "instruction, too.",
          own.string(), "Save the model's processor into the model's folder.");
    LUTHIER_TRY(Encoding read, beside->encode(question, /*add_special_tokens=*/true));
    for (const TokenId id : read.ids)
      if (id >= words)
        return input_error("The Q-Former's tokenizer gives the token " + std::to_string(id) +
                               ", and its table has " + std::to_string(words) + " words.",
                           "", "qformer_tokenizer and config.json do not belong together.");
    if (static_cast<std::int64_t>(read.ids.size()) > places)
      return input_error("The question is " + std::to_string(read.ids.size()) +
                             " tokens to the Q-Former, which has " + std::to_string(places) +
                             " positions.",
                         "", "Ask a shorter question.");
    asked.beside = std::move(read.ids);
    return written(asked);
  };
  LUTHIER_TRY(tokens.mark, tokenizer_attribute(folder, "image_token", "<image>"));
  const std::string picture = repeated(tokens.mark, count);
  tokens.expand = [picture](const PixelValues&) { return picture; };
  return tokens;
}

Result<Plan> read_plan(const Json& config, const std::filesystem::path& folder, bool instructed) {
  const std::string where = (folder / "config.json").string();
  LUTHIER_TRY(const Blip2Options options, read_blip2_options(config, where, instructed));
  Plan plan;
  plan.build = builder<Blip2Model>(options);
  plan.pictures =
      PicturePlan{options.image_token_id, blip2_processor(),
                  [options](const auto& files) { return blip2_image_tokens(options, files); }};
  LUTHIER_TRY(plan.initializer_range, json_number(config, "initializer_range", where, 0.02));
  plan.longest_row = options.text.longest_row;
  return plan;
}

Result<Plan> read_blip2(const Json& config, const std::filesystem::path& folder) {
  return read_plan(config, folder, /*instructed=*/false);
}

Result<Plan> read_instructblip(const Json& config, const std::filesystem::path& folder) {
  return read_plan(config, folder, /*instructed=*/true);
}

}  // namespace

extern const Family blip_2_family;
const Family blip_2_family{"blip-2", /*takes_pictures=*/true, read_blip2, same_name, same_name};
extern const Family instructblip_family;
const Family instructblip_family{"instructblip", /*takes_pictures=*/true, read_instructblip,
                                 same_name, same_name};

}  // namespace luthier
