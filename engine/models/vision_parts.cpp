// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/vision_parts.h"

#include <tuple>

#include "engine/models/config_numbers.h"
#include "engine/nn/attention.h"
#include "engine/nn/products.h"

namespace luthier {

using torch::Tensor;

namespace {

/// An integer, or a list [height, width].
Result<std::pair<std::int64_t, std::int64_t>> read_size(
    const Json& config, const char* key, const std::string& where,
    std::pair<std::int64_t, std::int64_t> fallback) {
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return fallback;
  if (found->is_array()) {
    if (found->size() != 2 || !(*found)[0].is_number_integer() ||
        !(*found)[1].is_number_integer()) {
      return input_error("A number or a list of height and width is expected.", where + ": " + key);
    }
    return std::pair{(*found)[0].get<std::int64_t>(), (*found)[1].get<std::int64_t>()};
  }
  LUTHIER_TRY(std::int64_t side, json_int(config, key, where));
  return std::pair{side, side};
}

}  // namespace

Status read_vision_sizes(const Json& config, const std::string& where, VisionSizes& o) {
  LUTHIER_TRY(o.hidden_size, json_int(config, "hidden_size", where, o.hidden_size));
  LUTHIER_TRY(o.intermediate_size,
              json_int(config, "intermediate_size", where, o.intermediate_size));
  LUTHIER_TRY(o.num_hidden_layers,
              json_int(config, "num_hidden_layers", where, o.num_hidden_layers));
  LUTHIER_TRY(o.num_attention_heads,
              json_int(config, "num_attention_heads", where, o.num_attention_heads));
  LUTHIER_TRY(o.num_channels, json_int(config, "num_channels", where, o.num_channels));
  LUTHIER_TRY(const auto image,
              read_size(config, "image_size", where, {o.image_height, o.image_width}));
  LUTHIER_TRY(const auto patch,
              read_size(config, "patch_size", where, {o.patch_size, o.patch_size}));
  std::tie(o.image_height, o.image_width) = image;
  if (patch.first != patch.second)
    return input_error("Patches must be square.", where + ": patch_size");
  o.patch_size = patch.first;
  LUTHIER_TRY(o.layer_norm_eps, json_number(config, "layer_norm_eps", where, o.layer_norm_eps));
  LUTHIER_TRY(o.initializer_range,
              json_number(config, "initializer_range", where, o.initializer_range));
  if (const auto act = config.find("hidden_act"); act != config.end() && !act->is_null()) {
    LUTHIER_TRY(const std::string name, json_string(config, "hidden_act", where));
    LUTHIER_TRY(o.hidden_act, parse_activation(name, where + ": hidden_act"));
  }
  LUTHIER_CHECK(in_range(o.hidden_size, 1, 1 << 20, where, "hidden_size"));
  LUTHIER_CHECK(in_range(o.intermediate_size, 1, 1 << 22, where, "intermediate_size"));
  LUTHIER_CHECK(in_range(o.num_hidden_layers, 1, 4096, where, "num_hidden_layers"));
  LUTHIER_CHECK(in_range(o.num_attention_heads, 1, 1 << 16, where, "num_attention_heads"));
  LUTHIER_CHECK(in_range(o.patch_size, 1, 1 << 12, where, "patch_size"));
  LUTHIER_CHECK(in_range(o.image_height, 1, 1 << 14, where, "image_size"));
  LUTHIER_CHECK(in_range(o.image_width, 1, 1 << 14, where, "image_size"));
  if (o.num_channels != 3)
    return input_error("Pictures have 3 channels.", where + ": num_channels");
  if (o.image_height < o.patch_size || o.image_width < o.patch_size)
    return input_error("The picture is smaller than one patch.", where + ": image_size");
  if (o.hidden_size % o.num_attention_heads != 0) {
    return input_error("hidden_size is not a multiple of num_attention_heads.",
                       where + ": num_attention_heads");
  }
  return {};
}

PatchConvolution::PatchConvolution(const VisionSizes& sizes, bool bias,
                                   const torch::TensorOptions& tensors)
    : stride_(sizes.patch_size) {
  add_parameter("weight", weight_,
                {sizes.hidden_size, sizes.num_channels, sizes.patch_size, sizes.patch_size},
                tensors);
  if (bias) add_parameter("bias", bias_, {sizes.hidden_size}, tensors);
}

Tensor PatchConvolution::forward(const Tensor& pixels) const {
  const std::int64_t p = stride_, frames = pixels.size(0), channels = pixels.size(1);
  const std::int64_t rows = pixels.size(2) / p, columns = pixels.size(3) / p;
  const Tensor patches = pixels.to(weight_.scalar_type())
                             .slice(2, 0, rows * p)
                             .slice(3, 0, columns * p)
                             .view({frames, channels, rows, p, columns, p})
                             .permute({0, 2, 4, 1, 3, 5})
                             .reshape({frames, rows * columns, channels * p * p});
  return product(patches);
}

VisionMlp::VisionMlp(const VisionSizes& sizes, const torch::TensorOptions& tensors)
    : BranchPort(Kind::FeedForward, sizes.hidden_size), activation_(sizes.hidden_act) {
  fc1_ = register_module("fc1", Linear(sizes.hidden_size, sizes.intermediate_size, true, tensors));
  fc2_ = register_module("fc2", Linear(sizes.intermediate_size, sizes.hidden_size, true, tensors));
}

Tensor VisionMlp::forward(const Tensor& x) { return fc2_(activate(fc1_(x), activation_)); }

Tensor attend_frames(const Tensor& q, const Tensor& k, const Tensor& v, std::int64_t heads) {
  const std::int64_t frames = q.size(0), tokens = q.size(1), size = q.size(2) / heads;
  const RowLayout rows(std::vector<std::int64_t>(static_cast<std::size_t>(frames), tokens));
  const auto split = [&](const Tensor& x) { return x.view({frames * tokens, heads, size}); };
  return attend(split(q), split(k), split(v), rows, {false, {}, 0, 0}).view(q.sizes());
}

Tensor positions_by_fraction(std::int64_t rows, std::int64_t columns, std::int64_t side,
                             torch::ScalarType dtype) {
  const double part = 1.0 / static_cast<double>(side);
  const Tensor borders = at::arange(part, 1.0, part, torch::kFloat32);
  const auto places = [&](std::int64_t count) {
    const Tensor step = at::full({1}, count, torch::kInt64).reciprocal();  // float32
    const Tensor fractions =
        (at::arange(count, torch::kFloat32) * step).clamp_max(1.0 - 1e-6).to(dtype);
    return at::bucketize(fractions, borders, /*out_int32=*/false, /*right=*/true)
        .clamp_max(side - 1);
  };
  return (places(rows).unsqueeze(1) * side + places(columns).unsqueeze(0)).flatten();
}

Tensor fold_patches(const Tensor& x, std::int64_t rows, std::int64_t columns, std::int64_t side) {
  TORCH_CHECK(x.size(1) == rows * columns && rows % side == 0 && columns % side == 0, "a frame of ",
              rows, " by ", columns, " patches does not fold by ", side);
  const std::int64_t frames = x.size(0), width = x.size(2);
  return x.view({frames, rows / side, side, columns / side, side, width})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({frames, (rows / side) * (columns / side), side * side * width});
}

}  // namespace luthier
