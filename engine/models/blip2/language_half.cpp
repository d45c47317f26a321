// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/blip2/language_half.h"

#include <optional>

#include "engine/models/opt/opt_body.h"

namespace luthier {

namespace {

/// eos_token_id: one id or a list.
std::optional<TokenId> first_end(const Json& config) {
  const auto found = config.is_object() ? config.find("eos_token_id") : config.end();
  if (!config.is_object() || found == config.end()) return std::nullopt;
  const Json& first = found->is_array() && !found->empty() ? found->front() : *found;
  if (!first.is_number_integer()) return std::nullopt;
  return first.get<TokenId>();
}

}  // namespace

Result<TokenId> answer_end(const LanguageOptions& options, const std::filesystem::path& folder) {
  const auto path = folder / "generation_config.json";
  TokenId end = options.end;
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored)) {
    LUTHIER_TRY(const Json generation, read_json_file(path));
    end = first_end(generation).value_or(end);
  }
  if (end >= 0 && end < options.decoder.vocab_size) return end;
  return input_error("The token " + std::to_string(end) +
                         " that ends answers is outside the "
                         "vocabulary of " +
                         std::to_string(options.decoder.vocab_size) + ".",
                     (folder / "config.json").string() + ": text_config: eos_token_id");
}

Result<LanguageOptions> read_language_options(const Json& config, const std::string& where,
                                              const char* default_type) {
  LUTHIER_TRY(const std::string type, json_string(config, "model_type", where, default_type));
  LanguageOptions o;
  o.end = first_end(config).value_or(o.end);
  if (type == kOptDecoder) {
    LUTHIER_TRY(o.decoder, read_opt_options(config, where));
    LUTHIER_TRY(o.padding, read_opt_padding(config, where));
    o.longest_row = o.decoder.rotary.max_position_embeddings;
    return o;
  }
  if (type != "llama" && type != "mistral" && type != "qwen2")
    return input_error("The language model \"" + type + "\" is not one that Luthier can load here.",
                       where + ": model_type", "Known are opt, llama, mistral and qwen2.");
  LUTHIER_TRY(o.decoder, read_decoder_options(config, where, type));
  return o;
}

LanguageHalf::LanguageHalf(const LanguageOptions& o, const torch::TensorOptions& t) {
  if (o.decoder.model_type == kOptDecoder) {
    const auto body = std::make_shared<OptBody>(o.decoder, o.padding, t);
    decoder = body->decoder;
    register_module("model", body);
    return;
  }
  decoder = Decoder(o.decoder, t);
  register_module("model", decoder);
}

}  // namespace luthier
