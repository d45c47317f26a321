// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/kinds/delta_linear.h"

#include <cmath>
#include <functional>
#include <numeric>

#include "engine/base/random_stream.h"
#include "engine/nn/batch_part.h"

namespace luthier {

using torch::Tensor;

DeltaLinear::DeltaLinear(std::vector<Tensor> trained, MadeMatrix make, DeltaDropout dropout,
                         std::uint64_t place)
    : trained_(std::move(trained)), make_(std::move(make)), dropout_(dropout), place_(place) {}

namespace {

/// A factor for each of the rows: 0 of those that are dropped. PEFT divides by their mean, which is
/// no number where none is left; then it is left at 0.
Tensor kept_rows(RandomStream& draws, std::int64_t rows, const DeltaDropout& dropout) {
  Tensor kept = torch::empty({rows}, torch::kFloat32);
  float* number = kept.mutable_data_ptr<float>();
  std::int64_t stay = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    const bool stays = !draws.chance(dropout.rows);
    number[row] = stays ? 1 : 0;
    stay += stays ? 1 : 0;
  }
  if (dropout.rescale && stay > 0) kept.mul_(static_cast<double>(rows) / static_cast<double>(stay));
  return kept;
}

}  // namespace

bool joins_weight(const Tensor& x, const LinearImpl& linear) {
  if (linear.weight.packed() || linear.weight.trained()) return false;
  const bool learns = linear.bias.defined() && linear.bias.requires_grad();
  return !learns && x.scalar_type() == torch::kFloat32 && linear.weight.dtype() == torch::kFloat32;
}

Tensor DeltaLinear::forward(const Tensor& x, const LinearImpl& linear) const {
  if (strength == 0) return linear.product(x);
  Tensor rows;
  if (training && (dropout_.rows > 0 || dropout_.modules > 0)) {
    RandomStream draws(seed, place_, BatchPart::here());
    if (dropout_.modules > 0 && draws.chance(dropout_.modules)) return linear.product(x);
    if (dropout_.rows > 0)
      rows = kept_rows(draws, linear.out_features(), dropout_).to(x.device()).unsqueeze(1);
  }
  const auto make = [formula = make_, rows, scale = strength](const std::vector<Tensor>& trained) {
    Tensor matrix = formula(trained);
    if (rows.defined()) matrix = matrix * rows;
    return scale == 1 ? matrix : matrix * scale;
  };
  if (joins_weight(x, linear))
    return product_with_made(x, linear.weight.dense(), linear.bias, trained_, make);
  return at::add(linear.product(x), product_with_made(x, trained_, make));
}

Tensor DeltaLinear::delta() const { return make_(trained_).mul(strength); }

void DeltaLinear::merge_into(LinearImpl& linear) const {
  linear.weight.assign(linear.weight.dense(torch::kFloat32) + delta());
}

Adapter::Hung hang_delta(Ports& ports, const ModuleToHang& to, std::vector<Tensor> trained,
                         MadeMatrix make, DeltaDropout dropout) {
  const std::string& name = to.module.name;
  const ProductPort port = product_port(ports, name);
  auto plug = std::make_shared<DeltaLinear>(std::move(trained), std::move(make), dropout, to.place);
  Adapter::Hung hung = hung_on(*port.plug, name, plug);
  hung.merge = [now = port.linear, plug] { plug->merge_into(*now()); };
  return hung;
}

void draw_kaiming(Tensor& tensor, at::Generator& generator) {
  const double bound = 1 / std::sqrt(static_cast<double>(tensor.flatten(1).size(1)));
  tensor.uniform_(-bound, bound, generator);
}

bool drawn_whole(const AdapterSettings& settings) {
  return settings.more.text("adapter.init_weights") == "false";
}

bool is_linear_module(const ModelModule& module) { return module.linear(); }

bool is_product_module(const ModelModule& module) {
  return module.linear() || (module.convolution() && module.shape.size() == 4);
}

std::vector<std::int64_t> product_shape(const ModelModule& module) {
  if (module.shape.size() == 2) return module.shape;
  if (!module.convolution() || module.shape.size() < 2) return {};
  return {module.shape[0], std::accumulate(module.shape.begin() + 1, module.shape.end(),
                                           std::int64_t{1}, std::multiplies<>())};
}

bool window_apart(const ModelModule& module, const AdapterSettings& settings) {
  return module.convolution() && settings.more.flag("adapter.use_effective_conv2d") &&
         product_shape(module)[1] != module.shape.at(1);
}

std::vector<std::int64_t> core_shape(const ModelModule& module, std::int64_t rank) {
  std::vector<std::int64_t> shape{rank, rank};
  shape.insert(shape.end(), module.shape.begin() + 2, module.shape.end());
  return shape;
}

Tensor matrix_of_core(const Tensor& core, const Tensor& a, const Tensor& b) {
  const std::int64_t rank = core.size(0);
  const Tensor half = at::mm(a.t(), core.flatten(1)).view({a.size(1), rank, -1});
  return at::matmul(b.t(), half).flatten(1);  // [columns, r] · [rows, r, window]
}

ProductPort product_port(Ports& ports, const std::string& module) {
  const auto found = ports.patches.find(module);
  if (found != ports.patches.end())
    return {&found->second->plug, [patches = found->second] { return patches->as_linear(); }};
  const std::shared_ptr<LinearImpl> linear = ports.linears.at(module).ptr();
  return {&linear->plug, [linear] { return linear; }};
}

}  // namespace luthier
