// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/vlm.h"

#include <algorithm>

namespace luthier {

torch::Device VisionLanguageModel::device() const { return parameters().front().device(); }
torch::ScalarType VisionLanguageModel::dtype() const { return parameters().front().scalar_type(); }

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
