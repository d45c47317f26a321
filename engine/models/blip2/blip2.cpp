// SPDX-License-Identifier: GPL-3.0-or-later
// BLIP-2 (Li et al. 2023) and InstructBLIP (Dai et al. 2023) as families: their files, and how a
// picture's queries stand before a question. There is no chat template: a conversation is one
// question, which may be empty, and its answer, which goes on behind it.
#include <string_view>

#include "engine/data/asked_question.h"
#include "engine/models/blip2/blip2_model.h"
#include "engine/models/blip2/blip2_retriever.h"
#include "engine/models/blip2/blip2_t5.h"
#include "engine/models/class_arguments.h"
#include "engine/models/family.h"
#include "engine/models/processor_files.h"
#include "engine/models/two_towers/two_tower_parts.h"

namespace luthier {

namespace {

ProcessorDefaults blip2_processor() { return {"BlipImageProcessor"}; }

/// What is the same whatever the language model: a picture is one frame of the tower's size, and
/// is written as its queries.
Result<ImageTokens> query_marks(const BridgeOptions& options, const std::filesystem::path& folder) {
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
  LUTHIER_TRY(tokens.mark, tokenizer_attribute(folder, "image_token", "<image>"));
  const std::string picture = repeated(tokens.mark, count);
  tokens.expand = [picture](const PixelValues&) { return picture; };
  return tokens;
}

/// The instruction as the Q-Former reads it, whose tokenizer lies in `own`; null: it is not there.
Result<std::vector<TokenId>> instruction(const std::string& question, const QFormerOptions& options,
                                         const Tokenizer* tokenizer,
                                         const std::filesystem::path& own) {
  if (!tokenizer)
    return input_error(
        "The folder has no tokenizer of the Q-Former's own, which reads the instruction, too.",
        own.string(), "Save the model's processor into the model's folder.");
  LUTHIER_TRY(Encoding read, tokenizer->encode(question, /*add_special_tokens=*/true));
  for (const TokenId id : read.ids)
    if (id >= options.vocab_size)
      return input_error("The Q-Former's tokenizer gives the token " + std::to_string(id) +
                             ", and its table has " + std::to_string(options.vocab_size) +
                             " words.",
                         "", "qformer_tokenizer and config.json do not belong together.");
  if (static_cast<std::int64_t>(read.ids.size()) > options.max_position_embeddings)
    return input_error("The question is " + std::to_string(read.ids.size()) +
                           " tokens to the Q-Former, which has " +
                           std::to_string(options.max_position_embeddings) + " positions.",
                       "", "Ask a shorter question.");
  return std::move(read.ids);
}

Result<ImageTokens> blip2_image_tokens(const Blip2Options& options,
                                       const std::filesystem::path& folder) {
  const QFormerOptions& qformer = options.bridge.qformer;
  LUTHIER_TRY(ImageTokens tokens, query_marks(options.bridge, folder));
  std::shared_ptr<const Tokenizer> beside;  // the Q-Former's own
  const std::filesystem::path own = folder / "qformer_tokenizer";
  if (std::error_code ignored; qformer.own_words && std::filesystem::exists(own, ignored)) {
    LUTHIER_TRY(beside, Tokenizer::load(own));
  }
  LUTHIER_TRY(const TokenId end, answer_end(options.text, folder));
  tokens.form = RowForm::PrefixSuffix;
  tokens.ask = [=](const std::string& question) -> Result<std::string> {
    AskedQuestion asked{question, end, {}};
    if (qformer.own_words) {
      LUTHIER_TRY(asked.beside, instruction(question, qformer, beside.get(), own));
    }
    return written(asked);
  };
  return tokens;
}

Result<ImageTokens> blip2_t5_image_tokens(const Blip2T5Options& options,
                                          const std::filesystem::path& folder) {
  LUTHIER_TRY(ImageTokens tokens, query_marks(options.bridge, folder));
  tokens.form = RowForm::SourceAnswer;
  tokens.answer_start = options.text.start;
  tokens.ask = [](const std::string& question) -> Result<std::string> {
    return written({question, -1, {}});
  };
  return tokens;
}

Result<Plan> read_t5_plan(const Json& config, const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  LUTHIER_TRY(const Blip2T5Options options, read_blip2_t5_options(config, where));
  Plan plan;
  plan.build = [options](const torch::TensorOptions& tensors, HeadWeight head) {
    Blip2T5Options chosen = options;
    if (head == HeadWeight::Own) chosen.tie_word_embeddings = false;
    return make_blip2_t5(chosen, tensors);
  };
  plan.pictures =
      PicturePlan{options.image_token_id, blip2_processor(),
                  [options](const auto& files) { return blip2_t5_image_tokens(options, files); }};
  LUTHIER_TRY(const double range, json_number(config, "initializer_range", where, 0.02));
  plan.initializer_range = range;
  plan.initializer_ranges = [options, range](const std::string& name) {
    constexpr std::string_view kText = "language_model.";
    return name.starts_with(kText) ? t5::drawn_range(options.text, name.substr(kText.size()))
                                   : range;
  };
  return plan;
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

/// Pictures stand beside their texts; the mark that Blip2Processor adds to the tokenizer stands in
/// none of them, and the table may lack its row.
Result<Plan> read_retrieval_plan(const Json& config, const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  LUTHIER_TRY(const Blip2RetrievalOptions options, read_blip2_retrieval_options(config, where));
  Plan plan;
  plan.build = [options](const torch::TensorOptions& tensors, HeadWeight) {
    return make_blip2_retriever(options, tensors);
  };
  plan.pictures = pictures_beside("BlipImageProcessor");
  for (const char* key : {"image_token_index", "image_token_id"}) {
    const auto mark = config.find(key);
    if (mark != config.end() && mark->is_number_integer())
      plan.pictures->token_id = mark->get<TokenId>();
  }
  plan.initializer_range = options.initializer_range;
  plan.longest_row = options.bridge.qformer.max_position_embeddings;
  return plan;
}

Result<Plan> read_blip2(const Json& config, const std::filesystem::path& folder) {
  if (is_blip2_retrieval(config)) return read_retrieval_plan(config, folder);
  if (is_blip2_t5(config)) return read_t5_plan(config, folder);
  return read_plan(config, folder, /*instructed=*/false);
}

/// A picture a row, and the instruction as the Q-Former's own tokens.
Status instructblip_given(const GivenArguments& given, const Json&, ModelInput& input) {
  LUTHIER_TRY(const torch::Tensor pixels, given.wanted("pixel_values"));
  LUTHIER_CHECK(given.put_frames(pixels, input));
  LUTHIER_TRY(const FilledUp words, given.text_rows("qformer_input_ids", "qformer_attention_mask"));
  if (words.rows() != pixels.size(0))
    return given.shape_error("qformer_input_ids", "[pictures, length]");
  input.source_ids = words.taken(words.ids);
  input.source_lengths = words.lengths;
  return {};
}

Result<Plan> read_instructblip(const Json& config, const std::filesystem::path& folder) {
  return read_plan(config, folder, /*instructed=*/true);
}

}  // namespace

extern const Family blip_2_family;
const Family blip_2_family{
    "blip-2", /*takes_pictures=*/true, read_blip2, same_name, same_name, nullptr, untie_blip2};
extern const Family instructblip_family;
const Family instructblip_family{.model_type = "instructblip",
                                 .takes_pictures = true,
                                 .read = read_instructblip,
                                 .memory_name = same_name,
                                 .stored_name = same_name,
                                 .by_tensors = {instructblip_given}};

}  // namespace luthier
