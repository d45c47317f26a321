// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/class_forward.h"

#include <algorithm>
#include <string_view>

#include "engine/data/named_class.h"
#include "engine/models/bert/pair_judge.h"
#include "engine/models/class_arguments.h"
#include "engine/models/clipseg/segmenter.h"
#include "engine/models/load_without_processor.h"
#include "engine/models/pictures/feature_maps.h"
#include "engine/models/smoothed_labels.h"
#include "engine/models/two_towers/pair_loss.h"

namespace luthier {

namespace {

using torch::Tensor;

class ClassCall {
 public:
  ClassCall(LoadedModel& loaded, const ClassArguments& given)
      : loaded_(loaded),
        model_(*loaded.model),
        given_(given, is_one_of({"idefics3", "smolvlm"})),
        class_(named_class(loaded.config)) {}

  Result<ClassOutputs> made() {
    LUTHIER_CHECK(given_.check_names());
    if (PatchRebuilder* rebuilder = model_.patch_rebuilder()) {
      LUTHIER_CHECK(rebuild(*rebuilder));
    } else if (TwoTowers* towers = model_.two_towers()) {
      LUTHIER_CHECK(compare(*towers));
    } else if (auto* segmenter = dynamic_cast<Segmenter*>(&model_)) {
      LUTHIER_CHECK(segment(*segmenter));
    } else if (SequenceToSequence* pair = model_.sequence_to_sequence()) {
      // A captioner's input_ids are what is written of a picture, and not what is read.
      const bool describes = class_ == "BlipForConditionalGeneration";
      LUTHIER_CHECK(describes ? describe(*pair) : rewrite(*pair));
    } else if (Classifier* classifier = model_.output_head() ? nullptr : model_.classifier()) {
      LUTHIER_CHECK(classify(*classifier));
    } else if (Encoder* encoder = model_.encoder()) {
      LUTHIER_CHECK(restore(*encoder));
    } else if (Causal* causal = model_.causal()) {
      LUTHIER_CHECK(go_on(*causal));
    } else if (FeatureMaps* maps = feature_maps(model_)) {
      LUTHIER_TRY(const Tensor pixels, given_.wanted("pixel_values"));
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
  bool is_one_of(std::initializer_list<std::string_view> types) const {
    return std::find(types.begin(), types.end(), loaded_.family->model_type) != types.end();
  }
  void add(const std::string& name, const Tensor& value) {
    out_.named.emplace_back(name, value.to(torch::kFloat32));
  }
  ModelInput ready(ModelInput input) const {
    if (!input.labels.defined())
      input.labels = torch::full_like(input.input_ids, kIgnoreLabel, torch::kInt64);
    return for_model(model_, std::move(input));
  }
  Tensor entropy(const Tensor& logits, const Tensor& labels) const {
    return at::cross_entropy_loss(logits.to(torch::kFloat32), labels.to(logits.device()), {},
                                  at::Reduction::Mean, kIgnoreLabel, label_smoothing_of(model_));
  }

  /// Of a text that is written on: each token by those before it.
  void add_written(const FilledUp& rows, const ModelInput& input, const Tensor& states) {
    const Tensor logits = model_.output_head()->forward(states).to(torch::kFloat32);
    add("logits", rows.put_back(logits));
    if (!given_.find("labels")) return;
    const NextLabels next = next_labels(input);
    out_.loss = entropy(logits.index_select(0, next.places), next.labels);
  }

  Status go_on(Causal& causal) {
    LUTHIER_TRY(const FilledUp rows, given_.text_rows());
    ModelInput input;
    given_.put_rows(rows, input);
    LUTHIER_CHECK(given_.put_pictures(input));
    LUTHIER_CHECK(given_.put_labels(rows, input));
    // What sees itself both ways is told from what is written by its type (PaliGemma).
    if (const Tensor* types = given_.find("token_type_ids");
        types && types->sizes() == rows.ids.sizes()) {
      const Tensor prompts = (types->eq(0) & rows.own).sum(1);
      for (std::size_t row = 0; row < rows.lengths.size(); ++row)
        input.prompt_lengths[row] = prompts[static_cast<std::int64_t>(row)].item<std::int64_t>();
    }
    const ModelInput there = ready(std::move(input));
    const Tensor states = causal.decode(causal.embed(there), nullptr);
    if (model_.output_head())
      add_written(rows, there, states);
    else
      add("last_hidden_state", rows.put_back(states));
    return {};
  }

  Status restore(Encoder& encoder) {
    LUTHIER_TRY(const FilledUp rows, given_.text_rows());
    ModelInput input;
    given_.put_rows(rows, input);
    LUTHIER_CHECK(given_.put_types(rows, input));
    LUTHIER_CHECK(given_.put_pictures(input));
    LUTHIER_CHECK(given_.put_labels(rows, input));
    const ModelInput there = ready(std::move(input));
    const Tensor states = encoder.encode(there);
    const Linear head = model_.output_head();
    if (!head) {
      add("last_hidden_state", rows.put_back(states));
      return {};
    }
    PairJudge* judge = pair_judge(model_);
    const Tensor logits = head->forward(encoder.before_head(states)).to(torch::kFloat32);
    add(judge ? "prediction_logits" : "logits", rows.put_back(logits));
    if (given_.find("labels")) out_.loss = entropy(logits, there.labels);
    return judge ? judge_pairs(*judge, rows, states, row_layout(there)) : Status();
  }

  /// Beside the words' loss; the class gives none without both labels.
  Status judge_pairs(const PairJudge& judge, const FilledUp& rows, const Tensor& states,
                     const RowLayout& layout) {
    const bool order = is_one_of({"albert"});
    const Tensor judged = judge.judge_pairs(states, layout).to(torch::kFloat32);
    add(order ? "sop_logits" : "seq_relationship_logits", judged);
    const char* name = order ? "sentence_order_label" : "next_sentence_label";
    const Tensor* follows = given_.find(name);
    if (!follows || !out_.loss.defined()) {
      out_.loss.reset();
      return {};
    }
    if (follows->dim() != 1 || follows->size(0) != rows.rows())
      return given_.shape_error(name, "[rows]");
    out_.loss =
        out_.loss + at::cross_entropy_loss(judged, follows->to(judged.device(), torch::kInt64), {},
                                           at::Reduction::Mean, kIgnoreLabel);
    return {};
  }

  /// Labels, each behind the token before it; the first behind the start. mBART's begin with their
  /// last token, which names a language.
  Tensor shifted(const Tensor& labels, TokenId start) const {
    const TokenId padding = padding_by_config(loaded_.config);
    const Tensor filled = labels.masked_fill(labels == kIgnoreLabel, padding);
    Tensor first = torch::full({labels.size(0), 1}, start, torch::kInt64);
    if (is_one_of({"mbart"}))
      first = filled.gather(1, filled.ne(padding).sum(1, /*keepdim=*/true).sub_(1).clamp_min_(0));
    return torch::cat({first, filled.slice(1, 0, labels.size(1) - 1)}, 1);
  }

  Status rewrite(SequenceToSequence& pair) {
    ModelInput input;
    LUTHIER_CHECK(given_.put_pictures(input));
    std::optional<FilledUp> source;
    if (given_.find("input_ids") || input.pictures.empty()) {
      LUTHIER_TRY(source, given_.text_rows());
      input.source_ids = source->taken(source->ids);
      input.source_lengths = source->lengths;
    } else {
      input.source_ids = torch::full({static_cast<std::int64_t>(input.pictures.size())},
                                     kPictureRow, torch::kInt64);
      input.source_lengths.assign(input.pictures.size(), 1);
    }
    Tensor ids;
    const Tensor* labels = given_.find("labels");
    if (labels && labels->dim() != 2) return given_.shape_error("labels", "[rows, length]");
    if (const Tensor* given = given_.find("decoder_input_ids")) {
      ids = given->to(torch::kInt64);
    } else if (labels) {
      ids = shifted(labels->to(torch::kInt64), pair.start_token());
    } else {
      return input_error("The decoder reads decoder_input_ids, or labels to make them of.",
                         given_.where(), "Add one of them to the file.");
    }
    const auto count = static_cast<std::int64_t>(input.source_lengths.size());
    if (ids.dim() != 2 || ids.size(0) != count)
      return given_.shape_error("decoder_input_ids", "[rows, length]");
    if (labels && labels->sizes() != ids.sizes())
      return given_.shape_error("labels", "decoder_input_ids'");
    if (const Tensor* mask = given_.find("decoder_attention_mask");
        mask && !mask->to(torch::kBool).all().item<bool>())
      return input_error("A decoder's rows are taken whole here.",
                         given_.where() + ": decoder_attention_mask",
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

  /// A text behind its picture.
  Status describe(SequenceToSequence& writer) {
    LUTHIER_TRY(const FilledUp rows, given_.text_rows());
    ModelInput input;
    given_.put_rows(rows, input);
    LUTHIER_CHECK(given_.put_own_pictures(rows, input));
    LUTHIER_CHECK(given_.put_labels(rows, input));
    const ModelInput there = ready(std::move(input));
    const RowStates memory = writer.encode(there);
    add_written(rows, there, writer.decode(there, memory, nullptr));
    const Tensor seen = memory.states.view({rows.rows(), -1, memory.states.size(1)});
    add("image_embeds", seen);
    add("last_hidden_state", seen);
    return {};
  }

  /// Each text is about its own picture.
  Status segment(Segmenter& segmenter) {
    LUTHIER_TRY(const FilledUp rows, given_.text_rows());
    ModelInput input;
    given_.put_rows(rows, input);
    LUTHIER_CHECK(given_.put_own_pictures(rows, input));
    Segmenter::Rows about;
    for (std::int64_t row = 0; row < rows.rows(); ++row) {
      about.pictures.push_back(row);
      about.prompts.push_back(-1);
    }
    const Tensor logits = segmenter.segment(ready(std::move(input)), about);
    add("logits", logits);
    if (const Tensor* labels = given_.find("labels")) {
      if (labels->sizes() != logits.sizes()) return given_.shape_error("labels", "the logits'");
      out_.loss = at::binary_cross_entropy_with_logits(
          logits, labels->to(logits.device(), torch::kFloat32));
    }
    return {};
  }

  Status compare(TwoTowers& towers) {
    LUTHIER_TRY(const FilledUp rows, given_.text_rows());
    LUTHIER_CHECK(given_.wanted("pixel_values"));
    ModelInput input;
    given_.put_rows(rows, input);
    LUTHIER_CHECK(given_.put_types(rows, input));
    LUTHIER_CHECK(given_.put_pictures(input));
    const ModelInput there = ready(std::move(input));
    const Tensor images = towers.image(there), texts = towers.text(there, rows.rows());
    const Tensor logits = likeness(texts, images, towers.scale(), towers.bias());
    add("image_embeds", images);
    add("text_embeds", texts);
    add("logits_per_text", logits);
    add("logits_per_image", logits.t());
    if (!given_.asks("return_loss")) return {};
    if (logits.size(0) != logits.size(1))
      return input_error("A loss is of as many pictures as texts.", given_.where(),
                         "Leave return_loss out.");
    out_.loss = pair_loss(towers, logits) / logits.size(0);
    return {};
  }

  Status classify(Classifier& classifier) {
    const ClassOptions& classes = classifier.classes();
    ModelInput input;
    LUTHIER_CHECK(given_.put_pictures(input));
    std::optional<FilledUp> rows;
    if (classes.of == ClassOptions::Of::Picture) {
      LUTHIER_CHECK(given_.wanted("pixel_values"));
      given_.put_picture_rows(input);
    } else {
      LUTHIER_TRY(rows, given_.text_rows());
      given_.put_rows(*rows, input);
      LUTHIER_CHECK(given_.put_types(*rows, input));
    }
    const ModelInput there = ready(std::move(input));
    Tensor logits = classifier.classify(there).to(torch::kFloat32);
    const bool tokens = classes.of == ClassOptions::Of::Token,
               replaced =
                   class_ == "ElectraForPreTraining" || class_ == "ReplacedTokenDetectionModel";
    // Its two numbers are 0 and what the class says: that a token was replaced.
    if (replaced) logits = logits.select(1, 1);
    add("logits", tokens ? rows->put_back(logits) : logits);
    const Tensor* labels = given_.find("labels");
    if (!labels) return {};
    Tensor goals = *labels;
    if (tokens) {
      if (goals.sizes() != rows->ids.sizes()) return given_.shape_error("labels", "input_ids'");
      goals = rows->taken(goals);
    }
    goals = goals.to(logits.device());
    if (replaced) {
      out_.loss = at::binary_cross_entropy_with_logits(logits, goals.to(torch::kFloat32));
    } else if (classes.says == ClassOptions::Says::One) {
      if (goals.dim() != 1 || goals.size(0) != logits.size(0))
        return given_.shape_error("labels", tokens ? "input_ids'" : "[rows]");
      out_.loss = entropy(logits, goals.to(torch::kInt64));
    } else if (goals.numel() != logits.numel()) {
      return given_.shape_error("labels", "the logits'");
    } else if (classes.says == ClassOptions::Says::Several) {
      out_.loss =
          at::binary_cross_entropy_with_logits(logits, goals.to(torch::kFloat32).view_as(logits));
    } else {
      out_.loss = at::mse_loss(logits, goals.to(torch::kFloat32).view_as(logits));
    }
    return {};
  }

  Status rebuild(PatchRebuilder& rebuilder) {
    LUTHIER_TRY(const Tensor noise, given_.wanted("noise"));
    LUTHIER_CHECK(given_.wanted("pixel_values"));
    ModelInput input;
    LUTHIER_CHECK(given_.put_pictures(input));
    given_.put_picture_rows(input);
    const auto count = static_cast<std::int64_t>(input.pictures.size());
    if (noise.dim() != 2 || noise.size(0) != count || noise.size(1) != rebuilder.patches())
      return given_.shape_error("noise", "[pictures, patches]");
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
  const GivenArguments given_;
  const std::string class_;  ///< transformers' name, as config.json has it
  ClassOutputs out_;
};

}  // namespace

Result<ClassOutputs> class_forward(LoadedModel& loaded, const ClassArguments& arguments) {
  return ClassCall(loaded, arguments).made();
}

}  // namespace luthier
