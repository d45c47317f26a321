// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gemma/gemma3.h"

#include <cmath>

#include "engine/models/llava/llava_names.h"
#include "engine/models/processor_files.h"
#include "engine/nn/module_cost.h"
#include "engine/nn/products.h"

namespace luthier {

using torch::Tensor;

namespace {

class Gemma3Projector : public PictureProjector {
 public:
  Gemma3Projector(const Gemma3Options& o, const torch::TensorOptions& t)
      : rows_(o.vision.patch_rows()), columns_(o.vision.patch_columns()), pooling_(o.pooling) {
    add_parameter("mm_input_projection_weight", weight_, {o.vision.hidden_size, o.text.hidden_size},
                  t);
    norm_ = register_module(
        "mm_soft_emb_norm",
        RmsNorm(o.vision.hidden_size, o.vision.layer_norm_eps, t, /*centred=*/true));
  }

  Tensor forward(const Tensor& features) override {
    const std::int64_t width = features.size(-1), high = rows_ / pooling_,
                       wide = columns_ / pooling_;
    const Tensor grid = features.view({-1, rows_, columns_, width})
                            .slice(1, 0, high * pooling_)
                            .slice(2, 0, wide * pooling_);
    const Tensor pooled = grid.unflatten(2, {wide, pooling_})
                              .unflatten(1, {high, pooling_})
                              .mean({2, 4});  // [pictures, high, wide, width]
    return linear_product(norm_(pooled.reshape({-1, width})), weight_.t(), {});
  }
  ProjectorCost cost(const Pass& pass) const override {
    const std::int64_t width = weight_.size(0), features = pass.pictures.tokens;
    return {trained_within(pass.terms, *this).trains,
            projector_norm_kept(pass.terms, features, width) +
                projector_kept(pass.terms, features, width, 0, pass.terms.of(*this), {})};
  }

 private:
  std::int64_t rows_, columns_, pooling_;
  Tensor weight_;  // [vision width, text width]: not as a Linear has it
  RmsNorm norm_{nullptr};
};

class Gemma3 : public SiglipGemma {
 public:
  Gemma3(const Gemma3Options& o, const torch::TensorOptions& t)
      : SiglipGemma(o, std::make_shared<Gemma3Projector>(o, t), t),
        image_tokens_(o.mm_tokens_per_image) {}

  TokenSequence embed(const ModelInput& input) override {
    TokenSequence sequence = SiglipGemma::embed(input);
    if (input.pictures.empty()) return sequence;
    const auto made = input.aside.find(kBlocks);
    sequence.blocks = made != input.aside.end() ? made->second : image_blocks(input.input_ids);
    return sequence;
  }

  void prepare(ModelInput& input) const override {
    SiglipGemma::prepare(input);
    if (!input.pictures.empty()) input.aside[kBlocks] = image_blocks(input.input_ids);
  }

  ModelGeometry geometry() const override {
    ModelGeometry g = SiglipGemma::geometry();
    g.image_tokens = image_tokens_;
    return g;
  }

 private:
  static constexpr const char* kBlocks = "blocks";
  std::int64_t image_tokens_;
};

/// Gemma3Processor shows each picture once, whatever the picture processor's own file says.
ProcessorDefaults gemma3_processor() {
  return {"Gemma3ImageProcessor", {{"do_pan_and_scan", false}}};
}

/// The template writes the token that opens a picture; Gemma3Processor puts the picture's tokens
/// and blank lines around it.
Result<ImageTokens> gemma3_image_tokens(const Gemma3Options& options,
                                        const std::filesystem::path& folder) {
  LUTHIER_TRY(const std::int64_t count, processor_count(folder, "image_seq_length", 256));
  LUTHIER_CHECK(check_frame_tokens(count, options.mm_tokens_per_image, folder, "image_seq_length"));
  LUTHIER_TRY([[maybe_unused]] const PixelValues outline,
              frame_outline(folder, gemma3_processor(), 1));
  ImageTokens tokens;
  LUTHIER_TRY(tokens.mark, tokenizer_attribute(folder, "boi_token", "<start_of_image>"));
  LUTHIER_TRY(tokens.token, tokenizer_attribute(folder, "image_token", "<image_soft_token>"));
  LUTHIER_TRY(const std::string end, tokenizer_attribute(folder, "eoi_token", "<end_of_image>"));
  const std::string picture = "\n\n" + tokens.mark + repeated(tokens.token, count) + end + "\n\n";
  tokens.expand = [picture](const PixelValues&) { return picture; };
  return tokens;
}

Result<Plan> read_gemma3(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const Gemma3Options options,
              read_gemma3_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<Gemma3>(options);
  plan.pictures =
      PicturePlan{options.image_token_id, gemma3_processor(),
                  [options](const auto& files) { return gemma3_image_tokens(options, files); }};
  plan.initializer_range = options.text.initializer_range;
  return plan;
}

}  // namespace

Result<Gemma3Options> read_gemma3_options(const Json& config, const std::string& where) {
  Gemma3Options o;
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(const Json text, config_section(config, "text_config", where));
  LUTHIER_CHECK(read_siglip_gemma_options(config, vision, text, {"gemma3_text"}, 262144, where, o));
  if (o.vision.image_height != o.vision.image_width)
    return input_error("The tower's pictures must be square.",
                       where + ": vision_config: image_size");
  LUTHIER_TRY(o.mm_tokens_per_image, json_int(config, "mm_tokens_per_image", where, 256));
  const std::int64_t side = o.vision.patch_rows(), wanted = o.mm_tokens_per_image;
  const bool possible = wanted >= 1 && wanted <= side * side;
  const auto kept =
      possible ? static_cast<std::int64_t>(std::sqrt(static_cast<double>(wanted))) : 1;
  o.pooling = side / kept;
  if (!possible || (side / o.pooling) * (side / o.pooling) != wanted) {
    return input_error(std::to_string(side) + " by " + std::to_string(side) +
                           " patches cannot be pooled to " + std::to_string(wanted) + " tokens.",
                       where + ": mm_tokens_per_image",
                       "It is the square of a number that divides " + std::to_string(side) + ".");
  }
  return o;
}

const Family gemma3_family{.model_type = "gemma3",
                           .takes_pictures = true,
                           .read = read_gemma3,
                           .memory_name = llava_memory_name,
                           .stored_name = llava_stored_name,
                           .by_tensors = {.image_hidden_states = ByTensors::States::ByFrame}};

}  // namespace luthier
