// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/model_input.h"

namespace luthier {

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
  for (torch::Tensor* tensor : {&moved.input_ids, &moved.pixel_values, &moved.tower_features,
                                &moved.labels, &moved.source_ids}) {
    if (tensor->defined()) *tensor = tensor->to(device, /*non_blocking=*/true);
  }
  return moved;
}

}  // namespace luthier
