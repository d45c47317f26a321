// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/gemma3n/mobilenet_options.h"

#include <algorithm>
#include <initializer_list>

#include "engine/models/config_numbers.h"

namespace luthier {

namespace {

constexpr const char* kTower = "mobilenetv5_300m_enc";
using Kind = MobileBlock::Kind;

/// A number of channels as timm rounds it: to eights, and not down by more than a tenth.
std::int64_t in_eights(double channels) {
  constexpr std::int64_t kStep = 8;
  const auto nearest = static_cast<std::int64_t>(channels + kStep / 2.0) / kStep * kStep;
  const std::int64_t least = std::max(kStep, nearest);
  return static_cast<double>(least) < 0.9 * channels ? least + kStep : least;
}

/// A block as it stands in a list, before it is known what comes in.
struct MobileEntry {
  MobileBlock block;
  double expansion = 1;
  bool alone = false;  ///< what came in is not added
};

MobileEntry mobile_edge(std::int64_t out, std::int64_t stride) {
  MobileEntry e;
  e.block.kind = Kind::Edge;
  e.block.out = out, e.block.stride = stride, e.block.kernel = 3;
  e.expansion = 4;
  return e;
}

MobileEntry mobile_bottleneck(std::int64_t out, std::int64_t first, std::int64_t middle,
                              double expansion) {
  MobileEntry e;
  e.block.out = out, e.block.first = first, e.block.middle = middle;
  e.block.stride = middle > 0 ? 2 : 1;
  e.expansion = expansion;
  return e;
}

using MobileStages = std::vector<std::vector<MobileEntry>>;

/// The published tower's.
MobileStages mobilenet_300m() {
  MobileStages stages(4);
  for (const std::int64_t stride : {2, 1, 1}) stages[0].push_back(mobile_edge(128, stride));
  stages[1].push_back(mobile_bottleneck(256, 3, 5, 6));
  for (const std::int64_t kernel : {5, 3, 5, 3})
    stages[1].push_back(mobile_bottleneck(256, kernel, 0, 4));
  const auto attention = [](std::vector<MobileEntry>& stage, int pairs, std::int64_t heads,
                            std::int64_t size, std::int64_t kv_stride) {
    const std::int64_t out = stage.back().block.out;
    for (int i = 0; i < pairs; ++i) {
      MobileEntry e;
      e.block.kind = Kind::Attention;
      e.block.out = out, e.block.heads = heads, e.block.kv_stride = kv_stride;
      e.block.key_dim = e.block.value_dim = size;
      stage.push_back(e);
      stage.push_back(mobile_bottleneck(out, 0, 0, 2));
    }
  };
  stages[2].push_back(mobile_bottleneck(640, 5, 5, 6));
  for (int i = 0; i < 7; ++i) stages[2].push_back(mobile_bottleneck(640, 5, 0, 4));
  stages[2].push_back(mobile_bottleneck(640, 0, 0, 1));
  attention(stages[2], 14, 12, 64, 2);
  stages[3].push_back(mobile_bottleneck(1280, 5, 5, 6));
  attention(stages[3], 19, 16, 96, 1);
  return stages;
}

/// What a block has no place for here would change what it computes.
Status known_keys(const Json& block, const std::string& where,
                  std::initializer_list<const char*> own) {
  for (const auto& [key, value] : block.items()) {
    bool known = key == "block_type" || key == "out_chs" || key == "stride" || key == "noskip";
    for (const char* each : own) known = known || key == each;
    const bool nothing = value.is_null() || value == 0 || value == false;
    const bool empty = key == "act_layer" || key == "se_ratio" || key == "force_in_chs";
    if (known || (empty && nothing)) continue;
    return input_error("This setting of a block is not built here.", where + "." + key);
  }
  return {};
}

Result<std::int64_t> read_kernel(const Json& block, const char* key, const std::string& where,
                                 std::int64_t standard, std::int64_t least) {
  LUTHIER_TRY(const std::int64_t kernel, json_int(block, key, where, standard));
  LUTHIER_CHECK(in_range(kernel, least, 31, where, key));
  return kernel;
}

Status read_edge(const Json& block, const std::string& where, MobileBlock& b) {
  LUTHIER_CHECK(known_keys(block, where, {"exp_kernel_size", "pw_kernel_size", "exp_ratio"}));
  LUTHIER_TRY(b.kernel, read_kernel(block, "exp_kernel_size", where, 3, 1));
  LUTHIER_TRY(const std::int64_t narrow, json_int(block, "pw_kernel_size", where, 1));
  return in_range(narrow, 1, 1, where, "pw_kernel_size");
}

Status read_bottleneck(const Json& block, const std::string& where, MobileBlock& b) {
  LUTHIER_CHECK(known_keys(
      block, where,
      {"dw_kernel_size_start", "dw_kernel_size_mid", "dw_kernel_size_end", "exp_ratio"}));
  LUTHIER_TRY(b.first, read_kernel(block, "dw_kernel_size_start", where, 0, 0));
  LUTHIER_TRY(b.middle, read_kernel(block, "dw_kernel_size_mid", where, 3, 0));
  LUTHIER_TRY(b.last, read_kernel(block, "dw_kernel_size_end", where, 0, 0));
  if (b.stride > 1 && b.first + b.middle + b.last == 0)
    return input_error("A block without a kernel takes no stride.", where + ".stride");
  return {};
}

Status read_attention(const Json& block, const std::string& where, MobileBlock& b) {
  LUTHIER_CHECK(known_keys(block, where,
                           {"dw_kernel_size", "num_heads", "key_dim", "value_dim", "kv_stride"}));
  LUTHIER_TRY(b.kernel, read_kernel(block, "dw_kernel_size", where, 3, 1));
  for (const auto& [key, number] : {std::pair{"num_heads", &b.heads},
                                    {"key_dim", &b.key_dim},
                                    {"value_dim", &b.value_dim},
                                    {"kv_stride", &b.kv_stride}}) {
    LUTHIER_TRY(*number, json_int(block, key, where, *number));
    LUTHIER_CHECK(in_range(*number, 1, 1 << 12, where, key));
  }
  // The first of a stage has the stage's stride, which what attends has no part in.
  if (b.stride > 1) return input_error("A stage begins with a convolution.", where + ".block_type");
  return {};
}

Result<MobileEntry> read_block(const Json& block, const std::string& where, bool begins) {
  if (!block.is_object()) return input_error("An object is expected.", where);
  MobileEntry e;
  LUTHIER_TRY(const std::string type, json_string(block, "block_type", where));
  LUTHIER_TRY(e.block.out, json_int(block, "out_chs", where));
  LUTHIER_CHECK(in_range(e.block.out, 1, 1 << 16, where, "out_chs"));
  LUTHIER_TRY(e.block.stride, json_int(block, "stride", where, 1));
  LUTHIER_CHECK(in_range(e.block.stride, 1, 2, where, "stride"));
  if (begins && e.block.stride != 2)
    return input_error("A stage begins with a stride of 2.", where + ".stride");
  if (!begins) e.block.stride = 1;
  LUTHIER_TRY(e.alone, json_bool(block, "noskip", where, false));
  LUTHIER_TRY(e.expansion, json_number(block, "exp_ratio", where, 1.0));
  if (!(e.expansion > 0 && e.expansion <= 1024))
    return input_error("A number above 0 is expected.", where + ".exp_ratio");
  if (type == "er") {
    e.block.kind = Kind::Edge;
    LUTHIER_CHECK(read_edge(block, where, e.block));
  } else if (type == "uir") {
    LUTHIER_CHECK(read_bottleneck(block, where, e.block));
  } else if (type == "mqa") {
    e.block.kind = Kind::Attention;
    LUTHIER_CHECK(read_attention(block, where, e.block));
  } else {
    return input_error("Blocks of the type \"" + type + "\" are not built here.",
                       where + ".block_type", "Known are er, uir and mqa.");
  }
  return e;
}

Result<MobileStages> read_stages(const Json& list, const std::string& where) {
  constexpr std::size_t kMostStages = 4, kMostBlocks = 256;  // from there on timm dilates
  if (!list.is_array() || list.empty() || list.size() > kMostStages)
    return input_error("A list of one to four stages is expected.", where);
  MobileStages stages;
  for (const Json& each : list) {
    const std::string here = where + "[" + std::to_string(stages.size()) + "]";
    if (!each.is_array() || each.empty() || each.size() > kMostBlocks)
      return input_error("A list of blocks is expected.", here);
    auto& stage = stages.emplace_back();
    for (const Json& block : each) {
      LUTHIER_TRY(
          MobileEntry entry,
          read_block(block, here + "[" + std::to_string(stage.size()) + "]", stage.empty()));
      stage.push_back(std::move(entry));
    }
  }
  return stages;
}

Status read_fused(const Json& args, const std::string& where, MobileNetOptions& o) {
  o.fused.assign(o.stages.size() + 1, false);
  const auto places = static_cast<std::int64_t>(o.fused.size());
  std::vector<std::int64_t> indices{-2, -1};
  if (const auto found = args.find("msfa_indices"); found != args.end()) {
    indices.clear();
    const bool list = found->is_array() && !found->empty();
    for (const Json& each : list ? *found : Json::array())
      indices.push_back(each.is_number_integer() ? each.get<std::int64_t>() : places);
    if (!list) return input_error("A list of numbers is expected.", where + ": msfa_indices");
  }
  for (const std::int64_t index : indices) {
    const std::int64_t place = index < 0 ? places + index : index;
    if (place < 0 || place >= places || o.fused[static_cast<std::size_t>(place)])
      return input_error("Different numbers from " + std::to_string(-places) + " to " +
                             std::to_string(places - 1) + " are expected.",
                         where + ": msfa_indices");
    o.fused[static_cast<std::size_t>(place)] = true;
  }
  LUTHIER_TRY(o.fused_side, json_int(args, "msfa_output_resolution", where, 16));
  return in_range(o.fused_side, 1, 1 << 10, where, "msfa_output_resolution");
}

Result<Json> read_model_args(const Json& config, const std::string& where) {
  const auto found = config.find("model_args");
  if (found == config.end() || found->is_null()) return Json(Json::object());
  if (!found->is_object()) return input_error("An object is expected.", where + ": model_args");
  for (const auto& [key, value] : found->items()) {
    bool known = false;
    for (const char* each : {"channel_multiplier", "stem_size", "block_args", "msfa_indices",
                             "msfa_output_resolution"})
      known = known || key == each;
    if (!known)
      return input_error("This setting of the tower is not built here.",
                         where + ": model_args." + key);
  }
  return Json(*found);
}

}  // namespace

std::int64_t MobileNetOptions::fused_channels() const {
  std::int64_t channels = fused.front() ? stem : 0;
  for (std::size_t i = 0; i < stages.size(); ++i)
    if (fused[i + 1]) channels += stages[i].back().out;
  return channels;
}

Result<MobileNetOptions> read_mobilenet_options(const Json& config, const std::string& where) {
  MobileNetOptions o;
  LUTHIER_TRY(const std::string tower, json_string(config, "architecture", where, kTower));
  if (tower != kTower)
    return input_error("The tower \"" + tower + "\" is not known.", where + ": architecture",
                       std::string("It is ") + kTower + ".");
  LUTHIER_TRY(const std::int64_t width, json_int(config, "hidden_size", where, o.hidden_size));
  LUTHIER_CHECK(in_range(width, o.hidden_size, o.hidden_size, where, "hidden_size"));
  LUTHIER_TRY(const Json args, read_model_args(config, where));
  const std::string place = where + ": model_args";
  LUTHIER_TRY(const double share, json_number(args, "channel_multiplier", place, 1.0));
  if (!(share > 0 && share <= 64))
    return input_error("A number above 0 is expected.", place + ": channel_multiplier");
  LUTHIER_TRY(o.stem, json_int(args, "stem_size", place, 64));
  LUTHIER_CHECK(in_range(o.stem, 1, 1 << 12, place, "stem_size"));
  if (share >= 1) o.stem = in_eights(static_cast<double>(o.stem) * share);
  MobileStages stages = mobilenet_300m();
  if (const auto list = args.find("block_args"); list != args.end() && !list->is_null()) {
    LUTHIER_TRY(stages, read_stages(*list, place + ".block_args"));
  }
  std::int64_t in = o.stem;
  for (const auto& entries : stages) {
    auto& stage = o.stages.emplace_back();
    for (const MobileEntry& entry : entries) {
      MobileBlock block = entry.block;
      block.in = in;
      block.out = in = in_eights(static_cast<double>(block.out) * share);
      block.wide = in_eights(static_cast<double>(block.in) * entry.expansion);
      for (const std::int64_t channels : {block.out, block.wide})
        LUTHIER_CHECK(in_range(channels, 1, 1 << 20, place, "block_args"));
      block.skips = block.in == block.out && block.stride == 1 && !entry.alone;
      stage.push_back(block);
    }
  }
  LUTHIER_CHECK(read_fused(args, place, o));
  return o;
}

}  // namespace luthier
