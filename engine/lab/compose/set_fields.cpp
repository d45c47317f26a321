// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/lab/compose/set_fields.h"

#include <algorithm>
#include <array>
#include <vector>

#include "engine/base/text.h"
#include "engine/config/nearest_name.h"

namespace luthier {

namespace {

constexpr const char* kToBeWritten = "config.json";

/// The object that holds the field "a.b.c" of this config, and its own name there ("c"); null where
/// a section lacks.
std::pair<Json*, std::string> place_in(Json& config, const std::string& name,
                                       std::string& lacking) {
  Json* place = &config;
  std::size_t begin = 0;
  for (std::size_t dot = name.find('.'); dot != std::string::npos;
       begin = dot + 1, dot = name.find('.', begin)) {
    const auto found = place->find(name.substr(begin, dot - begin));
    if (found == place->end() || !found->is_object()) {
      lacking = name.substr(0, dot);
      return {nullptr, {}};
    }
    place = &*found;
  }
  return {place, name.substr(begin)};
}

std::vector<std::string> sections_of(const Json& config) {
  std::vector<std::string> names;
  for (const auto& [key, value] : config.items())
    if (value.is_object()) names.push_back(key);
  return names;
}

/// config["a"]["b"] = value for "a.b".
Status set_config_field(Json& config, const std::string& name, const Json& value) {
  std::string lacking;
  const auto [place, own] = place_in(config, name, lacking);
  if (!place) {
    const std::string near = nearest_name(lacking, sections_of(config));
    return input_error("config.json has no section " + lacking + ".", "--set " + name,
                       near.empty() ? "Write a field of it, as vision_feature_layer=-1."
                                    : "Did you mean " + near + "?");
  }
  if (own.empty()) return input_error("The field has no name.", "--set " + name);
  (*place)[own] = value;
  return {};
}

/// Of config.json what goes by the halves and by the words they have: their weights, the picture
/// processor, the tokenizer and the drawing go by it, too. Beside them the halves' own sections.
constexpr std::array kOfHalves{"architectures",          "model_type",          "dtype",
                               "quantization_config",    "tie_word_embeddings", "image_token_index",
                               "image_token_id",         "image_seq_length",    "vocab_size",
                               "additional_vocab_size",  "hidden_size",         "intermediate_size",
                               "num_hidden_layers",      "num_attention_heads", "hidden_act",
                               "max_position_embeddings"};

/// Input error where the order's fields have made of a half something else than it is.
Status check_halves_stand(const Json& made, const Json& wanted) {
  const auto refused = [](const std::string& name) {
    return input_error("The field goes by tower and language model, which stay as they are.",
                       "--set " + name, "Leave it out, or give another tower or language model.");
  };
  const auto alike = [](const Json& one, const Json& other, const std::string& key) {
    const auto a = one.find(key), b = other.find(key);
    return a == one.end() ? b == other.end() : b != other.end() && *a == *b;
  };
  for (const char* key : kOfHalves)
    if (!alike(made, wanted, key)) return refused(key);
  for (const char* section : {"vision_config", "text_config"}) {
    const auto own = made.find(section), now = wanted.find(section);
    if (own == made.end()) continue;
    if (now == wanted.end() || !now->is_object()) return refused(section);
    for (const auto& [key, value] : own->items())
      if (!alike(*own, *now, key)) return refused(std::string(section) + "." + key);
  }
  return {};
}

/// Whether connector or family read the field of `config`: one that does cannot take a list of
/// lists of lists in its place.
bool is_read(Json config, const std::string& name, const ConnectorParts& parts,
             const Connector& row) {
  const Json no_value = Json::array({Json::array({Json::array()})});
  std::string lacking;
  const auto [place, own] = place_in(config, name, lacking);
  if (!place) return false;
  (*place)[own] = no_value;
  try {
    // The family first: it bounds what the drawing multiplies.
    const auto family = find_family(config, kToBeWritten);
    return !family || !(*family)->read(config, "") || !row.lay_out(parts, config);
  } catch (const Json::exception&) {  // as a value of another type is taken for
    return true;
  }
}

/// The names beside `name` in its section, with the section's.
std::vector<std::string> names_beside(Json made, const std::string& name) {
  std::string lacking;
  const auto [place, own] = place_in(made, name, lacking);
  std::vector<std::string> names;
  if (!place) return names;
  const std::string section = name.substr(0, name.size() - own.size());
  for (const auto& [key, value] : place->items()) names.push_back(section + key);
  return names;
}

Status check_is_read(const std::string& name, const Json& made, const Json& config,
                     const ConnectorParts& parts, const Connector& row) {
  const auto known = names_beside(made, name);
  if (std::find(known.begin(), known.end(), name) != known.end()) return {};
  if (is_read(config, name, parts, row)) return {};
  // A far name helps nobody.
  const std::string near = nearest_name(name, known);
  const bool close = !near.empty() && edit_distance(near, name) <= 3;
  return input_error("Nothing of a model of type " + row.summary.model_type + " reads this field.",
                     "--set " + name,
                     close ? "Did you mean " + near + "?"
                           : "Leave it out: --plan --json shows the config.json with its fields.");
}

}  // namespace

Result<Json> with_set_fields(const Json& made, const ConnectorParts& parts, const Connector& row) {
  Json config = made;
  for (const auto& [name, value] : parts.order.fields)
    LUTHIER_CHECK(set_config_field(config, name, value));
  LUTHIER_CHECK(check_halves_stand(made, config));
  for (const auto& [name, value] : parts.order.fields)
    LUTHIER_CHECK(check_is_read(name, made, config, parts, row));
  return config;
}

Error said_of_set_field(Error error, const ComposeOrder& order) {
  const std::size_t file = error.where.find(kToBeWritten);
  if (file == std::string::npos || file > 0) return error;
  // "config.json: section: field", as the readers of sections say it.
  std::string field = error.where.substr(std::string(kToBeWritten).size());
  if (field.starts_with(": ")) field.erase(0, 2);
  for (std::size_t at = 0; (at = field.find(": ", at)) != std::string::npos;)
    field.replace(at, 2, ".");
  for (const auto& [name, value] : order.fields) {
    // The section of a field that is at fault beside another one is told, too.
    const bool its_own =
        name == field || name.starts_with(field + ".") || field.starts_with(name + ".");
    if (!its_own) continue;
    error.where = "--set " + name;
    error.hint = error.hint.starts_with("The checkpoint") ? std::string() : error.hint;
    return error;
  }
  error.where = "the config.json to be written" + (field.empty() ? "" : ": " + field);
  return error;
}

}  // namespace luthier
