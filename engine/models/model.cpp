// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/model.h"

#include <algorithm>

#include "engine/models/two_towers/pair_loss.h"

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

torch::Tensor text_likeness(TwoTowers& towers, const ModelInput& input) {
  const auto rows = static_cast<std::int64_t>(input.pictures.size());
  TORCH_CHECK(rows > 0 && rows <= static_cast<std::int64_t>(input.lengths.size()),
              "each text goes with one picture");
  const torch::Tensor images = towers.image(input), texts = towers.text(input, rows);
  return likeness(texts, images, towers.scale(), towers.bias());
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

ModelInput for_model(const Model& model, ModelInput input) {
  const torch::Device device = model.device();
  if (!device.is_cpu()) model.prepare(input);
  return to_device(input, device);
}

torch::Tensor place_features(const torch::Tensor& embeddings, const torch::Tensor& places,
                             const torch::Tensor& features) {
  TORCH_CHECK(places.size(0) == features.size(0), "there are ", places.size(0),
              " image tokens and ", features.size(0), " image features");
  return embeddings.index_copy(0, places, features.to(embeddings.scalar_type()));
}

}  // namespace luthier
