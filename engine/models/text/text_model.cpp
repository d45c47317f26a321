// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/text/text_model.h"

#include <string_view>

namespace luthier {

TextModel::TextModel(const TextOptions& o, const torch::TensorOptions& tensors)
    : prefix_lm_(o.prefix_lm) {
  const Decoder decoder(o.decoder, tensors);
  assemble(decoder.ptr(), decoder, o.tie_word_embeddings, tensors);
}

TokenSequence TextModel::embed(const ModelInput& input) {
  TokenSequence sequence = DecoderModel::embed(input);
  if (prefix_lm_) sequence.blocks = take_prefix_back(input);
  return sequence;
}

void TextModel::prepare(ModelInput& input) const {
  DecoderModel::prepare(input);
  if (prefix_lm_) set_prefix_aside(input);
}

DecoderEntry TextModel::add_entry_cost(const Pass& pass, PassCost& cost) const {
  DecoderEntry entry = DecoderModel::add_entry_cost(pass, cost);
  entry.blocks = prefix_lm_ && pass.terms.tokens_before == 0 && pass.terms.keys_before == 0;
  return entry;
}

Result<Plan> read_text_model(const Json& config, const std::filesystem::path& folder) {
  TextOptions options;
  const std::string where = (folder / "config.json").string();
  LUTHIER_TRY(options.decoder, read_decoder_options(config, where));
  LUTHIER_TRY(options.prefix_lm, json_bool(config, "prefix_lm", where, false));
  if (options.prefix_lm && options.decoder.carries_states())
    return input_error("A decoder that carries a state along its rows cannot look ahead in them.",
                       where + ": prefix_lm", "Leave it out.");
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
