// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/class_calls/call.h"

#include <algorithm>

#include "engine/models/mllama/picture_sight.h"
#include "engine/models/smoothed_labels.h"

namespace luthier {

using torch::Tensor;

bool ClassCall::is_one_of(std::initializer_list<std::string_view> types) const {
  return std::find(types.begin(), types.end(), loaded.family->model_type) != types.end();
}

void ClassCall::add(const std::string& output, const Tensor& value) {
  out.named.emplace_back(output, value.to(torch::kFloat32));
}

Status ClassCall::put_pictures(ModelInput& input) const {
  if (!given.has_pictures()) return {};
  if (const auto own = loaded.family->by_tensors.pictures) return own(given, loaded.config, input);
  return given.put_frames_or_patches(loaded.config, input);
}

Status ClassCall::put_own_pictures(const FilledUp& rows, ModelInput& input) const {
  LUTHIER_CHECK(given.wanted("pixel_values"));
  LUTHIER_CHECK(put_pictures(input));
  if (std::ssize(input.pictures) == rows.rows()) return {};
  return given.shape_error("pixel_values", "one picture a row");
}

ModelInput ClassCall::ready(ModelInput input) const {
  if (!input.labels.defined())
    input.labels = torch::full_like(input.input_ids, kIgnoreLabel, torch::kInt64);
  return for_model(model, std::move(input));
}

Status ClassCall::add_class_loss(const ClassOptions& classes, const Tensor& logits,
                                 const FilledUp* rows) {
  const Tensor* labels = given.find("labels");
  if (!labels) return {};
  const bool tokens = classes.of == ClassOptions::Of::Token;
  Tensor goals = *labels;
  if (tokens) {
    if (goals.sizes() != rows->ids.sizes()) return given.shape_error("labels", "input_ids'");
    goals = rows->taken(goals);
  }
  goals = goals.to(logits.device());
  ClassOptions::Says says = classes.says;
  // Where config.json says nothing, shares of several classes are told by their kind of numbers.
  const bool open =
      !loaded.config.contains("problem_type") || loaded.config["problem_type"].is_null();
  if (open && says == ClassOptions::Says::One && goals.is_floating_point())
    says = ClassOptions::Says::Several;
  if (says == ClassOptions::Says::One) {
    if (goals.dim() != 1 || goals.size(0) != logits.size(0))
      return given.shape_error("labels", tokens ? "input_ids'" : "[rows]");
    out.loss = entropy(logits, goals.to(torch::kInt64));
  } else if (goals.numel() != logits.numel()) {
    return given.shape_error("labels", "the logits'");
  } else if (says == ClassOptions::Says::Several) {
    out.loss =
        at::binary_cross_entropy_with_logits(logits, goals.to(torch::kFloat32).view_as(logits));
  } else {
    out.loss = at::mse_loss(logits, goals.to(torch::kFloat32).view_as(logits));
  }
  return {};
}

Tensor ClassCall::entropy(const Tensor& logits, const Tensor& labels) const {
  return at::cross_entropy_loss(logits.to(torch::kFloat32), labels.to(logits.device()), {},
                                at::Reduction::Mean, kIgnoreLabel, label_smoothing_of(model));
}

void ClassCall::add_picture_states(const ModelInput& input, const TokenSequence& sequence) {
  const ByTensors& by = loaded.family->by_tensors;
  if (by.rope_deltas && !input.pictures.empty()) {
    std::vector<std::int64_t> ahead;
    std::int64_t start = 0;
    for (const std::int64_t length : input.lengths) {
      const Tensor own = sequence.positions.slice(1, start, start + length);
      ahead.push_back(own.max().item<std::int64_t>() + 1 - length);
      start += length;
    }
    add("rope_deltas", torch::tensor(ahead, torch::kInt64).unsqueeze(1));
  }
  if (by.image_hidden_states == ByTensors::States::None || input.pictures.empty()) return;
  if (by.image_hidden_states == ByTensors::States::ByRow) {
    const Tensor& seen = sequence.sight->made;
    const auto rows = static_cast<std::int64_t>(input.lengths.size()),
               pictures = static_cast<std::int64_t>(input.pictures.size());
    add("image_hidden_states",
        seen.view({rows, pictures / rows, seen.size(0) / pictures, seen.size(1)}));
    return;
  }
  const bool by_frame = by.image_hidden_states == ByTensors::States::ByFrame;
  const auto put = [&](const char* name, TokenId token) {
    const Tensor states = sequence.embeddings.index({input.input_ids.eq(token)});
    if (token < 0 || states.size(0) == 0) return;
    add(name, by_frame ? states.view({input.pixel_values.size(0), -1, states.size(1)}) : states);
  };
  put("image_hidden_states", token_of(loaded.config, "image_token"));
  if (has_films(input)) put("video_hidden_states", token_of(loaded.config, "video_token"));
}

void ClassCall::add_written(const FilledUp& rows, const ModelInput& input, const Tensor& states) {
  const Tensor logits = model.output_head()->forward(states).to(torch::kFloat32);
  add("logits", rows.put_back(logits));
  if (!given.find("labels")) return;
  const NextLabels next = next_labels(input);
  out.loss = entropy(logits.index_select(0, next.places), next.labels);
}

}  // namespace luthier
