// SPDX-License-Identifier: GPL-3.0-or-later
// Layers are known by a number between two dots of a tensor's name: what stands before it is the
// list that they are of. That holds for packed weights too, whose tensors have other ends.
#include "engine/models/layer_count.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <string_view>
#include <vector>

namespace luthier {

namespace {

struct LayersOfList {
  std::set<std::int64_t> numbers;
  std::string last;  ///< a tensor of the layer with the largest

  std::int64_t count() const { return *numbers.rbegin() + 1; }
  /// Without gaps: what activations stand between (mlp.0, mlp.2) are no layers.
  bool whole() const { return static_cast<std::int64_t>(numbers.size()) == count(); }
};
using LayerLists = std::map<std::string, LayersOfList>;

/// ResNet's stages, each with its "layers", Swin's with its "blocks", and NFNet's.
constexpr std::array<std::string_view, 3> kStages{".encoder.stages", "swin.encoder.layers",
                                                  "timm_model.stages"};

bool is_of_stages(std::string_view list) {
  return std::any_of(kStages.begin(), kStages.end(),
                     [list](std::string_view stages) { return list.ends_with(stages); });
}
bool lies_in_stages(std::string_view list) {
  return std::any_of(kStages.begin(), kStages.end(), [list](std::string_view stages) {
    return list.find(stages) != std::string_view::npos;
  });
}

/// The outermost list that the tensor `name` is within: no setting counts lists within one, but
/// where a list's members are lists themselves (a tower's stages) or hold one each (ResNet's), each
/// is counted. `shown` is how errors call the tensor.
void add_layer(LayerLists& lists, const std::string& name, const std::string& shown) {
  constexpr std::int64_t kMost = 1'000'000;
  for (std::size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
    const char* begin = name.data() + dot + 1;
    const char* end = name.data() + name.size();
    std::int64_t number = -1;
    const auto [stop, fault] = std::from_chars(begin, end, number);
    if (fault != std::errc() || stop == end || *stop != '.' || number < 0 || number > kMost)
      continue;
    LayersOfList& list = lists[name.substr(0, dot)];
    list.numbers.insert(number);
    if (number + 1 == list.count()) list.last = shown;
    const bool of_lists = stop + 1 < end && stop[1] >= '0' && stop[1] <= '9';
    if (!of_lists && !is_of_stages(std::string_view(name).substr(0, dot))) return;
  }
}

/// How config.json calls the number of layers of lists whose names end so (behind a point: with
/// that whole name or names), the likeliest first. A path is where it stands, whatever else has as
/// many.
struct CountOfLayers {
  std::string_view list;
  std::vector<std::string> keys;
};

const std::vector<std::string>& keys_of(const std::string& list) {
  static const std::vector<CountOfLayers> table{
      {"image_fusion", {"num_fuse_block"}},
      {"text_fusion", {"num_fuse_block"}},
      {"lxmert.encoder.layer", {"l_layers"}},
      {"lxmert.encoder.x_layers", {"x_layers"}},
      {"lxmert.encoder.r_layers", {"r_layers"}},
      {".deepstack_merger_list", {"deepstack_visual_indexes"}},
      {".merger.mlp", {"merger_times"}},
      {"altup_projections", {"altup_num_inputs"}},
      {"altup_unembed_projections", {"altup_num_inputs"}},
      {"vision_tower.blocks", {"embed_dim"}},
      {"vision_tower.convs", {"embed_dim"}},
      {"qformer.encoder.layer", {"qformer_config.num_hidden_layers"}},
      {"language_model.model.decoder.layers", {"text_config.num_hidden_layers"}},
      {"language_model.model.layers", {"text_config.num_hidden_layers"}},
      {"fused_featurizer.blocks", {"timm_model_ids.1"}},
      {"featurizer.blocks", {"timm_model_ids.0"}},
      {".encoder.blocks", {"num_block_repeats"}},
      {"perceiver_resampler.blocks", {"perceiver_config.resampler_depth"}},
      {"vqmodel.encoder.down", {"vq_config.channel_multiplier"}},
      {".blocks", {"depth"}},
      {"global_transformer.layers", {"num_global_layers"}},
      {"sam_encoder.layers", {"vision_config.sam_config.num_hidden_layers"}},
      {"vision_tower.vision_encoder.layers", {"vision_config.encoder_config.num_hidden_layers"}},
      {"language_model.encoder.layers", {"encoder_layers"}},
      {".model.encoder.layers", {"encoder_layers"}},
      {"model.decoder.layers", {"decoder_layers", "num_hidden_layers"}},
      {"transformer.h", {"n_layer"}},
      {"albert_layer_groups", {"num_hidden_groups"}},
      {"decoder.decoder_layers", {"decoder_num_hidden_layers"}},
      {"encoder.block", {"num_layers"}},
      {"decoder.block", {"num_decoder_layers", "num_layers"}},
      {"", {"num_hidden_layers", "num_layers", "depth", "encoder_layers"}}};
  // Of a stage, which is one of a list.
  static const std::vector<std::string> of_stages{"depths"}, of_timm{"model_args"},
      of_nfnet{"model_args.depths"};
  if (list.starts_with("timm_model.stages")) return of_nfnet;
  if (list.find(".timm_model.") != std::string::npos) return of_timm;
  if (!list.empty() && list.back() >= '0' && list.back() <= '9') return of_stages;
  if (lies_in_stages(list)) return of_stages;
  for (const CountOfLayers& each : table) {
    if (("." + list).ends_with(each.list)) return each.keys;
  }
  return table.back().keys;
}

/// The settings named `key` that say `count` (or list as many), as paths in the file.
void find_counts(const Json& config, const std::string& path, const std::string& key,
                 std::int64_t count, std::vector<std::string>& found) {
  if (!config.is_object()) return;
  for (const auto& [name, value] : config.items()) {
    const std::string at = path.empty() ? name : path + "." + name;
    const bool says = value.is_array() ? static_cast<std::int64_t>(value.size()) == count
                                       : value.is_number_integer() && value == count;
    if (name == key && says) found.push_back(at);
    find_counts(value, at, key, count, found);
  }
}

constexpr std::array<std::string_view, 3> kOfPictures{"vision", "visual", "img_processor"};

bool of_pictures(const std::string& name) {
  return std::any_of(kOfPictures.begin(), kOfPictures.end(), [&name](std::string_view part) {
    return name.find(part) != std::string::npos;
  });
}

/// The setting that is most likely meant; more than one where they cannot be told apart. Where
/// config.json says nothing, the one that would.
std::string field_of_count(const Json& config, const std::string& list, std::int64_t count) {
  const std::vector<std::string>& keys = keys_of(list);
  if (keys.front().find('.') != std::string::npos) return keys.front();
  for (const std::string& key : keys) {
    std::vector<std::string> found;
    find_counts(config, "", key, count, found);
    std::string fields;
    for (const std::string& each : found) {
      if (of_pictures(each) == of_pictures(list)) fields += (fields.empty() ? "" : ", ") + each;
    }
    if (!fields.empty()) return fields;
  }
  for (const char* part : {"vision_config", "text_config"}) {
    const auto section = config.find(part);
    if (section != config.end() && section->is_object() && of_pictures(part) == of_pictures(list))
      return part + ("." + keys.front());
  }
  return keys.front();
}

}  // namespace

Status check_layers(const Model& shapes, const Family& family,
                    const std::map<std::string, TensorInfo>& tensors, const Json& config,
                    const std::filesystem::path& folder) {
  LayerLists asked, held;
  for (const auto& item : shapes.named_parameters())
    add_layer(asked, item.key(), family.stored_name(item.key()));
  for (const auto& [stored, info] : tensors) add_layer(held, family.memory_name(stored), stored);
  for (const auto& [list, wanted] : asked) {
    const auto there = held.find(list);
    if (there == held.end() || !wanted.whole() || there->second.count() == wanted.count()) continue;
    const bool more = there->second.count() > wanted.count();
    return input_error(
        "The number of layers is " + std::to_string(wanted.count()) + ", the weights hold " +
            std::to_string(there->second.count()) + ": " +
            (more ? there->second.last + " is left over." : wanted.last + " is missing."),
        (folder / "config.json").string() + ": " + field_of_count(config, list, wanted.count()),
        "The weights do not belong to this config.json, or a shard is missing.");
  }
  return {};
}

}  // namespace luthier
