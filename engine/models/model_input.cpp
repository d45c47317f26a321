// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/model_input.h"

#include <algorithm>

namespace luthier {

namespace {

constexpr const char *kRows = "rows", *kSourceRows = "source_rows", *kLabelPlaces = "labels",
                     *kNextPlaces = "before_labels", *kNextLabels = "next_labels",
                     *kNextShares = "label_shares";

const torch::Tensor* found_aside(const ModelInput& input, const char* name) {
  const auto found = input.aside.find(name);
  return found == input.aside.end() ? nullptr : &found->second;
}

/// Fills up to `labels`.
NextLabels filled_up(const NextLabels& next, std::int64_t labels, std::int64_t last_place) {
  const std::int64_t missing = labels - next.places.size(0);
  TORCH_CHECK(missing >= 0, "there are more labels than the recording has room for");
  const auto with = [missing](const torch::Tensor& own, double filler) {
    return at::cat({own, torch::full({missing}, filler, own.options())});
  };
  return {with(next.places, static_cast<double>(last_place)), with(next.labels, 0),
          with(torch::ones(next.places.sizes(), torch::kFloat32), 0)};
}

/// Row by row; a fork's first token stands behind its trunk's last.
NextLabels labels_of_forks(const ModelInput& input) {
  const torch::Tensor here = input.labels.cpu().contiguous();
  const std::int64_t* labels = here.const_data_ptr<std::int64_t>();
  std::vector<std::int64_t> starts, places, next;
  std::int64_t start = 0;
  for (std::size_t row = 0; row < input.lengths.size(); ++row) {
    starts.push_back(start);
    const std::int64_t trunk = input.trunks[row];
    for (std::int64_t i = trunk < 0 ? 1 : 0; i < input.lengths[row]; ++i) {
      if (labels[start + i] == kIgnoreLabel) continue;
      const auto from = static_cast<std::size_t>(std::max<std::int64_t>(0, trunk));
      places.push_back(i > 0 ? start + i - 1 : starts[from] + input.lengths[from] - 1);
      next.push_back(labels[start + i]);
    }
    start += input.lengths[row];
  }
  const torch::Device device = input.labels.device();
  return {torch::tensor(places, torch::kInt64).to(device),
          torch::tensor(next, torch::kInt64).to(device),
          {}};
}

}  // namespace

bool has_films(const ModelInput& input) {
  return std::any_of(input.pictures.begin(), input.pictures.end(),
                     [](const PictureFacts& picture) { return picture.step_seconds.has_value(); });
}

ModelInput collate(const std::vector<Example>& examples) {
  std::vector<const Example*> pointers;
  for (const Example& example : examples) pointers.push_back(&example);
  return collate(pointers);
}

ModelInput collate(const std::vector<const Example*>& examples) {
  ModelInput input;
  std::vector<std::int64_t> ids, labels, source, types;
  std::vector<torch::Tensor> pixels;
  for (const Example* example : examples) {
    ids.insert(ids.end(), example->input_ids.begin(), example->input_ids.end());
    labels.insert(labels.end(), example->labels.begin(), example->labels.end());
    labels.resize(ids.size(), kIgnoreLabel);  // a prompt has none
    if (!example->token_types.empty()) {
      types.resize(ids.size() - example->token_types.size(), 0);
      types.insert(types.end(), example->token_types.begin(), example->token_types.end());
    }
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
      if (image.film) input.pictures.back().step_seconds = image.film->step;
    }
  }
  input.input_ids = torch::tensor(ids, torch::kInt64);
  input.labels = torch::tensor(labels, torch::kInt64);
  if (!source.empty()) input.source_ids = torch::tensor(source, torch::kInt64);
  if (!types.empty()) {
    types.resize(ids.size(), 0);
    input.token_types = torch::tensor(types, torch::kInt64);
  }
  if (!pixels.empty()) input.pixel_values = at::cat(pixels, 0);
  return input;
}

ModelInput to_device(const ModelInput& input, torch::Device device) {
  ModelInput moved = input;
  std::vector<torch::Tensor*> tensors{&moved.input_ids, &moved.pixel_values, &moved.tower_features,
                                      &moved.labels,    &moved.source_ids,   &moved.token_types};
  for (auto& [name, tensor] : moved.aside) tensors.push_back(&tensor);
  move_together(tensors, device);
  return moved;
}

RowLayout row_layout(const ModelInput& input) {
  RowLayout rows = input.standing.rows > 0
                       ? RowLayout::standing(input.standing.rows, input.input_ids.size(0))
                   : input.trunks.empty() ? RowLayout(input.lengths)
                                          : RowLayout(input.lengths, input.trunks);
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
  if (places) {
    const torch::Tensor* shares = found_aside(input, kNextShares);
    return {*places, input.aside.at(kNextLabels), shares ? *shares : torch::Tensor()};
  }
  if (!input.trunks.empty()) return labels_of_forks(input);
  torch::Tensor shifted = input.labels.roll(-1);
  std::vector<std::int64_t> ends;  // a row's last token predicts nothing
  std::int64_t end = 0;
  for (const std::int64_t length : input.lengths) ends.push_back((end += length) - 1);
  shifted.index_fill_(0, torch::tensor(ends, torch::kInt64).to(shifted.device()), kIgnoreLabel);
  NextLabels next;
  next.places = (shifted != kIgnoreLabel).nonzero().squeeze(1);
  next.labels = shifted.index_select(0, next.places);
  return input.standing.rows > 0
             ? filled_up(next, input.standing.labels, input.input_ids.size(0) - 1)
             : next;
}

void set_rows_and_labels_aside(ModelInput& input) {
  const bool stands = input.standing.rows > 0;
  RowLayout(input.lengths).set_aside(input.aside, kRows, stands);
  if (!input.source_lengths.empty())
    RowLayout(input.source_lengths).set_aside(input.aside, kSourceRows);
  // The prompt of a model of two texts has no tokens of its own, and so no labels.
  if (!input.labels.defined() || input.labels.numel() == 0) return;
  const NextLabels next = next_labels(input);
  input.aside[kNextPlaces] = next.places, input.aside[kNextLabels] = next.labels;
  if (stands)
    input.aside[kNextShares] = next.shares;
  else
    input.aside[kLabelPlaces] = label_places(input);
}

}  // namespace luthier
