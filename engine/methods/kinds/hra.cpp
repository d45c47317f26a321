// SPDX-License-Identifier: GPL-3.0-or-later
// HRA as PEFT has it: W' = W H_1 … H_r with H = I − 2uuᵀ of the normalized columns u of hra_u. What
// the chain does to x is x − (x U) Tᵀ Uᵀ (the compact form of Schreiber and Van Loan 1989), where T
// is as small as the rank.
#include "engine/methods/kinds/delta_linear.h"
#include "engine/methods/kinds/turned_linear.h"

namespace luthier {

using torch::Tensor;

namespace {

const std::vector<SettingField>& hra_fields() {
  using Use = SettingField::Use;
  static const std::vector<SettingField> table{
      {"apply_GS", Use::Read, ""},        {"bias", Use::Read, ""},
      {"exclude_modules", Use::Read, ""}, {"init_weights", Use::Read, ""},
      {"layers_pattern", Use::Read, ""},  {"layers_to_transform", Use::Read, ""},
      {"modules_to_save", Use::Read, ""}, {"r", Use::Read, ""},
      {"target_modules", Use::Read, ""},
  };
  return table;
}

Result<AdapterSettings> read_hra(const Json& config, const std::string& where) {
  return read_kind_settings(method_kind("hra"), config, where);
}

Json write_hra(const AdapterSettings& settings) {
  Json config = write_kind_settings(method_kind("hra"), settings);
  return config;
}

std::vector<TensorSize> hra_sizes(const ModelModule& module, const ModuleScale& scale,
                                  const AdapterSettings&) {
  const std::vector<std::int64_t> shape = product_shape(module);
  if (shape.empty()) return {};
  return {{".hra_u", {shape[1], scale.rank}}};
}

/// Of an even rank each mirror stands twice, so that the chain does nothing at first.
void draw_hra(std::vector<Tensor>& tensors, const ModuleToHang& to, at::Generator& generator) {
  Tensor& mirrors = tensors[0];  // [in, r]
  const std::int64_t rank = mirrors.size(1);
  if (rank % 2 != 0 || drawn_whole(to.settings)) return draw_kaiming(mirrors, generator);
  Tensor half = torch::empty({mirrors.size(0), rank / 2}, torch::kFloat32);
  draw_kaiming(half, generator);
  mirrors.copy_(half.repeat_interleave(2, 1));
}

/// Columns [in, r] of length 1, each orthogonal to those before it (Gram-Schmidt).
Tensor orthogonal_columns(const Tensor& mirrors) {
  std::vector<Tensor> columns;
  for (std::int64_t i = 0; i < mirrors.size(1); ++i) {
    Tensor column = mirrors.slice(1, i, i + 1);  // [in, 1]
    for (const Tensor& before : columns) column = column - before * (before.t().mm(column));
    columns.push_back(column / column.norm());
  }
  return at::cat(columns, 1);
}

/// x [..., in] through the chain, the last mirror first.
Tensor reflected(const Tensor& x, const Tensor& mirrors, bool orthogonal) {
  const auto narrow = [&](const Tensor& tensor) { return tensor.to(x.scalar_type()); };
  if (orthogonal) {
    const Tensor columns = narrow(orthogonal_columns(mirrors));  // [in, r]
    return x - at::matmul(at::matmul(x, columns), columns.t() * 2);
  }
  const Tensor columns = mirrors / mirrors.norm(2, {0}, /*keepdim=*/true);  // [in, r]
  const Tensor one = torch::eye(columns.size(1), columns.options().requires_grad(false));
  const Tensor inverse = columns.t().mm(columns).triu(1) + one / 2;                       // [r, r]
  const Tensor back = at::linalg_solve_triangular(inverse, columns.t(), /*upper=*/true);  // T Uᵀ
  // x U Tᵀ Uᵀ: T is on U's side, since the last mirror meets x first.
  return x - at::matmul(at::matmul(x, narrow(back.t())), narrow(columns.t()));
}

/// In the backward: x turned, and two of its gradient's ways.
void hra_keeps(TrainedShare& share, const ModelModule& module, const ModuleScale&,
               const AdapterSettings&) {
  share.row_work = 3 * product_shape(module)[1];
}

Adapter::Hung hang_hra(Ports& ports, const ModuleToHang& to, const std::vector<Tensor>& tensors) {
  const auto turn = [orthogonal = to.settings.more.flag("adapter.apply_GS")](
                        const Tensor& x, const std::vector<Tensor>& trained) {
    return reflected(x, trained[0], orthogonal);
  };
  return hang_turned(ports, to, std::make_shared<TurnedLinear>(tensors, turn));
}

const ModuleMethod kHraModules{
    {"HRA wraps Linear modules and convolutions over patches.", is_product_module, all_linear},
    {".hra_u"},
    hra_sizes,
    hra_keeps,
    nullptr,
    draw_hra,
    hang_hra};

}  // namespace

const Method& hra_method() {
  static const Method method = [] {
    Method row(method_kind("hra"));
    row.fields = hra_fields;
    row.read = read_hra;
    row.write = write_hra;
    row.of_modules = &kHraModules;
    return row;
  }();
  return method;
}

}  // namespace luthier
