// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/chameleon/chameleon.h"

#include "engine/models/processor_files.h"
#include "engine/models/tower_model.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

class Chameleon : public TowerModel {
 public:
  Chameleon(const ChameleonOptions& o, const torch::TensorOptions& t)
      : options_(o), words_(torch::tensor(o.words, torch::kInt64)) {
    Decoder decoder(o.text, t);
    vqmodel_ = decoder->register_module("vqmodel", std::make_shared<CodeTower>(o.codes, t));
    declare_part(kVisionTower, "model.vqmodel.");
    assemble(decoder.ptr(), decoder, o.tie_word_embeddings, o.image_token_id, t);
  }

  /// Which words the pictures are: [pictures · places, 1] int64.
  Tensor tower(const ModelInput& input) override {
    const Tensor codes = vqmodel_->forward(input.pixel_values);
    if (words_.device() != codes.device()) words_ = words_.to(codes.device());
    return words_.index_select(0, codes).unsqueeze(1);
  }

  /// With what hides the pictures' words, in the place of a bias.
  Linear head() override {
    Linear own = TowerModel::head();
    const torch::ScalarType type = own->weight.dtype();
    const torch::Device device = own->weight.device();
    if (!own->bias.defined() || own->bias.scalar_type() != type || own->bias.device() != device) {
      const double lowest = type == torch::kFloat16    ? -65504.0
                            : type == torch::kBFloat16 ? -3.3895313892515355e38
                                                       : -3.4028234663852886e38;
      own->bias = torch::zeros({options_.text.vocab_size}, torch::kFloat64)
                      .index_fill_(0, words_.to(torch::kCPU), lowest)
                      .to(type)
                      .to(device);
    }
    return own;
  }

  ModelGeometry geometry() const override {
    VisionSizes sizes;
    sizes.hidden_size = options_.codes.width;
    sizes.num_hidden_layers = sizes.num_attention_heads = 0;
    ModelGeometry g = describe(sizes);
    g.vision_tokens = g.image_tokens = options_.codes.tokens();
    g.image_height = g.image_width = options_.codes.resolution;
    return g;
  }

  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.frames * options_.codes.tokens();
  }

 protected:
  Tensor project(const Tensor& features, const ModelInput&) override {
    return decoder()->embed(features.view({-1}));
  }
  TowerCost tower_cost(const Pass& pass) const override {
    TowerCost cost;
    cost.unreached = trained_within(pass.terms, *vqmodel_).parameters;
    return cost;
  }
  ProjectorCost projector_cost(const Pass& pass) const override {
    return {pass.terms.of(*decoder()->embed_tokens).trains};
  }

 private:
  const ChameleonOptions options_;
  Tensor words_;  // [codes], where the tower is
  std::shared_ptr<CodeTower> vqmodel_;
};

ProcessorDefaults chameleon_processor() { return {"ChameleonImageProcessor"}; }

Result<ImageTokens> chameleon_image_tokens(const ChameleonOptions& options,
                                           const std::filesystem::path& folder) {
  LUTHIER_TRY(const PixelValues outline, frame_outline(folder, chameleon_processor(), 0));
  if (outline.shape[2] != options.codes.resolution || outline.shape[3] != options.codes.resolution)
    return input_error("The picture processor makes pictures of " +
                           std::to_string(outline.shape[2]) + " x " +
                           std::to_string(outline.shape[3]) + " pixels, the model takes " +
                           std::to_string(options.codes.resolution) + ".",
                       folder.string(), "Processor and weights do not belong together.");
  LUTHIER_TRY(const std::int64_t count, processor_count(folder, "image_seq_length", 1024));
  LUTHIER_CHECK(check_frame_tokens(count, options.codes.tokens(), folder, "image_seq_length"));
  ImageTokens tokens;
  LUTHIER_TRY(const std::string mark, processor_token(folder, "image_token", "<image>"));
  LUTHIER_TRY(tokens.mark, tokenizer_attribute(folder, "image_token", mark));
  LUTHIER_TRY(const std::string start, tokenizer_attribute(folder, "boi_token", "<racm3:break>"));
  LUTHIER_TRY(const std::string end, tokenizer_attribute(folder, "eoi_token", "<eoss>"));
  LUTHIER_TRY(const std::string turn, tokenizer_attribute(folder, "sep_token", "<reserved08706>"));
  const std::string picture = start + repeated(tokens.mark, count) + end;
  tokens.expand = [picture](const PixelValues&) { return picture; };
  // Whatever is read, the processor writes a turn's end behind it.
  tokens.ask = [turn](const std::string& text) -> Result<std::string> { return text + turn; };
  return tokens;
}

Result<Plan> read_chameleon(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const ChameleonOptions options,
              read_chameleon_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<Chameleon>(options);
  plan.pictures =
      PicturePlan{options.image_token_id, chameleon_processor(),
                  [options](const auto& files) { return chameleon_image_tokens(options, files); }};
  plan.initializer_range = options.text.initializer_range;
  return plan;
}

/// The words IMGIMG…, whose letters A to J are the digits of a code, behind them one more.
Status read_code_words(const Json& map, const std::string& where, ChameleonOptions& o) {
  constexpr std::string_view kCode = "IMGIMG";
  o.words.assign(static_cast<std::size_t>(o.codes.codes), -1);
  for (const auto& [name, id] : map.items()) {
    if (!name.starts_with(kCode)) continue;
    std::int64_t code = 0;
    bool digits = name.size() > kCode.size() + 1 && name.size() <= kCode.size() + 10;
    for (std::size_t at = kCode.size(); digits && at + 1 < name.size(); ++at) {
      const char c = name[at];
      const int digit = c >= 'A' && c <= 'J' ? c - 'A' : c >= '0' && c <= '9' ? c - '0' : -1;
      digits = digit >= 0;
      code = 10 * code + digit;
    }
    if (!digits || !id.is_number_integer())
      return input_error("\"" + name + "\" is no code's word.", where,
                         "IMGIMG, a number in the letters A to J, and Z.");
    const auto word = id.get<TokenId>();
    if (word < 0 || word >= o.text.vocab_size)
      return input_error("The word " + name + " is outside the vocabulary.", where);
    if (code < o.codes.codes) o.words[static_cast<std::size_t>(code)] = word;
  }
  for (std::size_t code = 0; code < o.words.size(); ++code)
    if (o.words[code] < 0)
      return input_error("The code " + std::to_string(code) + " has no word.", where,
                         "There must be a word IMGIMG… for each of the " +
                             std::to_string(o.codes.codes) + " codes.");
  return {};
}

}  // namespace

Result<ChameleonOptions> read_chameleon_options(const Json& config, const std::string& where) {
  ChameleonOptions o;
  LUTHIER_TRY(o.text, read_decoder_options(config, where, "chameleon"));
  if (o.text.model_type != "chameleon")
    return input_error("The model is not of this family.", where + ": model_type");
  LUTHIER_TRY(const Json codes, config_section(config, "vq_config", where));
  LUTHIER_TRY(o.codes, read_code_tower(codes, where + ": vq_config"));
  LUTHIER_TRY(const Json map, config_section(config, "vocabulary_map", where));
  LUTHIER_CHECK(read_code_words(map, where + ": vocabulary_map", o));
  LUTHIER_TRY(o.image_token_id, read_image_token(map, {"<image>"}, -1, o.text.vocab_size,
                                                 where + ": vocabulary_map"));
  o.tie_word_embeddings = o.text.tie_word_embeddings;
  return o;
}

const Family chameleon_family{"chameleon", true, read_chameleon, same_name, same_name};

}  // namespace luthier
