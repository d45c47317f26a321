// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gemma3n/gemma3n.h"

#include <algorithm>
#include <cmath>

#include "engine/base/log.h"
#include "engine/models/family.h"
#include "engine/models/gemma3n/mobilenet_tower.h"
#include "engine/models/processor_files.h"

namespace luthier {

using torch::Tensor;

namespace {

class Gemma3nBody : public torch::nn::Module {
 public:
  Gemma3nBody(const Gemma3nModelOptions& o, const torch::TensorOptions& t) {
    vision_tower = register_module("vision_tower", std::make_shared<MobileNetTower>(o.tower, t));
    language_model = register_module("language_model", Decoder(o.text, t));
    embed_vision = embedder("embed_vision", o.vision, o, t);
    embed_audio = embedder("embed_audio", o.audio, o, t);
  }
  std::shared_ptr<MobileNetTower> vision_tower;
  Decoder language_model{nullptr};
  std::shared_ptr<MediaEmbedder> embed_vision, embed_audio;

 private:
  std::shared_ptr<MediaEmbedder> embedder(const char* name, const MediaOptions& media,
                                          const Gemma3nModelOptions& o,
                                          const torch::TensorOptions& t) {
    return register_module(name, std::make_shared<MediaEmbedder>(media, o.text.hidden_size, t));
  }
};

class Gemma3n : public TowerModel {
 public:
  Gemma3n(const Gemma3nModelOptions& o, const torch::TensorOptions& t)
      : options_(o), body_(std::make_shared<Gemma3nBody>(o, t)) {
    declare_part(kVisionTower, "model.vision_tower.");
    declare_part(kProjector, "model.embed_vision.");
    declare_part(kProjector, "model.embed_audio.");
    assemble(body_, body_->language_model, o.tie_word_embeddings, o.image_token_id, t);
  }

  Tensor tower(const ModelInput& input) override {
    return body_->vision_tower->forward(input.pixel_values).flatten(0, 1);
  }

  TokenSequence embed(const ModelInput& input) override {
    TokenSequence sequence;
    sequence.rows = row_layout(input);
    sequence.ids = input.input_ids;
    const std::int64_t sound = options_.audio.first;
    const Tensor words = decoder()->embed(input.input_ids);
    sequence.embeddings =
        body_->embed_audio->placed(body_->embed_vision->placed(words, input.input_ids, sound - 1),
                                   input.input_ids, options_.audio.last());
    if (input.pictures.empty()) return sequence;
    const Tensor features =
        project(input.tower_features.defined() ? input.tower_features : tower(input), input);
    sequence.embeddings = place_features(sequence.embeddings, image_places(input), features);
    return sequence;
  }

  ModelGeometry geometry() const override {
    VisionSizes sizes;
    sizes.hidden_size = options_.tower.hidden_size;
    sizes.num_hidden_layers = sizes.num_attention_heads = 0;
    for (const auto& stage : options_.tower.stages) {
      for (const MobileBlock& block : stage) {
        ++sizes.num_hidden_layers;
        if (block.kind == MobileBlock::Kind::Attention)
          sizes.num_attention_heads = std::max(sizes.num_attention_heads, block.heads);
      }
    }
    ModelGeometry g = describe(sizes);
    g.vision_tokens = g.image_tokens = options_.tower.features();
    return g;
  }

  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.frames * options_.tower.features() * options_.tower.hidden_size;
  }

 protected:
  Tensor project(const Tensor& features, const ModelInput&) override {
    return body_->embed_vision->soft(features *
                                     std::sqrt(static_cast<double>(options_.tower.hidden_size)));
  }

  TowerCost tower_cost(const Pass& pass) const override {
    const std::int64_t frames = std::max<std::int64_t>(1, pass.pictures.frames);
    const auto side = static_cast<std::int64_t>(std::sqrt(
        static_cast<double>(pass.pictures.numbers) / (3.0 * static_cast<double>(frames))));
    return body_->vision_tower->cost(pass.terms, pass.pictures.frames, side, side);
  }

  ProjectorCost projector_cost(const Pass& pass) const override {
    return body_->embed_vision->cost(pass.terms, pass.pictures.tokens, tower_cost(pass).flows);
  }

  DecoderEntry add_entry_cost(const Pass& pass, PassCost& cost) const override {
    DecoderEntry entry = TowerModel::add_entry_cost(pass, cost);
    for (const auto& media : {body_->embed_vision, body_->embed_audio}) {
      if (!media->trains(pass.terms)) continue;
      const std::int64_t kept = media->placed_kept(pass.terms, pass.tokens);
      cost.stages.push_back({kept, {{kept, 0}}, 0});
      entry.flows = true;
    }
    return entry;
  }

 private:
  const Gemma3nModelOptions options_;
  std::shared_ptr<Gemma3nBody> body_;
};

ProcessorDefaults gemma3n_processor() { return {"SiglipImageProcessor"}; }

/// The template writes one token for a picture; Gemma3nProcessor as many as there are features,
/// between one that opens and one that closes them, with blank lines around.
Result<ImageTokens> gemma3n_image_tokens(std::int64_t features,
                                         const std::filesystem::path& folder) {
  log_info((folder / "config.json").string() +
           ": audio_config: The tower for sound is left unread, and what is saved has none.");
  LUTHIER_TRY(const std::int64_t count, processor_count(folder, "image_seq_length", 256));
  LUTHIER_CHECK(check_frame_tokens(count, features, folder, "image_seq_length"));
  LUTHIER_TRY([[maybe_unused]] const PixelValues outline,
              frame_outline(folder, gemma3n_processor(), 0));
  ImageTokens tokens;
  LUTHIER_TRY(tokens.mark, tokenizer_attribute(folder, "image_token", "<image_soft_token>"));
  LUTHIER_TRY(const std::string begin,
              tokenizer_attribute(folder, "boi_token", "<start_of_image>"));
  LUTHIER_TRY(const std::string end, tokenizer_attribute(folder, "eoi_token", "<end_of_image>"));
  const std::string picture = "\n\n" + begin + repeated(tokens.mark, count) + end + "\n\n";
  tokens.expand = [picture](const PixelValues&) { return picture; };
  return tokens;
}

Result<Plan> read_gemma3n(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const Gemma3nModelOptions options,
              read_gemma3n_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<Gemma3n>(options);
  plan.pictures = PicturePlan{options.image_token_id, gemma3n_processor(),
                              [features = options.tower.features()](const auto& files) {
                                return gemma3n_image_tokens(features, files);
                              }};
  plan.initializer_range = options.text.initializer_range;
  return plan;
}

/// Each token of media has a row in its table.
Status check_media(const Gemma3nModelOptions& o, const std::string& where) {
  if (o.vision.first + o.vision.vocabulary < o.audio.first)
    return input_error("Tokens from " + std::to_string(o.vision.last() + 1) + " to " +
                           std::to_string(o.audio.first - 1) + " have no embedding.",
                       where + ": vision_config: vocab_size");
  if (o.audio.first < o.vision.first)
    return input_error("Tokens of sound begin before those of pictures.",
                       where + ": audio_config: vocab_offset");
  if (o.audio.first + o.audio.vocabulary < o.text.vocab_size)
    return input_error(
        "Tokens from " + std::to_string(o.audio.last() + 1) + " on have no embedding.",
        where + ": audio_config: vocab_size");
  return {};
}

}  // namespace

Result<Gemma3nModelOptions> read_gemma3n_options(const Json& config, const std::string& where) {
  Gemma3nModelOptions o;
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(const Json audio, config_section(config, "audio_config", where));
  LUTHIER_TRY(const Json text, config_section(config, "text_config", where));
  LUTHIER_TRY(o.tower, read_mobilenet_options(vision, where + ": vision_config"));
  LUTHIER_CHECK(read_media_options(vision, where + ": vision_config", o.vision));
  LUTHIER_CHECK(read_media_options(audio, where + ": audio_config", o.audio));
  LUTHIER_TRY(o.text, read_decoder_options(text, where + ": text_config", "gemma3n_text"));
  if (!o.text.gemma3n)
    return input_error("The decoder \"" + o.text.model_type + "\" is not this family's.",
                       where + ": text_config: model_type", "It is gemma3n_text.");
  LUTHIER_TRY(o.tie_word_embeddings, json_bool(config, "tie_word_embeddings", where, true));
  LUTHIER_TRY(o.image_token_id, read_image_token(config, {"image_token_id"}, o.image_token_id,
                                                 o.text.vocab_size, where));
  LUTHIER_TRY(const std::int64_t count,
              json_int(config, "vision_soft_tokens_per_image", where, 256));
  if (count != o.tower.features())
    return input_error("The tower gives " + std::to_string(o.tower.features()) +
                           " features a picture, and here are " + std::to_string(count) + ".",
                       where + ": vision_soft_tokens_per_image");
  LUTHIER_CHECK(check_media(o, where));
  return o;
}

extern const Family gemma3n_family;
const Family gemma3n_family{.model_type = "gemma3n",
                            .takes_pictures = true,
                            .read = read_gemma3n,
                            .memory_name = same_name,
                            .stored_name = same_name,
                            .by_tensors = {.image_hidden_states = ByTensors::States::ByFrame}};

}  // namespace luthier
