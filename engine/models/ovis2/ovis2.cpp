// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/ovis2/ovis2.h"

#include <algorithm>

#include "engine/models/config_numbers.h"
#include "engine/models/llava/llava_names.h"
#include "engine/models/processor_files.h"
#include "engine/models/tower_model.h"
#include "engine/nn/module_cost.h"
#include "engine/vision/processor_settings.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char* kIndicatorRows = "visual_indicators";
/// Shares that are made at a time where no gradient is wanted: real vocabularies are so large that
/// those of a picture would take more room than all else.
constexpr std::int64_t kSharesAtOnce = 1 << 22;

/// The tower, and the head that makes words of its states.
class Ovis2Vision : public torch::nn::Module {
 public:
  Ovis2Vision(const Ovis2Options& o, const torch::TensorOptions& t) : choice_(o.choice) {
    transformer = register_module("transformer", std::make_shared<Aimv2Tower>(o.vision, t));
    head_linear_ =
        register_module("head_linear", Linear(o.folded_size(), o.words(), /*bias=*/false, t));
    head_norm_ = register_module("head_norm", LayerNorm(o.words(), kHeadEpsilon, t));
  }
  /// Folded states [tokens, folded] → [tokens, words].
  Tensor shares(const Tensor& states) {
    return word_shares(head_norm_(head_linear_(states)), choice_);
  }
  /// Whether shares of some tokens are what they would be among all, and no gradient passes.
  bool goes_in_parts(const Tensor& states) const {
    const bool learns = states.requires_grad() || head_linear_->plug ||
                        head_linear_->weight.trained() || head_norm_->weight.requires_grad() ||
                        head_norm_->bias.requires_grad();
    return head_linear_->row_by_row() && !(at::GradMode::is_enabled() && learns);
  }
  /// What it keeps for `tokens` shares, and its temporaries, where `flows`: a gradient is wanted of
  /// the states; `folded`: these are a copy that is kept for the head alone.
  ProjectorCost head_cost(const StepTerms& terms, std::int64_t tokens, bool flows,
                          bool folded) const {
    const ProductsCost product = products_cost(terms, {head_linear_}, tokens);
    const TrainedShare linear = terms.of(*head_linear_), norm = terms.of(*head_norm_);
    const std::int64_t words = head_linear_->out_features(), wide = terms.block(tokens * words);
    ProjectorCost cost;
    cost.trains = product.trains || norm.trains;
    if (!cost.trains && !flows) return cost;
    // What the norm takes, and the shares, by which softmax makes its gradient.
    cost.kept = (folded ? product.input : 0) + product.numbers +
                projector_norm_kept(terms, tokens, words) + wide;
    cost.gradients = (linear.parameters + norm.parameters) * terms.gradient_element;
    // Softmax's gradient is made of that of its shares. The head's comes when both are gone, and
    // what softmax and the norm kept.
    const std::int64_t below =
        wide + product.work +
        product.input_copies * terms.block(tokens * head_linear_->in_features());
    cost.work = std::max(2 * wide, below - 2 * wide);
    return cost;
  }

  std::shared_ptr<Aimv2Tower> transformer;

 private:
  static constexpr double kHeadEpsilon = 1e-5;  // torch's own

  WordChoice choice_;
  Linear head_linear_{nullptr};
  LayerNorm head_norm_{nullptr};
};

class Ovis2Body : public torch::nn::Module {
 public:
  Ovis2Body(const Ovis2Options& o, const torch::TensorOptions& t) {
    vision_tower = register_module("vision_tower", std::make_shared<Ovis2Vision>(o, t));
    language_model = register_module("language_model", Decoder(o.text, t));
    table = register_module("visual_embeddings_table",
                            std::make_shared<VisualTable>(o.vocabulary, o.text.hidden_size, t));
  }
  std::shared_ptr<Ovis2Vision> vision_tower;
  Decoder language_model{nullptr};
  std::shared_ptr<VisualTable> table;
};

class Ovis2 : public TowerModel {
 public:
  Ovis2(const Ovis2Options& o, const torch::TensorOptions& t)
      : options_(o), body_(std::make_shared<Ovis2Body>(o, t)) {
    declare_part(kVisionTower, "model.vision_tower.");
    declare_part(kProjector, "model.visual_embeddings_table.");
    assemble(body_, body_->language_model, o.tie_word_embeddings, o.image_token_id, t);
  }

  /// Without the head, whose shares are many times as large.
  Tensor tower(const ModelInput& input) override {
    const VisionSizes& v = options_.vision;
    const Tensor states = body_->vision_tower->transformer->forward(input.pixel_values);
    return fold_patches(states, v.patch_rows(), v.patch_columns(), options_.fold).flatten(0, 1);
  }

  void prepare(ModelInput& input) const override {
    TowerModel::prepare(input);
    if (input.pictures.empty()) return;
    const Tensor rows = indicator_rows(input);
    if (rows.numel() > 0) input.aside[kIndicatorRows] = rows;  // a copy of nothing is one, too
  }

  ModelGeometry geometry() const override {
    const VisionSizes& v = options_.vision;
    ModelGeometry g = describe(v);
    g.vision_tokens = v.patches();
    g.image_tokens = options_.frame_tokens();
    g.patches_per_token = options_.fold * options_.fold;
    g.image_height = v.image_height, g.image_width = v.image_width;
    return g;
  }

  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.frames * options_.frame_tokens() * options_.folded_size();
  }

 protected:
  Tensor project(const Tensor& features, const ModelInput& input) override {
    const bool indicators = image_places(input).size(0) > features.size(0);
    const Tensor rows =
        indicators ? indicator_rows(input) : torch::empty({0}, input.input_ids.options());
    Ovis2Vision& vision = *body_->vision_tower;
    const VisualTable& table = *body_->table;
    const bool parts = vision.goes_in_parts(features) &&
                       !(at::GradMode::is_enabled() && table.weight.requires_grad());
    const std::int64_t tokens = features.size(0),
                       each = std::max<std::int64_t>(1, kSharesAtOnce / options_.words());
    if (!parts || tokens <= each) return table.forward(vision.shares(features), rows);
    std::vector<Tensor> made;
    for (std::int64_t from = 0; from < tokens; from += each) {
      const std::int64_t to = std::min(tokens, from + each);
      made.push_back(table.forward(vision.shares(features.slice(0, from, to)),
                                   to == tokens ? rows : rows.slice(0, 0, 0)));
    }
    return at::cat(made);
  }

  /// The pictures' tokens, then each of the indicators.
  Tensor feature_places(const ModelInput& input) const override {
    std::vector<Tensor> places{TowerModel::feature_places(input)};
    for (const TokenId id : options_.indicator_ids)
      places.push_back((input.input_ids == id).nonzero().squeeze(1));
    return at::cat(places);
  }

  TowerCost tower_cost(const Pass& pass) const override {
    return body_->vision_tower->transformer->cost(pass);
  }
  ProjectorCost projector_cost(const Pass& pass) const override {
    const StepTerms& terms = pass.terms;
    const TowerCost tower = tower_cost(pass);
    const std::int64_t tokens = pass.pictures.tokens,
                       shares = terms.block(tokens * options_.words());
    ProjectorCost cost =
        body_->vision_tower->head_cost(terms, tokens, tower.flows, /*folded=*/tower.trains);
    const bool made = cost.trains || tower.flows;
    const TrainedShare table = terms.of(*body_->table);
    if (table.trains) {
      // The shares that softmax keeps are those that the table was read with, but for those of the
      // one word, which are a tensor of their own.
      if (!made || options_.choice == WordChoice::One) cost.kept += shares;
      cost.trains = true;
      cost.gradients += table.parameters * terms.gradient_element;
    }
    return cost;
  }

 private:
  /// The table's rows that stand behind the pictures' features, as feature_places() has them.
  Tensor indicator_rows(const ModelInput& input) const {
    if (const auto made = input.aside.find(kIndicatorRows); made != input.aside.end())
      return made->second;
    std::vector<Tensor> rows{torch::empty({0}, torch::kInt64)};
    std::int64_t row = options_.words();
    for (const TokenId id : options_.indicator_ids)
      rows.push_back(
          torch::full({(input.input_ids == id).sum().item<std::int64_t>()}, row++, torch::kInt64));
    return at::cat(rows).to(input.input_ids.device());
  }

  Ovis2Options options_;
  std::shared_ptr<Ovis2Body> body_;
};

ProcessorDefaults ovis2_processor() { return {"Ovis2ImageProcessor"}; }

/// The whole picture, and behind a mark the tiles: one between columns, one between rows.
std::string ovis2_picture(std::int64_t rows, std::int64_t columns, const std::string& frame) {
  std::string text = "<IMG_START>" + frame + "<IMG_GRID>";
  for (std::int64_t row = 0; rows * columns > 1 && row < rows; ++row) {
    if (row > 0) text += "<IMG_ROW>";
    for (std::int64_t column = 0; column < columns; ++column)
      text += (column > 0 ? "<IMG_COL>" : "") + frame;
  }
  return text + "<IMG_END>";
}

/// Ovis2Processor spells its tokens whatever its file says.
Result<ImageTokens> ovis2_image_tokens(const Ovis2Options& options,
                                       const std::filesystem::path& folder) {
  const ProcessorDefaults defaults = ovis2_processor();
  LUTHIER_TRY(const auto settings, detail::read_picture_settings(folder, defaults));
  LUTHIER_CHECK(frame_outline(folder, defaults, 2));
  LUTHIER_TRY(const std::string type,
              json_string(settings.config, "image_processor_type", settings.where, defaults.type));
  // Others have grids of two numbers, too.
  if (!type.starts_with(defaults.type)) return other_processor(settings.where, defaults.type);
  LUTHIER_TRY(const std::int64_t count, processor_count(folder, "image_seq_length", 256));
  LUTHIER_CHECK(check_frame_tokens(count, options.frame_tokens(), folder, "image_seq_length"));
  ImageTokens tokens;
  tokens.token = "<IMG_ATOM>";
  tokens.expand = [frame = repeated(tokens.token, count)](const PixelValues& pixels) {
    return ovis2_picture(pixels.grid.at(0), pixels.grid.at(1), frame);
  };
  return tokens;
}

Result<Plan> read_ovis2(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const Ovis2Options options,
              read_ovis2_options(config, (folder / "config.json").string()));
  Plan plan;
  plan.build = builder<Ovis2>(options);
  plan.pictures =
      PicturePlan{options.image_token_id, ovis2_processor(),
                  [options](const auto& files) { return ovis2_image_tokens(options, files); }};
  plan.initializer_range = options.text.initializer_range;
  plan.initializer_ranges = [options](const std::string& name) {
    return name.starts_with("model.vision_tower.") ? options.vision.initializer_range
                                                   : options.text.initializer_range;
  };
  return plan;
}

/// The text's tokens that take rows of the visual table: each a token of its own.
Status read_indicator_ids(const Json& config, const std::string& where, Ovis2Options& o) {
  const std::string place = where + ": visual_indicator_token_ids";
  const auto found = config.find("visual_indicator_token_ids");
  Json list = {151666, 151667, 151668, 151669, 151670};
  if (found != config.end() && !found->is_null()) list = *found;
  if (!list.is_array()) return input_error("A list of tokens is expected.", place);
  for (const Json& each : list) {
    if (!each.is_number_integer()) return input_error("A list of tokens is expected.", place);
    const auto id = each.get<TokenId>();
    if (id < 0 || id >= o.text.vocab_size)
      return input_error("The token " + std::to_string(id) + " is outside the vocabulary of " +
                             std::to_string(o.text.vocab_size) + ".",
                         place);
    const bool twice =
        std::find(o.indicator_ids.begin(), o.indicator_ids.end(), id) != o.indicator_ids.end();
    if (twice || id == o.image_token_id)
      return input_error("The token " + std::to_string(id) + " stands for two things.", place,
                         "Each indicator and the picture's own token must be another one.");
    o.indicator_ids.push_back(id);
  }
  return {};
}

/// What of vision_config is about the visual vocabulary; `left_out`: the config has none.
Status read_visual_words(const Json& config, const std::string& where, bool left_out,
                         Ovis2Options& o) {
  const auto ids = static_cast<std::int64_t>(o.indicator_ids.size());
  LUTHIER_CHECK(read_in_range(config, "hidden_stride", where, 1, 64, o.fold));
  LUTHIER_CHECK(check_fold(o.vision.patch_rows(), o.vision.patch_columns(), o.fold,
                           where + ": hidden_stride"));
  LUTHIER_CHECK(read_in_range(config, "vocab_size", where, 1, 1 << 24, o.vocabulary));
  o.indicators = left_out ? ids : 5;
  LUTHIER_CHECK(read_in_range(config, "num_visual_indicator_tokens", where, 0, o.vocabulary - 1,
                              o.indicators));
  if (ids > o.indicators)
    return input_error("There are " + std::to_string(ids) + " visual_indicator_token_ids and " +
                           std::to_string(o.indicators) + " rows for them.",
                       where + ": num_visual_indicator_tokens");
  LUTHIER_TRY(const std::string choice, json_string(config, "tokenize_function", where, "softmax"));
  const std::string place = where + ": tokenize_function";
  if (choice == "gumbel_argmax")
    return input_error("\"gumbel_argmax\" draws each word at random, in answers, too.", place,
                       "Set it to softmax or st_argmax, as the weights were trained.");
  if (choice != "softmax" && choice != "st_argmax")
    return input_error("\"" + choice + "\" is not known.", place,
                       "Known are softmax and st_argmax.");
  o.choice = choice == "softmax" ? WordChoice::Mixture : WordChoice::One;
  return {};
}

/// transformers makes table and head of sizes that stand beside the decoder's own.
Status check_ovis2_sizes(const Json& config, const std::string& where, const Ovis2Options& o) {
  LUTHIER_TRY(const std::int64_t width, json_int(config, "hidden_size", where, 1536));
  if (width != o.text.hidden_size)
    return input_error("The visual table's rows are " + std::to_string(width) +
                           " numbers wide, the text's embeddings " +
                           std::to_string(o.text.hidden_size) + ".",
                       where + ": hidden_size");
  LUTHIER_TRY(const std::int64_t rows, json_int(config, "vocab_size", where, 151643));
  if (!o.tie_word_embeddings && rows != o.text.vocab_size)
    return input_error("The head would know " + std::to_string(rows) +
                           " tokens, the text's embeddings " + std::to_string(o.text.vocab_size) +
                           ".",
                       where + ": vocab_size");
  return {};
}

std::string ovis2_memory_name(const std::string& stored) {
  return stored.starts_with("visual_embeddings_table.") ? "model." + stored
                                                        : llava_memory_name(stored);
}

}  // namespace

Result<Ovis2Options> read_ovis2_options(const Json& config, const std::string& where) {
  Ovis2Options o;
  LUTHIER_TRY(const Json vision, config_section(config, "vision_config", where));
  LUTHIER_TRY(const Json text, config_section(config, "text_config", where));
  LUTHIER_TRY(o.vision, read_aimv2_options(vision, where + ": vision_config"));
  LUTHIER_TRY(o.text, read_decoder_options(text, where + ": text_config", "qwen2"));
  LUTHIER_TRY(o.tie_word_embeddings, json_bool(config, "tie_word_embeddings", where, true));
  LUTHIER_CHECK(check_ovis2_sizes(config, where, o));
  LUTHIER_TRY(o.image_token_id,
              read_image_token(config, {"image_token_id"}, 151665, o.text.vocab_size, where));
  LUTHIER_CHECK(read_indicator_ids(config, where, o));
  const bool left_out = !config.contains("vision_config") || config["vision_config"].is_null();
  LUTHIER_CHECK(read_visual_words(vision, where + ": vision_config", left_out, o));
  return o;
}

const Family ovis2_family{.model_type = "ovis2",
                          .takes_pictures = true,
                          .read = read_ovis2,
                          .memory_name = ovis2_memory_name,
                          .stored_name = same_name,
                          .by_tensors = {.image_hidden_states = ByTensors::States::ByFrame}};

}  // namespace luthier
