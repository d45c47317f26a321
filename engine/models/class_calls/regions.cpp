// SPDX-License-Identifier: GPL-3.0-or-later
// VisualBERT and LXMERT: texts beside regions that a detector found, [rows, regions, features],
// filled up as texts are.
#include "engine/data/named_class.h"
#include "engine/models/class_calls/call.h"
#include "engine/models/visual_bert/region_reader.h"
#include "engine/vision/region_processor.h"

namespace luthier::class_calls {

using torch::Tensor;

namespace {

/// What the two call their arguments and outputs.
struct RegionNames {
  const char *features, *matched, *matched_logits, *answers;
};
constexpr RegionNames kVisualBert{"visual_embeds", "sentence_image_labels",
                                  "seq_relationship_logits", "logits"};
constexpr RegionNames kLxmert{"visual_feats", "matched_label", "cross_relationship_score",
                              "question_answering_score"};

/// [rows, regions, ...] and which of them are the rows' own.
Result<FilledUp> region_rows(const ClassCall& call, const Tensor& features, std::int64_t rows) {
  constexpr const char* mask = "visual_attention_mask";
  if (features.dim() != 3 || features.size(0) != rows)
    return call.given.shape_error("regions", "[rows, regions, features]");
  FilledUp regions{features, torch::ones({rows, features.size(1)}, torch::kBool), {}};
  if (const Tensor* own = call.given.find(mask)) {
    if (own->sizes() != regions.own.sizes()) return call.given.shape_error(mask, "[rows, regions]");
    regions.own = own->to(torch::kBool);
  }
  const Tensor counts = regions.own.sum(1).contiguous();
  for (std::int64_t row = 0; row < rows; ++row)
    regions.lengths.push_back(counts[row].item<std::int64_t>());
  return regions;
}

/// Features and, of each region, the numbers that go with them: its box, where one is given.
Result<Tensor> numbers_of(const ClassCall& call, const FilledUp& regions) {
  const Tensor features = regions.taken(regions.ids).to(torch::kFloat32);
  Tensor numbers = torch::zeros({features.size(0), kRegionNumbers});
  if (const Tensor* boxes = call.given.find("visual_pos")) {
    if (boxes->dim() != 3 || boxes->size(2) != 4 ||
        !boxes->sizes().slice(0, 2).equals(regions.ids.sizes().slice(0, 2)))
      return call.given.shape_error("visual_pos", "[rows, regions, 4]");
    numbers.slice(1, region_numbers::kBox, region_numbers::kBox + 4)
        .copy_(regions.taken(boxes->to(torch::kFloat32)));
  }
  return at::cat({features, numbers}, 1);
}

/// [rows, ...] classes by scores [rows, classes], added to the loss.
Status add_entropy(ClassCall& call, const char* name, const Tensor& scores) {
  const Tensor* labels = call.given.find(name);
  if (!labels || !scores.defined()) return {};
  if (labels->numel() != scores.size(0)) return call.given.shape_error(name, "[rows]");
  const Tensor loss = at::cross_entropy_loss(
      scores.to(torch::kFloat32), labels->reshape({-1}).to(scores.device(), torch::kInt64), {},
      at::Reduction::Mean, kIgnoreLabel);
  call.out.loss = call.out.loss.defined() ? call.out.loss + loss : loss;
  return {};
}

Status answer(ClassCall& call, const Classifier& classifier, const Tensor& logits,
              const RegionNames& names) {
  const Tensor* labels = call.given.find("labels");
  if (!labels || labels->dim() == 1) {
    call.add(names.answers, logits);
    return labels ? add_entropy(call, "labels", logits) : Status();
  }
  // VisualBERT's are shares of all answers, and beside them the class gives logarithms of its own.
  if (labels->sizes() != logits.sizes())
    return call.given.shape_error(
        "labels", std::to_string(classifier.classes().numbers()) + " numbers a row");
  const Tensor shares = logits.to(torch::kFloat32).log_softmax(-1);
  call.add(names.answers, shares);
  call.out.loss =
      at::kl_div(shares, labels->to(logits.device(), torch::kFloat32), at::Reduction::Sum) /
      logits.size(0);
  return {};
}

/// Of words, and of VisualBERT's regions behind them.
Status add_words(ClassCall& call, const RegionReader& reader, const FilledUp& rows,
                 const FilledUp& regions, const RegionReader::Read& read, bool joined) {
  Encoder* const encoder = call.model.encoder();
  if (!encoder || !call.model.output_head()) return {};
  const auto said = [&](const Tensor& states) {
    return call.model.output_head()->forward(encoder->before_head(states)).to(torch::kFloat32);
  };
  Tensor logits = rows.put_back(said(read.words));
  if (joined && read.regions.defined())
    logits = at::cat({logits, regions.put_back(said(read.regions))}, 1);
  call.add("prediction_logits", logits);
  const Tensor* labels = call.given.find("labels");
  if (!labels || !reader.learns_words()) return {};
  if (!labels->sizes().equals(logits.sizes().slice(0, 2)))
    return call.given.shape_error("labels", joined ? "words and regions" : "input_ids'");
  call.out.loss = call.entropy(logits.flatten(0, 1), labels->to(torch::kInt64).flatten());
  return {};
}

}  // namespace

Status read_regions(ClassCall& call, RegionReader& reader) {
  const bool lxmert = call.is_one_of({"lxmert"});
  const RegionNames& names = lxmert ? kLxmert : kVisualBert;
  LUTHIER_TRY(const FilledUp rows, call.given.text_rows());
  LUTHIER_TRY(const Tensor features, call.given.wanted(names.features));
  LUTHIER_TRY(const FilledUp regions, region_rows(call, features, rows.rows()));
  if (features.size(2) != reader.region_width())
    return call.given.shape_error(names.features,
                                  std::to_string(reader.region_width()) + " numbers a region");
  if (const Tensor* types = call.given.find("visual_token_type_ids");
      types && !types->eq(1).all().item<bool>())
    return input_error("Regions are of type 1 here.",
                       call.given.where() + ": visual_token_type_ids",
                       "Leave it out, or give ones.");
  if (lxmert) LUTHIER_CHECK(call.given.wanted("visual_pos"));
  ModelInput input;
  call.given.put_rows(rows, input);
  LUTHIER_CHECK(call.given.put_types(rows, input));
  LUTHIER_TRY(input.pixel_values, numbers_of(call, regions));
  for (const std::int64_t count : regions.lengths) input.pictures.push_back({count, {count, 0}});
  const ModelInput there = call.ready(std::move(input));
  if (Classifier* classifier = call.model.classifier())
    return answer(call, *classifier, classifier->classify(there), names);
  const RegionReader::Read read = reader.read(there);
  if (call.body) {
    const Tensor words = rows.put_back(read.words), seen = regions.put_back(read.regions);
    if (lxmert) {
      call.add("language_output", words), call.add("vision_output", seen);
    } else {
      call.add("last_hidden_state", at::cat({words, seen}, 1));
    }
    call.add(lxmert ? "pooled_output" : "pooler_output", read.pooled);
    return {};
  }
  LUTHIER_CHECK(add_words(call, reader, rows, regions, read, !lxmert));
  const Tensor matched = reader.matched(read), answered = reader.answered(read);
  if (matched.defined()) call.add(names.matched_logits, matched);
  if (answered.defined()) call.add(names.answers, answered);
  if (reader.learns_matches()) LUTHIER_CHECK(add_entropy(call, names.matched, matched));
  return lxmert ? add_entropy(call, "ans", answered) : Status();
}

}  // namespace luthier::class_calls
