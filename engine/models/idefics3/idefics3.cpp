// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/idefics3/idefics3.h"

#include "engine/models/class_arguments.h"
#include "engine/models/processor_files.h"
#include "engine/models/tower_model.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

class Projection : public torch::nn::Module {
 public:
  Projection(std::int64_t in, std::int64_t out, const torch::TensorOptions& t) {
    proj_ = register_module("proj", Linear(in, out, false, t));
  }
  Tensor forward(const Tensor& x) { return proj_(x); }
  ProjectorCost cost(const Pass& pass) const {
    const TrainedShare share = pass.terms.of(*proj_);
    return {share.trains,
            projector_kept(pass.terms, pass.pictures.tokens, proj_->in_features(), 0, share, {})};
  }

 private:
  Linear proj_{nullptr};
};

class Connector : public torch::nn::Module {
 public:
  Connector(const Idefics3Options& o, const torch::TensorOptions& t) {
    const std::int64_t folded = o.vision.hidden_size * o.scale_factor * o.scale_factor;
    modality_projection = register_module(
        "modality_projection", std::make_shared<Projection>(folded, o.text.hidden_size, t));
  }
  std::shared_ptr<Projection> modality_projection;
};

class Idefics3Body : public torch::nn::Module {
 public:
  Idefics3Body(const Idefics3Options& o, const torch::TensorOptions& t) {
    vision_model = register_module("vision_model", VisionTower(o.vision, t));
    connector = register_module("connector", std::make_shared<Connector>(o, t));
    text_model = register_module("text_model", Decoder(o.text, t));
  }
  VisionTower vision_model{nullptr};
  std::shared_ptr<Connector> connector;
  Decoder text_model{nullptr};
};

class Idefics3 : public TowerModel {
 public:
  Idefics3(const Idefics3Options& o, const torch::TensorOptions& t)
      : options_(o), body_(std::make_shared<Idefics3Body>(o, t)) {
    declare_part(kVisionTower, "model.vision_model.");
    declare_part(kProjector, "model.connector.");
    assemble(body_, body_->text_model, o.tie_word_embeddings, o.image_token_id, t);
  }

  Tensor tower(const ModelInput& input) override {
    const Tensor features =
        body_->vision_model->last_hidden_state(input.pixel_values);  // [frames, patches, width]
    const std::int64_t rows = input.pixel_values.size(2) / options_.vision.patch_size,
                       columns = input.pixel_values.size(3) / options_.vision.patch_size;
    return fold_patches(features, rows, columns, options_.scale_factor).flatten(0, 1);
  }

  ModelGeometry geometry() const override {
    ModelGeometry g = describe(options_.vision);
    g.vision_tokens = options_.vision.tokens();
    g.image_tokens = g.vision_tokens / (options_.scale_factor * options_.scale_factor);
    g.patches_per_token = options_.scale_factor * options_.scale_factor;
    return g;
  }

  /// Frames are of any size; all their patches come to tokens.
  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return patches(pictures) * options_.vision.hidden_size;
  }

 protected:
  Tensor project(const Tensor& features, const ModelInput&) override {
    return body_->connector->modality_projection->forward(features);
  }
  TowerCost tower_cost(const Pass& pass) const override {
    return body_->vision_model->cost(pass, patches(pass.pictures),
                                     options_.vision.num_hidden_layers, /*normed=*/true);
  }
  ProjectorCost projector_cost(const Pass& pass) const override {
    return body_->connector->modality_projection->cost(pass);
  }

 private:
  std::int64_t patches(const PictureLoad& pictures) const {
    return pictures.tokens * options_.scale_factor * options_.scale_factor;
  }

  Idefics3Options options_;
  std::shared_ptr<Idefics3Body> body_;
};

Result<ImageTokens> image_tokens(const Idefics3Options& options,
                                 const std::filesystem::path& folder,
                                 const ProcessorDefaults& defaults, const Idefics3Text& text) {
  LUTHIER_TRY(const PixelValues outline, frame_outline(folder, defaults, 2));
  const std::int64_t rows = outline.shape[2] / options.vision.patch_size,
                     columns = outline.shape[3] / options.vision.patch_size;
  LUTHIER_CHECK(check_fold(rows, columns, options.scale_factor,
                           (folder / "config.json").string() + ": scale_factor"));
  LUTHIER_CHECK(check_frame_tokens(text.frame_tokens,
                                   rows * columns / (options.scale_factor * options.scale_factor),
                                   folder, "image_seq_len"));
  ImageTokens tokens;
  tokens.mark = text.image;
  tokens.expand = [text](const PixelValues& pixels) {
    return text.expand(pixels.grid.at(0), pixels.grid.at(1));
  };
  return tokens;
}

/// A film's frames are tiles like a picture's, of the size that comes to so many tokens.
Status check_film_frames(const FilmProcessor& processor, std::int64_t height, std::int64_t width,
                         const std::string& folder) {
  LUTHIER_TRY(const PixelValues outline, processor.outline({64, 64}, 1));
  if (outline.shape == std::vector<std::int64_t>{1, 3, height, width}) return {};
  return input_error("The video processor makes other frames than the picture processor.", folder,
                     "Set max_image_size to one number in both.");
}

Result<ImageTokens> smolvlm_tokens(ImageTokens tokens, const std::filesystem::path& folder,
                                   const ProcessorDefaults& defaults, const Idefics3Text& text) {
  LUTHIER_TRY(const PixelValues tile, frame_outline(folder, defaults, 2));
  FilmTokens films;
  LUTHIER_TRY(films.mark, tokenizer_attribute(folder, "video_token", "<video>"));
  films.processor = "SmolVLMVideoProcessor";
  films.chat_template = kSmolvlmFilmTemplate;
  films.expand = [text](const PixelValues& pixels) { return text.film(*pixels.film); };
  films.check = [height = tile.shape[2], width = tile.shape[3],
                 where = folder.string()](const FilmProcessor& processor) {
    return check_film_frames(processor, height, width, where);
  };
  tokens.films = std::move(films);
  return tokens;
}

/// Idefics3Processor has its tokens' names built in.
Result<Idefics3Text> idefics3_text(const std::filesystem::path&) { return Idefics3Text(); }

/// SmolVLMProcessor asks the tokenizer for them.
Result<Idefics3Text> smolvlm_text(const std::filesystem::path& folder) {
  Idefics3Text text;
  LUTHIER_TRY(text.image, tokenizer_attribute(folder, "image_token", text.image));
  LUTHIER_TRY(text.fake, tokenizer_attribute(folder, "fake_image_token", text.fake));
  LUTHIER_TRY(text.whole, tokenizer_attribute(folder, "global_image_token", text.whole));
  return text;
}

Result<Plan> read_either(const Json& config, const std::filesystem::path& folder,
                         const char* processor,
                         Result<Idefics3Text> (*text)(const std::filesystem::path&), bool films) {
  LUTHIER_TRY(const Idefics3Options options,
              read_idefics3_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<Idefics3>(options);
  const ProcessorDefaults defaults{processor};
  plan.pictures =
      PicturePlan{options.image_token_id, defaults, [=](const auto& files) -> Result<ImageTokens> {
                    LUTHIER_TRY(Idefics3Text written, text(files));
                    LUTHIER_TRY(written.frame_tokens,
                                processor_count(files, "image_seq_len", written.frame_tokens));
                    auto tokens = image_tokens(options, files, defaults, written);
                    if (!tokens || !films) return tokens;
                    return smolvlm_tokens(tokens.take(), files, defaults, written);
                  }};
  plan.initializer_range = options.text.initializer_range;
  return plan;
}

Result<Plan> read_idefics3(const Json& config, const std::filesystem::path& folder) {
  return read_either(config, folder, "Idefics3ImageProcessor", idefics3_text, /*films=*/false);
}

Result<Plan> read_smolvlm(const Json& config, const std::filesystem::path& folder) {
  return read_either(config, folder, "SmolVLMImageProcessor", smolvlm_text, /*films=*/true);
}

/// The processors' pixel_values have the conversations of a batch as their first axis.
Tensor processor_layout(const ModelInput& input) { return input.pixel_values.unsqueeze(0); }

/// The other way round: frames that are 0 all over only fill a row up.
Status given_frames(const GivenArguments& given, const Json&, ModelInput& input) {
  LUTHIER_TRY(const Tensor pixels, given.wanted("pixel_values"));
  if (pixels.dim() == 4) return given.put_frames(pixels, input);
  if (pixels.dim() != 5)
    return given.shape_error("pixel_values", "[rows, frames, 3, height, width]");
  const Tensor frames = pixels.flatten(0, 1),
               kept = frames.flatten(1).ne(0).any(1).nonzero().squeeze(1);
  if (const Tensor* seen = given.find("pixel_attention_mask")) {
    if (seen->dim() != 4 || seen->size(0) * seen->size(1) != frames.size(0))
      return given.shape_error("pixel_attention_mask", "[rows, frames, height, width]");
    LUTHIER_CHECK(given.check_whole(seen->flatten(0, 1).index_select(0, kept)));
  }
  return given.put_frames(frames.index_select(0, kept), input);
}

}  // namespace

std::string Idefics3Text::expand(std::int64_t rows, std::int64_t columns) const {
  const std::string frame = repeated(image, frame_tokens);
  std::string text;
  for (std::int64_t row = 1; row <= rows; ++row) {
    for (std::int64_t column = 1; column <= columns; ++column) {
      text += fake + "<row_" + std::to_string(row) + "_col_" + std::to_string(column) + ">" + frame;
    }
    text += "\n";
  }
  if (!text.empty()) text += "\n";
  return text + fake + whole + frame + fake;
}

Result<Idefics3Options> read_idefics3_options(const Json& config, const std::string& where) {
  Idefics3Options o;
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(Json text, config_section(config, "text_config", where));
  if (text.empty()) text = {{"rms_norm_eps", 1e-5}};  // Idefics3Config's own default decoder
  LUTHIER_TRY(o.vision, read_idefics3_tower_options(vision, where + ": vision_config"));
  LUTHIER_TRY(o.text, read_decoder_options(text, where + ": text_config"));
  LUTHIER_TRY(o.scale_factor, json_int(config, "scale_factor", where, 2));
  if (o.scale_factor < 1 || o.scale_factor > 64) {
    return input_error("scale_factor is " + std::to_string(o.scale_factor) + ", expected 1 to 64.",
                       where + ": scale_factor");
  }
  LUTHIER_TRY(o.tie_word_embeddings, json_bool(config, "tie_word_embeddings", where, false));
  LUTHIER_TRY(o.image_token_id,
              read_image_token(config, {"image_token_id"}, 128257, o.text.vocab_size, where));
  return o;
}

const Family idefics3_family{.model_type = "idefics3",
                             .takes_pictures = true,
                             .read = read_idefics3,
                             .memory_name = same_name,
                             .stored_name = same_name,
                             .processor_layout = processor_layout,
                             .by_tensors = {given_frames, ByTensors::States::ByFrame}};
const Family smolvlm_family = [] {
  Family family = idefics3_family;
  family.model_type = "smolvlm";
  family.read = read_smolvlm;
  return family;
}();

}  // namespace luthier
