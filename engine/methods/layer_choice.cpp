// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/layer_choice.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace luthier {

namespace {

std::optional<std::int64_t> layer_number(std::string_view text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  if (text.empty() || read.ec != std::errc() || read.ptr != end || number < 0) return std::nullopt;
  return number;
}

}  // namespace

Result<LayerChoice> LayerChoice::compile(const AdapterSettings& settings) {
  LayerChoice choice;
  for (const std::string& text : settings.more.names(kLayers)) {
    const auto number = layer_number(text);
    if (!number)
      return input_error("\"" + text + "\" is no layer's number.", kLayers,
                         "Layers are counted from 0.");
    choice.layers_.insert(*number);
  }
  for (const std::string& text : settings.more.names(kLayersPattern)) {
    LUTHIER_TRY(const NamePattern alone, NamePattern::whole(text, kLayersPattern));
    LUTHIER_TRY(Regex regex, Regex::compile("\\A(?:(?:|.*?\\.)" + text + "\\.\\d+\\.)",
                                            kLayersPattern, Regex::Syntax::Python));
    choice.texts_.push_back(text);
    choice.patterns_.push_back(std::move(regex));
  }
  return choice;
}

Result<std::optional<std::int64_t>> LayerChoice::layer_behind(std::size_t pattern,
                                                              const std::string& name) const {
  LUTHIER_TRY(const auto found, patterns_[pattern].find_all(name));
  if (found.empty() || found.front().second == 0) return std::optional<std::int64_t>();
  const std::size_t end = found.front().second - 1;  // the dot behind the number
  const std::size_t dot = name.rfind('.', end - 1);
  return dot == std::string::npos
             ? std::optional<std::int64_t>()
             : layer_number(std::string_view(name).substr(dot + 1, end - dot - 1));
}

Result<std::optional<std::int64_t>> LayerChoice::layer_of(const std::string& name) const {
  for (std::size_t i = 0; i < patterns_.size(); ++i) {
    LUTHIER_TRY(const auto layer, layer_behind(i, name));
    if (layer) return layer;
  }
  if (!patterns_.empty()) return std::optional<std::int64_t>();
  // The first number that has two names before it and one behind.
  std::size_t parts = 0;
  for (std::size_t begin = 0; begin <= name.size(); ++parts) {
    const std::size_t end = name.find('.', begin);
    if (end == std::string::npos) break;
    if (parts >= 2) {
      const auto number = layer_number(std::string_view(name).substr(begin, end - begin));
      if (number) return number;
    }
    begin = end + 1;
  }
  return std::optional<std::int64_t>();
}

Result<bool> LayerChoice::keeps(const std::string& name,
                                const std::vector<NamePattern>& targets) const {
  if (!chooses()) return true;
  const bool whole = std::any_of(targets.begin(), targets.end(), [&](const NamePattern& target) {
    return !target.is_regex() && target.text() == name;
  });
  if (whole) return true;
  LUTHIER_TRY(const auto layer, layer_of(name));
  return layer && layers_.contains(*layer);
}

}  // namespace luthier
