// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/text/sentencepiece_pipelines.h"

#include <array>
#include <map>
#include <span>
#include <vector>

#include "engine/base/base64.h"
#include "engine/text/json_fields.h"
#include "engine/text/sentencepiece_model.h"

namespace luthier {
namespace {

constexpr const char* kMark = "\u2581";
constexpr std::int64_t kMostSentinels = 100'000;
/// mBART's languages, behind the pieces of its model.
constexpr std::array kLanguages{"ar_AR", "cs_CZ", "de_DE", "en_XX", "es_XX", "et_EE", "fi_FI",
                                "fr_XX", "gu_IN", "hi_IN", "it_IT", "ja_XX", "kk_KZ", "ko_KR",
                                "lt_LT", "lv_LV", "my_MM", "ne_NP", "nl_XX", "ro_RO", "ru_RU",
                                "si_LK", "tr_TR", "vi_VN", "zh_CN"};

/// The pieces that a class makes of the model's, with their scores, and those that are set apart
/// from a text before it is cut.
struct Pieces {
  std::vector<std::pair<std::string, double>> listed;
  std::vector<AddedToken> added;
  std::string charsmap;  ///< base64; empty: none

  void apart(const std::string& content, bool special) {
    AddedToken token;
    token.content = content;
    token.normalized = false;
    token.special = special;
    added.push_back(std::move(token));
  }
  std::int64_t id_of(const std::string& content) const {
    for (std::size_t id = 0; id < listed.size(); ++id)
      if (listed[id].first == content) return static_cast<std::int64_t>(id);
    return -1;
  }
};

std::string named(const TokenizerConfig& config, const char* name) {
  const AddedToken* token = config.find(name);
  return token ? token->content : std::string();
}

Result<Pieces> read_pieces(std::string_view bytes, const std::string& where) {
  LUTHIER_TRY(const SentencePieceModel model, read_sentencepiece_model(bytes, where));
  if (model.bpe)
    return input_error("A model of unigrams is needed here, and this one is of pairs.", where,
                       "Save the tokenizer with transformers, as tokenizer.json.");
  Pieces pieces;
  for (const SentencePieceModel::Piece& piece : model.pieces) {
    pieces.listed.emplace_back(piece.text, static_cast<double>(piece.score));
    using Type = SentencePieceModel::Type;
    if (piece.type == Type::Control || piece.type == Type::UserDefined)
      pieces.apart(piece.text, piece.type == Type::Control);
  }
  const auto* first = reinterpret_cast<const std::byte*>(model.charsmap.data());
  pieces.charsmap = encode_base64(std::span(first, model.charsmap.size()));
  return pieces;
}

/// fairseq's order: four tokens of its own in place of the model's first three.
void begin_as_fairseq(Pieces& pieces, const TokenizerConfig& config) {
  std::vector<std::pair<std::string, double>> listed;
  for (const char* name : {"bos_token", "pad_token", "eos_token", "unk_token"})
    listed.emplace_back(named(config, name), 0.0);
  const std::size_t kept = std::min<std::size_t>(3, pieces.listed.size());
  listed.insert(listed.end(), pieces.listed.begin() + static_cast<std::ptrdiff_t>(kept),
                pieces.listed.end());
  pieces.listed = std::move(listed);
}

SortedJson charsmap_of(const Pieces& pieces) {
  if (pieces.charsmap.empty()) return nullptr;
  return {{"type", "Precompiled"}, {"precompiled_charsmap", pieces.charsmap}};
}

SortedJson marked(const char* scheme) {
  return {
      {"type", "Metaspace"}, {"replacement", kMark}, {"prepend_scheme", scheme}, {"split", true}};
}

SortedJson words_marked(const char* scheme) {
  return {{"type", "Sequence"},
          {"pretokenizers", SortedJson::array({{{"type", "WhitespaceSplit"}}, marked(scheme)})}};
}

SortedJson token_part(const std::string& content, int type) {
  return {{"SpecialToken", {{"id", content}, {"type_id", type}}}};
}

SortedJson text_part(const char* which, int type) {
  return {{"Sequence", {{"id", which}, {"type_id", type}}}};
}

/// `tokens`: those that `single` and `pair` name, each [token, id].
SortedJson template_of(SortedJson single, SortedJson pair, const std::vector<SortedJson>& tokens) {
  SortedJson special = SortedJson::object();
  for (const SortedJson& token : tokens)
    special[token[0].get<std::string>()] = {{"id", token[0]},
                                            {"ids", SortedJson::array({token[1]})},
                                            {"tokens", SortedJson::array({token[0]})}};
  return {{"type", "TemplateProcessing"},
          {"single", std::move(single)},
          {"pair", std::move(pair)},
          {"special_tokens", std::move(special)}};
}

/// [token, id] of one that stands around a text.
Result<SortedJson> framing(const Pieces& pieces, const std::string& content,
                           const std::string& where) {
  const std::int64_t id = pieces.id_of(content);
  if (id < 0)
    return input_error("The vocabulary lacks " + content + ", which stands around every text.",
                       where, "Say the folder's own in tokenizer_config.json.");
  return SortedJson::array({content, id});
}

SortedJson root_of(Pieces pieces, std::int64_t unknown, const char* scheme) {
  SortedJson vocabulary = SortedJson::array();
  for (auto& [piece, score] : pieces.listed)
    vocabulary.push_back(SortedJson::array({std::move(piece), score}));
  std::map<std::string, std::int64_t> ids;
  for (std::size_t id = 0; id < vocabulary.size(); ++id)
    ids.try_emplace(vocabulary[id][0].get<std::string>(), static_cast<std::int64_t>(id));
  SortedJson added = SortedJson::array();
  for (const AddedToken& token : pieces.added)
    added.push_back({{"id", ids[token.content]},
                     {"content", token.content},
                     {"single_word", token.single_word},
                     {"lstrip", token.lstrip},
                     {"rstrip", token.rstrip},
                     {"normalized", token.normalized},
                     {"special", token.special}});
  return {{"added_tokens", std::move(added)},
          {"model",
           {{"type", "Unigram"},
            {"unk_id", unknown},
            {"byte_fallback", false},
            {"vocab", std::move(vocabulary)}}},
          {"normalizer", nullptr},
          {"pre_tokenizer", words_marked(scheme)},
          {"decoder", marked(scheme)}};
}

SortedJson literal(const char* from, const char* to) {
  return {{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
}

}  // namespace

SortedJson around_texts(const SortedJson& first, const SortedJson& last) {
  const auto begin = first[0].get<std::string>(), end = last[0].get<std::string>();
  SortedJson single =
      SortedJson::array({token_part(begin, 0), text_part("A", 0), token_part(end, 0)});
  SortedJson pair = single;
  pair.push_back(text_part("B", 1));
  pair.push_back(token_part(end, 1));
  return template_of(std::move(single), std::move(pair), {first, last});
}

SortedJson around_each(const SortedJson& first, const SortedJson& last) {
  SortedJson single = SortedJson::array(), pair = SortedJson::array();
  std::vector<SortedJson> tokens;
  for (const SortedJson* token : {&first, &last})
    if (!token->is_null()) tokens.push_back(*token);
  for (const auto& [which, type] : {std::pair{"A", 0}, {"B", 1}}) {
    if (!first.is_null()) pair.push_back(token_part(first[0].get<std::string>(), type));
    pair.push_back(text_part(which, type));
    if (!last.is_null()) pair.push_back(token_part(last[0].get<std::string>(), type));
    if (type == 0) single = pair;
  }
  return template_of(std::move(single), std::move(pair), tokens);
}

Result<SortedJson> t5_pipeline(std::string_view bytes, const std::string& where,
                               const TokenizerConfig& config) {
  LUTHIER_TRY(Pieces pieces, read_pieces(bytes, where));
  std::int64_t sentinels = 100;
  if (find_field(config.values, "extra_ids")) {
    LUTHIER_TRY(sentinels, int_field(config.values, "extra_ids", config.where, 0, kMostSentinels));
  }
  for (std::int64_t number = sentinels - 1; number >= 0; --number) {
    const std::string sentinel = "<extra_id_" + std::to_string(number) + ">";
    pieces.listed.emplace_back(sentinel, 0.0);
    pieces.apart(sentinel, /*special=*/true);
  }
  LUTHIER_TRY(const SortedJson end, framing(pieces, "</s>", where));
  const SortedJson map = charsmap_of(pieces);
  SortedJson root = root_of(std::move(pieces), 2, "always");
  root["normalizer"] = map;
  const SortedJson single = SortedJson::array({text_part("A", 0), token_part("</s>", 0)});
  SortedJson pair = single;
  pair.push_back(text_part("B", 0));
  pair.push_back(token_part("</s>", 0));
  root["post_processor"] = template_of(single, std::move(pair), {end});
  return root;
}

Result<SortedJson> albert_pipeline(std::string_view bytes, const std::string& where,
                                   const TokenizerConfig& config) {
  LUTHIER_TRY(Pieces pieces, read_pieces(bytes, where));
  const auto flag = [&](const char* key, bool fallback) {
    return bool_field(config.values, key, config.where, fallback);
  };
  LUTHIER_TRY(const bool lower, flag("do_lower_case", true));
  LUTHIER_TRY(const bool accents, flag("keep_accents", false));
  LUTHIER_TRY(const bool space, flag("add_prefix_space", true));
  SortedJson steps = SortedJson::array({literal("``", "\""), literal("''", "\"")});
  if (!accents) {
    steps.push_back({{"type", "NFKD"}});
    steps.push_back({{"type", "StripAccents"}});
  }
  if (lower) steps.push_back({{"type", "Lowercase"}});
  if (SortedJson map = charsmap_of(pieces); !map.is_null()) steps.push_back(std::move(map));
  LUTHIER_TRY(const SortedJson first, framing(pieces, named(config, "cls_token"), where));
  LUTHIER_TRY(const SortedJson last, framing(pieces, named(config, "sep_token"), where));
  SortedJson root = root_of(std::move(pieces), 1, space ? "always" : "never");
  root["normalizer"] = {{"type", "Sequence"}, {"normalizers", std::move(steps)}};
  root["post_processor"] = around_texts(first, last);
  return root;
}

Result<SortedJson> deberta_pipeline(std::string_view bytes, const std::string& where,
                                    const TokenizerConfig& config) {
  LUTHIER_TRY(Pieces pieces, read_pieces(bytes, where));
  const auto flag = [&](const char* key, bool fallback) {
    return bool_field(config.values, key, config.where, fallback);
  };
  LUTHIER_TRY(const bool lower, flag("do_lower_case", false));
  LUTHIER_TRY(const bool punctuation, flag("split_by_punct", false));
  LUTHIER_TRY(const bool space, flag("add_prefix_space", true));
  SortedJson steps = SortedJson::array();
  if (lower) steps.push_back({{"type", "Lowercase"}});
  steps.push_back(
      {{"type", "Replace"}, {"pattern", {{"Regex", R"(\s{2,}|[\n\r\t])"}}}, {"content", " "}});
  steps.push_back({{"type", "NFC"}});
  steps.push_back({{"type", "Strip"}, {"strip_left", false}, {"strip_right", true}});
  const char* scheme = space ? "always" : "first";
  SortedJson cuts = SortedJson::array();
  if (punctuation) cuts.push_back({{"type", "Punctuation"}, {"behavior", "Isolated"}});
  cuts.push_back(marked(scheme));
  LUTHIER_TRY(const SortedJson first, framing(pieces, named(config, "cls_token"), where));
  LUTHIER_TRY(const SortedJson last, framing(pieces, named(config, "sep_token"), where));
  LUTHIER_TRY(const SortedJson unknown, framing(pieces, named(config, "unk_token"), where));
  SortedJson root = root_of(std::move(pieces), unknown[1].get<std::int64_t>(), scheme);
  root["normalizer"] = {{"type", "Sequence"}, {"normalizers", std::move(steps)}};
  root["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", std::move(cuts)}};
  root["post_processor"] = around_texts(first, last);
  return root;
}

Result<SortedJson> xlm_roberta_pipeline(std::string_view bytes, const std::string& where,
                                        const TokenizerConfig& config) {
  LUTHIER_TRY(Pieces pieces, read_pieces(bytes, where));
  begin_as_fairseq(pieces, config);
  pieces.listed.emplace_back(named(config, "mask_token"), 0.0);
  LUTHIER_TRY(const bool space, bool_field(config.values, "add_prefix_space", config.where, true));
  const std::string begin = named(config, "bos_token"), end = named(config, "eos_token");
  LUTHIER_TRY(const SortedJson first, framing(pieces, begin, where));
  LUTHIER_TRY(const SortedJson last, framing(pieces, end, where));
  const SortedJson map = charsmap_of(pieces);
  SortedJson root = root_of(std::move(pieces), 3, space ? "always" : "never");
  root["normalizer"] = map;
  const SortedJson single =
      SortedJson::array({token_part(begin, 0), text_part("A", 0), token_part(end, 0)});
  SortedJson pair = single;
  for (SortedJson part : {token_part(end, 0), text_part("B", 0), token_part(end, 0)})
    pair.push_back(std::move(part));
  root["post_processor"] = template_of(single, std::move(pair), {first, last});
  return root;
}

Result<SortedJson> mbart_pipeline(std::string_view bytes, const std::string& where,
                                  const TokenizerConfig& config) {
  LUTHIER_TRY(Pieces pieces, read_pieces(bytes, where));
  begin_as_fairseq(pieces, config);
  for (const char* language : kLanguages) {
    pieces.listed.emplace_back(language, 0.0);
    pieces.apart(language, /*special=*/true);
  }
  const std::string mask = named(config, "mask_token"), end = named(config, "eos_token");
  pieces.listed.emplace_back(mask, 0.0);
  pieces.apart(mask, /*special=*/true);
  pieces.added.back().lstrip = true;
  LUTHIER_TRY(const std::string language,
              string_field(config.values, "src_lang", config.where, "en_XX"));
  LUTHIER_TRY(const SortedJson last, framing(pieces, end, where));
  LUTHIER_TRY(const SortedJson code, framing(pieces, language, where));
  SortedJson root = root_of(std::move(pieces), 3, "always");
  SortedJson single = SortedJson::array({text_part("A", 0)}), pair = single;
  pair.push_back(text_part("B", 0));
  for (SortedJson* each : {&single, &pair}) {
    each->push_back(token_part(end, 0));
    each->push_back(token_part(language, 0));
  }
  root["post_processor"] = template_of(std::move(single), std::move(pair), {last, code});
  return root;
}

}  // namespace luthier
