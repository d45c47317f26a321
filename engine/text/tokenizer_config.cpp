// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/text/tokenizer_config.h"

#include <algorithm>
#include <array>
#include <set>

#include "engine/io/files.h"
#include "engine/text/json_fields.h"

namespace luthier {
namespace {

constexpr std::array kNames = {"bos_token", "eos_token", "unk_token", "sep_token",
                               "pad_token", "cls_token", "mask_token"};

bool is_standard(const std::string& name) {
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

/// The file's object, or an empty one where there is no such file.
Result<Json> read_optional(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return Json::object();
  LUTHIER_TRY(Json value, read_json_file(path));
  if (!value.is_object()) return input_error("An object is needed here.", path.string());
  return value;
}

Status read_extra(const Json& list, const std::string& where, std::vector<AddedToken>& extra) {
  if (!list.is_array()) return input_error("A list of tokens is needed here.", where);
  for (const Json& entry : list) {
    LUTHIER_TRY(AddedToken token, read_added_token(entry, where, true));
    token.special = true;
    extra.push_back(std::move(token));
  }
  return {};
}

/// Model types whose tokenizer_class on the hub is not to be believed: tokenizer.json alone counts.
const std::set<std::string>& plain_types() {
  static const std::set<std::string> types = {
      "arctic",       "aria",        "bigbird_pegasus",
      "chameleon",    "deepseek_v2", "deepseek_v3",
      "deepseek_v32", "deepseek_vl", "deepseek_vl_hybrid",
      "deepseek_ocr", "ernie4_5",    "ernie4_5_moe",
      "fuyu",         "glm",         "glm4",
      "glm4v",        "glm4v_moe",   "got_ocr2",
      "granite",      "granitemoe",  "hyperclovax",
      "internlm2",    "jamba",       "janus",
      "kosmos-2",     "llava",       "llava_next",
      "minicpm3",     "minicpmv",    "minimax_m2",
      "ministral",    "ministral3",  "mistral",
      "mistral3",     "mixtral",     "modernbert",
      "molmo",        "molmo2",      "nemotron",
      "olmo2",        "olmo3",       "openvla",
      "paddleocr_vl", "phi3",        "phi3_v",
      "phimoe",       "pix2struct",  "pixtral",
      "smolvlm",      "stablelm",    "step3_vl",
      "umt5",         "vipllava",    "vision-encoder-decoder",
      "voxtral",      "minicpmv4_6", "deepseek_ocr2"};
  return types;
}

/// Model types with a class of their own, of those classes that rebuild the pipeline.
std::string registered_class(const std::string& model_type) {
  static const std::map<std::string, std::string> classes = {
      {"aya_vision", "CohereTokenizer"},   {"cohere2", "CohereTokenizer"},
      {"clip", "CLIPTokenizer"},           {"gemma", "GemmaTokenizer"},
      {"gemma2", "GemmaTokenizer"},        {"gemma3", "GemmaTokenizer"},
      {"gemma3_text", "GemmaTokenizer"},   {"gemma3n", "GemmaTokenizer"},
      {"shieldgemma2", "GemmaTokenizer"},  {"siglip", "SiglipTokenizer"},
      {"idefics", "LlamaTokenizer"},       {"idefics2", "LlamaTokenizer"},
      {"internvl", "Qwen2Tokenizer"},      {"ovis2", "Qwen2Tokenizer"},
      {"qwen2", "Qwen2Tokenizer"},         {"qwen2_5_vl", "Qwen2Tokenizer"},
      {"qwen2_vl", "Qwen2Tokenizer"},      {"qwen2_moe", "Qwen2Tokenizer"},
      {"qwen3", "Qwen2Tokenizer"},         {"qwen3_moe", "Qwen2Tokenizer"},
      {"qwen3_vl", "Qwen2Tokenizer"},      {"qwen3_vl_moe", "Qwen2Tokenizer"},
      {"qwen3_5", "Qwen3_5Tokenizer"},     {"qwen3_5_moe", "Qwen3_5Tokenizer"},
      {"qwen3_5_text", "Qwen3_5Tokenizer"}};
  const auto found = classes.find(model_type);
  return found == classes.end() ? std::string() : found->second;
}

}  // namespace

Result<TokenizerConfig> TokenizerConfig::read(const std::filesystem::path& folder,
                                              const std::vector<AddedToken>& vocabulary_tokens) {
  TokenizerConfig config;
  config.where = (folder / "tokenizer_config.json").string();
  LUTHIER_TRY(config.values, read_optional(folder / "tokenizer_config.json"));
  LUTHIER_TRY(config.tokenizer_class,
              string_field(config.values, "tokenizer_class", config.where, ""));
  if (config.tokenizer_class.ends_with("Fast"))
    config.tokenizer_class.resize(config.tokenizer_class.size() - 4);
  LUTHIER_TRY(const Json model, read_optional(folder / "config.json"));
  LUTHIER_TRY(config.model_type,
              string_field(model, "model_type", (folder / "config.json").string(), ""));

  std::map<std::string, AddedToken> by_content;
  Json merged = config.values;
  if (const Json* decoder = find_field(config.values, "added_tokens_decoder")) {
    config.has_added_tokens_decoder = true;
    if (!decoder->is_object())
      return input_error("An object is needed here.", config.where + ": added_tokens_decoder");
    for (const auto& [key, value] : decoder->items()) {
      const std::string at = config.where + ": added_tokens_decoder." + key;
      const bool digits =
          !key.empty() && key.size() <= 8 &&
          std::all_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; });
      if (!digits || std::stoll(key) >= kMaxVocabulary)
        return input_error("A token id is needed as the key.", at);
      LUTHIER_TRY(const AddedToken token, read_added_token(value, at, false));
      config.added_tokens[std::stoll(key)] = token;
      by_content[token.content] = token;
    }
  } else {
    LUTHIER_TRY(const Json map, read_optional(folder / "special_tokens_map.json"));
    for (const auto& [key, value] : map.items()) {
      merged[key] = value;
      if (value.is_object() && key != "extra_special_tokens") merged[key]["special"] = true;
    }
    LUTHIER_TRY(const Json added, read_optional(folder / "added_tokens.json"));
    std::set<std::string> special;
    for (const auto& [key, value] : merged.items()) {
      if (value.is_string() && is_standard(key)) special.insert(value.get<std::string>());
    }
    for (const auto& [content, id] : added.items()) {
      const std::string at = (folder / "added_tokens.json").string() + ": " + content;
      if (!id.is_number_integer() || id < 0 || id >= kMaxVocabulary)
        return input_error("A token id is needed here.", at);
      AddedToken token;
      token.content = content;
      token.special = special.contains(content);
      token.normalized = !token.special;
      config.added_tokens[id.get<std::int64_t>()] = token;
      by_content[content] = token;
    }
    for (const AddedToken& token : vocabulary_tokens) by_content[token.content] = token;
  }

  const auto add_named = [&](const std::string& name, const Json& value) -> Status {
    if (value.is_null()) return {};
    LUTHIER_TRY(AddedToken token,
                read_added_token(value, config.where + ": " + name, value.is_string()));
    if (const auto known = by_content.find(token.content);
        known != by_content.end() && is_standard(name))
      token = known->second;
    token.special = true;
    config.named.emplace_back(name, std::move(token));
    return {};
  };
  for (const char* name : kNames) {
    if (const Json* value = find_field(merged, name)) LUTHIER_CHECK(add_named(name, *value));
  }
  for (const auto& [key, value] : merged.items()) {
    if (!is_standard(key) && key.ends_with("_token") &&
        (value.is_string() || (value.is_object() && value.contains("content")))) {
      LUTHIER_CHECK(add_named(key, value));
    }
  }
  const Json* extra = find_field(merged, "extra_special_tokens");
  if (!extra) extra = find_field(merged, "additional_special_tokens");
  if (const Json* specific = find_field(merged, "model_specific_special_tokens");
      specific && specific->is_object()) {
    for (const auto& [key, value] : specific->items()) LUTHIER_CHECK(add_named(key, value));
  }
  if (extra && extra->is_object()) {
    for (const auto& [key, value] : extra->items()) LUTHIER_CHECK(add_named(key, value));
  } else if (extra) {
    LUTHIER_CHECK(read_extra(*extra, config.where + ": extra_special_tokens", config.extra));
  }
  return config;
}

const AddedToken* TokenizerConfig::find(const std::string& name) const {
  for (const auto& [key, token] : named) {
    if (key == name) return &token;
  }
  return nullptr;
}

void TokenizerConfig::set_default(const std::string& name, const std::string& content) {
  if (find(name) || values.contains(name)) return;
  AddedToken token;
  token.content = content;
  token.special = true;
  token.normalized = false;
  for (const auto& [id, added] : added_tokens) {
    if (added.content == content) token = added;
  }
  named.emplace_back(name, token);
}

std::string TokenizerConfig::effective_class() const {
  const std::string registered = registered_class(model_type);
  if (plain_types().contains(model_type)) return "";
  if (registered.empty()) return tokenizer_class;
  if (tokenizer_class.empty() || model_type == "qwen2") return registered;
  return tokenizer_class;
}

}  // namespace luthier
