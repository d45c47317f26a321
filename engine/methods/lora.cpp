// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/lora.h"

#include <cmath>

#include <torch/csrc/autograd/custom_function.h>

#include "engine/base/random_stream.h"
#include "engine/base/text.h"
#include "engine/methods/build_adapter.h"
#include "engine/methods/lora_settings.h"
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
  return (found + added).to(found.scalar_type());  // rounded once, behind the sum
}

Tensor LoraEmbedding::delta() const {
  return at::mm(a.t().to(torch::kFloat32), b.t().to(torch::kFloat32)).mul_(scale * strength);
}

namespace {

/// kaiming_uniform(√5) on [r, in]: uniform(−1/√in, 1/√in).
void draw_half(Tensor& half, const std::string& init, at::Generator& generator) {
  if (init == "gaussian")
    half.normal_(0, 1.0 / static_cast<double>(half.size(0)), generator);
  else
    half.uniform_(-1 / std::sqrt(static_cast<double>(half.size(1))),
                  1 / std::sqrt(static_cast<double>(half.size(1))), generator);
}

/// PEFT's: A drawn and B zero; of an embedding A zero and B normal. "false": both drawn.
void draw_lora(std::vector<Tensor>& tensors, const ModuleToHang& to, at::Generator& generator) {
  const std::string& init = to.settings.init_lora_weights;
  Tensor &a = tensors[0], &b = tensors[1];
  if (to.module.token_embedding()) {
    b.normal_(0, 1, generator);
    if (init == "false") a.normal_(0, 1, generator);
    return;
  }
  draw_half(a, init, generator);
  if (init == "false") draw_half(b, "true", generator);
}

Status check_lora(const ModuleToHang& to, const std::vector<std::optional<TensorView>>& views,
                  const std::string& place) {
  if (!views[0] || !views[1]) {
    return input_error(std::string("lora_") + (views[0] ? "B" : "A") + " is missing.", place,
                       "The file is incomplete.");
  }
  const auto &a = views[0]->info.shape, &b = views[1]->info.shape, &weight = to.module.shape;
  const bool tokens = to.module.token_embedding();
  const std::int64_t in = weight[tokens ? 0 : 1], out = weight[tokens ? 1 : 0];
  const bool flat = a.size() == 2 && b.size() == 2;
  if (!flat || a[0] != b[1] || a[0] < 1 || a[1] != in || b[0] != out) {
    const std::string name = to.module.name + ".weight";
    return input_error("lora_A " + shape_text(a) + " and lora_B " + shape_text(b) +
                           " do not fit a weight of " + shape_text(weight) + ".",
                       place,
                       !flat    ? "The adapter was made for another base."
                       : tokens ? other_base(name, {a[1], b[0]}, {in, out})
                                : other_base(name, {b[0], a[1]}, {out, in}));
  }
  if (to.scale.rank != a[0]) {
    return input_error("The rank is " + std::to_string(a[0]) + ", adapter_config.json says " +
                           std::to_string(to.scale.rank) + ".",
                       place, "The two files do not belong together.");
  }
  return {};
}

Adapter::Hung hang_lora(Ports& ports, const ModuleToHang& to, const std::vector<Tensor>& tensors) {
  const std::string& name = to.module.name;
  if (to.module.token_embedding()) {
    Embedding base = ports.embeddings.at(name);
    auto plug = std::make_shared<LoraEmbedding>(tensors[0], tensors[1], to.scale.scale);
    Adapter::Hung hung = hung_on(base->plug, name, plug);
    hung.merge = [base, plug] {
      base->weight.copy_(base->weight.to(torch::kFloat32).add_(plug->delta()));
    };
    return hung;
  }
  Linear base = ports.linears.at(name);
  auto plug = std::make_shared<LoraLinear>(tensors[0], tensors[1], to.scale.scale,
                                           to.settings.lora_dropout, to.place);
  Adapter::Hung hung = hung_on(base->plug, name, plug);
  hung.merge = [base, plug]() mutable {
    base->weight.assign(base->weight.dense(torch::kFloat32) + plug->delta());
  };
  return hung;
}

const ModuleMethod kLoraModules{
    {"LoRA wraps Linear modules and the token embedding.", lora_can_wrap, all_linear},
    {".lora_A.weight", ".lora_B.weight", ".lora_embedding_A", ".lora_embedding_B"},
    lora_sizes,
    lora_keeps,
    check_lora,
    draw_lora,
    hang_lora};

}  // namespace

const Method& lora_method() {
  static const Method method = [] {
    Method row(method_kind("lora"));
    row.fields = lora_fields;
    row.read = read_lora_settings;
    row.write = write_lora_settings;
    row.of_modules = &kLoraModules;
    return row;
  }();
  return method;
}

}  // namespace luthier
