// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/ia3.h"

#include "engine/methods/arithmetic/method_arithmetic.h"
#include "engine/methods/ia3_settings.h"
#include "engine/methods/kinds/delta_linear.h"

namespace luthier {

using torch::Tensor;

Ia3Linear::Ia3Linear(Tensor l, bool input, std::int64_t window)
    : factors(std::move(l)), scales_input(input), window_(window) {}

Tensor Ia3Linear::applied() const {
  const Tensor scale = (strength == 1 ? factors : (factors - 1) * strength + 1).flatten();
  return scales_input && window_ > 1 ? scale.repeat_interleave(window_) : scale;
}

Tensor Ia3Linear::forward(const Tensor& x, const LinearImpl& linear) const {
  if (strength == 0) return linear.product(x);
  const Tensor scale = applied();
  if (scales_input) return linear.product((x * scale).to(x.scalar_type()));
  const Tensor y = linear.product(x);
  return (y * scale).to(y.scalar_type());
}

void Ia3Linear::merge_into(LinearImpl& linear) const {
  const Tensor scale = applied();
  const Tensor weight = linear.weight.dense(torch::kFloat32);  // [out, in]
  linear.weight.assign(weight * (scales_input ? scale : scale.unsqueeze(1)));
  if (!scales_input && linear.bias.defined())
    linear.bias.copy_(linear.bias.to(torch::kFloat32) * scale);
}

namespace {

bool ia3_can_wrap(const ModelModule& module) { return module.linear() || module.convolution(); }

void draw_ia3(std::vector<Tensor>& tensors, const ModuleToHang& to, at::Generator& generator) {
  if (to.settings.more.flag("adapter.init_ia3_weights"))
    tensors[0].fill_(1);
  else
    tensors[0].normal_(0, 1, generator);
}

Adapter::Hung hang_ia3(Ports& ports, const ModuleToHang& to, const std::vector<Tensor>& tensors) {
  const std::string& name = to.module.name;
  const ProductPort port = product_port(ports, name);
  const std::int64_t window = product_shape(to.module)[1] / to.module.shape[1];
  auto plug = std::make_shared<Ia3Linear>(tensors[0], is_feedforward(name, to.settings), window);
  Adapter::Hung hung = hung_on(*port.plug, name, plug);
  hung.merge = [now = port.linear, plug] { plug->merge_into(*now()); };
  return hung;
}

const ModuleMethod kIa3Modules{
    {"IA3 wraps Linear modules and convolutions over patches.", ia3_can_wrap, all_linear},
    {".ia3_l"},
    ia3_sizes,
    ia3_keeps,
    nullptr,
    draw_ia3,
    hang_ia3,
    check_feedforward};

}  // namespace

const Method& ia3_method() {
  static const Method method = [] {
    Method row(method_kind("ia3"));
    row.fields = ia3_fields;
    row.read = read_ia3_settings;
    row.write = write_ia3_settings;
    row.of_modules = &kIa3Modules;
    row.combine = combine_ia3;
    return row;
  }();
  return method;
}

}  // namespace luthier
