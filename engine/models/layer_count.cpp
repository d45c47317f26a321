// SPDX-License-Identifier: GPL-3.0-or-later
// Layers are known by a number between two dots of a tensor's name: what stands before it is the
// list that they are of. That holds for packed weights too, whose tensors have other ends.
#include "engine/models/layer_count.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace luthier {

namespace {

struct LayersOfList {
  std::int64_t count = 0;  ///< the largest number and one
  std::string last;        ///< a tensor of the layer with that number
};
using LayerLists = std::map<std::string, LayersOfList>;

/// Each list that the tensor `name` is within, outer ones first. `shown` is how errors call it.
void add_layers(LayerLists& lists, const std::string& name, const std::string& shown) {
  constexpr std::int64_t kMost = 1'000'000;
  for (std::size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
    const char* begin = name.data() + dot + 1;
    const char* end = name.data() + name.size();
    std::int64_t number = -1;
    const auto [stop, fault] = std::from_chars(begin, end, number);
    if (fault != std::errc() || stop == end || *stop != '.' || number < 0 || number > kMost)
      continue;
    LayersOfList& list = lists[name.substr(0, dot)];
    if (number >= list.count) list = {number + 1, shown};
  }
}

/// The settings that say how many layers there are, those that say `count`, as paths in the file.
void find_counts(const Json& config, const std::string& path, std::int64_t count,
                 std::vector<std::string>& found) {
  static const std::vector<std::string> keys{"num_hidden_layers", "num_layers",
                                             "num_decoder_layers", "depth"};
  if (!config.is_object()) return;
  for (const auto& [key, value] : config.items()) {
    const std::string at = path.empty() ? key : path + "." + key;
    if (std::find(keys.begin(), keys.end(), key) != keys.end() && value == count)
      found.push_back(at);
    find_counts(value, at, count, found);
  }
}

bool of_pictures(const std::string& name) {
  return name.find("vision") != std::string::npos || name.find("visual") != std::string::npos;
}

/// The setting that is most likely meant; more than one where they cannot be told apart.
std::string field_of_count(const Json& config, const std::string& list, std::int64_t count) {
  std::vector<std::string> found;
  find_counts(config, "", count, found);
  std::string fields;
  for (const std::string& each : found) {
    if (of_pictures(each) == of_pictures(list)) fields += (fields.empty() ? "" : ", ") + each;
  }
  return fields.empty() ? "num_hidden_layers" : fields;
}

}  // namespace

Status check_layers(const Model& shapes, const Family& family,
                    const std::map<std::string, TensorInfo>& tensors, const Json& config,
                    const std::filesystem::path& folder) {
  LayerLists asked, held;
  for (const auto& item : shapes.named_parameters())
    add_layers(asked, item.key(), family.stored_name(item.key()));
  for (const auto& [stored, info] : tensors) add_layers(held, family.memory_name(stored), stored);
  for (const auto& [list, wanted] : asked) {
    const auto there = held.find(list);
    if (there == held.end() || there->second.count == wanted.count) continue;
    const bool more = there->second.count > wanted.count;
    return input_error(
        "The number of layers is " + std::to_string(wanted.count) + ", the weights hold " +
            std::to_string(there->second.count) + ": " +
            (more ? there->second.last + " is left over." : wanted.last + " is missing."),
        (folder / "config.json").string() + ": " + field_of_count(config, list, wanted.count),
        "The weights do not belong to this config.json, or a shard is missing.");
  }
  return {};
}

}  // namespace luthier
