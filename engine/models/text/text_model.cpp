// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/text/text_model.h"

#include <string_view>

namespace luthier {

TextModel::TextModel(const TextOptions& o, const torch::TensorOptions& tensors) {
  const Decoder decoder(o.decoder, tensors);
  assemble(decoder.ptr(), decoder, o.tie_word_embeddings, tensors);
}

Result<Plan> read_text_model(const Json& config, const std::filesystem::path& folder) {
  TextOptions options;
  LUTHIER_TRY(options.decoder, read_decoder_options(config, (folder / "config.json").string()));
  options.tie_word_embeddings = options.decoder.tie_word_embeddings;
  Plan plan;
  plan.build = builder<TextModel>(options);
  plan.initializer_range = options.decoder.initializer_range;
  return plan;
}

std::string text_memory_name(const std::string& stored) {
  for (const char* own : {"layers.", "embed_tokens.", "embed_tokens_per_layer.", "per_layer_",
                          "norm.", "embedding_norm.", "final_layernorm.", "altup_"}) {
    if (stored.starts_with(own)) return "model." + stored;
  }
  return stored;
}

std::string text_half_memory_name(const std::string& stored) {
  const std::string_view whole = "model.language_model.";
  return stored.starts_with(whole) ? "model." + stored.substr(whole.size())
                                   : text_memory_name(stored);
}

}  // namespace luthier
