// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/deepseek_ocr2/text_options.h"

#include <algorithm>
#include <cmath>

#include "engine/models/config_numbers.h"

namespace luthier {

namespace {

constexpr std::int64_t kMostRouted = 1 << 16, kWidestRouted = 1 << 22;

/// Whether each layer has experts. The list may be longer than there are layers.
Status read_sparse_layers(const Json& config, const std::string& where, std::int64_t layers,
                          std::vector<bool>& sparse) {
  const std::string place = where + ": mlp_layer_types";
  const auto found = config.find("mlp_layer_types");
  if (found == config.end() || !found->is_array() ||
      found->size() < static_cast<std::size_t>(layers))
    return input_error("A list with a word for each of the " + std::to_string(layers) +
                           " layers is expected: dense or sparse.",
                       place);
  for (std::int64_t i = 0; i < layers; ++i) {
    const Json& word = (*found)[static_cast<std::size_t>(i)];
    if (word != "dense" && word != "sparse")
      return input_error("A layer is dense or sparse, not " + word.dump() + ".", place);
    sparse.push_back(word == "sparse");
  }
  return {};
}

/// How the router chooses among groups of neighbouring experts, where topk_method says so.
Status read_router(const Json& config, const std::string& where, ExpertOptions& o) {
  o.router.divides = false;
  o.router.wide = true;
  LUTHIER_TRY(o.router.factor, json_number(config, "routed_scaling_factor", where, 1.0));
  if (!std::isfinite(o.router.factor))
    return input_error("A finite number is expected.", where + ": routed_scaling_factor");
  LUTHIER_TRY(const std::string method, json_string(config, "topk_method", where, "greedy"));
  if (method == "greedy") return {};
  if (method != "group_limited_greedy")
    return input_error("\"" + method + "\" is not known.", where + ": topk_method",
                       "Known are greedy and group_limited_greedy.");
  LUTHIER_TRY(o.router.groups, json_int(config, "n_group", where));
  LUTHIER_CHECK(in_range(o.router.groups, 1, o.count, where, "n_group"));
  if (o.count % o.router.groups != 0)
    return input_error(std::to_string(o.count) + " experts do not divide into " +
                           std::to_string(o.router.groups) + " groups.",
                       where + ": n_group");
  LUTHIER_TRY(o.router.chosen_groups, json_int(config, "topk_group", where));
  return in_range(o.router.chosen_groups, 1, o.router.groups, where, "topk_group");
}

/// Into `text`, whose other sizes are read; nothing where no layer has any.
Status read_deepseek_experts(const Json& config, const std::string& where, DecoderOptions& text) {
  ExpertOptions o;
  LUTHIER_CHECK(read_sparse_layers(config, where, text.num_hidden_layers, o.sparse));
  if (std::find(o.sparse.begin(), o.sparse.end(), true) == o.sparse.end()) return {};
  // transformers writes the first and reads both.
  const char* count = config.contains("n_routed_experts") ? "n_routed_experts" : "num_experts";
  LUTHIER_TRY(o.count, json_int(config, count, where, 64));
  LUTHIER_CHECK(in_range(o.count, 1, kMostRouted, where, count));
  LUTHIER_TRY(o.each, json_int(config, "num_experts_per_tok", where));
  LUTHIER_CHECK(in_range(o.each, 1, o.count, where, "num_experts_per_tok"));
  LUTHIER_TRY(o.intermediate_size, json_int(config, "moe_intermediate_size", where, 1407));
  LUTHIER_CHECK(in_range(o.intermediate_size, 1, kWidestRouted, where, "moe_intermediate_size"));
  LUTHIER_TRY(const std::int64_t shared, json_int(config, "n_shared_experts", where, 2));
  LUTHIER_CHECK(
      in_range(shared, 1, kWidestRouted / o.intermediate_size, where, "n_shared_experts"));
  o.shared_intermediate_size = shared * o.intermediate_size;
  o.shared_opens = o.has_router_loss = false;
  o.shared_bias = text.mlp_bias;
  LUTHIER_CHECK(read_router(config, where, o));
  text.experts = std::move(o);
  return {};
}

}  // namespace

Result<DecoderOptions> read_deepseek_text_options(const Json& config, const std::string& where) {
  constexpr const char* kType = "deepseek_ocr2_text";
  LUTHIER_TRY(const std::string type, json_string(config, "model_type", where, kType));
  if (type != kType)
    return input_error("The decoder must be deepseek_ocr2_text.", where + ": model_type");
  LUTHIER_TRY(const std::int64_t width, json_int(config, "hidden_size", where, 4096));
  LUTHIER_TRY(const std::int64_t heads, json_int(config, "num_attention_heads", where, 32));
  if (heads > 0 && width % heads != 0)
    return input_error("hidden_size is not a multiple of num_attention_heads.",
                       where + ": num_attention_heads");
  Json llama = config;
  llama["model_type"] = "llama";
  llama.erase("head_dim");  // whatever a file says, heads share the width
  if (!llama.contains("vocab_size")) llama["vocab_size"] = 102400;
  LUTHIER_TRY(DecoderOptions o, read_decoder_options(llama, where));
  o.model_type = type;
  LUTHIER_CHECK(read_deepseek_experts(config, where, o));
  return o;
}

}  // namespace luthier
