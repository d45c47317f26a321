// SPDX-License-Identifier: GPL-3.0-or-later
// OFT as PEFT has it: each block of x is turned by R of its own (or all by one), made of the upper
// triangle of a skew matrix Q by Cayley's formula or by the first terms of its series. Of a
// convolution PEFT turns the windows at every pixel and adds up where they overlap: an adapter that
// turns nothing already answers otherwise than the base, and what it merges is another function.
// There is none to be exact to.
#include <algorithm>
#include <cmath>

#include "engine/methods/kinds/delta_linear.h"
#include "engine/methods/kinds/turned_linear.h"
#include "engine/nn/block_loops.h"

namespace luthier {

using torch::Tensor;

namespace {

const std::vector<SettingField>& oft_fields() {
  using Use = SettingField::Use;
  static const std::vector<SettingField> table{
      {"bias", Use::Read, ""},
      {"block_share", Use::Read, ""},
      {"coft", Use::Read, ""},
      {"eps", Use::Read, ""},
      {"exclude_modules", Use::Read, ""},
      {"fan_in_fan_out", Use::Harmless, "PEFT sets it to false for a Linear"},
      {"init_weights", Use::Read, ""},
      {"layers_pattern", Use::Read, ""},
      {"layers_to_transform", Use::Read, ""},
      {"module_dropout", Use::Harmless, "PEFT reads it and drops nothing"},
      {"modules_to_save", Use::Read, ""},
      {"num_cayley_neumann_terms", Use::Read, ""},
      {"oft_block_size", Use::Read, ""},
      {"r", Use::Read, ""},
      {"target_modules", Use::Read, ""},
      {"use_cayley_neumann", Use::Read, ""},
  };
  return table;
}

Result<AdapterSettings> read_oft(const Json& config, const std::string& where) {
  return read_kind_settings(method_kind("oft"), config, where);
}

Json write_oft(const AdapterSettings& settings) {
  Json config = write_kind_settings(method_kind("oft"), settings);
  config["fan_in_fan_out"] = false;
  return config;
}

/// The divisor of `size` that is nearest to `wanted`, of two as near the smaller.
std::int64_t nearest_divisor(std::int64_t size, std::int64_t wanted) {
  if (wanted >= size) return size;
  std::int64_t above = wanted, below = wanted;
  while (size % above != 0) ++above;
  while (size % below != 0) --below;
  return wanted - below <= above - wanted ? below : above;
}

struct OftBlocks {
  std::int64_t count, size;
};

OftBlocks oft_blocks(std::int64_t in, const AdapterSettings& settings) {
  const std::int64_t size = settings.more.integer("adapter.oft_block_size");
  if (size > 0) {
    const std::int64_t fitting = nearest_divisor(in, size);
    return {in / fitting, fitting};
  }
  const std::int64_t count = nearest_divisor(in, std::max<std::int64_t>(1, settings.r));
  return {count, in / count};
}

std::vector<TensorSize> oft_sizes(const ModelModule& module, const ModuleScale&,
                                  const AdapterSettings& settings) {
  if (module.shape.size() != 2) return {};
  const OftBlocks blocks = oft_blocks(module.shape[1], settings);
  const std::int64_t count = settings.more.flag("adapter.block_share") ? 1 : blocks.count;
  return {{".oft_R.weight", {count, blocks.size * (blocks.size - 1) / 2}}};
}

/// Rotations start at none, or near it.
void draw_oft(std::vector<Tensor>& tensors, const ModuleToHang& to, at::Generator& generator) {
  if (drawn_whole(to.settings)) tensors[0].normal_(0, kDrawnWidth, generator);
}

/// [blocks, b (b − 1) / 2], row after row of the upper triangle → skew [blocks, b, b].
Tensor skew_of(const Tensor& triangle, std::int64_t size) {
  const Tensor places = at::triu_indices(size, size, 1, torch::TensorOptions(torch::kInt64))
                            .to(triangle.device());  // [2, b (b − 1) / 2]
  const Tensor flat = places[0] * size + places[1];
  const Tensor upper =
      torch::zeros({triangle.size(0), size * size}, triangle.options().requires_grad(false))
          .index_copy(1, flat, triangle)
          .view({-1, size, size});
  return upper - upper.transpose(1, 2);
}

struct OftTurn {
  std::int64_t size, count;
  bool share, series;
  std::int64_t terms;

  /// R − I, [blocks, b, b]. The series is I + 2Q + 2Q² + … with the last power once, and of 3 terms
  /// or fewer as PEFT counts them.
  Tensor less_one(const Tensor& triangle) const {
    const Tensor skew = skew_of(triangle, size);
    if (!series) return cayley_less_one(skew);
    if (terms <= 1) return torch::zeros_like(skew);
    Tensor sum = skew * 2;
    if (terms == 2) return sum;
    Tensor power = at::bmm(skew, skew);
    sum = sum + power * 2;
    for (std::int64_t term = 3; term < terms - 1; ++term) {
      power = at::bmm(power, skew);
      sum = sum + power * 2;
    }
    return sum + at::bmm(power, skew);
  }

  Tensor operator()(const Tensor& x, const std::vector<Tensor>& trained) const {
    Tensor matrices = less_one(trained[0]);
    if (share) matrices = matrices.expand({count, size, size});
    return with_block_products(x, matrices);
  }
};

/// Within `eps` of no rotation, each block by itself.
Tensor projected(const Tensor& triangle, double eps) {
  const double most = eps / std::sqrt(static_cast<double>(triangle.size(0)));
  const Tensor norm = triangle.norm(2, {1}, /*keepdim=*/true) * std::sqrt(2.0);  // of the skew
  return at::where(norm <= most, triangle, triangle * (most / norm));
}

/// With small rotations: training keeps them small, and what was stepped too far since is answered
/// with as if it had.
class OftLinear : public TurnedLinear, public PreparesItself {
 public:
  OftLinear(std::vector<Tensor> trained, const OftTurn& turn, double eps)
      : TurnedLinear(std::move(trained),
                     [turn, eps](const Tensor& x, const std::vector<Tensor>& given) {
                       if (eps <= 0) return turn(x, given);
                       const Tensor moved = (projected(given[0], eps) - given[0]).detach();
                       return turn(x, {given[0] + moved});
                     }),
        eps_(eps) {}
  void prepare() override {
    if (eps_ > 0) trained_[0].copy_(projected(trained_[0].detach(), eps_));
  }

 private:
  double eps_;  ///< 0: rotations are as large as they will
};

/// In the backward: x turned, and two of its gradient's ways; and of the rotations their powers,
/// sums and gradients.
void oft_keeps(TrainedShare& share, const ModelModule& module, const ModuleScale&,
               const AdapterSettings& settings) {
  const OftBlocks blocks = oft_blocks(module.shape[1], settings);
  const std::int64_t count = settings.more.flag("adapter.block_share") ? 1 : blocks.count;
  share.row_work = 3 * module.shape[1];
  share.made_floats = 8 * count * blocks.size * blocks.size;
}

Adapter::Hung hang_oft(Ports& ports, const ModuleToHang& to, const std::vector<Tensor>& tensors) {
  const KindValues& own = to.settings.more;
  const OftBlocks blocks = oft_blocks(to.module.shape[1], to.settings);
  const OftTurn turn{blocks.size, blocks.count, own.flag("adapter.block_share"),
                     own.flag("adapter.use_cayley_neumann"),
                     own.integer("adapter.num_cayley_neumann_terms")};
  const double eps = own.flag("adapter.coft") ? own.number("adapter.eps") : 0;
  return hang_turned(ports, to, std::make_shared<OftLinear>(tensors, turn, eps));
}

const ModuleMethod kOftModules{
    {"OFT wraps Linear modules alone: PEFT's OFT of a convolution does not start as the base and "
     "merges to other answers than it gives.",
     is_linear_module, all_linear},
    {".oft_R.weight"},
    oft_sizes,
    oft_keeps,
    nullptr,
    draw_oft,
    hang_oft};

}  // namespace

const Method& oft_method() {
  static const Method method = [] {
    Method row(method_kind("oft"));
    row.fields = oft_fields;
    row.read = read_oft;
    row.write = write_oft;
    row.of_modules = &kOftModules;
    return row;
  }();
  return method;
}

}  // namespace luthier
