// SPDX-License-Identifier: GPL-3.0-or-later
// The folder of a language model, whose tensors a composition takes as they are.
#include <algorithm>

#include "engine/hub/folder_kind.h"
#include "engine/lab/compose/composition.h"
#include "engine/lab/compose/halves.h"
#include "engine/models/config_numbers.h"
#include "engine/models/model.h"
#include "engine/models/open_weights.h"
#include "engine/models/packing.h"
#include "engine/models/stored_head.h"
#include "engine/teaching/teaching.h"

namespace luthier {

namespace {

namespace fs = std::filesystem;

constexpr const char* kAnotherLanguageModel =
    "Give the folder of a model that continues a text (Llama, Qwen, Mistral, OPT, Persimmon, …).";

/// What config.json of a whole folder has and a text_config does not.
Json as_text_config(Json config) {
  for (const char* key : {"architectures", "auto_map", "torch_dtype", "dtype", "_name_or_path",
                          "transformers_version", "quantization_config"})
    config.erase(key);
  return config;
}

Status read_language_numbers(const ModelGeometry& geometry, const std::string& where,
                             LanguageSource& language) {
  language.vocab_size = geometry.vocab_size;
  language.hidden_size = geometry.hidden_size;
  language.layers = geometry.num_hidden_layers;
  for (const char* key : {"max_position_embeddings", "n_positions"})  // GPT-2's is the second
    if (language.positions == 0) {
      LUTHIER_TRY(language.positions, json_int(language.config, key, where, std::int64_t{0}));
    }
  return {};
}

/// A GPT-2 of the teaching model's sizes.
Json small_gpt2(const Json& text) {
  Json made = {{"model_type", "gpt2"}};
  for (const auto& [own, teaching] : std::initializer_list<std::pair<const char*, const char*>>{
           {"vocab_size", "vocab_size"},
           {"n_positions", "max_position_embeddings"},
           {"n_embd", "hidden_size"},
           {"n_layer", "num_hidden_layers"},
           {"n_head", "num_attention_heads"},
           {"bos_token_id", "bos_token_id"},
           {"eos_token_id", "eos_token_id"},
           {"pad_token_id", "pad_token_id"}})
    if (const auto found = text.find(teaching); found != text.end()) made[own] = *found;
  return made;
}

Result<LanguageSource> small_language(const std::string& type) {
  LanguageSource language;
  LUTHIER_TRY(language.tokenizer, teaching_base());
  const std::string where = (language.tokenizer / "config.json").string();
  LUTHIER_TRY(const Json config, read_json_file(language.tokenizer / "config.json"));
  const auto text = config.find("text_config");
  if (text == config.end() || !text->is_object())
    return input_error("The teaching model has no text_config.", where,
                       "Install the program's resources anew.");
  language.config = type == "gpt2" ? small_gpt2(*text) : *text;
  LUTHIER_TRY(language.type, json_string(language.config, "model_type", where));
  LUTHIER_TRY(language.family, find_family(language.config, where));
  LUTHIER_TRY(const Plan plan, language.family->read(language.config, language.tokenizer));
  const auto shapes = plan.made(torch::TensorOptions().device(torch::kMeta));
  LUTHIER_CHECK(read_language_numbers(shapes->geometry(), where, language));
  language.tied = shapes->geometry().tied_embeddings;
  return language;
}

/// The type that most numbers are stored in.
std::string most_common_type(const CheckpointFiles& files) {
  std::map<DType, std::int64_t> count;
  for (const auto& [name, info] : files.tensors()) count[info.dtype] += info.elements();
  const auto most = std::max_element(
      count.begin(), count.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == count.end() ? "F32" : dtype_name(most->first);
}

}  // namespace

Result<LanguageSource> read_language_half(const std::string& given, const std::string& small) {
  if (given == kSmallHalf) return small_language(small);
  LanguageSource language;
  language.folder = language.tokenizer = given;
  LUTHIER_CHECK(check_model_folder(language.folder));
  const std::string where = (language.folder / "config.json").string();
  LUTHIER_TRY(const Json config, read_json_file(language.folder / "config.json"));
  LUTHIER_TRY(language.type, json_string(config, "model_type", where));
  LUTHIER_TRY(language.family, find_family(config, where));
  if (language.family->takes_pictures)
    return input_error("A model of type \"" + language.type + "\" takes pictures already.",
                       where + ": model_type", kAnotherLanguageModel);
  if (config.contains("quantization_config"))
    return input_error("The language model's weights are packed.", where + ": quantization_config",
                       "Compose of the model that was packed, and pack the result "
                       "(luthier-cli quantize).");
  LUTHIER_TRY(const Plan plan, language.family->read(config, language.folder));
  const auto shapes = plan.made(torch::TensorOptions().device(torch::kMeta));
  if (!shapes->causal())
    return input_error("A model of type \"" + language.type + "\" does not continue a text.",
                       where + ": model_type", kAnotherLanguageModel);
  LUTHIER_TRY(language.files, open_weights(language.folder, config, *language.family, *shapes));
  LUTHIER_TRY(language.names,
              stored_names(*language.family, *language.files, PackingPlan{}, given));
  language.config = as_text_config(config);
  LUTHIER_CHECK(read_language_numbers(shapes->geometry(), where, language));
  for (const auto& item : shapes->named_parameters()) language.parameters.push_back(item.key());
  language.tied = !tied_weight(*shapes).empty();
  if (language.tied) {
    LUTHIER_TRY(const bool own, has_own_head(*shapes, *language.family, *language.files));
    language.tied = !own;
  }
  language.config["tie_word_embeddings"] = language.tied;
  language.dtype = most_common_type(*language.files);
  return language;
}

std::string with_commas(std::int64_t number) {
  std::string text = std::to_string(number);
  for (auto place = static_cast<std::ptrdiff_t>(text.size()) - 3; place > (number < 0 ? 1 : 0);
       place -= 3)
    text.insert(static_cast<std::size_t>(place), 1, ',');
  return text;
}

std::string described(const TowerHalf& tower) {
  return tower.type + ", " + std::to_string(tower.sizes.num_hidden_layers) + " layers of " +
         with_commas(tower.sizes.hidden_size);
}

std::string described(const LanguageSource& language) {
  return language.type + ", " + std::to_string(language.layers) + " layers of " +
         with_commas(language.hidden_size) + ", " + with_commas(language.vocab_size) + " words";
}

}  // namespace luthier
