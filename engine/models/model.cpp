// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/model.h"

#include <algorithm>

namespace luthier {

torch::Device Model::device() const { return parameters().front().device(); }
torch::ScalarType Model::dtype() const { return parameters().front().scalar_type(); }

Linear Model::output_head() {
  if (Causal* able = causal()) return able->head();
  if (Encoder* able = encoder()) return able->head();
  if (SequenceToSequence* able = sequence_to_sequence()) return able->head();
  return nullptr;
}

torch::Tensor states_before_head(Model& model, const ModelInput& input) {
  if (Causal* able = model.causal()) return able->decode(able->embed(input), nullptr);
  if (SequenceToSequence* able = model.sequence_to_sequence())
    return able->decode(input, able->encode(input), nullptr);
  Encoder* encoder = model.encoder();
  TORCH_CHECK(encoder, "the model makes no logits");
  return encoder->before_head(encoder->encode(input));
}

std::string Model::part_of(std::string_view name) const {
  for (const auto& [prefix, part] : declared_) {
    if (name.starts_with(prefix)) return part;
  }
  return kLanguageModel;
}

std::vector<std::string> Model::parts() const {
  std::vector<std::string> found;
  for (const auto& [prefix, part] : declared_) {
    if (part != kLanguageModel && std::find(found.begin(), found.end(), part) == found.end())
      found.push_back(part);
  }
  found.emplace_back(kLanguageModel);
  return found;
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

}  // namespace luthier
