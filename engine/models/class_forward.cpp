// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/class_forward.h"

#include <algorithm>
#include <array>

#include "engine/models/bert/pair_judge.h"
#include "engine/models/clipseg/segmenter.h"
#include "engine/models/pictures/feature_maps.h"
#include "engine/models/smoothed_labels.h"
#include "engine/models/two_towers/pair_loss.h"

namespace luthier {

namespace {

using torch::Tensor;

constexpr std::array kTensors{"input_ids",
                              "attention_mask",
                              "token_type_ids",
                              "pixel_values",
                              "pixel_attention_mask",
                              "labels",
                              "decoder_input_ids",
                              "decoder_attention_mask",
                              "next_sentence_label",
                              "sentence_order_label",
                              "noise",
                              "image_grid_thw",
                              "mm_token_type_ids"};
constexpr std::array kOptions{"return_loss"};

template <std::size_t Count>
std::string listed(const std::array<const char*, Count>& names) {
  std::string text;
  for (const char* name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

/// Rows of tokens as the class takes them, filled up: which places are the rows' own.
struct FilledUp {
  Tensor ids, own;  ///< [rows, length] int64, bool
  std::vector<std::int64_t> lengths;

  std::int64_t rows() const { return ids.size(0); }
  /// [rows, length, ...] → of the rows' own places alone, one behind the other.
  Tensor taken(const Tensor& of) const { return of.index({own}); }
  /// The other way round, with 0 between: [tokens, ...] → [rows, length, ...].
  Tensor put_back(const Tensor& tokens) const {
    std::vector<std::int64_t> shape{ids.size(0), ids.size(1)};
    for (std::int64_t i = 1; i < tokens.dim(); ++i) shape.push_back(tokens.size(i));
    return torch::zeros(shape, tokens.options()).index_put({own.to(tokens.device())}, tokens);
  }
};

class ClassCall {
 public:
  ClassCall(LoadedModel& loaded, const ClassArguments& given)
      : loaded_(loaded), model_(*loaded.model), given_(given) {}

  Result<ClassOutputs> made() {
    LUTHIER_CHECK(check_names());
    if (PatchRebuilder* rebuilder = model_.patch_rebuilder()) {
      LUTHIER_CHECK(rebuild(*rebuilder));
    } else if (TwoTowers* towers = model_.two_towers()) {
      LUTHIER_CHECK(compare(*towers));
    } else if (auto* segmenter = dynamic_cast<Segmenter*>(&model_)) {
      LUTHIER_CHECK(segment(*segmenter));
    } else if (SequenceToSequence* pair = model_.sequence_to_sequence()) {
      LUTHIER_CHECK(is_captioner() ? describe(*pair) : rewrite(*pair));
    } else if (Classifier* classifier = model_.output_head() ? nullptr : model_.classifier()) {
      LUTHIER_CHECK(classify(*classifier));
    } else if (Encoder* encoder = model_.encoder()) {
      LUTHIER_CHECK(restore(*encoder));
    } else if (Causal* causal = model_.causal()) {
      LUTHIER_CHECK(go_on(*causal));
    } else if (FeatureMaps* maps = feature_maps(model_)) {
      LUTHIER_TRY(const Tensor pixels, wanted("pixel_values"));
      add("last_hidden_state", maps->maps(pixels.to(model_.device(), torch::kFloat32)));
    } else {
      return input_error("A model of type " + std::string(loaded_.family->model_type) +
                             " is not called by tensors here.",
                         loaded_.folder.string(), "Give it rows with --input.");
    }
    if (out_.loss.defined()) add("loss", out_.loss.reshape({1}));
    return std::move(out_);
  }

 private:
  Status check_names() const {
    for (const auto& [name, tensor] : given_.tensors)
      if (std::find(kTensors.begin(), kTensors.end(), name) == kTensors.end())
        return input_error("No class is given " + name + " here.", given_.where,
                           "What is taken: " + listed(kTensors) + ".");
    for (const auto& [name, value] : given_.options)
      if (std::find(kOptions.begin(), kOptions.end(), name) == kOptions.end())
        return input_error("No class is given the option " + name + " here.", "--option",
                           "What is taken: " + listed(kOptions) + ".");
    return {};
  }
  const Tensor* find(const char* name) const {
    const auto found = given_.tensors.find(name);
    return found == given_.tensors.end() ? nullptr : &found->second;
  }
  Result<Tensor> wanted(const char* name) const {
    if (const Tensor* found = find(name)) return *found;
    return input_error("The model reads " + std::string(name) + ", and it is not given.",
                       given_.where, "Add it to the file.");
  }
  /// Whether the head tells replaced tokens (ELECTRA's, DeBERTa v3's).
  bool is_discriminator() const {
    const std::string name = architecture();
    return name == "ElectraForPreTraining" || name == "ReplacedTokenDetectionModel";
  }
  std::string architecture() const {
    const Json classes = loaded_.config.value("architectures", Json::array());
    const bool named = classes.is_array() && !classes.empty() && classes[0].is_string();
    return named ? classes[0].get<std::string>() : std::string();
  }
  bool pixels_stand_in_rows() const {
    const std::string type = loaded_.family->model_type;
    return type == "idefics3" || type == "smolvlm";
  }
  /// Whose input_ids are what is written of a picture, and not what is read.
  bool is_captioner() const { return architecture() == "BlipForConditionalGeneration"; }
  bool asks(const char* option) const {
    const auto found = given_.options.find(option);
    return found != given_.options.end() && (found->second == "true" || found->second == "1");
  }
  void add(const std::string& name, const Tensor& value) {
    out_.named.emplace_back(name, value.to(torch::kFloat32));
  }
  Error shape_error(const std::string& name, const std::string& wanted) const {
    return input_error(name + " has another shape than " + wanted + ".", given_.where,
                       "Give it as the class takes it.");
  }

  Result<FilledUp> rows_of(const char* ids, const char* mask) const {
    LUTHIER_TRY(const Tensor given, wanted(ids));
    if (given.dim() != 2 || given.numel() == 0) return shape_error(ids, "[rows, length]");
    FilledUp rows{given.to(torch::kInt64), torch::ones_like(given, torch::kBool), {}};
    if (const Tensor* own = find(mask)) {
      if (own->sizes() != given.sizes()) return shape_error(mask, std::string(ids) + "'s");
      rows.own = own->to(torch::kBool);
    }
    const Tensor counts = rows.own.sum(1).contiguous();
    for (std::int64_t row = 0; row < rows.rows(); ++row) {
      const auto count = counts[row].item<std::int64_t>();
      const Tensor places = rows.own[row].nonzero().squeeze(1);
      if (count == 0 ||
          places[count - 1].item<std::int64_t>() - places[0].item<std::int64_t>() + 1 != count)
        return input_error("Row " + std::to_string(row) + " of " + mask +
                               " has no tokens, or some with gaps between.",
                           given_.where, "A row's tokens stand beside one another.");
      rows.lengths.push_back(count);
    }
    return rows;
  }
  void put_rows(const FilledUp& rows, ModelInput& input) const {
    input.input_ids = rows.taken(rows.ids);
    input.lengths = rows.lengths;
    input.prompt_lengths.assign(rows.lengths.size(), 0);
  }
  Status put_types(const FilledUp& rows, ModelInput& input) const {
    const Tensor* types = find("token_type_ids");
    if (!types) return {};
    if (types->sizes() != rows.ids.sizes()) return shape_error("token_type_ids", "input_ids'");
    input.token_types = rows.taken(types->to(torch::kInt64));
    return {};
  }
  /// Pictures as the class takes them. Several patches or tiles of one go by image_grid_thw.
  Status put_pictures(ModelInput& input) const {
    const Tensor* pixels = find("pixel_values");
    if (!pixels) return {};
    if (const Tensor* seen = find("pixel_attention_mask");
        seen && !seen->to(torch::kBool).all().item<bool>())
      return input_error("Pictures are taken whole here.", given_.where + ": pixel_attention_mask",
                         "Give pictures without an edge that only fills them up.");
    input.pixel_values = pixels->to(torch::kFloat32);
    if (const Tensor* grids = find("image_grid_thw")) {
      if (grids->dim() != 2 || grids->size(1) != 3)
        return shape_error("image_grid_thw", "[pictures, 3]");
      const Tensor whole = grids->to(torch::kInt64).contiguous();
      std::int64_t all = 0;
      for (std::int64_t i = 0; i < whole.size(0); ++i) {
        const std::int64_t* grid = whole.const_data_ptr<std::int64_t>() + 3 * i;
        input.pictures.push_back({grid[0] * grid[1] * grid[2], {grid[0], grid[1], grid[2]}});
        all += input.pictures.back().rows;
      }
      if (pixels->dim() != 2 || pixels->size(0) != all)
        return shape_error("pixel_values", "the patches that image_grid_thw counts");
      return {};
    }
    if (pixels->dim() == 5 && pixels_stand_in_rows()) {
      // [rows, tiles, 3, height, width]: tiles that are black all over only fill a row up.
      const Tensor tiles = input.pixel_values.flatten(0, 1);
      input.pixel_values =
          tiles.index_select(0, tiles.flatten(1).ne(0).any(1).nonzero().squeeze(1));
      for (std::int64_t i = 0; i < input.pixel_values.size(0); ++i)
        input.pictures.push_back({1, {}});
      return {};
    }
    if (pixels->dim() != 4) return shape_error("pixel_values", "[pictures, 3, height, width]");
    for (std::int64_t i = 0; i < pixels->size(0); ++i) input.pictures.push_back({1, {}});
    return {};
  }
  /// Of models that read pictures alone: a row each.
  void put_picture_rows(ModelInput& input) const {
    const auto count = static_cast<std::int64_t>(input.pictures.size());
    input.input_ids = torch::full({count}, kPictureRow, torch::kInt64);
    input.lengths.assign(input.pictures.size(), 1);
    input.prompt_lengths.assign(input.pictures.size(), 0);
  }
  ModelInput ready(ModelInput input) const {
    if (!input.labels.defined())
      input.labels = torch::full_like(input.input_ids, kIgnoreLabel, torch::kInt64);
    return for_model(model_, std::move(input));
  }
  Result<Tensor> labels_like(const Tensor& like, const std::string& whose) const {
    const Tensor& labels = *find("labels");
    if (labels.sizes() != like.sizes()) return shape_error("labels", whose);
    return labels.to(torch::kInt64);
  }
  Tensor entropy(const Tensor& logits, const Tensor& labels) const {
    return at::cross_entropy_loss(logits.to(torch::kFloat32), labels.to(logits.device()), {},
                                  at::Reduction::Mean, kIgnoreLabel, label_smoothing_of(model_));
  }

  Status go_on(Causal& causal) {
    LUTHIER_TRY(const FilledUp rows, rows_of("input_ids", "attention_mask"));
    ModelInput input;
    put_rows(rows, input);
    LUTHIER_CHECK(put_pictures(input));
    // What sees itself both ways is told from what is written by its type (PaliGemma).
    if (const Tensor* types = find("token_type_ids"); types && types->sizes() == rows.ids.sizes()) {
      const Tensor prompts = (types->eq(0) & rows.own).sum(1);
      for (std::size_t row = 0; row < rows.lengths.size(); ++row)
        input.prompt_lengths[row] = prompts[static_cast<std::int64_t>(row)].item<std::int64_t>();
    }
    if (find("labels")) {
      LUTHIER_TRY(const Tensor labels, labels_like(rows.ids, "input_ids'"));
      input.labels = rows.taken(labels);
    }
    const ModelInput there = ready(std::move(input));
    const Tensor states = causal.decode(causal.embed(there), nullptr);
    const Linear head = model_.output_head();
    if (!head) {
      add("last_hidden_state", rows.put_back(states));
      return {};
    }
    const Tensor logits = head->forward(states).to(torch::kFloat32);
    add("logits", rows.put_back(logits));
    if (find("labels")) {
      const NextLabels next = next_labels(there);
      out_.loss = entropy(logits.index_select(0, next.places), next.labels);
    }
    return {};
  }

  Status restore(Encoder& encoder) {
    LUTHIER_TRY(const FilledUp rows, rows_of("input_ids", "attention_mask"));
    ModelInput input;
    put_rows(rows, input);
    LUTHIER_CHECK(put_types(rows, input));
    LUTHIER_CHECK(put_pictures(input));
    Tensor labels;
    if (find("labels")) {
      LUTHIER_TRY(labels, labels_like(rows.ids, "input_ids'"));
      labels = rows.taken(labels);
    }
    const ModelInput there = ready(std::move(input));
    const Tensor states = encoder.encode(there);
    PairJudge* judge = pair_judge(model_);
    if (judge && !judge->judges_pairs()) judge = nullptr;
    const Linear head = model_.output_head();
    if (!head) {
      add("last_hidden_state", rows.put_back(states));
      return {};
    }
    const Tensor logits = head->forward(encoder.before_head(states)).to(torch::kFloat32);
    add(judge ? "prediction_logits" : "logits", rows.put_back(logits));
    if (labels.defined()) out_.loss = entropy(logits, labels);
    if (!judge) return {};
    const bool order = std::string(loaded_.family->model_type) == "albert";
    const Tensor judged = judge->judge_pairs(states, row_layout(there)).to(torch::kFloat32);
    add(order ? "sop_logits" : "seq_relationship_logits", judged);
    const char* name = order ? "sentence_order_label" : "next_sentence_label";
    if (const Tensor* follows = find(name); follows && out_.loss.defined()) {
      if (follows->dim() != 1 || follows->size(0) != rows.rows())
        return shape_error(name, "[rows]");
      out_.loss =
          out_.loss + at::cross_entropy_loss(judged, follows->to(judged.device(), torch::kInt64),
                                             {}, at::Reduction::Mean, kIgnoreLabel);
    } else {
      out_.loss.reset();  // the class gives none without both
    }
    return {};
  }

  /// Labels, each behind the token before it; the first behind the start. mBART's begin with their
  /// last token, which names a language.
  Tensor shifted(const Tensor& labels, TokenId start) const {
    const auto pad = loaded_.config.find("pad_token_id");
    const TokenId padding =
        pad != loaded_.config.end() && pad->is_number_integer() ? pad->get<TokenId>() : 0;
    const Tensor filled = labels.masked_fill(labels == kIgnoreLabel, padding);
    Tensor first = torch::full({labels.size(0), 1}, start, torch::kInt64);
    if (std::string(loaded_.family->model_type) == "mbart")
      first = filled.gather(1, filled.ne(padding).sum(1, /*keepdim=*/true).sub_(1).clamp_min_(0));
    return torch::cat({first, filled.slice(1, 0, labels.size(1) - 1)}, 1);
  }

  Status rewrite(SequenceToSequence& pair) {
    ModelInput input;
    LUTHIER_CHECK(put_pictures(input));
    std::optional<FilledUp> source;
    if (find("input_ids") || input.pictures.empty()) {
      LUTHIER_TRY(source, rows_of("input_ids", "attention_mask"));
      input.source_ids = source->taken(source->ids);
      input.source_lengths = source->lengths;
    } else {
      input.source_ids = torch::full({static_cast<std::int64_t>(input.pictures.size())},
                                     kPictureRow, torch::kInt64);
      input.source_lengths.assign(input.pictures.size(), 1);
    }
    Tensor ids;
    const Tensor* labels = find("labels");
    if (labels && labels->dim() != 2) return shape_error("labels", "[rows, length]");
    if (const Tensor* given = find("decoder_input_ids")) {
      ids = given->to(torch::kInt64);
    } else if (labels) {
      ids = shifted(labels->to(torch::kInt64), pair.start_token());
    } else {
      return input_error("The decoder reads decoder_input_ids, or labels to make them of.",
                         given_.where, "Add one of them to the file.");
    }
    const auto count = static_cast<std::int64_t>(input.source_lengths.size());
    if (ids.dim() != 2 || ids.size(0) != count)
      return shape_error("decoder_input_ids", "[rows, length]");
    if (labels && labels->sizes() != ids.sizes())
      return shape_error("labels", "decoder_input_ids'");
    if (const Tensor* mask = find("decoder_attention_mask");
        mask && !mask->to(torch::kBool).all().item<bool>())
      return input_error("A decoder's rows are taken whole here.",
                         given_.where + ": decoder_attention_mask",
                         "Leave it out: what fills rows up stands behind all that is asked for.");
    input.input_ids = ids.reshape({-1});
    input.lengths.assign(static_cast<std::size_t>(count), ids.size(1));
    input.prompt_lengths.assign(static_cast<std::size_t>(count), 0);
    const ModelInput there = ready(std::move(input));
    const RowStates memory = pair.encode(there);
    const Tensor logits =
        model_.output_head()->forward(pair.decode(there, memory, nullptr)).to(torch::kFloat32);
    add("logits", logits.view({count, ids.size(1), -1}));
    if (source && memory.states.size(0) == there.source_ids.size(0))
      add("encoder_last_hidden_state", source->put_back(memory.states));
    if (!source && memory.states.size(0) % count == 0)
      add("encoder_last_hidden_state", memory.states.view({count, -1, memory.states.size(1)}));
    if (labels) out_.loss = entropy(logits, labels->to(torch::kInt64).reshape({-1}));
    return {};
  }

  /// A text behind its picture: each token by those before it.
  Status describe(SequenceToSequence& writer) {
    LUTHIER_TRY(const FilledUp rows, rows_of("input_ids", "attention_mask"));
    LUTHIER_CHECK(wanted("pixel_values"));
    ModelInput input;
    LUTHIER_CHECK(put_pictures(input));
    if (static_cast<std::int64_t>(input.pictures.size()) != rows.rows())
      return shape_error("pixel_values", "one picture a row");
    put_rows(rows, input);
    if (find("labels")) {
      LUTHIER_TRY(const Tensor labels, labels_like(rows.ids, "input_ids'"));
      input.labels = rows.taken(labels);
    }
    const ModelInput there = ready(std::move(input));
    const RowStates memory = writer.encode(there);
    const Tensor logits =
        model_.output_head()->forward(writer.decode(there, memory, nullptr)).to(torch::kFloat32);
    const Tensor seen = memory.states.view({rows.rows(), -1, memory.states.size(1)});
    add("logits", rows.put_back(logits));
    add("image_embeds", seen);
    add("last_hidden_state", seen);
    if (find("labels")) {
      const NextLabels next = next_labels(there);
      out_.loss = entropy(logits.index_select(0, next.places), next.labels);
    }
    return {};
  }

  /// Each text is about its own picture.
  Status segment(Segmenter& segmenter) {
    LUTHIER_TRY(const FilledUp rows, rows_of("input_ids", "attention_mask"));
    LUTHIER_CHECK(wanted("pixel_values"));
    ModelInput input;
    put_rows(rows, input);
    LUTHIER_CHECK(put_pictures(input));
    if (static_cast<std::int64_t>(input.pictures.size()) != rows.rows())
      return shape_error("pixel_values", "one picture a row");
    Segmenter::Rows about;
    for (std::int64_t row = 0; row < rows.rows(); ++row) {
      about.pictures.push_back(row);
      about.prompts.push_back(-1);
    }
    const Tensor logits = segmenter.segment(ready(std::move(input)), about);
    add("logits", logits);
    if (const Tensor* labels = find("labels")) {
      if (labels->sizes() != logits.sizes()) return shape_error("labels", "the logits'");
      out_.loss = at::binary_cross_entropy_with_logits(
          logits, labels->to(logits.device(), torch::kFloat32));
    }
    return {};
  }

  Status compare(TwoTowers& towers) {
    LUTHIER_TRY(const FilledUp rows, rows_of("input_ids", "attention_mask"));
    LUTHIER_CHECK(wanted("pixel_values"));
    ModelInput input;
    put_rows(rows, input);
    LUTHIER_CHECK(put_types(rows, input));
    LUTHIER_CHECK(put_pictures(input));
    const ModelInput there = ready(std::move(input));
    const Tensor images = towers.image(there), texts = towers.text(there, rows.rows());
    const Tensor logits = likeness(texts, images, towers.scale(), towers.bias());
    add("image_embeds", images);
    add("text_embeds", texts);
    add("logits_per_text", logits);
    add("logits_per_image", logits.t());
    if (!asks("return_loss")) return {};
    if (logits.size(0) != logits.size(1))
      return input_error("A loss is of as many pictures as texts.", given_.where,
                         "Leave return_loss out.");
    out_.loss = pair_loss(towers, logits) / logits.size(0);
    return {};
  }

  Status classify(Classifier& classifier) {
    const ClassOptions& classes = classifier.classes();
    ModelInput input;
    LUTHIER_CHECK(put_pictures(input));
    std::optional<FilledUp> rows;
    if (classes.of == ClassOptions::Of::Picture) {
      LUTHIER_CHECK(wanted("pixel_values"));
      put_picture_rows(input);
    } else {
      LUTHIER_TRY(rows, rows_of("input_ids", "attention_mask"));
      put_rows(*rows, input);
      LUTHIER_CHECK(put_types(*rows, input));
    }
    const ModelInput there = ready(std::move(input));
    Tensor logits = classifier.classify(there).to(torch::kFloat32);
    const bool tokens = classes.of == ClassOptions::Of::Token, replaced = is_discriminator();
    // Its two numbers are 0 and what the class says: that a token was replaced.
    if (replaced) logits = logits.select(1, 1);
    add("logits", tokens ? rows->put_back(logits) : logits);
    const Tensor* labels = find("labels");
    if (!labels) return {};
    const std::vector<std::int64_t> whole =
        tokens ? std::vector<std::int64_t>{rows->ids.size(0), rows->ids.size(1)}
               : std::vector<std::int64_t>{logits.size(0)};
    Tensor goals = *labels;
    if (tokens) {
      if (goals.sizes() != at::IntArrayRef(whole)) return shape_error("labels", "input_ids'");
      goals = rows->taken(goals);
    }
    goals = goals.to(logits.device());
    if (replaced) {
      out_.loss = at::binary_cross_entropy_with_logits(logits, goals.to(torch::kFloat32));
    } else if (classes.says == ClassOptions::Says::One) {
      if (goals.dim() != 1 || goals.size(0) != logits.size(0))
        return shape_error("labels", tokens ? "input_ids'" : "[rows]");
      out_.loss = entropy(logits, goals.to(torch::kInt64));
    } else if (goals.numel() != logits.numel()) {
      return shape_error("labels", "the logits'");
    } else if (classes.says == ClassOptions::Says::Several) {
      out_.loss =
          at::binary_cross_entropy_with_logits(logits, goals.to(torch::kFloat32).view_as(logits));
    } else {
      out_.loss = at::mse_loss(logits, goals.to(torch::kFloat32).view_as(logits));
    }
    return {};
  }

  Status rebuild(PatchRebuilder& rebuilder) {
    LUTHIER_TRY(const Tensor noise, wanted("noise"));
    LUTHIER_CHECK(wanted("pixel_values"));
    ModelInput input;
    LUTHIER_CHECK(put_pictures(input));
    put_picture_rows(input);
    const auto count = static_cast<std::int64_t>(input.pictures.size());
    if (noise.dim() != 2 || noise.size(0) != count || noise.size(1) != rebuilder.patches())
      return shape_error("noise", "[pictures, patches]");
    const ModelInput there = ready(std::move(input));
    const auto made = rebuilder.rebuild(there, noise.to(model_.device(), torch::kFloat32));
    add("logits", made.made);
    add("mask", made.covered);
    add("ids_restore",
        at::argsort(at::argsort(noise, std::int64_t{1}, false), std::int64_t{1}, false));
    const Tensor beside = (made.made - made.wanted).pow(2).mean(-1);
    out_.loss = (beside * made.covered).sum() / made.covered.sum();
    return {};
  }

  LoadedModel& loaded_;
  Model& model_;
  const ClassArguments& given_;
  ClassOutputs out_;
};

}  // namespace

Result<ClassOutputs> class_forward(LoadedModel& loaded, const ClassArguments& arguments) {
  return ClassCall(loaded, arguments).made();
}

}  // namespace luthier
