// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/gguf/vocabulary.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>

#include "engine/io/files.h"
#include "engine/template/chat_template.h"
#include "engine/text/json_fields.h"
#include "engine/text/sentencepiece_model.h"
#include "engine/text/tokenizer_config.h"
#include "engine/text/tokenizer_json.h"
#include "engine/text/word_patterns.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

enum TokenKind : std::int32_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

/// Of a piece that nothing merges to: below whatever is merged.
constexpr float kNeverMerged = -1e6F;
constexpr TokenId kNoToken = -1;

struct NamedVocabulary {
  std::string model;  ///< "llama": by scores; "gpt2": by merges over bytes
  std::string words;  ///< how a text is split into words, by its name in llama.cpp
  std::map<std::string, float> scores;
  std::vector<std::string> merges;
  std::set<std::string> added, special;
};

Error unnamed_tokenizer(const fs::path& file, const std::string& what) {
  return input_error(what + " has no name in llama.cpp.", file.string(),
                     "Export the model as safetensors.");
}

/// The steps of a pre-tokenizer, those of a sequence one after another.
void collect_steps(const SortedJson& step, std::vector<const SortedJson*>& steps) {
  if (!step.is_object()) return;
  if (const SortedJson* list = find_field(step, "pretokenizers"); list && list->is_array()) {
    for (const SortedJson& each : *list) collect_steps(each, steps);
    return;
  }
  steps.push_back(&step);
}

std::string step_type(const SortedJson& step) {
  const SortedJson* type = find_field(step, "type");
  return type && type->is_string() ? type->get<std::string>() : std::string();
}

bool step_flag(const SortedJson& step, const char* key, bool fallback) {
  const SortedJson* flag = find_field(step, key);
  return flag && flag->is_boolean() ? flag->get<bool>() : fallback;
}

std::string step_regex(const SortedJson& step) {
  const SortedJson* pattern = find_field(step, "pattern");
  const SortedJson* regex = pattern ? find_field(*pattern, "Regex") : nullptr;
  return regex && regex->is_string() ? regex->get<std::string>() : std::string();
}

/// Of a byte-level tokenizer.json; empty: none is known.
std::string name_of_words(const std::vector<const SortedJson*>& steps) {
  static constexpr std::array kPatterns{
      std::pair{kQwen2Words, "qwen2"}, std::pair{kQwen3_5Words, "qwen35"},
      std::pair{kLlama3Words, "llama-bpe"}, std::pair{kTekkenWords, "tekken"}};
  if (steps.empty() || step_type(*steps.back()) != "ByteLevel") return {};
  const bool by_regex = step_flag(*steps.back(), "use_regex", true);
  if (steps.size() == 1) return by_regex ? "gpt-2" : "";
  if (steps.size() != 2) return {};
  const SortedJson& first = *steps.front();
  if (step_type(first) == "Digits")
    return by_regex && step_flag(first, "individual_digits", false) ? "smollm" : "";
  if (step_type(first) != "Split" || by_regex) return {};
  const std::string regex = step_regex(first);
  for (const auto& [pattern, name] : kPatterns)
    if (regex == pattern) return name;
  return {};
}

/// tokenizer.json's merges, each "left right".
Result<std::vector<std::string>> read_merges(const SortedJson& model, const std::string& where) {
  std::vector<std::string> merges;
  const SortedJson* list = find_field(model, "merges");
  if (!list || !list->is_array()) return input_error("A list is needed here.", where + ".merges");
  for (const SortedJson& merge : *list) {
    if (merge.is_string()) {
      merges.push_back(merge.get<std::string>());
    } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
               merge[1].is_string()) {
      merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
    } else {
      return input_error("A merge is two pieces.", where + ".merges");
    }
  }
  return merges;
}

Result<NamedVocabulary> read_json_vocabulary(const fs::path& folder) {
  const fs::path file = folder / "tokenizer.json";
  LUTHIER_TRY(const std::string text, read_file(file, 256u << 20));
  LUTHIER_TRY(const SortedJson root, parse_sorted_json(text, file.string()));
  LUTHIER_TRY(const TokenizerConfig config, TokenizerConfig::read(folder, {}));
  const SortedJson* model = find_field(root, "model");
  if (!model || step_type(*model) != "BPE")
    return unnamed_tokenizer(file, "A tokenizer of this type");
  NamedVocabulary vocabulary;
  LUTHIER_TRY(vocabulary.merges, read_merges(*model, file.string() + ": model"));
  if (const SortedJson* added = find_field(root, "added_tokens"); added && added->is_array()) {
    for (const SortedJson& entry : *added)
      if (const SortedJson* content = find_field(entry, "content"); content && content->is_string())
        vocabulary.added.insert(content->get<std::string>());
  }
  for (const auto& [id, token] : config.added_tokens) vocabulary.added.insert(token.content);
  std::vector<const SortedJson*> steps;
  if (const SortedJson* first = find_field(root, "pre_tokenizer")) collect_steps(*first, steps);
  const std::string type = config.effective_class();
  const bool bytes = !steps.empty() && step_type(*steps.back()) == "ByteLevel";
  const bool pieces = type == "LlamaTokenizer" || type == "GemmaTokenizer" ||
                      (!bytes && step_flag(*model, "byte_fallback", false));
  if (!pieces) {
    vocabulary.model = "gpt2";
    vocabulary.words = type == "Qwen2Tokenizer"     ? "qwen2"
                       : type == "Qwen3_5Tokenizer" ? "qwen35"
                       : type == "CohereTokenizer" || type == "CLIPTokenizer"
                           ? std::string()
                           : name_of_words(steps);
    if (vocabulary.words.empty())
      return unnamed_tokenizer(file, "The way in which this tokenizer splits words");
    return vocabulary;
  }
  // What is merged first has the best score, which is how sentencepiece picks.
  vocabulary.model = "llama";
  vocabulary.words = "default";
  for (std::size_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
    std::string joined = vocabulary.merges[rank];
    const std::size_t space = joined.find(' ');
    if (space != std::string::npos) joined.erase(space, 1);
    vocabulary.scores.try_emplace(joined, -static_cast<float>(rank));
  }
  vocabulary.merges.clear();
  return vocabulary;
}

Result<NamedVocabulary> read_piece_vocabulary(const fs::path& folder) {
  const fs::path file = folder / "tokenizer.model";
  LUTHIER_TRY(const std::string bytes, read_file(file, 256u << 20));
  LUTHIER_TRY(const SentencePieceModel pieces, read_sentencepiece_model(bytes, file.string()));
  if (!pieces.bpe) return unnamed_tokenizer(file, "A unigram model");
  LUTHIER_TRY(const TokenizerConfig config, TokenizerConfig::read(folder, {}));
  NamedVocabulary vocabulary;
  vocabulary.model = "llama", vocabulary.words = "default";
  for (const auto& [id, token] : config.added_tokens) vocabulary.added.insert(token.content);
  for (const SentencePieceModel::Piece& piece : pieces.pieces) {
    if (piece.type == SentencePieceModel::Type::Normal)
      vocabulary.scores.emplace(piece.text, piece.score);
    if (piece.type == SentencePieceModel::Type::UserDefined) vocabulary.added.insert(piece.text);
  }
  return vocabulary;
}

bool is_byte_piece(const std::string& token) {
  return token.size() == 6 && token.starts_with("<0x") && token.ends_with(">") &&
         token.find_first_not_of("0123456789ABCDEF", 3) == 5;
}

/// Every id's token, its kind and its score.
struct TokenLists {
  std::vector<std::string> tokens;
  std::vector<std::int32_t> kinds;
  std::vector<float> scores;
};

TokenLists list_tokens(const Tokenizer& tokenizer, const NamedVocabulary& vocabulary,
                       std::int64_t rows) {
  TokenLists lists;
  std::set<std::string> known;
  for (TokenId id = 0; id < rows; ++id) {
    std::string token = id < tokenizer.vocab_size() ? tokenizer.id_to_token(id) : std::string();
    std::int32_t kind = kNormal;
    float score = 0;
    if (token.empty() || !known.insert(token).second) {
      token = "[PAD" + std::to_string(id) + "]";  // a row that no token has
      kind = kUnused;
    } else if (tokenizer.special().unk == id && vocabulary.model == "llama") {
      kind = kUnknown;
    } else if (tokenizer.is_special(id)) {
      kind = kControl;
    } else if (vocabulary.added.contains(token)) {
      kind = kUserDefined;
    } else if (vocabulary.model == "llama" && is_byte_piece(token)) {
      kind = kByte;
    } else {
      const auto scored = vocabulary.scores.find(token);
      score = scored == vocabulary.scores.end() ? kNeverMerged : scored->second;
    }
    lists.tokens.push_back(std::move(token));
    lists.kinds.push_back(kind);
    lists.scores.push_back(score);
  }
  return lists;
}

}  // namespace

Result<GgufFields> gguf_vocabulary(const fs::path& folder, std::int64_t rows,
                                   const std::vector<TokenId>& ends) {
  LUTHIER_TRY(const auto tokenizer, Tokenizer::load(folder));
  std::error_code ignored;
  const bool by_json = fs::exists(folder / "tokenizer.json", ignored);
  LUTHIER_TRY(const NamedVocabulary vocabulary,
              by_json ? read_json_vocabulary(folder) : read_piece_vocabulary(folder));
  TokenLists lists = list_tokens(*tokenizer, vocabulary, rows);
  GgufFields fields{{"tokenizer.ggml.model", vocabulary.model},
                    {"tokenizer.ggml.pre", vocabulary.words},
                    {"tokenizer.ggml.tokens", std::move(lists.tokens)}};
  if (vocabulary.model == "llama") fields.push_back({"tokenizer.ggml.scores", lists.scores});
  fields.push_back({"tokenizer.ggml.token_type", std::move(lists.kinds)});
  if (!vocabulary.merges.empty()) fields.push_back({"tokenizer.ggml.merges", vocabulary.merges});
  const auto add_id = [&](const char* key, TokenId id) {
    if (id >= 0 && id < rows) fields.push_back({key, static_cast<std::uint32_t>(id)});
  };
  const SpecialTokens& special = tokenizer->special();
  add_id("tokenizer.ggml.bos_token_id", special.bos.value_or(kNoToken));
  const TokenId end = special.eos ? *special.eos : ends.empty() ? kNoToken : ends.front();
  add_id("tokenizer.ggml.eos_token_id", end);
  // The end of a turn, where it is not the end of the text.
  const auto turn = std::find_if(ends.begin(), ends.end(), [&](TokenId id) { return id != end; });
  if (turn != ends.end()) add_id("tokenizer.ggml.eot_token_id", *turn);
  add_id("tokenizer.ggml.unknown_token_id", special.unk.value_or(kNoToken));
  add_id("tokenizer.ggml.padding_token_id", special.pad.value_or(kNoToken));
  // What stands around a text is asked of the tokenizer itself.
  LUTHIER_TRY(const Encoding bare, tokenizer->encode("a", false));
  LUTHIER_TRY(const Encoding whole, tokenizer->encode("a", true));
  const bool first = !whole.ids.empty() && special.bos && whole.ids.front() == *special.bos;
  const bool last = !whole.ids.empty() && special.eos && whole.ids.back() == *special.eos;
  fields.push_back({"tokenizer.ggml.add_bos_token", first});
  fields.push_back({"tokenizer.ggml.add_eos_token", last});
  if (vocabulary.model == "llama") {
    const bool prefix = !bare.pieces.empty() && bare.pieces.front().starts_with("\u2581");
    fields.push_back({"tokenizer.ggml.add_space_prefix", prefix});
  }
  if (const auto written = ChatTemplate::load(folder))
    fields.push_back({"tokenizer.chat_template", written->source()});
  return fields;
}

}  // namespace luthier
