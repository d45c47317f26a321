// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/unlike_settings.h"

#include <algorithm>
#include <map>
#include <optional>

namespace luthier {

namespace {

using Path = std::vector<std::string>;
using ShapesByName = std::map<std::string, std::vector<std::int64_t>>;

constexpr std::size_t kMostTried = 200;  ///< settings; a configuration's are some tens

const Json* value_at(const Json& config, const Path& path) {
  const Json* value = &config;
  for (const std::string& key : path) {
    if (!value->is_object() || !value->contains(key)) return nullptr;
    value = &value->at(key);
  }
  return value;
}

/// Where the two differ, sections that both have taken apart.
void find_unlike(const Json& one, const Json& other, const Path& path, std::vector<Path>& found) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : one.items()) keys.push_back(key);
  for (const auto& [key, value] : other.items()) {
    if (!one.contains(key)) keys.push_back(key);
  }
  for (const std::string& key : keys) {
    Path at = path;
    at.push_back(key);
    if (!one.contains(key) || !other.contains(key)) {
      found.push_back(std::move(at));
    } else if (one[key].is_object() && other[key].is_object()) {
      find_unlike(one[key], other[key], at, found);
    } else if (one[key] != other[key]) {
      found.push_back(std::move(at));
    }
  }
}

/// Of the model that `config` asks for; none: there is no such model.
std::optional<ShapesByName> shapes_of_tensors(const Family& family, const Json& config) try {
  const auto plan = family.read(config, {});
  if (!plan) return std::nullopt;
  ShapesByName shapes;
  const auto model = plan->made(torch::TensorOptions().device(torch::kMeta));
  for (const auto& item : model->named_parameters())
    shapes[item.key()] = item.value().sizes().vec();
  return shapes;
} catch (const std::exception&) {
  return std::nullopt;
}

std::string joined_path(const Path& path) {
  std::string text;
  for (const std::string& key : path) text += (text.empty() ? "" : ".") + key;
  return text;
}

}  // namespace

std::vector<std::string> unlike_settings(const Family& family, const Json& one, const Json& other) {
  if (!one.is_object() || !other.is_object()) return {};
  const auto shapes = shapes_of_tensors(family, one);
  if (!shapes) return {};
  std::vector<Path> unlike;
  find_unlike(one, other, {}, unlike);
  // Those alone that make a model of other tensors; where none does, those that make none, since
  // they go together with another one (a number of layers and the list of their kinds).
  std::vector<std::string> others, none;
  for (std::size_t i = 0; i < std::min(unlike.size(), kMostTried); ++i) {
    Json tried = one;
    Json* section = &tried;
    for (std::size_t k = 0; k + 1 < unlike[i].size(); ++k) section = &(*section)[unlike[i][k]];
    if (const Json* value = value_at(other, unlike[i])) {
      (*section)[unlike[i].back()] = *value;
    } else {
      section->erase(unlike[i].back());
    }
    const auto made = shapes_of_tensors(family, tried);
    if (!made) {
      none.push_back(joined_path(unlike[i]));
    } else if (*made != *shapes) {
      others.push_back(joined_path(unlike[i]));
    }
  }
  return others.empty() ? none : others;
}

std::string setting_text(const Json& config, const std::string& path) {
  const Json* value = &config;
  for (std::size_t from = 0; from <= path.size();) {
    const std::size_t dot = std::min(path.find('.', from), path.size());
    const std::string key = path.substr(from, dot - from);
    if (!value->is_object() || !value->contains(key)) return {};
    value = &value->at(key);
    from = dot + 1;
  }
  return value->dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace luthier
