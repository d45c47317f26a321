// SPDX-License-Identifier: GPL-3.0-or-later
// Loading a checkpoint folder's tokenizer. tokenizer.json is the truth where it stands; a few
// classes of transformers 5.17 build their pipeline anew around its vocabulary, and those are
// followed. Where it does not, a vocabulary's own files and their class are (vocabulary_files.h).
#include "engine/io/files.h"
#include "engine/text/json_fields.h"
#include "engine/text/sentencepiece_tokenizer.h"
#include "engine/text/tokenizer_config.h"
#include "engine/text/tokenizer_json.h"
#include "engine/text/vocabulary_files.h"
#include "engine/text/word_patterns.h"

namespace luthier {
namespace {

SortedJson object(std::initializer_list<std::pair<const char*, SortedJson>> fields) {
  SortedJson result = SortedJson::object();
  for (const auto& [key, value] : fields) result[key] = value;
  return result;
}

SortedJson literal_replace(const char* from, const char* to) {
  return object({{"type", "Replace"}, {"pattern", object({{"String", from}})}, {"content", to}});
}

void rebuild_bpe(SortedJson& model, bool fuse, bool bytes, SortedJson unknown) {
  model["fuse_unk"] = fuse;
  model["byte_fallback"] = bytes;
  model["unk_token"] = std::move(unknown);
  model["ignore_merges"] = false;
  model["continuing_subword_prefix"] = nullptr;
  model["end_of_word_suffix"] = nullptr;
}

void rebuild_llama(SortedJson& root, const Json& values) {
  const auto flag = [&](const char* key, bool fallback) {
    const Json* field = find_field(values, key);
    return field && field->is_boolean() ? field->get<bool>() : fallback;
  };
  const bool prefix = flag("add_prefix_space", true);
  const char* scheme = !prefix ? "never" : flag("legacy", false) ? "always" : "first";
  rebuild_bpe(root["model"], true, true, nullptr);
  root["normalizer"] = nullptr;
  root["pre_tokenizer"] = object({{"type", "Metaspace"},
                                  {"replacement", "\u2581"},
                                  {"prepend_scheme", scheme},
                                  {"split", false}});
  SortedJson decoders =
      SortedJson::array({literal_replace("\u2581", " "), object({{"type", "ByteFallback"}}),
                         object({{"type", "Fuse"}})});
  if (prefix)
    decoders.push_back(object({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}));
  root["decoder"] = object({{"type", "Sequence"}, {"decoders", decoders}});
}

void rebuild_gemma(SortedJson& root, const std::string& unknown) {
  rebuild_bpe(root["model"], true, true, unknown);
  root["normalizer"] = literal_replace(" ", "\u2581");
  root["pre_tokenizer"] = object({{"type", "Split"},
                                  {"pattern", object({{"String", " "}})},
                                  {"behavior", "MergedWithPrevious"},
                                  {"invert", false}});
  root["decoder"] = object({{"type", "Sequence"},
                            {"decoders", SortedJson::array({literal_replace("\u2581", " "),
                                                            object({{"type", "ByteFallback"}}),
                                                            object({{"type", "Fuse"}})})}});
}

void rebuild_qwen(SortedJson& root, const char* words, bool prefix_space) {
  rebuild_bpe(root["model"], false, false, nullptr);
  root["normalizer"] = object({{"type", "NFC"}});
  const SortedJson split = object({{"type", "Split"},
                                   {"pattern", object({{"Regex", words}})},
                                   {"behavior", "Isolated"},
                                   {"invert", false}});
  const SortedJson bytes =
      object({{"type", "ByteLevel"}, {"add_prefix_space", prefix_space}, {"use_regex", false}});
  root["pre_tokenizer"] =
      object({{"type", "Sequence"}, {"pretokenizers", SortedJson::array({split, bytes})}});
  root["decoder"] = object({{"type", "ByteLevel"}});
}

void rebuild_cohere(SortedJson& root, bool prefix_space) {
  SortedJson& model = root["model"];
  rebuild_bpe(model, false, false, nullptr);
  model["continuing_subword_prefix"] = "";
  model["end_of_word_suffix"] = "";
  root["normalizer"] = object({{"type", "NFC"}});
  const SortedJson digits = object({{"type", "Digits"}, {"individual_digits", true}});
  const SortedJson bytes =
      object({{"type", "ByteLevel"}, {"add_prefix_space", prefix_space}, {"use_regex", true}});
  root["pre_tokenizer"] =
      object({{"type", "Sequence"}, {"pretokenizers", SortedJson::array({digits, bytes})}});
  root["decoder"] = object({{"type", "ByteLevel"}});
}

void rebuild_clip(SortedJson& root, const TokenizerConfig& config) {
  static constexpr const char* kPattern =
      R"(<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)";
  const AddedToken* unknown = config.find("unk_token");
  const auto regex = [](const char* pattern) { return object({{"Regex", pattern}}); };
  SortedJson& model = root["model"];
  rebuild_bpe(model, false, false, unknown ? unknown->content : "<|endoftext|>");
  model["continuing_subword_prefix"] = "";
  model["end_of_word_suffix"] = "</w>";
  root["normalizer"] =
      object({{"type", "Sequence"},
              {"normalizers",
               SortedJson::array(
                   {object({{"type", "NFC"}}),
                    object({{"type", "Replace"}, {"pattern", regex(R"(\s+)")}, {"content", " "}}),
                    object({{"type", "Lowercase"}})})}});
  root["pre_tokenizer"] =
      object({{"type", "Sequence"},
              {"pretokenizers",
               SortedJson::array({object({{"type", "Split"},
                                          {"pattern", regex(kPattern)},
                                          {"behavior", "Removed"},
                                          {"invert", true}}),
                                  object({{"type", "ByteLevel"}, {"add_prefix_space", false}})})}});
  // Words end in "</w>", which stands for the space behind them.
  root["decoder"] =
      object({{"type", "Sequence"},
              {"decoders",
               SortedJson::array(
                   {object({{"type", "ByteLevel"}}), literal_replace("</w>", " "),
                    object({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 1}})})}});
  // Around a text stand its first and its last token.
  const auto pair = [&](const char* key) -> SortedJson {
    const AddedToken* token = config.find(key);
    const SortedJson* vocabulary = find_field(model, "vocab");
    const SortedJson* id = token && vocabulary && vocabulary->is_object()
                               ? find_field(*vocabulary, token->content.c_str())
                               : nullptr;
    return id ? SortedJson::array({token->content, *id}) : SortedJson();
  };
  const SortedJson first = pair("bos_token"), last = pair("eos_token");
  if (first.is_null() || last.is_null()) return;  // added tokens: the file says where they stand
  root["post_processor"] = object({{"type", "RobertaProcessing"}, {"sep", last}, {"cls", first}});
}

/// Gives the tokenizer.json the pipeline of the class, and the class's default special tokens.
void apply_class(const std::string& name, SortedJson& root, TokenizerConfig& config) {
  const bool bpe = root.is_object() && root.contains("model") && root["model"].is_object() &&
                   root["model"].contains("merges");
  if (!bpe) return;
  if (name == "LlamaTokenizer") {
    config.set_default("unk_token", "<unk>");
    config.set_default("bos_token", "<s>");
    config.set_default("eos_token", "</s>");
    rebuild_llama(root, config.values);
  } else if (name == "GemmaTokenizer") {
    for (const auto& [key, content] : {std::pair{"unk_token", "<unk>"},
                                       {"bos_token", "<bos>"},
                                       {"eos_token", "<eos>"},
                                       {"pad_token", "<pad>"},
                                       {"mask_token", "<mask>"}}) {
      config.set_default(key, content);
    }
    const AddedToken* unknown = config.find("unk_token");
    rebuild_gemma(root, unknown ? unknown->content : "<unk>");
  } else if (name == "Qwen2Tokenizer" || name == "Qwen3_5Tokenizer") {
    for (const char* key : {"unk_token", "eos_token", "pad_token"})
      config.set_default(key, "<|endoftext|>");
    const Json* prefix = find_field(config.values, "add_prefix_space");
    rebuild_qwen(root, name == "Qwen2Tokenizer" ? kQwen2Words : kQwen3_5Words,
                 prefix && *prefix == true);
  } else if (name == "CohereTokenizer") {
    for (const auto& [key, content] : {std::pair{"unk_token", "<UNK>"},
                                       {"bos_token", "<BOS_TOKEN>"},
                                       {"eos_token", "<|END_OF_TURN_TOKEN|>"},
                                       {"pad_token", "<PAD>"},
                                       {"cls_token", "<CLS>"},
                                       {"sep_token", "<SEP>"},
                                       {"mask_token", "<MASK_TOKEN>"}}) {
      config.set_default(key, content);
    }
    const Json* prefix = find_field(config.values, "add_prefix_space");
    rebuild_cohere(root, prefix && *prefix == true);
  } else if (name == "CLIPTokenizer") {
    config.set_default("bos_token", "<|startoftext|>");
    for (const char* key : {"unk_token", "eos_token", "pad_token"})
      config.set_default(key, "<|endoftext|>");
    rebuild_clip(root, config);
  } else {
    return;
  }
  // Such a class starts from the vocabulary alone; the tokens come back from the configuration, or
  // from this list.
  if (config.has_added_tokens_decoder) root["added_tokens"] = SortedJson::array();
}

SpecialTokens special_tokens(const TokenizerConfig& config, const Tokenizer& tokenizer) {
  SpecialTokens special;
  const auto set = [&](const char* name, std::optional<TokenId>& id, std::string& text) {
    const AddedToken* token = config.find(name);
    if (!token) return;
    text = token->content;
    id = tokenizer.token_to_id(text);
  };
  set("bos_token", special.bos, special.bos_text);
  set("eos_token", special.eos, special.eos_text);
  set("pad_token", special.pad, special.pad_text);
  set("unk_token", special.unk, special.unk_text);
  set("mask_token", special.mask, special.mask_text);
  return special;
}

/// Of tokenizer.json's content, or of what stands for it. `where` names the file.
Result<std::unique_ptr<Tokenizer>> load_root(SortedJson root, TokenizerConfig config,
                                             const std::string& where) {
  const std::string name = config.effective_class();
  apply_class(name, root, config);
  LUTHIER_TRY(auto tokenizer, JsonTokenizer::from_json(root, where));

  for (const auto& [id, token] : config.added_tokens) {
    AddedToken added = token;
    for (const auto& [key, other] : config.named)
      added.special = added.special || other.content == token.content;
    const auto known = tokenizer->added().id_of(token.content);
    if (!known || *tokenizer->added().find(*known) != token)
      LUTHIER_CHECK(tokenizer->add_token(added, config.where));
  }
  const auto add_missing = [&](const AddedToken& token) -> Status {
    return tokenizer->added().id_of(token.content) ? Status()
                                                   : tokenizer->add_token(token, config.where);
  };
  for (const auto& [key, token] : config.named) LUTHIER_CHECK(add_missing(token));
  for (const AddedToken& token : config.extra) LUTHIER_CHECK(add_missing(token));
  if (name == "Qwen2Tokenizer") {
    for (const auto& [key, token] : config.named) {
      AddedToken plain;
      plain.content = token.content;
      plain.special = true;
      plain.normalized = false;
      LUTHIER_CHECK(tokenizer->add_token(plain, config.where));
    }
  }
  LUTHIER_CHECK(tokenizer->finish());
  LUTHIER_TRY(const bool split_special,
              bool_field(config.values, "split_special_tokens", config.where, false));
  tokenizer->set_split_special(split_special);
  LUTHIER_TRY(const bool clean,
              bool_field(config.values, "clean_up_tokenization_spaces", config.where, false));
  LUTHIER_TRY(const bool clean_bpe,
              bool_field(config.values,
                         "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output",
                         config.where, false));
  tokenizer->set_clean_up(clean && (!tokenizer->is_bpe() || clean_bpe));
  tokenizer->set_special(special_tokens(config, *tokenizer));
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

Result<std::unique_ptr<Tokenizer>> load_json(const std::filesystem::path& folder) {
  const std::string where = (folder / "tokenizer.json").string();
  LUTHIER_TRY(const std::string text, read_file(folder / "tokenizer.json", 256u << 20));
  LUTHIER_TRY(SortedJson root, parse_sorted_json(text, where));
  std::vector<AddedToken> own;
  if (const SortedJson* added = find_field(root, "added_tokens"); added && added->is_array()) {
    for (const SortedJson& entry : *added) {
      LUTHIER_TRY(AddedToken token, read_added_token(entry, where + ": added_tokens", false));
      own.push_back(std::move(token));
    }
  }
  LUTHIER_TRY(TokenizerConfig config, TokenizerConfig::read(folder, own));
  if (const SortedJson* padding = find_field(root, "padding")) {
    LUTHIER_TRY(const std::string pad,
                string_field(*padding, "pad_token", where + ": padding", ""));
    if (!pad.empty()) config.set_default("pad_token", pad);
  }
  return load_root(std::move(root), std::move(config), where);
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::load(const std::filesystem::path& folder) {
  std::error_code error;
  // Of this class there is none that follows tokenizer.json.
  if (const auto pieces = folder / "spiece.model"; std::filesystem::exists(pieces, error)) {
    LUTHIER_TRY(const TokenizerConfig config, TokenizerConfig::read(folder, {}));
    if (config.effective_class() == "SiglipTokenizer") {
      LUTHIER_TRY(const std::string model, read_file(pieces, 256u << 20));
      return load_sentencepiece(model, pieces.string(), config, SentencePieceRules::Siglip);
    }
  }
  if (std::filesystem::exists(folder / "tokenizer.json", error)) return load_json(folder);
  LUTHIER_TRY(TokenizerConfig config, TokenizerConfig::read(folder, {}));
  LUTHIER_TRY(auto files, read_vocabulary_files(folder, config));
  if (files) return load_root(std::move(files->root), std::move(config), files->file.string());
  if (std::filesystem::exists(folder / "tokenizer.model", error)) {
    LUTHIER_TRY(const std::string model, read_file(folder / "tokenizer.model", 256u << 20));
    return load_sentencepiece(model, (folder / "tokenizer.model").string(), config);
  }
  return input_error(
      "The folder has neither tokenizer.json nor tokenizer.model, nor a vocabulary's files whose "
      "class is known.",
      folder.string(), "Copy the tokenizer's files beside the weights.");
}

}  // namespace luthier
