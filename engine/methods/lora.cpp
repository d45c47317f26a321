// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/lora.h"

#include <algorithm>

#include "engine/base/random_stream.h"
#include "engine/nn/dropout.h"
#include "engine/nn/products.h"

namespace luthier {

using torch::Tensor;

namespace {

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  return mixed_bits(a + kGoldenStep * (b + 1));
}

struct LoraStep {
  double scale, dropout;
  std::uint64_t seed;
};

/// Saves x (shared with the neighbouring products of the same x), x Aᵀ (r wide) and the small
/// matrices; the mask is drawn again.
class LoraFunction : public torch::autograd::Function<LoraFunction> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const Tensor& leaf, const Tensor& given, const Tensor& a, const Tensor& b,
                        const Weight& weight, const LoraStep& step) {
    const Tensor bias = given.numel() > 0 ? given : Tensor();  // empty: the base has none
    const Tensor flat = x.reshape({-1, x.size(-1)});           // [n, in]
    const Tensor dropped = step.dropout > 0 ? dropped_out(flat, step.dropout, step.seed) : flat;
    const Tensor inner = matrix_product(dropped.to(a.scalar_type()), a.t());  // [n, r]
    Tensor y = weight.product(flat, bias);                                    // [n, out]
    if (y.scalar_type() == b.scalar_type())
      y.addmm_(inner, b.t(), 1, step.scale);
    else
      y.add_(at::mm(inner, b.t()).mul_(step.scale));
    context->save_for_backward({x, leaf, a, b, inner});
    context->saved_data["weight"] = weight.kept();
    context->saved_data["scale"] = step.scale;
    context->saved_data["dropout"] = step.dropout;
    context->saved_data["seed"] = static_cast<std::int64_t>(step.seed);
    auto shape = x.sizes().vec();
    shape.back() = weight.rows();
    return y.view(shape);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &a = saved[2], &b = saved[3], &inner = saved[4];
    const Weight weight(saved[1], context->saved_data["weight"]);
    const double scale = context->saved_data["scale"].toDouble(),
                 dropout = context->saved_data["dropout"].toDouble();
    const Tensor flat = x.reshape({-1, x.size(-1)});
    const Tensor gradient = gradients[0].reshape({-1, weight.rows()});  // [n, out]
    const Tensor wide = gradient.to(b.scalar_type());
    const Tensor dinner = matrix_product(wide, b).mul_(scale);  // [n, r]
    Tensor dx, dbias, da, db, dweight;
    const auto seed = static_cast<std::uint64_t>(context->saved_data["seed"].toInt());
    const auto dropped = [&](const Tensor& values) {
      return dropout > 0 ? dropped_out(values, dropout, seed) : values;
    };
    if (context->needs_input_grad(3))
      da = matrix_product(dinner.t(), dropped(flat).to(a.scalar_type()));
    if (context->needs_input_grad(4)) db = matrix_product(wide.t(), inner).mul_(scale);
    if (context->needs_input_grad(1)) dweight = matrix_product(gradient.t(), flat);
    if (context->needs_input_grad(2)) dbias = gradient.sum(0);
    if (context->needs_input_grad(0)) {
      dx = weight.product_back(gradient);
      if (dropout > 0)
        dx.add_(dropped(matrix_product(dinner, a)));
      else if (dx.scalar_type() == a.scalar_type())
        dx.addmm_(dinner, a);
      else
        dx.add_(at::mm(dinner, a));
      dx = dx.view_as(x);
    }
    return {dx, dweight, dbias, da, db, Tensor(), Tensor()};
  }
};

}  // namespace

LoraLinear::LoraLinear(Tensor first, Tensor second, double s, double p, std::uint64_t place)
    : a(std::move(first)), b(std::move(second)), scale(s), dropout(p), place_(place) {}

Tensor LoraLinear::forward(const Tensor& x, const LinearImpl& base) const {
  if (strength == 0) return base.product(x);
  const Tensor bias =
      base.bias.defined() ? base.bias : at::empty({0}, x.options().requires_grad(false));
  return LoraFunction::apply(
      x, base.weight.leaf(), bias, a, b, base.weight,
      LoraStep{scale * strength, training ? dropout : 0.0, mix(seed, place_)});
}

Tensor LoraLinear::delta() const {
  return at::mm(b.to(torch::kFloat32), a.to(torch::kFloat32)).mul_(scale * strength);
}

LoraEmbedding::LoraEmbedding(Tensor first, Tensor second, double s)
    : a(std::move(first)), b(std::move(second)), scale(s) {}

Tensor LoraEmbedding::forward(const Tensor& ids, const EmbeddingImpl& base) const {
  const Tensor found = base.lookup(ids);
  if (strength == 0) return found;
  const Tensor added = at::matmul(at::embedding(a.t(), ids), b.t()) * (scale * strength);
  return found + added.to(found.scalar_type());
}

Tensor LoraEmbedding::delta() const {
  return at::mm(a.t().to(torch::kFloat32), b.t().to(torch::kFloat32)).mul_(scale * strength);
}

LoraAdapter::LoraAdapter(AdapterSettings settings, std::shared_ptr<torch::nn::Module> keep,
                         Parts parts)
    : settings_(std::move(settings)), keep_(std::move(keep)), parts_(std::move(parts)) {}

LoraAdapter::~LoraAdapter() { deactivate(); }

std::vector<std::pair<std::string, Tensor>> LoraAdapter::tensors() const {
  std::vector<std::pair<std::string, Tensor>> all;
  const std::string prefix = "base_model.model.";
  for (const Wrapped& each : parts_.wrapped) {
    all.emplace_back(prefix + each.name + ".lora_A.weight", each.lora->a);
    all.emplace_back(prefix + each.name + ".lora_B.weight", each.lora->b);
  }
  for (const Embedded& each : parts_.embedded) {
    all.emplace_back(prefix + each.name + ".lora_embedding_A", each.lora->a);
    all.emplace_back(prefix + each.name + ".lora_embedding_B", each.lora->b);
  }
  for (const Saved& each : parts_.saved) all.emplace_back(prefix + each.name, each.own);
  std::sort(all.begin(), all.end(), [](const auto& l, const auto& r) { return l.first < r.first; });
  return all;
}

void LoraAdapter::activate() {
  for (Wrapped& each : parts_.wrapped) each.base->adapter = each.lora.get();
  for (Embedded& each : parts_.embedded) each.base->adapter = each.lora.get();
  for (Saved& each : parts_.saved) *each.slot = each.own;
  active_ = true;
}

void LoraAdapter::deactivate() {
  if (!active_) return;
  for (Wrapped& each : parts_.wrapped) {
    if (each.base->adapter == each.lora.get()) each.base->adapter = nullptr;
  }
  for (Embedded& each : parts_.embedded) {
    if (each.base->adapter == each.lora.get()) each.base->adapter = nullptr;
  }
  for (Saved& each : parts_.saved) {
    if (each.slot->is_same(each.own)) *each.slot = each.base;
  }
  active_ = false;
}

void LoraAdapter::set_strength(double strength) {
  for (Wrapped& each : parts_.wrapped) each.lora->strength = strength;
  for (Embedded& each : parts_.embedded) each.lora->strength = strength;
}

void LoraAdapter::set_training(bool training, std::uint64_t seed) {
  for (Wrapped& each : parts_.wrapped) {
    each.lora->training = training;
    each.lora->seed = seed;
  }
}

void LoraAdapter::merge() {
  torch::NoGradGuard no_grad;
  deactivate();
  // Into what the module reads now: a tied head may have been given a weight of its own since this
  // was loaded.
  for (Saved& each : parts_.saved) each.slot->copy_(each.own);
  for (Wrapped& each : parts_.wrapped) {
    Weight& weight = each.base->weight;
    weight.assign(weight.dense(torch::kFloat32) + each.lora->delta());
  }
  for (Embedded& each : parts_.embedded)
    each.base->weight.copy_(each.base->weight.to(torch::kFloat32).add_(each.lora->delta()));
}

}  // namespace luthier
