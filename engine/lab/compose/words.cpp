// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/lab/compose/words.h"

#include <algorithm>
#include <array>

#include "engine/io/files.h"
#include "engine/teaching/skeleton.h"
#include "engine/template/chat_template.h"

namespace luthier {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLargestTokenizer = 256u << 20;
constexpr const char* kFirstToken = "{{ bos_token }}";
constexpr std::array kCopiedAsTheyAre{"tokenizer.model", "special_tokens_map.json",
                                      "vocab.json",      "merges.txt",
                                      "vocab.txt",       "spiece.model"};

bool stands(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

bool any_entered(const std::vector<ComposedWord>& words) {
  return std::any_of(words.begin(), words.end(), [](const auto& word) { return word.entered; });
}

/// Whether the word is read as itself, if perhaps behind the space that stands before a text.
bool is_one_piece(const Tokenizer& tokenizer, const ComposedWord& word) {
  const auto read = tokenizer.encode(word.text, /*add_special_tokens=*/false);
  if (!read || read->ids.empty() || read->ids.back() != word.id) return false;
  return read->ids.size() == 1 || (read->ids.size() == 2 && read->pieces.front() == "\u2581");
}

/// An added token as tokenizer.json (with an id) and tokenizer_config.json have it.
template <class AnyJson>
AnyJson token_entry(const ComposedWord& word) {
  return {{"content", word.text}, {"single_word", false}, {"lstrip", false},
          {"rstrip", false},      {"normalized", false},  {"special", true}};
}

Status write_tokenizer_json(const fs::path& from, const std::vector<ComposedWord>& words,
                            const fs::path& to) {
  LUTHIER_TRY(const std::string text, read_file(from, kLargestTokenizer));
  if (!any_entered(words)) return write_file_atomically(to, text);
  LUTHIER_TRY(SortedJson root, parse_sorted_json(text, from.string()));
  if (!root.is_object()) return input_error("An object is expected.", from.string());
  SortedJson& added = root["added_tokens"];
  if (added.is_null()) added = SortedJson::array();
  if (!added.is_array())
    return input_error("A list of added tokens is needed here.", from.string() + ": added_tokens");
  for (const ComposedWord& word : words) {
    if (!word.entered) continue;
    auto entry = token_entry<SortedJson>(word);
    entry["id"] = word.id;
    added.push_back(std::move(entry));
  }
  return write_file_atomically(to, root.dump(2) + "\n");
}

/// What fills rows up, where the tokenizer names nothing for that: <unk>, else its end.
Status name_padding(const fs::path& folder, Json& config) {
  LUTHIER_TRY(const auto tokenizer, Tokenizer::load(folder));
  const SpecialTokens& special = tokenizer->special();
  if (special.pad) return {};
  const std::string& other = special.unk_text.empty() ? special.eos_text : special.unk_text;
  if (!other.empty()) config["pad_token"] = other;
  return {};
}

Status write_tokenizer_config(const fs::path& folder, const std::vector<ComposedWord>& words,
                              bool pads, const fs::path& to) {
  const fs::path file = folder / "tokenizer_config.json";
  Json config = Json::object();
  if (stands(file)) {
    LUTHIER_TRY(config, read_json_file(file));
    if (!config.is_object()) return input_error("An object is expected.", file.string());
  }
  config.erase("chat_template");  // there is another one now
  config.erase("processor_class");
  if (!config.contains("tokenizer_class") && stands(folder / "tokenizer.json"))
    config["tokenizer_class"] = "PreTrainedTokenizerFast";
  if (const auto decoder = config.find("added_tokens_decoder");
      decoder != config.end() && decoder->is_object())
    for (const ComposedWord& word : words)
      if (word.entered) (*decoder)[std::to_string(word.id)] = token_entry<Json>(word);
  if (pads) LUTHIER_CHECK(name_padding(folder, config));
  return write_file_atomically(to, config.dump(2) + "\n");
}

/// added_tokens.json, where there is one.
Status write_added_tokens(const fs::path& from, const std::vector<ComposedWord>& words,
                          const fs::path& to) {
  if (!stands(from)) return {};
  LUTHIER_TRY(Json added, read_json_file(from));
  if (!added.is_object()) return input_error("An object is expected.", from.string());
  for (const ComposedWord& word : words)
    if (word.entered) added[word.text] = word.id;
  return write_file_atomically(to, added.dump(2) + "\n");
}

/// The language model's, else what its config.json says of ends.
Status write_generation_config(const LanguageSource& language, const fs::path& to) {
  const fs::path file = language.tokenizer / "generation_config.json";
  Json generation = Json::object();
  if (stands(file)) {
    LUTHIER_TRY(generation, read_json_file(file));
    if (!generation.is_object()) return input_error("An object is expected.", file.string());
  } else {
    for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"})
      if (const auto found = language.config.find(key);
          found != language.config.end() && !found->is_null())
        generation[key] = *found;
  }
  return write_file_atomically(to, generation.dump(2) + "\n");
}

}  // namespace

Result<std::vector<ComposedWord>> place_words(const LanguageSource& language,
                                              const std::vector<std::string>& wanted) {
  LUTHIER_TRY(const auto tokenizer, Tokenizer::load(language.tokenizer));
  std::vector<ComposedWord> words;
  std::int64_t next = tokenizer->vocab_size();
  for (const std::string& text : wanted) {
    ComposedWord word{text, 0, ComposedWord::Row::Known, false};
    const auto known = tokenizer->token_to_id(text);
    word.id = known ? *known : next++;
    if (!known) word.row = ComposedWord::Row::Free;
    if (word.id >= language.vocab_size) word.row = ComposedWord::Row::New;
    word.entered = !known || !is_one_piece(*tokenizer, word);
    words.push_back(std::move(word));
  }
  if (!any_entered(words) || stands(language.tokenizer / "tokenizer.json")) return words;
  const fs::path file = language.tokenizer / "tokenizer_config.json";
  Json config;
  if (stands(file)) {
    LUTHIER_TRY(config, read_json_file(file));
  }
  if (config.is_object() && config.contains("added_tokens_decoder")) return words;
  const auto first = std::find_if(words.begin(), words.end(),
                                  [](const ComposedWord& word) { return word.entered; });
  return input_error(
      "The tokenizer has no word " + first->text + ", and a tokenizer.model alone takes none.",
      language.tokenizer.string(),
      "Load the tokenizer with transformers and save it once, as tokenizer.json.");
}

std::int64_t rows_lacking(const LanguageSource& language, const std::vector<ComposedWord>& words) {
  std::int64_t rows = 0;
  for (const ComposedWord& word : words) rows = std::max(rows, word.id + 1 - language.vocab_size);
  return rows;
}

Status write_tokenizer_files(const LanguageSource& language, const std::vector<ComposedWord>& words,
                             bool pads, const fs::path& folder) {
  const fs::path& from = language.tokenizer;
  for (const char* name : kCopiedAsTheyAre) {
    if (!stands(from / name)) continue;
    LUTHIER_TRY(const fs::path file, resolve_inside(from, name));
    LUTHIER_TRY(const std::string contents, read_file(file, kLargestTokenizer));
    LUTHIER_CHECK(write_file_atomically(folder / name, contents));
  }
  if (stands(from / "tokenizer.json"))
    LUTHIER_CHECK(write_tokenizer_json(from / "tokenizer.json", words, folder / "tokenizer.json"));
  LUTHIER_CHECK(
      write_added_tokens(from / "added_tokens.json", words, folder / "added_tokens.json"));
  LUTHIER_CHECK(write_tokenizer_config(from, words, pads, folder / "tokenizer_config.json"));
  return write_generation_config(language, folder / "generation_config.json");
}

Result<PictureTemplate> picture_template(const LanguageSource& language, const PictureMark& mark) {
  LUTHIER_TRY(const auto tokenizer, Tokenizer::load(language.tokenizer));
  const auto own = ChatTemplate::load(language.tokenizer);
  if (own) {
    if (writes_picture(own->source(), mark, *tokenizer))
      return PictureTemplate{own->source(), "The chat template is the language model's own."};
    const std::string flat = flattened_turns(mark);
    for (const std::string& wrapped : {flat + own->source(), flat + kFirstToken + own->source()})
      if (writes_picture(wrapped, mark, *tokenizer))
        return PictureTemplate{wrapped,
                               "The chat template is the language model's own, with pictures' "
                               "marks written into its turns."};
  }
  return PictureTemplate{
      mark.bare ? bare_turns() : skeleton_template(),
      own ? "The language model's chat template does not keep pictures as this "
            "family writes them: turns are written as User: and Assistant:."
          : "The language model has no chat template: turns are written as User: "
            "and Assistant:."};
}

}  // namespace luthier
