// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/answer_rules.h"

#include <algorithm>
#include <cmath>

namespace luthier {

namespace {

/// The files that say it, each before those behind it.
struct Sources {
  std::vector<Json> objects;
  std::vector<std::string> names;
  std::int64_t vocabulary = 0;
};

/// Whether the model inside is asked by itself, as transformers' BLIP, BLIP-2 and InstructBLIP do:
/// it goes by its own section, and the folder's generation_config.json is left unread.
bool asks_inner_model(const Json& config) {
  const auto type = config.find("model_type");
  return config.contains("qformer_config") || (type != config.end() && *type == "blip");
}

Result<Sources> open_sources(const std::filesystem::path& folder, const Json& config,
                             std::int64_t vocabulary) {
  Sources sources;
  sources.vocabulary = vocabulary;
  const auto add = [&](const Json& object, const std::filesystem::path& name) {
    if (!object.is_object()) return;
    sources.objects.push_back(object);
    sources.names.push_back((folder / name).string());
  };
  std::error_code ignored;
  if (asks_inner_model(config)) {
    if (config.contains("text_config")) add(config["text_config"], "config.json: text_config");
    return sources;
  }
  if (std::filesystem::exists(folder / "generation_config.json", ignored)) {
    LUTHIER_TRY(const Json generation, read_json_file(folder / "generation_config.json"));
    add(generation, "generation_config.json");
    return sources;
  }
  add(config, "config.json");
  if (config.contains("text_config")) add(config["text_config"], "config.json: text_config");
  return sources;
}

/// One field, by the first source that has it.
class Field {
 public:
  Field(const Sources& sources, const char* key) : key_(key), vocabulary_(sources.vocabulary) {
    for (std::size_t i = 0; i < sources.objects.size() && !object_; ++i) {
      const auto found = sources.objects[i].find(key);
      if (found == sources.objects[i].end() || found->is_null()) continue;
      object_ = &sources.objects[i];
      value_ = &*found;
      name_ = sources.names[i];
    }
  }

  Result<std::int64_t> size() const {
    if (!object_) return std::int64_t{0};
    LUTHIER_TRY(const std::int64_t value, json_int(*object_, key_, name_, 0));
    if (value < 0) return refuse("It is a number of tokens, 0 or more.");
    return value;
  }
  Result<double> factor() const {
    if (!object_) return 1.0;
    LUTHIER_TRY(const double value, json_number(*object_, key_, name_, 1));
    if (!(value > 0) || !std::isfinite(value)) return refuse("A penalty is a number above 0.");
    return value;
  }
  /// One id or a list; `must_exist`: the vocabulary has to have each.
  Result<std::vector<TokenId>> ids(bool must_exist) const {
    std::vector<TokenId> ids;
    if (!object_) return ids;
    const Json list = value_->is_array() ? *value_ : Json::array({*value_});
    LUTHIER_CHECK(read_ids(list, must_exist, ids));
    return ids;
  }
  Result<std::vector<std::vector<TokenId>>> runs() const {
    std::vector<std::vector<TokenId>> runs;
    if (!object_) return runs;
    if (!value_->is_array()) return refuse("It is a list of lists of token ids.");
    for (const Json& run : *value_) {
      if (!run.is_array() || run.empty()) return refuse("It is a list of lists of token ids.");
      LUTHIER_CHECK(read_ids(run, /*must_exist=*/true, runs.emplace_back()));
    }
    return runs;
  }
  Result<std::optional<TokenId>> id() const {
    LUTHIER_TRY(const std::vector<TokenId> all, ids(/*must_exist=*/true));
    if (all.size() > 1) return refuse("It is one token id.");
    return all.empty() ? std::optional<TokenId>() : std::optional<TokenId>(all.front());
  }

 private:
  Status read_ids(const Json& list, bool must_exist, std::vector<TokenId>& ids) const {
    for (const Json& id : list) {
      if (!id.is_number_integer()) return refuse("It holds something that is no token id.");
      const auto value = id.get<TokenId>();
      const bool exists = value >= 0 && value < vocabulary_;
      if (!exists && must_exist)
        return refuse("It names the token " + std::to_string(value) + ", and the vocabulary has " +
                      std::to_string(vocabulary_) + ".");
      if (exists) ids.push_back(value);
    }
    return {};
  }
  Error refuse(const std::string& sentence) const {
    return input_error(sentence, name_ + ": " + key_,
                       "Correct the file, or take the field out of it.");
  }

  const char* key_;
  std::int64_t vocabulary_;
  const Json *object_ = nullptr, *value_ = nullptr;
  std::string name_;
};

}  // namespace

Result<AnswerRules> read_answer_rules(const std::filesystem::path& folder, const Json& config,
                                      std::int64_t vocabulary) {
  LUTHIER_TRY(const Sources sources, open_sources(folder, config, vocabulary));
  const auto field = [&](const char* key) { return Field(sources, key); };
  AnswerRules rules;
  LUTHIER_TRY(rules.repetition_penalty, field("repetition_penalty").factor());
  LUTHIER_TRY(rules.no_repeat_ngram_size, field("no_repeat_ngram_size").size());
  LUTHIER_TRY(rules.bad_words_ids, field("bad_words_ids").runs());
  LUTHIER_TRY(rules.min_length, field("min_length").size());
  LUTHIER_TRY(rules.min_new_tokens, field("min_new_tokens").size());
  LUTHIER_TRY(rules.forced_bos_token_id, field("forced_bos_token_id").id());
  LUTHIER_TRY(rules.forced_eos_token_id, field("forced_eos_token_id").ids(/*must_exist=*/true));
  LUTHIER_TRY(rules.suppress_tokens, field("suppress_tokens").ids(/*must_exist=*/false));
  LUTHIER_TRY(rules.begin_suppress_tokens,
              field("begin_suppress_tokens").ids(/*must_exist=*/false));
  return rules;
}

}  // namespace luthier
