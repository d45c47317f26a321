// SPDX-License-Identifier: GPL-3.0-or-later
// LoHa as PEFT has it: ΔW = (w1_a w1_b) ∘ (w2_a w2_b) · alpha / r. Of a convolution whose window is
// taken apart (use_effective_conv2d) each of the two is made of a core t too: t ×₁ w_a ×₂ w_b.
#include <algorithm>

#include "engine/methods/kinds/delta_linear.h"
#include "engine/methods/kinds/kind_table.h"

namespace luthier {

using torch::Tensor;

namespace {

const std::vector<SettingField>& loha_fields() {
  using Use = SettingField::Use;
  static const std::vector<SettingField> table =
      fields_of_kind(method_kind("loha"), {{"use_effective_conv2d", Use::Read, ""}});
  return table;
}

Result<AdapterSettings> read_loha(const Json& config, const std::string& where) {
  return read_kind_settings(method_kind("loha"), config, where);
}

Json write_loha(const AdapterSettings& settings) {
  return write_kind_settings(method_kind("loha"), settings);
}

std::vector<TensorSize> loha_sizes(const ModelModule& module, const ModuleScale& scale,
                                   const AdapterSettings& settings) {
  const std::vector<std::int64_t> shape = product_shape(module);
  if (shape.empty()) return {};
  const std::int64_t out = shape[0], in = shape[1], rank = scale.rank;
  if (window_apart(module, settings)) {
    const std::int64_t channels = module.shape[1];
    return {{".hada_w1_a", {rank, out}},
            {".hada_w1_b", {rank, channels}},
            {".hada_w2_a", {rank, out}},
            {".hada_w2_b", {rank, channels}},
            {".hada_t1", core_shape(module, rank)},
            {".hada_t2", core_shape(module, rank)}};
  }
  return {{".hada_w1_a", {out, rank}},
          {".hada_w1_b", {rank, in}},
          {".hada_w2_a", {out, rank}},
          {".hada_w2_b", {rank, in}}};
}

/// One factor of all is zero, which is enough to add nothing.
void draw_loha(std::vector<Tensor>& tensors, const ModuleToHang& to, at::Generator& generator) {
  const bool all = drawn_whole(to.settings);
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (all || i != 3) draw_kaiming(tensors[i], generator);
}

/// In the backward: both products, the matrix and its gradient, what the scale makes of that, and
/// the gradients of both products. Of cores what is made of each on the way stands beside them; and
/// when the products are gone, the gradient of what was made for one beside that, and the other's.
void loha_keeps(TrainedShare& share, const ModelModule& module, const ModuleScale& scale,
                const AdapterSettings& settings) {
  const std::vector<std::int64_t> shape = product_shape(module);
  const std::int64_t matrix = shape[0] * shape[1];
  const std::int64_t half =
      window_apart(module, settings) ? shape[0] * scale.rank * (shape[1] / module.shape[1]) : 0;
  share.made_floats = std::max(7 * matrix + 2 * half, 4 * matrix + 3 * half);
}

Adapter::Hung hang_loha(Ports& ports, const ModuleToHang& to, const std::vector<Tensor>& tensors) {
  const auto make = [scale = to.scale.scale](const std::vector<Tensor>& t) {
    if (t.size() > 4)
      return matrix_of_core(t[4], t[0], t[1]).mul(matrix_of_core(t[5], t[2], t[3])).mul(scale);
    return at::mm(t[0], t[1]).mul(at::mm(t[2], t[3])).mul(scale);
  };
  const KindValues& own = to.settings.more;
  return hang_delta(
      ports, to, tensors, make,
      {own.number("adapter.rank_dropout"), own.number("adapter.module_dropout"), true});
}

const ModuleMethod kLohaModules{
    {"LoHa wraps Linear modules and convolutions over patches.", is_product_module, all_linear},
    {".hada_w1_a", ".hada_w1_b", ".hada_w2_a", ".hada_w2_b", ".hada_t1", ".hada_t2"},
    loha_sizes,
    loha_keeps,
    nullptr,
    draw_loha,
    hang_loha};

}  // namespace

const Method& loha_method() {
  static const Method method = [] {
    Method row(method_kind("loha"));
    row.fields = loha_fields;
    row.read = read_loha;
    row.write = write_loha;
    row.of_modules = &kLohaModules;
    return row;
  }();
  return method;
}

}  // namespace luthier
