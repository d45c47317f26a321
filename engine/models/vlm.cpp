// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/vlm.h"

#include <algorithm>

namespace luthier {

torch::Device VisionLanguageModel::device() const { return parameters().front().device(); }
torch::ScalarType VisionLanguageModel::dtype() const { return parameters().front().scalar_type(); }

ModelInput collate(const std::vector<Example>& examples) {
  ModelInput input;
  std::vector<std::int64_t> ids, labels;
  std::vector<torch::Tensor> pixels;
  for (const Example& example : examples) {
    ids.insert(ids.end(), example.input_ids.begin(), example.input_ids.end());
    labels.insert(labels.end(), example.labels.begin(), example.labels.end());
    labels.resize(ids.size(), kIgnoreLabel);  // a prompt has none
    input.lengths.push_back(static_cast<std::int64_t>(example.input_ids.size()));
    input.prompt_lengths.push_back(example.prompt_tokens);
    for (const PixelValues& image : example.images) {
      if (!image.values.empty())
        pixels.push_back(torch::from_blob(const_cast<float*>(image.values.data()), image.shape,
                                          torch::kFloat32));
      input.pictures.push_back({image.shape.empty() ? 0 : image.shape.front(), image.grid});
    }
  }
  input.input_ids = torch::tensor(ids, torch::kInt64);
  input.labels = torch::tensor(labels, torch::kInt64);
  if (!pixels.empty()) input.pixel_values = at::cat(pixels, 0);
  return input;
}

torch::Tensor place_features(const torch::Tensor& embeddings, const torch::Tensor& input_ids,
                             TokenId image_token, const torch::Tensor& features,
                             torch::Tensor* places) {
  const torch::Tensor found = (input_ids == image_token).nonzero().squeeze(1);  // [image tokens]
  TORCH_CHECK(found.size(0) == features.size(0), "there are ", found.size(0), " image tokens and ",
              features.size(0), " image features");
  if (places) *places = found;
  return embeddings.index_copy(0, found, features.to(embeddings.scalar_type()));
}

ModelInput to_device(const ModelInput& input, torch::Device device) {
  ModelInput moved = input;
  for (torch::Tensor* tensor :
       {&moved.input_ids, &moved.pixel_values, &moved.tower_features, &moved.labels}) {
    if (tensor->defined()) *tensor = tensor->to(device, /*non_blocking=*/true);
  }
  return moved;
}

std::string part_of(const std::string& name) {
  const auto has = [&](const char* word) { return name.find(word) != std::string::npos; };
  if (has("projector") || has("connector") || has("merger") || has("image_newline"))
    return "projector";
  if (has("vision_tower") || has("vision_model") || has("visual.")) return "vision_tower";
  return "language_model";
}

}  // namespace luthier
