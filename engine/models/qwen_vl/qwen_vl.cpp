// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/qwen_vl/qwen_vl.h"

#include <algorithm>

#include "engine/models/processor_files.h"
#include "engine/models/qwen_vl/qwen_tower.h"
#include "engine/models/tower_model.h"
#include "engine/vision/processor_settings.h"

namespace luthier {

using torch::Tensor;

namespace {

class Body : public torch::nn::Module {
 public:
  Body(const QwenVlOptions& o, const torch::TensorOptions& t) {
    visual = register_module("visual", std::make_shared<QwenTower>(o.vision, t));
    language_model = register_module("language_model", Decoder(o.text, t));
  }
  std::shared_ptr<QwenTower> visual;
  Decoder language_model{nullptr};
};

class QwenVl : public TowerModel {
 public:
  QwenVl(const QwenVlOptions& o, const torch::TensorOptions& t)
      : options_(o), body_(std::make_shared<Body>(o, t)) {
    declare_part(kProjector, "model.visual.merger.");
    declare_part(kProjector, "model.visual.deepstack_merger_list.");
    declare_part(kProjector, "model.visual.downsample.");
    declare_part(kVisionTower, "model.visual.");
    assemble(body_, body_->language_model, o.tie_word_embeddings, o.image_token_id, t);
  }

  Tensor tower(const ModelInput& input) override {
    return body_->visual->forward(input.pixel_values, grids(input), input.aside);
  }

  TokenSequence embed(const ModelInput& input) override {
    if (input.pictures.empty()) return TowerModel::embed(input);
    ModelInput with = input;
    if (!with.tower_features.defined()) with.tower_features = tower(input);
    TokenSequence sequence = TowerModel::embed(with);
    sequence.deepstack = body_->visual->merge_deepstack(with.tower_features);
    if (!sequence.deepstack.empty()) sequence.deepstack_places = image_places(input);
    if (const auto made = input.aside.find(kPositions); made != input.aside.end()) {
      sequence.positions = made->second;
      sequence.position_offsets = input.aside.at(kPositionOffsets);
      return sequence;
    }
    const MropePositions found = positions(input);
    sequence.positions = found.positions.to(input.input_ids.device());
    sequence.position_offsets = found.offsets.to(input.input_ids.device());
    return sequence;
  }

  void prepare(ModelInput& input) const override {
    TowerModel::prepare(input);
    if (input.pictures.empty()) return;
    if (input.pixel_values.defined()) body_->visual->prepare(grids(input), input.aside);
    const MropePositions found = positions(input);
    input.aside[kPositions] = found.positions, input.aside[kPositionOffsets] = found.offsets;
  }

  ModelGeometry geometry() const override {  // a picture's patches and tokens go by its size
    const QwenVisionOptions& v = options_.vision;
    VisionSizes sizes;
    sizes.hidden_size = v.width, sizes.num_hidden_layers = v.depth;
    sizes.num_attention_heads = v.heads;
    ModelGeometry g = describe(sizes);
    g.patches_per_token = v.block();
    return g;
  }

  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    const auto states = 1 + static_cast<std::int64_t>(options_.vision.reached().size());
    return pictures.patches * options_.vision.width * states;
  }

 protected:
  Tensor project(const Tensor& features, const ModelInput&) override {
    return body_->visual->merge(features);
  }
  TowerCost tower_cost(const Pass& pass) const override { return body_->visual->cost(pass); }
  ProjectorCost projector_cost(const Pass& pass) const override {
    return body_->visual->mergers_cost(pass);
  }
  std::int64_t deepstack_layers() const override {
    return std::min(static_cast<std::int64_t>(options_.vision.reached().size()),
                    num_hidden_layers());
  }

 private:
  std::vector<QwenGrid> grids(const ModelInput& input) const {
    return qwen_grids(input.pictures, options_.vision.merge);
  }
  MropePositions positions(const ModelInput& input) const {
    return mrope_positions(input.input_ids.cpu(), input.lengths, grids(input),
                           options_.image_token_id, options_.vision.merge);
  }

  static constexpr const char *kPositions = "axes", *kPositionOffsets = "position_offsets";

  QwenVlOptions options_;
  std::shared_ptr<Body> body_;
};

/// A processor that cuts other patches than the tower takes would fail in the middle of a run.
Status check_processor(const QwenVisionOptions& tower, const std::filesystem::path& folder,
                       const ProcessorDefaults& defaults) {
  LUTHIER_TRY(const detail::PictureSettings settings,
              detail::read_picture_settings(folder, defaults));
  const auto check = [&](const char* key, std::int64_t standard, std::int64_t expected) {
    return check_processor_number(settings.config, settings.where, key, standard, expected);
  };
  LUTHIER_TRY(const auto processor, ImageProcessor::create(settings.config, settings.where));
  LUTHIER_CHECK(check("patch_size", 14, tower.patch));
  LUTHIER_CHECK(check("temporal_patch_size", 2, tower.temporal));
  LUTHIER_CHECK(check("merge_size", 2, tower.merge));
  const int side = static_cast<int>(4 * tower.patch * tower.merge);
  LUTHIER_TRY(const PixelValues outline, outline_of(*processor, side, side, settings.where));
  if (outline.shape.size() == 2 && outline.shape[1] == tower.patch_values() &&
      outline.grid.size() == 3)
    return {};
  return other_processor(settings.where, defaults.type);
}

Result<ImageTokens> image_tokens(const QwenGeneration& generation, const QwenVlOptions& options,
                                 const std::filesystem::path& folder) {
  LUTHIER_CHECK(check_processor(options.vision, folder, {generation.processor}));
  ImageTokens tokens;
  LUTHIER_TRY(tokens.mark, tokenizer_attribute(folder, "image_token", generation.mark));
  tokens.expand = [block = options.vision.block(), mark = tokens.mark](const PixelValues& pixels) {
    std::string text;
    for (std::int64_t left = pixels.shape.at(0) / block; left > 0; --left) text += mark;
    return text;
  };
  return tokens;
}

}  // namespace

Result<Plan> read_qwen_vl(const QwenGeneration& generation, const Json& config,
                          const std::filesystem::path& folder) {
  LUTHIER_TRY(const QwenVlOptions options,
              read_qwen_vl_options(generation, config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<QwenVl>(options);
  plan.pictures = PicturePlan{
      options.image_token_id, {generation.processor}, [options, &generation](const auto& files) {
        return image_tokens(generation, options, files);
      }};
  plan.initializer_range = options.text.initializer_range;
  return plan;
}

std::string qwen_memory_name(const std::string& stored) {
  if (stored.starts_with("visual.")) return "model." + stored;
  if (stored.starts_with("model.") && !stored.starts_with("model.visual.") &&
      !stored.starts_with("model.language_model.")) {
    return "model.language_model." + stored.substr(6);
  }
  return stored;
}

std::string qwen_old_name(const std::string& memory) {
  if (memory.starts_with("model.visual.")) return memory.substr(6);
  if (memory.starts_with("model.language_model.")) return "model." + memory.substr(21);
  return memory;
}

}  // namespace luthier
