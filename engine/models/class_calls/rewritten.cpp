// SPDX-License-Identifier: GPL-3.0-or-later
#include <cmath>

#include "engine/data/named_class.h"
#include "engine/models/blip/blip_options.h"
#include "engine/models/class_calls/call.h"
#include "engine/models/load_without_processor.h"

namespace luthier::class_calls {

using torch::Tensor;

namespace {

/// Labels, each behind the token before it; the first behind the start. mBART's begin with their
/// last token, which names a language.
Tensor shifted(const ClassCall& call, const Tensor& labels, TokenId start) {
  const TokenId padding = padding_by_config(call.loaded.config);
  const Tensor filled = labels.masked_fill(labels == kIgnoreLabel, padding);
  Tensor first = torch::full({labels.size(0), 1}, start, torch::kInt64);
  if (call.is_one_of({"mbart"}))
    first = filled.gather(1, filled.ne(padding).sum(1, /*keepdim=*/true).sub_(1).clamp_min_(0));
  return torch::cat({first, filled.slice(1, 0, labels.size(1) - 1)}, 1);
}

/// What the decoder's states are multiplied by on their way to the head: T5's, where the head
/// shares the words' table, and of a class without a head not.
double scale_of_states(const LoadedModel& loaded) {
  if (std::string_view(loaded.family->model_type) != "t5") return 1;
  const bool tied = loaded.config.value("tie_word_embeddings", true);
  if (!loaded.config.value("scale_decoder_outputs", tied)) return 1;
  return std::pow(loaded.config.value("d_model", 512.0), -0.5);
}

}  // namespace

Status rewrite(ClassCall& call, SequenceToSequence& pair) {
  ModelInput input;
  LUTHIER_CHECK(call.put_pictures(input));
  std::optional<FilledUp> source;
  if (call.given.find("input_ids") || input.pictures.empty()) {
    LUTHIER_TRY(source, call.given.text_rows());
    input.source_ids = source->taken(source->ids);
    input.source_lengths = source->lengths;
  } else {
    input.source_ids =
        torch::full({static_cast<std::int64_t>(input.pictures.size())}, kPictureRow, torch::kInt64);
    input.source_lengths.assign(input.pictures.size(), 1);
  }
  if (call.name == "T5EncoderModel") {
    if (!source) return call.given.wanted("input_ids").error();
    // Nothing is written: each row is its start.
    input.input_ids = torch::full({source->rows()}, pair.start_token(), torch::kInt64);
    input.lengths.assign(source->lengths.size(), 1);
    input.prompt_lengths.assign(source->lengths.size(), 0);
    const ModelInput there = call.ready(std::move(input));
    call.add("last_hidden_state", source->put_back(pair.encode(there).states));
    return {};
  }
  Tensor ids;
  const Tensor* labels = call.given.find("labels");
  if (labels && labels->dim() != 2) return call.given.shape_error("labels", "[rows, length]");
  if (const Tensor* given = call.given.find("decoder_input_ids")) {
    ids = given->to(torch::kInt64);
  } else if (labels) {
    ids = shifted(call, labels->to(torch::kInt64), pair.start_token());
  } else {
    return input_error("The decoder reads decoder_input_ids, or labels to make them of.",
                       call.given.where(), "Add one of them to the file.");
  }
  const auto count = static_cast<std::int64_t>(input.source_lengths.size());
  if (ids.dim() != 2 || ids.size(0) != count)
    return call.given.shape_error("decoder_input_ids", "[rows, length]");
  if (labels && labels->sizes() != ids.sizes())
    return call.given.shape_error("labels", "decoder_input_ids'");
  if (const Tensor* mask = call.given.find("decoder_attention_mask");
      mask && !mask->to(torch::kBool).all().item<bool>())
    return input_error("A decoder's rows are taken whole here.",
                       call.given.where() + ": decoder_attention_mask",
                       "Leave it out: what fills rows up stands behind all that is asked for.");
  input.input_ids = ids.reshape({-1});
  input.lengths.assign(static_cast<std::size_t>(count), ids.size(1));
  input.prompt_lengths.assign(static_cast<std::size_t>(count), 0);
  ModelInput there = call.ready(std::move(input));
  PictureTower* const tower = source ? nullptr : call.model.picture_tower();
  if (tower) there.tower_features = tower->tower(there);
  const RowStates memory = pair.encode(there);
  const Tensor states = pair.decode(there, memory, nullptr);
  const Tensor logits = call.body ? states / scale_of_states(call.loaded)
                                  : call.model.output_head()->forward(states).to(torch::kFloat32);
  call.add(call.body ? "last_hidden_state" : "logits", logits.view({count, ids.size(1), -1}));
  if (source && memory.states.size(0) == there.source_ids.size(0))
    call.add("encoder_last_hidden_state", source->put_back(memory.states));
  // Before the product that brings states to the decoder's width.
  if (const Tensor& seen = there.tower_features; tower)
    call.add("encoder_last_hidden_state", seen.view({count, -1, seen.size(-1)}));
  if (labels && !call.body)
    call.out.loss = call.entropy(logits, labels->to(torch::kInt64).reshape({-1}));
  return {};
}

/// A text behind its picture.
Status describe(ClassCall& call, SequenceToSequence& writer) {
  LUTHIER_TRY(const FilledUp rows, call.given.text_rows());
  ModelInput input;
  call.given.put_rows(rows, input);
  LUTHIER_CHECK(call.put_own_pictures(rows, input));
  LUTHIER_CHECK(call.given.put_labels(rows, input));
  const ModelInput there = call.ready(std::move(input));
  const RowStates memory = writer.encode(there);
  call.add_written(rows, there, writer.decode(there, memory, nullptr));
  const Tensor seen = memory.states.view({rows.rows(), -1, memory.states.size(1)});
  call.add("image_embeds", seen);
  call.add("last_hidden_state", seen);
  return {};
}

Status answer(ClassCall& call, SequenceToSequence& writer) {
  LUTHIER_TRY(const FilledUp questions, call.given.text_rows());
  ModelInput input;
  input.source_ids = questions.taken(questions.ids);
  input.source_lengths = questions.lengths;
  LUTHIER_CHECK(call.put_own_pictures(questions, input));
  // The question begins as it is given.
  input.aside[blip::kReadStarts] = torch::empty({0}, torch::kInt64);
  const Tensor* const labels = call.given.find("labels");
  const char* const written = call.given.find("decoder_input_ids") ? "decoder_input_ids" : "labels";
  LUTHIER_TRY(const FilledUp rows, call.given.text_rows(written, "decoder_attention_mask"));
  if (rows.rows() != questions.rows()) return call.given.shape_error(written, "[rows, length]");
  if (labels && labels->sizes() != rows.ids.sizes())
    return call.given.shape_error("labels", "decoder_input_ids'");
  call.given.put_rows(rows, input);
  LUTHIER_CHECK(call.given.put_labels(rows, input));
  ModelInput there = call.ready(std::move(input));
  there.tower_features = call.model.picture_tower()->tower(there);
  const RowStates memory = writer.encode(there);
  const Tensor logits = call.model.output_head()->forward(writer.decode(there, memory, nullptr));
  const Tensor seen = there.tower_features.view({questions.rows(), -1, memory.states.size(1)});
  call.add("image_embeds", seen);
  call.add("last_hidden_state", seen);
  if (!labels) return {};
  const NextLabels next = next_labels(there);
  call.out.loss = call.entropy(logits.index_select(0, next.places), next.labels);
  return {};
}

}  // namespace luthier::class_calls
