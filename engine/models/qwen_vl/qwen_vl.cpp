// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/qwen_vl/qwen_vl.h"

#include <algorithm>
#include <cstdio>

#include "engine/models/processor_files.h"
#include "engine/models/qwen_vl/qwen_tower.h"
#include "engine/models/tower_model.h"
#include "engine/vision/processor_settings.h"

namespace luthier {

using torch::Tensor;

namespace {

class QwenVlBody : public torch::nn::Module {
 public:
  QwenVlBody(const QwenVlOptions& o, const torch::TensorOptions& t) {
    visual = register_module("visual", std::make_shared<QwenTower>(o.vision, t));
    language_model = register_module("language_model", Decoder(o.text, t));
  }
  std::shared_ptr<QwenTower> visual;
  Decoder language_model{nullptr};
};

class QwenVl : public TowerModel {
 public:
  QwenVl(const QwenVlOptions& o, const torch::TensorOptions& t)
      : options_(o), body_(std::make_shared<QwenVlBody>(o, t)) {
    declare_part(kProjector, "model.visual.merger.");
    declare_part(kProjector, "model.visual.deepstack_merger_list.");
    declare_part(kProjector, "model.visual.downsample.");
    declare_part(kVisionTower, "model.visual.");
    assemble(body_, body_->language_model, o.tie_word_embeddings, o.image_token_id, t);
    film_token_ = o.film_token_id;
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
    std::vector<QwenGrid> placed;
    const std::vector<QwenGrid> shown = grids(input);
    for (std::size_t i = 0; i < shown.size(); ++i) {
      QwenGrid grid = shown[i];
      const auto& seconds = input.pictures[i].step_seconds;
      // In whole seconds, of a number that transformers holds in float32.
      if (seconds && options_.vision.tokens_per_second > 0)
        grid.step = options_.vision.tokens_per_second *
                    static_cast<std::int64_t>(static_cast<float>(*seconds));
      const bool apart = seconds && options_.written_times;
      const std::int64_t pieces = apart ? grid.frames : 1;
      if (apart) grid.frames = 1;
      placed.insert(placed.end(), static_cast<std::size_t>(pieces), grid);
    }
    MropePositions found =
        mrope_positions(input.input_ids.cpu(), input.lengths, placed, options_.image_token_id,
                        has_films(input) ? film_token_ : -1, options_.vision.merge);
    if (!input.trunks.empty()) go_on_from_trunks(input, found);
    return found;
  }

  /// A fork's places are text's behind its trunk's.
  static void go_on_from_trunks(const ModelInput& input, MropePositions& found) {
    std::int64_t start = 0;
    for (std::size_t row = 0; row < input.lengths.size(); ++row) {
      const std::int64_t trunk = input.trunks[row], end = start + input.lengths[row];
      if (trunk >= 0)
        found.positions.slice(1, start, end) +=
            found.offsets[trunk].cpu() + input.lengths[static_cast<std::size_t>(trunk)];
      start = end;
    }
  }

  static constexpr const char *kPositions = "axes", *kPositionOffsets = "position_offsets";

  QwenVlOptions options_;
  std::shared_ptr<QwenVlBody> body_;
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

/// The same of the video processor, which a film's row is told of.
Status check_film_processor(const QwenVisionOptions& tower, const FilmProcessor& processor,
                            const std::string& folder) {
  const int side = static_cast<int>(4 * tower.patch * tower.merge);
  LUTHIER_TRY(const PixelValues outline, processor.outline({side, side}, tower.temporal));
  if (outline.shape.size() == 2 && outline.shape[1] == tower.patch_values() &&
      outline.grid.size() == 3 && outline.grid[0] == 1 && processor.merge_size() == tower.merge)
    return {};
  return input_error("The video processor cuts other patches than the tower takes.", folder,
                     "Processor and weights do not belong together.");
}

std::string marks_of(const PixelValues& pixels, std::int64_t block, const std::string& mark) {
  return repeated(mark, pixels.shape.at(0) / block);
}

/// Each step's time in words and its marks between those of a picture.
Result<std::function<std::string(const PixelValues&)>> timed_steps(
    const std::filesystem::path& folder, std::int64_t block, const std::string& mark) {
  LUTHIER_TRY(const std::string begin,
              tokenizer_attribute(folder, "vision_start_token", "<|vision_start|>"));
  LUTHIER_TRY(const std::string end,
              tokenizer_attribute(folder, "vision_end_token", "<|vision_end|>"));
  return std::function([begin, end, block, mark](const PixelValues& pixels) {
    std::string text;
    const std::int64_t tokens = pixels.grid.at(1) * pixels.grid.at(2) / block;
    for (const double second : pixels.film->middles) {
      char time[64];
      std::snprintf(time, sizeof time, "<%.1f seconds>", second);
      text += time + begin + repeated(mark, tokens) + end;
    }
    return text;
  });
}

Result<ImageTokens> image_tokens(const QwenGeneration& generation, const QwenVlOptions& options,
                                 const std::filesystem::path& folder) {
  LUTHIER_CHECK(check_processor(options.vision, folder, {generation.processor}));
  ImageTokens tokens;
  LUTHIER_TRY(tokens.mark, tokenizer_attribute(folder, "image_token", generation.mark));
  const std::int64_t block = options.vision.block();
  tokens.expand = [block, mark = tokens.mark](const PixelValues& pixels) {
    return marks_of(pixels, block, mark);
  };
  if (options.film_token_id < 0) return tokens;
  FilmTokens films;
  LUTHIER_TRY(films.mark, tokenizer_attribute(folder, "video_token", generation.film_mark));
  films.token_id = options.film_token_id, films.processor = generation.film_processor;
  films.expand = [block, mark = films.mark](const PixelValues& pixels) {
    return marks_of(pixels, block, mark);
  };
  if (generation.written_times) {
    LUTHIER_TRY(films.expand, timed_steps(folder, block, films.mark));
  }
  films.check = [tower = options.vision, where = folder.string()](const FilmProcessor& processor) {
    return check_film_processor(tower, processor, where);
  };
  tokens.films = std::move(films);
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
  plan.pictures->films = options.film_token_id >= 0;
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
