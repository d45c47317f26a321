// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gemma4/gemma4.h"

#include <algorithm>

#include "engine/base/log.h"
#include "engine/models/families.h"
#include "engine/models/processor_files.h"
#include "engine/models/tower_model.h"
#include "engine/nn/module_cost.h"
#include "engine/nn/rms_norm.h"
#include "engine/vision/processor_settings.h"

namespace luthier {

using torch::Tensor;

namespace {

class Gemma4Embedder : public torch::nn::Module {
 public:
  Gemma4Embedder(const Gemma4ModelOptions& o, const torch::TensorOptions& t)
      : epsilon_(o.vision.rms_norm_eps) {
    embedding_projection_ = register_module(
        "embedding_projection", Linear(o.vision.hidden_size, o.text.hidden_size, false, t));
  }
  Tensor forward(const Tensor& features) {
    return embedding_projection_(unweighted_rms_norm(features, epsilon_));
  }
  /// `flows`: a gradient is wanted of the features.
  ProjectorCost cost(const Pass& pass, bool flows) const {
    const StepTerms& terms = pass.terms;
    const TrainedShare share = terms.of(*embedding_projection_);
    const std::int64_t width = embedding_projection_->in_features(), tokens = pass.pictures.tokens;
    ProjectorCost cost;
    cost.trains = share.trains;
    cost.kept = projector_kept(terms, tokens, width, 0, share, {});
    if (flows) cost.kept += terms.block(tokens * width) + terms.floats(tokens) + terms.block(width);
    return cost;
  }

 private:
  double epsilon_;
  Linear embedding_projection_{nullptr};
};

class Gemma4Body : public torch::nn::Module {
 public:
  Gemma4Body(const Gemma4ModelOptions& o, const torch::TensorOptions& t) {
    vision_tower = register_module("vision_tower", std::make_shared<Gemma4Tower>(o.vision, t));
    language_model = register_module("language_model", Decoder(o.text, t));
    embed_vision = register_module("embed_vision", std::make_shared<Gemma4Embedder>(o, t));
  }
  std::shared_ptr<Gemma4Tower> vision_tower;
  Decoder language_model{nullptr};
  std::shared_ptr<Gemma4Embedder> embed_vision;
};

class Gemma4 : public TowerModel {
 public:
  Gemma4(const Gemma4ModelOptions& o, const torch::TensorOptions& t)
      : options_(o), body_(std::make_shared<Gemma4Body>(o, t)) {
    declare_part(kVisionTower, "model.vision_tower.");
    declare_part(kProjector, "model.embed_vision.");
    assemble(body_, body_->language_model, o.tie_word_embeddings, o.image_token_id, t);
  }

  Tensor tower(const ModelInput& input) override { return body_->vision_tower->forward(input); }

  TokenSequence embed(const ModelInput& input) override {
    // What stands for pictures, films and sound is padding to the embeddings.
    Tensor media = input.input_ids == options_.image_token_id;
    for (const TokenId other : options_.other_media)
      media = media.logical_or(input.input_ids == other);
    const Tensor ids = input.input_ids.masked_fill(media, layers().padding);
    TokenSequence sequence;
    sequence.rows = row_layout(input);
    sequence.embeddings = decoder()->embed(ids);
    if (layers().per_layer_width > 0) sequence.ids = ids;
    if (input.pictures.empty()) return sequence;
    const Tensor features =
        project(input.tower_features.defined() ? input.tower_features : tower(input), input);
    sequence.embeddings = place_features(sequence.embeddings, image_places(input), features);
    if (!layers().picture_blocks) return sequence;
    const auto made = input.aside.find(kBlocks);
    sequence.blocks = made != input.aside.end() ? made->second : image_blocks(input.input_ids);
    return sequence;
  }

  void prepare(ModelInput& input) const override {
    TowerModel::prepare(input);
    if (input.pictures.empty()) return;
    if (input.pixel_values.defined()) body_->vision_tower->prepare(input);
    if (layers().picture_blocks) input.aside[kBlocks] = image_blocks(input.input_ids);
  }

  ModelGeometry geometry() const override {  // a picture's patches and tokens go by its size
    VisionSizes sizes;
    sizes.hidden_size = options_.vision.hidden_size;
    sizes.num_hidden_layers = options_.vision.num_hidden_layers;
    sizes.num_attention_heads = options_.vision.num_attention_heads;
    ModelGeometry g = describe(sizes);
    g.patches_per_token = options_.vision.block();
    return g;
  }

  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.patches / options_.vision.block() * options_.vision.hidden_size;
  }

 protected:
  Tensor project(const Tensor& features, const ModelInput&) override {
    return body_->embed_vision->forward(features);
  }
  TowerCost tower_cost(const Pass& pass) const override { return body_->vision_tower->cost(pass); }
  ProjectorCost projector_cost(const Pass& pass) const override {
    return body_->embed_vision->cost(pass, tower_cost(pass).flows);
  }
  bool makes_blocks() const override { return layers().picture_blocks; }

 private:
  const Gemma4Options& layers() const { return *options_.text.gemma4; }

  static constexpr const char* kBlocks = "blocks";
  const Gemma4ModelOptions options_;
  std::shared_ptr<Gemma4Body> body_;
};

ProcessorDefaults gemma4_processor() { return {"Gemma4ImageProcessor"}; }

/// A processor that cuts other patches than the tower takes would fail in the middle of a run.
Status check_gemma4_processor(const Gemma4VisionOptions& tower,
                              const std::filesystem::path& folder) {
  LUTHIER_TRY(const auto settings, detail::read_picture_settings(folder, gemma4_processor()));
  LUTHIER_TRY(const auto processor, ImageProcessor::create(settings.config, settings.where));
  const auto check = [&](const char* key, std::int64_t standard, std::int64_t own) {
    return check_processor_number(settings.config, settings.where, key, standard, own);
  };
  LUTHIER_CHECK(check("patch_size", 16, tower.patch_size));
  LUTHIER_CHECK(check("pooling_kernel_size", 3, tower.pooling));
  const int edge = static_cast<int>(tower.patch_size * tower.pooling);
  LUTHIER_TRY(const PixelValues outline, outline_of(*processor, edge, edge, settings.where));
  if (outline.shape.size() != 2 || outline.shape[1] != tower.patch_values() ||
      outline.grid.size() != 5)
    return other_processor(settings.where, "Gemma4ImageProcessor");
  const std::int64_t longest = outline.grid[4] / tower.pooling;
  if (longest <= tower.positions) return {};
  return input_error(
      "A picture may be " + std::to_string(longest) + " patches long, the tower has places for " +
          std::to_string(tower.positions) + ".",
      settings.where + ": max_soft_tokens", "Processor and weights do not belong together.");
}

/// The template writes one token for a picture; the processor writes as many as there are features,
/// between one that opens and one that closes them.
Result<ImageTokens> gemma4_image_tokens(const Gemma4ModelOptions& o,
                                        const std::filesystem::path& folder) {
  LUTHIER_CHECK(check_gemma4_processor(o.vision, folder));
  if (o.hears)
    log_info((folder / "config.json").string() +
             ": audio_config: The tower for sound is left unread, and what is saved has none.");
  ImageTokens tokens;
  LUTHIER_TRY(tokens.mark, tokenizer_attribute(folder, "image_token", "<|image|>"));
  LUTHIER_TRY(const std::string begin, tokenizer_attribute(folder, "boi_token", "<|image>"));
  LUTHIER_TRY(const std::string end, tokenizer_attribute(folder, "eoi_token", "<image|>"));
  tokens.expand = [begin, end, mark = tokens.mark,
                   block = o.vision.block()](const PixelValues& pixels) {
    return begin + repeated(mark, pixels.grid.at(1) * pixels.grid.at(2) / block) + end;
  };
  return tokens;
}

/// [pictures, the most patches, 3·patch·patch], row by row, zeros behind a picture's own.
Tensor gemma4_layout(const ModelInput& input) {
  std::vector<Tensor> pictures;
  std::int64_t first = 0;
  for (const PictureFacts& picture : input.pictures) {
    const std::int64_t rows = picture.grid.at(1), columns = picture.grid.at(2),
                       side = picture.grid.at(3), most = picture.grid.at(4), count = rows * columns;
    const Tensor patches = input.pixel_values.slice(0, first, first + count)
                               .view({rows / side, columns / side, side, side, -1})
                               .transpose(1, 2)
                               .reshape({count, -1});
    pictures.push_back(at::constant_pad_nd(patches, {0, 0, 0, most - count}));
    first += count;
  }
  return at::stack(pictures);
}

void without_sound(Json& config) {
  if (config.contains("audio_config")) config["audio_config"] = nullptr;
}

Result<Plan> read_gemma4(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const Gemma4ModelOptions options,
              read_gemma4_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<Gemma4>(options);
  plan.pictures =
      PicturePlan{options.image_token_id, gemma4_processor(),
                  [options](const auto& files) { return gemma4_image_tokens(options, files); }};
  plan.initializer_range = options.text.initializer_range;
  return plan;
}

}  // namespace

Result<Gemma4ModelOptions> read_gemma4_options(const Json& config, const std::string& where) {
  Gemma4ModelOptions o;
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(const Json text, config_section(config, "text_config", where));
  LUTHIER_TRY(const Json audio, config_section(config, "audio_config", where));
  if (vision.empty())
    return input_error("The model has no tower for pictures.", where + ": vision_config",
                       "A model that reads text alone has the model_type gemma4_text.");
  o.hears = !audio.empty();
  LUTHIER_TRY(o.vision, read_gemma4_vision(vision, where + ": vision_config"));
  LUTHIER_TRY(o.text, read_decoder_options(text, where + ": text_config", "gemma4_text"));
  if (o.text.model_type != "gemma4_text" || !o.text.gemma4)
    return input_error("The decoder \"" + o.text.model_type + "\" is not this family's.",
                       where + ": text_config: model_type", "It is gemma4_text.");
  LUTHIER_TRY(o.tie_word_embeddings, json_bool(config, "tie_word_embeddings", where, true));
  // They may lie behind the vocabulary: what is looked up in their places is padding.
  constexpr std::int64_t kMostIds = 1 << 24;
  LUTHIER_TRY(o.image_token_id,
              read_image_token(config, {"image_token_id"}, o.image_token_id, kMostIds, where));
  for (const auto& [key, standard] :
       {std::pair{"video_token_id", 258884}, std::pair{"audio_token_id", 258881}}) {
    if (const auto found = config.find(key); found != config.end() && found->is_null()) continue;
    LUTHIER_TRY(const TokenId id, json_int(config, key, where, standard));
    o.other_media.push_back(id);
  }
  return o;
}

const Family gemma4_family{.model_type = "gemma4",
                           .takes_pictures = true,
                           .read = read_gemma4,
                           .memory_name = same_name,
                           .stored_name = same_name,
                           .processor_layout = gemma4_layout,
                           .leave_out = without_sound};

}  // namespace luthier
