// SPDX-License-Identifier: GPL-3.0-or-later
// LoKr as PEFT has it: ΔW = w1 ⊗ w2 · alpha / r, where either may be a product of two narrow
// matrices, and w2 of a convolution whose window is taken apart (use_effective_conv2d) a core's
// with two.
#include <algorithm>
#include <utility>

#include "engine/methods/kinds/delta_linear.h"
#include "engine/methods/kinds/kind_table.h"

namespace luthier {

using torch::Tensor;

namespace {

const std::vector<SettingField>& lokr_fields() {
  using Use = SettingField::Use;
  static const std::vector<SettingField> table =
      fields_of_kind(method_kind("lokr"), {{"use_effective_conv2d", Use::Read, ""}});
  return table;
}

Result<AdapterSettings> read_lokr(const Json& config, const std::string& where) {
  return read_kind_settings(method_kind("lokr"), config, where);
}

Json write_lokr(const AdapterSettings& settings) {
  return write_kind_settings(method_kind("lokr"), settings);
}

/// `size` as a product of two: the factor asked for where it divides, else the divisors that lie
/// nearest to a square from below (no further than the factor), the smaller first.
std::pair<std::int64_t, std::int64_t> factored(std::int64_t size, std::int64_t factor) {
  if (factor > 0 && size % factor == 0) return {factor, size / factor};
  const std::int64_t most = factor > 0 ? factor : size;
  std::int64_t found = 1;
  for (std::int64_t divisor = 2; divisor <= most && found < size / found; ++divisor)
    if (size % divisor == 0) found = divisor;
  return std::minmax(found, size / found);
}

/// What the two factors look like: w1 [out1, in1] and w2 [out2, in2], each whole or of low rank.
struct LokrShape {
  std::int64_t out1, out2, in1, in2;
  bool whole1, whole2;
  bool core;  ///< w2 is made of one
};

LokrShape lokr_shape(const ModelModule& module, const ModuleScale& scale,
                     const AdapterSettings& settings) {
  const std::int64_t factor = settings.more.integer("adapter.decompose_factor");
  const auto [out1, out2] = factored(module.shape[0], factor);
  const auto [in1, in2] = factored(module.shape[1], factor);  // of a convolution its channels
  const auto low = [&](std::int64_t a, std::int64_t b) { return 2 * scale.rank < std::max(a, b); };
  return {out1,
          out2,
          in1,
          in2,
          !(settings.more.flag("adapter.decompose_both") && low(out1, in1)),
          !low(out2, in2),
          low(out2, in2) && window_apart(module, settings)};
}

std::vector<TensorSize> lokr_sizes(const ModelModule& module, const ModuleScale& scale,
                                   const AdapterSettings& settings) {
  if (module.shape.size() != 2 && module.shape.size() != 4) return {};
  const LokrShape shape = lokr_shape(module, scale, settings);
  const std::int64_t rank = scale.rank;
  std::vector<TensorSize> sizes;
  if (shape.whole1) {
    sizes.push_back({".lokr_w1", {shape.out1, shape.in1}});
  } else {
    sizes.push_back({".lokr_w1_a", {shape.out1, rank}});
    sizes.push_back({".lokr_w1_b", {rank, shape.in1}});
  }
  if (shape.whole2) {
    sizes.push_back({".lokr_w2", {shape.out2, shape.in2}});  // and a convolution's window
    sizes.back().shape.insert(sizes.back().shape.end(), module.shape.begin() + 2,
                              module.shape.end());
  } else if (shape.core) {
    sizes.push_back({".lokr_w2_a", {rank, shape.out2}});
    sizes.push_back({".lokr_w2_b", {rank, shape.in2}});
    sizes.push_back({".lokr_t2", core_shape(module, rank)});
  } else {
    const std::int64_t window = product_shape(module)[1] / module.shape[1];
    sizes.push_back({".lokr_w2_a", {shape.out2, rank}});
    sizes.push_back({".lokr_w2_b", {rank, shape.in2 * window}});
  }
  return sizes;
}

/// One tensor is zero, so that nothing is added: of the smaller factor, under "lycoris" of the
/// larger one.
void draw_lokr(std::vector<Tensor>& tensors, const ModuleToHang& to, at::Generator& generator) {
  const LokrShape shape = lokr_shape(to.module, to.scale, to.settings);
  const std::string start = to.settings.more.text("adapter.init_weights");
  const std::size_t second = shape.whole1 ? 1 : 2;
  std::size_t zero = tensors.size();
  if (start == "true") zero = 0;
  if (start == "lycoris") zero = shape.whole2 ? second : second + 1;
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (i != zero) draw_kaiming(tensors[i], generator);
}

/// In the backward: the matrix and its gradient, what the scale makes of that, and this times
/// either factor, before it is summed, beside the factors that are made. Of a core what is made of
/// it on the way, too; and when those sums are done, its gradient beside it.
void lokr_keeps(TrainedShare& share, const ModelModule& module, const ModuleScale& scale,
                const AdapterSettings& settings) {
  const std::vector<std::int64_t> shape = product_shape(module);
  const LokrShape factors = lokr_shape(module, scale, settings);
  const std::int64_t matrix = shape[0] * shape[1], window = shape[1] / module.shape[1];
  const std::int64_t first = factors.whole1 ? 0 : factors.out1 * factors.in1;
  const std::int64_t second = factors.whole2 ? 0 : factors.out2 * factors.in2 * window;
  const std::int64_t half = factors.core ? factors.out2 * scale.rank * window : 0;
  share.made_floats = std::max(5 * matrix + first + second + half, 2 * matrix + second + 2 * half);
}

Adapter::Hung hang_lokr(Ports& ports, const ModuleToHang& to, const std::vector<Tensor>& tensors) {
  const LokrShape shape = lokr_shape(to.module, to.scale, to.settings);
  const auto make = [scale = to.scale.scale, shape](const std::vector<Tensor>& t) {
    std::size_t next = 0;
    const auto factor = [&](bool whole) {
      next += whole ? 1 : 2;
      return whole ? t[next - 1].flatten(1) : at::mm(t[next - 2], t[next - 1]);
    };
    const Tensor first = factor(shape.whole1);
    const Tensor second =
        shape.core ? matrix_of_core(t[next + 2], t[next], t[next + 1]) : factor(shape.whole2);
    return at::kron(first, second).mul(scale);
  };
  const KindValues& own = to.settings.more;
  return hang_delta(ports, to, tensors, make,
                    {own.number("adapter.rank_dropout"), own.number("adapter.module_dropout"),
                     own.flag("adapter.rank_dropout_scale")});
}

const ModuleMethod kLokrModules{
    {"LoKr wraps Linear modules and convolutions over patches.", is_product_module, all_linear},
    {".lokr_w1", ".lokr_w1_a", ".lokr_w1_b", ".lokr_w2", ".lokr_w2_a", ".lokr_w2_b", ".lokr_t2"},
    lokr_sizes,
    lokr_keeps,
    nullptr,
    draw_lokr,
    hang_lokr};

}  // namespace

const Method& lokr_method() {
  static const Method method = [] {
    Method row(method_kind("lokr"));
    row.fields = lokr_fields;
    row.read = read_lokr;
    row.write = write_lokr;
    row.of_modules = &kLokrModules;
    return row;
  }();
  return method;
}

}  // namespace luthier
