// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gemma/paligemma.h"

#include "engine/models/llava/llava_names.h"
#include "engine/models/prefix_reader.h"
#include "engine/models/processor_files.h"
#include "engine/vision/processor_settings.h"

namespace luthier {

using torch::Tensor;

namespace {

class PaliGemmaProjector : public PictureProjector {
 public:
  PaliGemmaProjector(const SiglipGemmaOptions& o, const torch::TensorOptions& t) {
    linear_ = register_module("linear", Linear(o.vision.hidden_size, o.text.hidden_size, true, t));
  }
  Tensor forward(const Tensor& features) override { return linear_(features); }
  ProjectorCost cost(const Pass& pass) const override {
    const TrainedShare share = pass.terms.of(*linear_);
    return {share.trains,
            projector_kept(pass.terms, pass.pictures.tokens, linear_->in_features(), 0, share, {})};
  }

 private:
  Linear linear_{nullptr};
};

class PaliGemma : public SiglipGemma, public PrefixReader {
 public:
  bool reads_prefix() const override { return true; }
  PaliGemma(const SiglipGemmaOptions& o, const torch::TensorOptions& t)
      : SiglipGemma(o, std::make_shared<PaliGemmaProjector>(o, t), t) {}

  TokenSequence embed(const ModelInput& input) override {
    TokenSequence sequence = SiglipGemma::embed(input);
    if (input.prompt_lengths.empty())
      return sequence;  // decoding goes on; the cache knows the offset
    const torch::Device device = input.input_ids.device();
    const auto made = input.aside.find(kPrompts);
    sequence.blocks = made != input.aside.end() ? made->second : blocks(input).to(device);
    sequence.positions = sequence.rows.positions(device) + 1;
    sequence.position_offsets =
        torch::ones({sequence.rows.rows()}, torch::TensorOptions(device).dtype(torch::kInt64));
    return sequence;
  }

  void prepare(ModelInput& input) const override {
    SiglipGemma::prepare(input);
    if (!input.prompt_lengths.empty()) input.aside[kPrompts] = blocks(input);
  }

 private:
  static constexpr const char* kPrompts = "prompts";

  /// A row's prompt, its picture's tokens among it, is a block.
  static torch::Tensor blocks(const ModelInput& input) {
    std::vector<std::int64_t> blocks;
    for (std::size_t row = 0; row < input.lengths.size(); ++row) {
      blocks.resize(blocks.size() + static_cast<std::size_t>(input.prompt_lengths[row]), 0);
      blocks.resize(
          blocks.size() + static_cast<std::size_t>(input.lengths[row] - input.prompt_lengths[row]),
          -1);
    }
    return torch::tensor(blocks, torch::kInt64);
  }
};

ProcessorDefaults paligemma_processor() { return {"SiglipImageProcessor"}; }

Result<ImageTokens> paligemma_image_tokens(const SiglipGemmaOptions& options,
                                           const std::filesystem::path& folder) {
  LUTHIER_TRY([[maybe_unused]] const PixelValues outline,
              frame_outline(folder, paligemma_processor(), 0));
  LUTHIER_TRY(const detail::PictureSettings pictures,
              detail::read_picture_settings(folder, paligemma_processor()));
  LUTHIER_TRY(const std::int64_t count, json_int(pictures.config, "image_seq_length",
                                                 pictures.where, options.vision.tokens()));
  if (count != options.vision.tokens()) {
    return input_error(
        "A picture is written as " + std::to_string(count) + " tokens and comes to " +
            std::to_string(options.vision.tokens()) + " features.",
        pictures.where + ": image_seq_length", "Processor and config.json do not belong together.");
  }
  ImageTokens tokens;
  tokens.form = RowForm::PrefixSuffix;
  LUTHIER_TRY(tokens.mark, tokenizer_attribute(folder, "image_token", "<image>"));
  const std::string picture = repeated(tokens.mark, count);
  tokens.expand = [picture](const PixelValues&) { return picture; };
  return tokens;
}

Result<Plan> read_paligemma(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const SiglipGemmaOptions options,
              read_paligemma_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<PaliGemma>(options);
  plan.pictures =
      PicturePlan{options.image_token_id, paligemma_processor(),
                  [options](const auto& files) { return paligemma_image_tokens(options, files); }};
  plan.initializer_range = options.text.initializer_range;
  return plan;
}

}  // namespace

Result<SiglipGemmaOptions> read_paligemma_options(const Json& config, const std::string& where) {
  SiglipGemmaOptions o;
  LUTHIER_TRY(Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(Json text, config_section(config, "text_config", where));
  if (vision.empty()) {  // PaliGemmaConfig's own default tower and decoder
    vision = {{"intermediate_size", 4096}, {"hidden_size", 1152},     {"patch_size", 14},
              {"image_size", 224},         {"num_hidden_layers", 27}, {"num_attention_heads", 16},
              {"vision_use_head", false}};
  }
  if (text.empty()) {
    LUTHIER_TRY(const std::int64_t vocabulary, json_int(config, "vocab_size", where, 257152));
    text = {{"hidden_size", 2048},      {"num_hidden_layers", 18},  {"intermediate_size", 16384},
            {"num_attention_heads", 8}, {"num_key_value_heads", 1}, {"vocab_size", vocabulary}};
  }
  text.erase("use_bidirectional_attention");  // what the prefix does anyway
  LUTHIER_CHECK(
      read_siglip_gemma_options(config, vision, text, {"gemma", "gemma2"}, 256000, where, o));
  LUTHIER_TRY(const std::int64_t projection, json_int(config, "projection_dim", where, 2048));
  if (projection != o.text.hidden_size) {
    return input_error("The projector makes " + std::to_string(projection) +
                           " features, the decoder takes " + std::to_string(o.text.hidden_size) +
                           ".",
                       where + ": projection_dim", "It must be the decoder's hidden_size.");
  }
  return o;
}

const Family paligemma_family{.model_type = "paligemma",
                              .takes_pictures = true,
                              .read = read_paligemma,
                              .memory_name = llava_memory_name,
                              .stored_name = llava_stored_name,
                              .by_tensors = {.image_hidden_states = ByTensors::States::ByFrame}};

}  // namespace luthier
