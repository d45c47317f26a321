// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/text/vocabulary_files.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <vector>

#include "engine/io/files.h"
#include "engine/text/json_fields.h"
#include "engine/text/sentencepiece_pipelines.h"

namespace luthier {
namespace {

namespace fs = std::filesystem;
constexpr std::uintmax_t kLargestVocabulary = 256u << 20;

struct NamedToken {
  const char *name, *content;
};

constexpr NamedToken kBertTokens[] = {{"unk_token", "[UNK]"},
                                      {"sep_token", "[SEP]"},
                                      {"pad_token", "[PAD]"},
                                      {"cls_token", "[CLS]"},
                                      {"mask_token", "[MASK]"}};
constexpr NamedToken kRobertaTokens[] = {
    {"bos_token", "<s>"},   {"eos_token", "</s>"}, {"unk_token", "<unk>"},  {"sep_token", "</s>"},
    {"pad_token", "<pad>"}, {"cls_token", "<s>"},  {"mask_token", "<mask>"}};
constexpr NamedToken kGpt2Tokens[] = {
    {"bos_token", "<|endoftext|>"}, {"eos_token", "<|endoftext|>"}, {"unk_token", "<|endoftext|>"}};
constexpr NamedToken kT5Tokens[] = {
    {"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"pad_token", "<pad>"}};
constexpr NamedToken kAlbertTokens[] = {
    {"bos_token", "[CLS]"}, {"eos_token", "[SEP]"}, {"unk_token", "<unk>"},  {"sep_token", "[SEP]"},
    {"pad_token", "<pad>"}, {"cls_token", "[CLS]"}, {"mask_token", "[MASK]"}};
constexpr NamedToken kDebertaTokens[] = {
    {"bos_token", "[CLS]"}, {"eos_token", "[SEP]"}, {"unk_token", "[UNK]"},  {"sep_token", "[SEP]"},
    {"pad_token", "[PAD]"}, {"cls_token", "[CLS]"}, {"mask_token", "[MASK]"}};

/// What a class makes of the pieces in `made.file`.
using Pipeline = Status (*)(const TokenizerConfig& config, VocabularyFiles& made);

std::string content_of(const TokenizerConfig& config, const char* name) {
  const AddedToken* token = config.find(name);
  return token ? token->content : std::string();
}

/// [token, its id], for what stands around a text.
Result<SortedJson> token_and_id(const TokenizerConfig& config, const char* name,
                                const VocabularyFiles& made) {
  const std::string content = content_of(config, name);
  const SortedJson& pieces = made.root["model"]["vocab"];
  const SortedJson* id = find_field(pieces, content.c_str());
  if (!id)
    return input_error("The vocabulary lacks " + content + ", which stands around every text.",
                       made.file.string(),
                       "Say the folder's own " + std::string(name) + " in tokenizer_config.json.");
  return SortedJson::array({content, *id});
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// vocab.txt, a piece a line.
Status wordpieces(const TokenizerConfig& config, VocabularyFiles& made) {
  LUTHIER_TRY(const std::string text, read_file(made.file, kLargestVocabulary));
  SortedJson pieces = SortedJson::object();
  std::int64_t id = 0;
  for (std::string_view line : lines_of(text)) {
    while (!line.empty() && std::string_view(" \t\r\v\f").find(line.back()) != line.npos)
      line.remove_suffix(1);
    pieces[std::string(line)] = id++;
  }
  const auto flag = [&](const char* key, bool fallback) {
    return bool_field(config.values, key, config.where, fallback);
  };
  LUTHIER_TRY(const bool lower, flag("do_lower_case", true));
  LUTHIER_TRY(const bool chinese, flag("tokenize_chinese_chars", true));
  LUTHIER_TRY(const bool strip, flag("strip_accents", false));
  const bool strips = find_field(config.values, "strip_accents") != nullptr;
  made.root["model"] = {{"type", "WordPiece"},
                        {"unk_token", content_of(config, "unk_token")},
                        {"continuing_subword_prefix", "##"},
                        {"max_input_chars_per_word", 100},
                        {"vocab", std::move(pieces)}};
  made.root["normalizer"] = {{"type", "BertNormalizer"},
                             {"clean_text", true},
                             {"handle_chinese_chars", chinese},
                             {"strip_accents", strips ? SortedJson(strip) : SortedJson()},
                             {"lowercase", lower}};
  made.root["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
  made.root["decoder"] = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
  LUTHIER_TRY(const SortedJson first, token_and_id(config, "cls_token", made));
  LUTHIER_TRY(const SortedJson last, token_and_id(config, "sep_token", made));
  made.root["post_processor"] = around_texts(first, last);
  return {};
}

/// vocab.json and merges.txt, of bytes.
Status byte_pairs(const TokenizerConfig& config, VocabularyFiles& made) {
  LUTHIER_TRY(const std::string text, read_file(made.file, kLargestVocabulary));
  LUTHIER_TRY(SortedJson pieces, parse_sorted_json(text, made.file.string()));
  const fs::path pairs = made.file.parent_path() / "merges.txt";
  LUTHIER_TRY(const std::string lines, read_file(pairs, kLargestVocabulary));
  SortedJson merges = SortedJson::array();
  for (std::string_view line : lines_of(lines)) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("#version") || line.empty()) continue;
    const std::size_t between = line.find(' ');
    if (between == line.npos || line.find(' ', between + 1) != line.npos)
      return input_error("Two pieces a line are needed here.", pairs.string());
    merges.push_back(SortedJson::array(
        {std::string(line.substr(0, between)), std::string(line.substr(between + 1))}));
  }
  LUTHIER_TRY(const bool space, bool_field(config.values, "add_prefix_space", config.where, false));
  made.root["model"] = {{"type", "BPE"},
                        {"dropout", nullptr},
                        {"unk_token", nullptr},
                        {"continuing_subword_prefix", ""},
                        {"end_of_word_suffix", ""},
                        {"fuse_unk", false},
                        {"byte_fallback", false},
                        {"ignore_merges", false},
                        {"vocab", std::move(pieces)},
                        {"merges", std::move(merges)}};
  made.root["pre_tokenizer"] = {{"type", "ByteLevel"},
                                {"add_prefix_space", space},
                                {"trim_offsets", true},
                                {"use_regex", true}};
  made.root["decoder"] = {{"type", "ByteLevel"}};
  return {};
}

/// GPT-2's: nothing stands around a text that tokenizer_config.json does not ask for.
Status gpt2(const TokenizerConfig& config, VocabularyFiles& made) {
  LUTHIER_CHECK(byte_pairs(config, made));
  SortedJson first, last;
  for (const auto& [key, name, token] :
       {std::tuple{"add_bos_token", "bos_token", &first}, {"add_eos_token", "eos_token", &last}}) {
    LUTHIER_TRY(const bool asked, bool_field(config.values, key, config.where, false));
    if (!asked || !config.find(name)) continue;
    LUTHIER_TRY(*token, token_and_id(config, name, made));
  }
  made.root["post_processor"] = around_each(first, last);
  return {};
}

Status roberta(const TokenizerConfig& config, VocabularyFiles& made) {
  LUTHIER_CHECK(byte_pairs(config, made));
  LUTHIER_TRY(SortedJson first, token_and_id(config, "cls_token", made));
  LUTHIER_TRY(SortedJson last, token_and_id(config, "sep_token", made));
  made.root["post_processor"] = {
      {"type", "RobertaProcessing"},
      {"sep", std::move(last)},
      {"cls", std::move(first)},
      {"trim_offsets", true},
      {"add_prefix_space", made.root["pre_tokenizer"]["add_prefix_space"]}};
  return {};
}

template <SentencePiecePipeline build>
Status pieces_of_a_model(const TokenizerConfig& config, VocabularyFiles& made) {
  LUTHIER_TRY(const std::string bytes, read_file(made.file, kLargestVocabulary));
  LUTHIER_TRY(made.root, build(bytes, made.file.string(), config));
  return {};
}

struct ClassOfFiles {
  const char* name;
  const char* file;  ///< that says it is there
  std::span<const NamedToken> tokens;
  Pipeline build;
};

// The classes by transformers' names. CLIP's and Qwen's pipelines are put around the pieces where
// tokenizer.json's are, too.
const ClassOfFiles kClasses[] = {
    {"BertTokenizer", "vocab.txt", kBertTokens, wordpieces},
    {"ElectraTokenizer", "vocab.txt", kBertTokens, wordpieces},
    {"LxmertTokenizer", "vocab.txt", kBertTokens, wordpieces},
    {"RobertaTokenizer", "vocab.json", kRobertaTokens, roberta},
    {"BartTokenizer", "vocab.json", kRobertaTokens, roberta},
    {"GPT2Tokenizer", "vocab.json", kGpt2Tokens, gpt2},
    {"CLIPTokenizer", "vocab.json", {}, byte_pairs},
    {"Qwen2Tokenizer", "vocab.json", {}, byte_pairs},
    {"T5Tokenizer", "spiece.model", kT5Tokens, pieces_of_a_model<t5_pipeline>},
    {"AlbertTokenizer", "spiece.model", kAlbertTokens, pieces_of_a_model<albert_pipeline>},
    {"DebertaV2Tokenizer", "spm.model", kDebertaTokens, pieces_of_a_model<deberta_pipeline>},
    {"XLMRobertaTokenizer", "sentencepiece.bpe.model", kRobertaTokens,
     pieces_of_a_model<xlm_roberta_pipeline>},
    {"MBartTokenizer", "sentencepiece.bpe.model", kRobertaTokens,
     pieces_of_a_model<mbart_pipeline>}};

/// The class of model types whose folders may leave it out.
constexpr std::array<std::pair<const char*, const char*>, 18> kOfModelTypes{
    {{"bert", "BertTokenizer"},
     {"electra", "BertTokenizer"},
     {"align", "BertTokenizer"},
     {"blip", "BertTokenizer"},
     {"visual_bert", "BertTokenizer"},
     {"lxmert", "BertTokenizer"},
     {"roberta", "RobertaTokenizer"},
     {"bart", "RobertaTokenizer"},
     {"fiber", "RobertaTokenizer"},
     {"gpt2", "GPT2Tokenizer"},
     {"opt", "GPT2Tokenizer"},
     {"clip", "CLIPTokenizer"},
     {"clipseg", "CLIPTokenizer"},
     {"t5", "T5Tokenizer"},
     {"albert", "AlbertTokenizer"},
     {"deberta-v2", "DebertaV2Tokenizer"},
     {"xlm-roberta", "XLMRobertaTokenizer"},
     {"mbart", "MBartTokenizer"}}};

}  // namespace

Result<std::optional<VocabularyFiles>> read_vocabulary_files(const fs::path& folder,
                                                             TokenizerConfig& config) {
  std::string name = config.effective_class();
  for (const auto& [model_type, known] : kOfModelTypes)
    if (name.empty() && config.model_type == model_type) name = known;
  const auto row = std::find_if(std::begin(kClasses), std::end(kClasses),
                                [&](const ClassOfFiles& each) { return name == each.name; });
  std::error_code error;
  if (row == std::end(kClasses) || !fs::exists(folder / row->file, error))
    return std::optional<VocabularyFiles>();
  for (const auto& [token, content] : row->tokens) config.set_default(token, content);
  VocabularyFiles made{folder / row->file, SortedJson::object()};
  LUTHIER_CHECK(row->build(config, made));
  return std::optional(std::move(made));
}

}  // namespace luthier
