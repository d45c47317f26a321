// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/idefics/idefics.h"

#include "engine/models/class_arguments.h"
#include "engine/models/config_numbers.h"
#include "engine/models/idefics/last_picture.h"
#include "engine/models/idefics/own_words.h"
#include "engine/models/processor_files.h"
#include "engine/models/tower_model.h"
#include "engine/nn/attention.h"
#include "engine/nn/module_cost.h"
#include "engine/text/tokenizer.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char *kSeeing = "seeing_tokens", *kReading = "reading", *kSeen = "seen_pictures",
                     *kGiven = "given_sights", *kMark = "<image>", *kAround = "<fake_token_around_image>";

/// The runs' tokens, and the states that they see, as rows.
std::pair<RowLayout, RowLayout> as_rows(const std::vector<PictureSight::Run>& runs) {
  std::vector<std::int64_t> tokens, seen;
  for (const PictureSight::Run& run : runs) tokens.push_back(run.tokens), seen.push_back(run.seen);
  return {RowLayout(std::move(tokens)), RowLayout(std::move(seen))};
}

class Idefics : public TowerModel {
 public:
  Idefics(const IdeficsOptions& o, const torch::TensorOptions& t) : options_(o) {
    body_ = std::make_shared<IdeficsDecoderImpl>(o.text, o.gates, o.interval, o.more_words, t);
    vision_model_ = body_->register_module("vision_model", VisionTower(o.vision, t));
    if (o.resampler)
      resampler_ = body_->register_module("perceiver_resampler",
                                          std::make_shared<PictureResampler>(*o.resampler, t));
    declare_part(kVisionTower, "model.vision_model.");
    declare_part(kProjector, "model.perceiver_resampler.");
    declare_part(kProjector, "model.gated_cross_attn_layers.");
    assemble(body_, Decoder(std::static_pointer_cast<DecoderImpl>(body_)), o.tie_word_embeddings,
             o.image_token_id, t);
    if (o.more_words == 0) return;
    Linear own = head();
    const Linear more = o.tie_word_embeddings
                            ? Linear(body_->additional()->weight)
                            : Linear(o.text.hidden_size, o.more_words, /*bias=*/false, t);
    words_ = std::make_unique<AllWords>(own->register_module("additional_fc", more));
    own->plug = words_.get();
  }

  Tensor tower(const ModelInput& input) override {
    return selected_features(vision_model_, input.pixel_values, {-1}, /*drop_first=*/false)
        .flatten(0, 1);
  }

  TokenSequence embed(const ModelInput& input) override {
    TokenSequence sequence;
    sequence.rows = row_layout(input);
    sequence.embeddings = decoder()->embed(input.input_ids);
    if (input.pictures.empty()) return sequence;
    if (sequence.rows.stands()) throw StandingRowsAsked("which of its pictures each token sees");
    const auto sight = std::make_shared<PictureSight>();
    const Sighted made = seen(input);
    TORCH_CHECK(input.aside.contains(kGiven) || made.runs.size() == input.pictures.size(),
                "there are ", made.runs.size(), " pictures' marks and ", input.pictures.size(),
                " pictures");
    sight->made = sight->states =
        project(input.tower_features.defined() ? input.tower_features : tower(input), input);
    if (made.order.defined())
      sight->states = sight->made.index_select(0, made.order.to(sight->made.device()));
    sight->runs = made.runs, sight->last_runs = made.last_runs;
    std::tie(sight->run_rows, sight->seen_rows) = as_rows(made.runs);
    sight->run_rows.take_back(input.aside, kReading);
    take_across_back(sight->run_rows, sight->seen_rows, input.aside, kSeen);
    if (made.tokens.defined()) {
      const auto aside = input.aside.find(kSeeing);
      sight->tokens =
          aside != input.aside.end() ? aside->second : made.tokens.to(sequence.embeddings.device());
    }
    sequence.sight = sight;
    return sequence;
  }

  void prepare(ModelInput& input) const override {
    DecoderModel::prepare(input);
    if (input.pictures.empty()) return;
    input.picture_marks = picture_events(input, options_.image_token_id, options_.ends);
    const Sighted made = seen(input);
    if (made.tokens.defined()) input.aside[kSeeing] = made.tokens;
    if (made.runs.empty()) return;
    const auto [run_rows, seen_rows] = as_rows(made.runs);
    run_rows.set_aside(input.aside, kReading);
    set_across_aside(run_rows, seen_rows, input.aside, kSeen);
  }

  ModelGeometry geometry() const override {
    ModelGeometry g = describe(options_.vision);
    g.vocab_size += options_.more_words;
    g.vision_tokens = options_.vision.tokens();
    g.image_tokens = 1;  // the mark; layers look across to the states
    g.image_height = options_.vision.image_height, g.image_width = options_.vision.image_width;
    return g;
  }

  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.frames * options_.vision.tokens() * options_.vision.hidden_size;
  }

 protected:
  Tensor project(const Tensor& features, const ModelInput&) override {
    if (!resampler_) return features;
    const std::int64_t width = options_.vision.hidden_size;
    return resampler_->forward(features.view({-1, options_.vision.tokens(), width})).flatten(0, 1);
  }
  TowerCost tower_cost(const Pass& pass) const override {
    return vision_model_->cost(pass, pass.pictures.frames * options_.vision.tokens(),
                               options_.vision.num_hidden_layers, /*normed=*/false);
  }
  ProjectorCost projector_cost(const Pass& pass) const override {
    if (!resampler_) return {};
    return resampler_->cost(pass, options_.vision.tokens(), tower_cost(pass).flows);
  }
  DecoderEntry add_entry_cost(const Pass& pass, PassCost& cost) const override {
    if (pass.pictures.images == 0) return DecoderModel::add_entry_cost(pass, cost);
    DecoderEntry entry = TowerModel::add_entry_cost(pass, cost);
    entry.across = pass.pictures.frames * options_.states();
    entry.across_flows = entry.flows;
    entry.flows = false;  // what enters the first layer is text
    return entry;
  }

 private:
  Sighted seen(const ModelInput& input) const {
    if (const auto given = input.aside.find(kGiven); given != input.aside.end())
      return given_pictures(input.lengths, given->second.to(torch::kCPU), options_.states());
    const auto events = input.picture_marks.empty()
                            ? picture_events(input, options_.image_token_id, options_.ends)
                            : input.picture_marks;
    return last_pictures(input.lengths, events, options_.states());
  }

  const IdeficsOptions options_;
  std::shared_ptr<IdeficsDecoderImpl> body_;
  VisionTower vision_model_{nullptr};
  std::shared_ptr<PictureResampler> resampler_;
  std::unique_ptr<AllWords> words_;
};

ProcessorDefaults idefics_processor() { return {"IdeficsImageProcessor"}; }

/// IdeficsProcessor's words: neighbouring pictures share the one between them.
Result<ImageTokens> idefics_image_tokens(const IdeficsOptions& options,
                                         const std::filesystem::path& folder) {
  LUTHIER_TRY(const PixelValues outline, frame_outline(folder, idefics_processor(), 0));
  if (outline.shape[2] != options.vision.image_height ||
      outline.shape[3] != options.vision.image_width)
    return input_error("The picture processor makes pictures of " +
                           std::to_string(outline.shape[2]) + " x " +
                           std::to_string(outline.shape[3]) + " pixels, the vision tower takes " +
                           std::to_string(options.vision.image_height) + ".",
                       folder.string(), "Processor and weights do not belong together.");
  ImageTokens tokens;
  tokens.mark = kMark;
  tokens.number = [](std::size_t) { return std::string(kAround); };
  tokens.expand = [](const PixelValues&) { return std::string(kMark) + kAround; };
  return tokens;
}

/// [1, pictures, 3, height, width], as the processor lays out a row.
Tensor idefics_layout(const ModelInput& input) { return input.pixel_values.unsqueeze(0); }

/// The other way round, of several rows; image_attention_mask [rows, length, pictures] says what
/// each token sees, whatever its row's marks do.
Status idefics_given(const GivenArguments& given, const Json&, ModelInput& input) {
  constexpr const char* kMask = "image_attention_mask";
  LUTHIER_TRY(const Tensor pixels, given.wanted("pixel_values"));
  LUTHIER_TRY(const Tensor mask, given.wanted(kMask));
  LUTHIER_TRY(const FilledUp rows, given.text_rows());
  if (pixels.dim() != 5 || pixels.size(0) != rows.rows())
    return given.shape_error("pixel_values", "[rows, pictures, 3, height, width]");
  const std::int64_t pictures = pixels.size(1);
  if (mask.dim() != 3 || mask.size(2) != pictures ||
      !mask.sizes().slice(0, 2).equals(rows.ids.sizes()))
    return given.shape_error(kMask, "[rows, length, pictures]");
  const Tensor seen = mask.to(torch::kBool), counts = seen.sum(2),
               first = seen.to(torch::kInt64).argmax(2),
               row = torch::arange(rows.rows()).unsqueeze(1) * pictures;
  const Tensor places = torch::arange(pictures);
  const Tensor together = places.ge(first.unsqueeze(2))
                              .logical_and(places.lt((first + counts).unsqueeze(2)));
  if (!together.eq(seen).all().item<bool>())
    return input_error("A token sees pictures that do not stand side by side.",
                       given.where() + ": " + kMask, "Such a mask is not taken here.");
  input.aside[kGiven] = rows.taken(at::stack({first + row, counts}, 2));
  return given.put_frames(pixels.flatten(0, 1), input);
}

Result<Plan> read_idefics(const Json& config, const std::filesystem::path& folder) {
  LUTHIER_TRY(const IdeficsOptions options, read_idefics_options(config, folder));
  Plan plan;
  plan.build = builder<Idefics>(options);
  plan.pictures =
      PicturePlan{options.image_token_id, idefics_processor(),
                  [options](const auto& files) { return idefics_image_tokens(options, files); }};
  plan.initializer_range = options.text.initializer_range;
  return plan;
}

Status read_gates(const Json& config, const std::string& where, IdeficsOptions& o) {
  o.gates.state_width = o.vision.hidden_size;
  LUTHIER_TRY(o.gates.qk_norm, json_bool(config, "qk_layer_norms", where, false));
  LUTHIER_TRY(const std::string kind, json_string(config, "alpha_type", where, "float"));
  if (kind != "float" && kind != "vector")
    return input_error("\"" + kind + "\" is not known.", where + ": alpha_type",
                       "Known are float and vector.");
  o.gates.by_feature = kind == "vector";
  LUTHIER_TRY(const std::string start, json_string(config, "alpha_initializer", where, "zeros"));
  if (start == "ones")
    o.gates.start = GateOptions::Start::Ones;
  else if (start == "normal" || start == "gaussian" || start == "random")
    o.gates.start = GateOptions::Start::Drawn;
  else if (start != "zeros")
    return input_error("\"" + start + "\" is not known.", where + ": alpha_initializer",
                       "Known are zeros, ones and normal.");
  LUTHIER_TRY(o.gates.range, json_number(config, "alphas_initializer_range", where, 0.0));
  LUTHIER_CHECK(read_in_range(config, "cross_layer_interval", where, 1, 4096, o.interval));
  if (o.text.num_hidden_layers % o.interval != 0)
    return input_error("The decoder has " + std::to_string(o.text.num_hidden_layers) +
                           " layers, which " + std::to_string(o.interval) + " does not divide.",
                       where + ": cross_layer_interval",
                       "transformers has no gated layer for the rest.");
  return {};
}

Status read_resampler(const Json& config, const std::string& where, IdeficsOptions& o) {
  LUTHIER_TRY(const bool used, json_bool(config, "use_resampler", where, false));
  if (!used) return {};
  LUTHIER_TRY(const Json own, config_section(config, "perceiver_config", where));
  const std::string place = where + ": perceiver_config";
  ResamplerOptions& r = o.resampler.emplace();
  r.width = o.vision.hidden_size;
  LUTHIER_CHECK(read_in_range(own, "resampler_n_latents", place, 1, 1 << 16, r.latents));
  LUTHIER_CHECK(read_in_range(own, "resampler_depth", place, 1, 256, r.depth));
  LUTHIER_CHECK(read_in_range(own, "resampler_n_heads", place, 1, 1 << 12, r.heads));
  LUTHIER_CHECK(read_in_range(own, "resampler_head_dim", place, 1, 1 << 12, r.head_dim));
  LUTHIER_TRY(r.qk_norm, json_bool(own, "qk_layer_norms_perceiver", place, false));
  return {};
}

/// The mark's, of the folder's tokenizer; where there is none, as config.json may say, else the
/// last of the additional words, as the published folders have it.
Result<TokenId> read_mark(const Json& config, const IdeficsOptions& o,
                          const std::filesystem::path& folder, const std::string& where) {
  const std::int64_t words = o.text.vocab_size + o.more_words;
  if (config.contains("image_token_id"))
    return read_image_token(config, {"image_token_id"}, words - 1, words, where);
  const auto tokenizer = Tokenizer::load(folder);
  const auto found =
      tokenizer ? (*tokenizer)->token_to_id(kMark) : std::optional<TokenId>(words - 1);
  if (!found)
    return input_error("The tokenizer has no token <image>.", folder.string(),
                       "Save the model's own tokenizer into the folder.");
  if (*found < words) return *found;
  return input_error("The image token " + std::to_string(*found) +
                         " is outside the vocabulary of " + std::to_string(words) + ".",
                     where + ": additional_vocab_size");
}

}  // namespace

Result<IdeficsOptions> read_idefics_options(const Json& config,
                                            const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  IdeficsOptions o;
  LUTHIER_TRY(Json vision, config_section(config, "vision_config", where));
  if (const auto width = vision.find("embed_dim"); width != vision.end())
    vision["hidden_size"] = *width;
  o.vision.hidden_size = 768, o.vision.intermediate_size = 5120, o.vision.num_hidden_layers = 32;
  o.vision.num_attention_heads = 16, o.vision.patch_size = 14;
  o.vision.hidden_act = Activation::Gelu;
  LUTHIER_CHECK(read_vision_sizes(vision, where + ": vision_config", o.vision));
  LUTHIER_TRY(o.text, read_decoder_options(config, where, "idefics"));
  if (o.text.model_type != "idefics")
    return input_error("The model is not of this family.", where + ": model_type");
  LUTHIER_CHECK(read_gates(config, where, o));
  LUTHIER_CHECK(read_resampler(config, where, o));
  LUTHIER_CHECK(read_in_range(config, "additional_vocab_size", where, 0, 1 << 20, o.more_words));
  o.tie_word_embeddings = o.text.tie_word_embeddings;
  LUTHIER_TRY(o.image_token_id, read_mark(config, o, folder, where));
  o.ends = {2};
  if (const auto end = config.find("eos_token_id"); end != config.end()) {
    o.ends.clear();
    for (const Json& id : end->is_array() ? *end : Json::array({*end}))
      if (id.is_number_integer()) o.ends.push_back(id.get<TokenId>());
  }
  return o;
}

const Family idefics_family{.model_type = "idefics",
                            .takes_pictures = true,
                            .read = read_idefics,
                            .memory_name = same_name,
                            .stored_name = same_name,
                            .processor_layout = idefics_layout,
                            .by_tensors = {idefics_given, ByTensors::States::ByRow}};

}  // namespace luthier
