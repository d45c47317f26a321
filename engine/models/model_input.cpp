// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/model_input.h"

namespace luthier {

namespace {

constexpr const char *kRows = "rows", *kSourceRows = "source_rows", *kLabelPlaces = "labels",
                     *kNextPlaces = "before_labels", *kNextLabels = "next_labels";

const torch::Tensor* found_aside(const ModelInput& input, const char* name) {
  const auto found = input.aside.find(name);
  return found == input.aside.end() ? nullptr : &found->second;
}

}  // namespace

ModelInput collate(const std::vector<Example>& examples) {
  std::vector<const Example*> pointers;
  for (const Example& example : examples) pointers.push_back(&example);
  return collate(pointers);
}

ModelInput collate(const std::vector<const Example*>& examples) {
  ModelInput input;
  std::vector<std::int64_t> ids, labels, source;
  std::vector<torch::Tensor> pixels;
  for (const Example* example : examples) {
    ids.insert(ids.end(), example->input_ids.begin(), example->input_ids.end());
    labels.insert(labels.end(), example->labels.begin(), example->labels.end());
    labels.resize(ids.size(), kIgnoreLabel);  // a prompt has none
    input.lengths.push_back(static_cast<std::int64_t>(example->input_ids.size()));
    input.prompt_lengths.push_back(example->prompt_tokens);
    if (!example->source_ids.empty()) {
      source.insert(source.end(), example->source_ids.begin(), example->source_ids.end());
      input.source_lengths.push_back(static_cast<std::int64_t>(example->source_ids.size()));
    }
    for (const PixelValues& image : example->images) {
      if (!image.values.empty())
        pixels.push_back(torch::from_blob(const_cast<float*>(image.values.data()), image.shape,
                                          torch::kFloat32));
      input.pictures.push_back({image.shape.empty() ? 0 : image.shape.front(), image.grid});
    }
  }
  input.input_ids = torch::tensor(ids, torch::kInt64);
  input.labels = torch::tensor(labels, torch::kInt64);
  if (!source.empty()) input.source_ids = torch::tensor(source, torch::kInt64);
  if (!pixels.empty()) input.pixel_values = at::cat(pixels, 0);
  return input;
}

ModelInput to_device(const ModelInput& input, torch::Device device) {
  ModelInput moved = input;
  std::vector<torch::Tensor*> tensors{&moved.input_ids, &moved.pixel_values, &moved.tower_features,
                                      &moved.labels, &moved.source_ids};
  for (auto& [name, tensor] : moved.aside) tensors.push_back(&tensor);
  move_together(tensors, device);
  return moved;
}

RowLayout row_layout(const ModelInput& input) {
  RowLayout rows(input.lengths);
  rows.take_back(input.aside, kRows);
  return rows;
}

RowLayout source_layout(const ModelInput& input) {
  RowLayout rows(input.source_lengths);
  rows.take_back(input.aside, kSourceRows);
  return rows;
}

torch::Tensor label_places(const ModelInput& input) {
  if (const torch::Tensor* made = found_aside(input, kLabelPlaces)) return *made;
  return (input.labels != kIgnoreLabel).nonzero().squeeze(1);
}

NextLabels next_labels(const ModelInput& input) {
  const torch::Tensor* places = found_aside(input, kNextPlaces);
  if (places) return {*places, input.aside.at(kNextLabels)};
  torch::Tensor shifted = input.labels.roll(-1);
  std::vector<std::int64_t> ends;  // a row's last token predicts nothing
  std::int64_t end = 0;
  for (const std::int64_t length : input.lengths) ends.push_back((end += length) - 1);
  shifted.index_fill_(0, torch::tensor(ends, torch::kInt64).to(shifted.device()), kIgnoreLabel);
  NextLabels next;
  next.places = (shifted != kIgnoreLabel).nonzero().squeeze(1);
  next.labels = shifted.index_select(0, next.places);
  return next;
}

void set_rows_and_labels_aside(ModelInput& input) {
  RowLayout(input.lengths).set_aside(input.aside, kRows);
  if (!input.source_lengths.empty())
    RowLayout(input.source_lengths).set_aside(input.aside, kSourceRows);
  // The prompt of a model of two texts has no tokens of its own, and so no labels.
  if (!input.labels.defined() || input.labels.numel() == 0) return;
  const NextLabels next = next_labels(input);
  input.aside[kLabelPlaces] = label_places(input);
  input.aside[kNextPlaces] = next.places, input.aside[kNextLabels] = next.labels;
}

}  // namespace luthier
