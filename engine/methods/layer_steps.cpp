// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/layer_steps.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

namespace luthier {

namespace {

/// A tensor's place in its part's list of layers; none: it is in no layer.
struct LayerPlace {
  std::string list;  ///< "model.language_model.layers"
  std::int64_t number = 0;
};

/// The first number in the name, where it is an entry of a list of layers.
std::optional<LayerPlace> layer_place(const std::string& name) {
  static const std::set<std::string> lists{"layers", "layer", "blocks", "block", "h"};
  std::size_t begin = 0;
  std::string before;
  while (begin <= name.size()) {
    const std::size_t end = std::min(name.find('.', begin), name.size());
    const std::string word = name.substr(begin, end - begin);
    std::int64_t number = 0;
    const auto read = std::from_chars(word.data(), word.data() + word.size(), number);
    if (!word.empty() && read.ec == std::errc() && read.ptr == word.data() + word.size()) {
      if (!lists.contains(before)) return std::nullopt;
      return LayerPlace{name.substr(0, begin - 1), number};
    }
    before = word;
    begin = end + 1;
  }
  return std::nullopt;
}

/// The layers of one part. A part may have several lists (a reader's and a writer's), which are as
/// deep as each is.
class PartLayers {
 public:
  void note(const LayerPlace& place) {
    std::int64_t& count = counts_[place.list];
    count = std::max(count, place.number + 1);
  }
  /// Of the longest list.
  std::int64_t count() const {
    std::int64_t most = 0;
    for (const auto& [list, count] : counts_) most = std::max(most, count);
    return most;
  }
  /// Layers between it and the end.
  std::int64_t behind(const LayerPlace& place) const {
    return counts_.at(place.list) - 1 - place.number;
  }

 private:
  std::map<std::string, std::int64_t> counts_;
};

const char* key_of_last_layers(const std::string& part) {
  if (part == "vision_tower") return "freeze.vision_tower_last_layers";
  return part == "language_model" ? "freeze.language_model_last_layers" : nullptr;
}

bool is_fixed(const std::string& part, const FreezeSettings& fixed) {
  if (part == "vision_tower") return fixed.vision_tower;
  return part == "projector" ? fixed.projector : fixed.language_model;
}

/// Input errors: more layers than there are, or none that could be counted.
Status check_last_layers(const std::map<std::string, PartLayers>& layers, const Recipe& recipe) {
  for (const char* part : {"vision_tower", "language_model"}) {
    const char* key = key_of_last_layers(part);
    const auto asked = recipe.more.optional_integer(key);
    if (!asked) continue;
    const auto found = layers.find(part);
    const std::int64_t count = found == layers.end() ? 0 : found->second.count();
    if (*asked <= count) continue;
    return input_error("The part has " + std::to_string(count) + " layers, " +
                           std::to_string(*asked) + " are asked for.",
                       key, "Write a smaller number, or null for all of the part.");
  }
  return {};
}

}  // namespace

Result<FirstSteps> layer_steps(const std::vector<NamedPart>& all, const Recipe& recipe) {
  std::map<std::string, PartLayers> layers;
  for (const NamedPart& each : all) {
    if (const auto place = layer_place(each.name)) layers[each.part].note(*place);
  }
  LUTHIER_CHECK(check_last_layers(layers, recipe));
  const auto every = recipe.more.optional_integer("freeze.unfreeze_steps");
  std::set<std::string> in_layers;  // parts whose layers have begun
  FirstSteps steps;
  for (const NamedPart& each : all) {
    const auto place = layer_place(each.name);
    if (place) in_layers.insert(each.part);
    const char* key = key_of_last_layers(each.part);
    const auto asked = key ? recipe.more.optional_integer(key) : std::nullopt;
    const auto found = layers.find(each.part);
    if (is_fixed(each.part, recipe.freeze)) {
      steps.push_back(kNeverTrains);
    } else if (!key || found == layers.end() || (!asked && !every)) {
      steps.push_back(0);
    } else {
      const std::int64_t count = found->second.count();
      const std::int64_t behind = place                           ? found->second.behind(*place)
                                  : in_layers.contains(each.part) ? 0
                                                                  : count - 1;
      const std::int64_t late = std::max<std::int64_t>(0, behind - asked.value_or(1) + 1);
      steps.push_back(late == 0 ? 0 : every ? late * *every : kNeverTrains);
    }
  }
  return steps;
}

}  // namespace luthier
