// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/named_class.h"
#include "engine/models/bert/pair_judge.h"
#include "engine/models/class_calls/call.h"

namespace luthier::class_calls {

using torch::Tensor;

namespace {

/// Beside the words' loss; the class gives none without both labels.
Status judge_pairs(ClassCall& call, const PairJudge& judge, const FilledUp& rows,
                   const Tensor& states, const RowLayout& layout) {
  const bool order = call.is_one_of({"albert"});
  const Tensor judged = judge.judge_pairs(states, layout).to(torch::kFloat32);
  call.add(order ? "sop_logits" : "seq_relationship_logits", judged);
  const char* name = order ? "sentence_order_label" : "next_sentence_label";
  const Tensor* follows = call.given.find(name);
  if (!follows || !call.out.loss.defined()) {
    call.out.loss.reset();
    return {};
  }
  if (follows->dim() != 1 || follows->size(0) != rows.rows())
    return call.given.shape_error(name, "[rows]");
  call.out.loss =
      call.out.loss + at::cross_entropy_loss(judged, follows->to(judged.device(), torch::kInt64),
                                             {}, at::Reduction::Mean, kIgnoreLabel);
  return {};
}

}  // namespace

Status go_on(ClassCall& call, Causal& causal) {
  LUTHIER_TRY(const FilledUp rows, call.given.text_rows());
  ModelInput input;
  call.given.put_rows(rows, input);
  LUTHIER_CHECK(call.put_pictures(input));
  LUTHIER_CHECK(call.given.put_labels(rows, input));
  // What sees itself both ways is told from what is written by its type (PaliGemma).
  if (const Tensor* types = call.given.find("token_type_ids");
      types && types->sizes() == rows.ids.sizes()) {
    const Tensor prompts = (types->eq(0) & rows.own).sum(1);
    for (std::size_t row = 0; row < rows.lengths.size(); ++row)
      input.prompt_lengths[row] = prompts[static_cast<std::int64_t>(row)].item<std::int64_t>();
  }
  const ModelInput there = call.ready(std::move(input));
  const TokenSequence sequence = causal.embed(there);
  call.add_picture_states(there, sequence);
  const Tensor states = causal.decode(sequence, nullptr);
  if (call.model.output_head() && !call.body)
    call.add_written(rows, there, states);
  else
    call.add("last_hidden_state", rows.put_back(states));
  return {};
}

Status restore(ClassCall& call, Encoder& encoder) {
  LUTHIER_TRY(const FilledUp rows, call.given.text_rows());
  ModelInput input;
  call.given.put_rows(rows, input);
  LUTHIER_CHECK(call.given.put_types(rows, input));
  LUTHIER_CHECK(call.put_pictures(input));
  const bool next_sentence = call.name == "BertForNextSentencePrediction";
  if (!next_sentence) LUTHIER_CHECK(call.given.put_labels(rows, input));
  const ModelInput there = call.ready(std::move(input));
  const Tensor states = encoder.encode(there);
  const Linear head = call.model.output_head();
  if (!head || call.body) {
    const Tensor each = rows.put_back(states);
    call.add("last_hidden_state", each);
    return call.body ? add_pooled(call, each.select(1, 0)) : Status();
  }
  if (PairJudge* judge = next_sentence ? pair_judge(call.model) : nullptr) {
    const Tensor logits = judge->judge_pairs(states, row_layout(there)).to(torch::kFloat32);
    call.add("logits", logits);
    const Tensor* labels = call.given.find("labels");
    if (!labels) return {};
    if (labels->numel() != rows.rows()) return call.given.shape_error("labels", "[rows]");
    call.out.loss =
        at::cross_entropy_loss(logits, labels->reshape({-1}).to(logits.device(), torch::kInt64), {},
                               at::Reduction::Mean, kIgnoreLabel);
    return {};
  }
  PairJudge* judge = pair_judge(call.model);
  const Tensor logits = head->forward(encoder.before_head(states)).to(torch::kFloat32);
  call.add(judge ? "prediction_logits" : "logits", rows.put_back(logits));
  if (call.given.find("labels")) call.out.loss = call.entropy(logits, there.labels);
  return judge ? judge_pairs(call, *judge, rows, states, row_layout(there)) : Status();
}

Status classify(ClassCall& call, Classifier& classifier) {
  const ClassOptions& classes = classifier.classes();
  ModelInput input;
  LUTHIER_CHECK(call.put_pictures(input));
  std::optional<FilledUp> rows;
  if (classes.of == ClassOptions::Of::Picture) {
    LUTHIER_CHECK(call.given.wanted("pixel_values"));
    call.given.put_picture_rows(input);
  } else {
    LUTHIER_TRY(rows, call.given.text_rows());
    call.given.put_rows(*rows, input);
    LUTHIER_CHECK(call.given.put_types(*rows, input));
  }
  const ModelInput there = call.ready(std::move(input));
  Tensor logits = classifier.classify(there).to(torch::kFloat32);
  const bool tokens = classes.of == ClassOptions::Of::Token,
             replaced =
                 call.name == "ElectraForPreTraining" || call.name == "ReplacedTokenDetectionModel";
  // Its two numbers are 0 and what the class says: that a token was replaced.
  if (replaced) logits = logits.select(1, 1);
  call.add("logits", tokens ? rows->put_back(logits) : logits);
  if (!replaced) return call.add_class_loss(classes, logits, rows ? &*rows : nullptr);
  const Tensor* labels = call.given.find("labels");
  if (!labels) return {};
  if (labels->sizes() != rows->ids.sizes()) return call.given.shape_error("labels", "input_ids'");
  call.out.loss = at::binary_cross_entropy_with_logits(
      logits, rows->taken(*labels).to(logits.device(), torch::kFloat32));
  return {};
}

}  // namespace luthier::class_calls
