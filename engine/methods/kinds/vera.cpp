// SPDX-License-Identifier: GPL-3.0-or-later
// VeRA as PEFT has it: y += λ_b ∘ (B (λ_d ∘ (A x))), where A and B are the first columns and rows
// of one drawn pair for all modules and only the vectors train. Between forward and backward a
// module keeps A x, which is as narrow as the rank. At the ranks that VeRA has, what it adds to a
// float32 weight is made sooner than many rows are multiplied past it: then a step's products are
// those of W + ΔW, which is kept, and A x is for the vectors' gradients alone.
#include <algorithm>
#include <cmath>

#include <torch/csrc/autograd/custom_function.h>

#include "engine/base/random_stream.h"
#include "engine/methods/kinds/delta_linear.h"
#include "engine/nn/batch_part.h"
#include "engine/nn/dropout.h"
#include "engine/nn/products.h"

namespace luthier {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace {

const std::vector<SettingField>& vera_fields() {
  using Use = SettingField::Use;
  static const std::vector<SettingField> table{
      {"bias", Use::Read, ""},
      {"d_initial", Use::Read, ""},
      {"fan_in_fan_out", Use::Harmless, "PEFT sets it to false for a Linear"},
      {"init_weights", Use::Read, ""},
      {"layers_pattern", Use::Read, ""},
      {"layers_to_transform", Use::Read, ""},
      {"modules_to_save", Use::Read, ""},
      {"projection_prng_key", Use::Read, ""},
      {"r", Use::Read, ""},
      {"save_projection", Use::Read, ""},
      {"target_modules", Use::Read, ""},
      {"vera_dropout", Use::Read, ""},
  };
  return table;
}

Result<AdapterSettings> read_vera(const Json& config, const std::string& where) {
  return read_kind_settings(method_kind("vera"), config, where);
}

Json write_vera(const AdapterSettings& settings) {
  Json config = write_kind_settings(method_kind("vera"), settings);
  config.erase("exclude_modules");  // which VeRA's config has not
  config["fan_in_fan_out"] = false;
  return config;
}

/// What the product of x with both is given besides tensors.
struct VeraTerms {
  double strength = 1, dropout = 0;
  MaskSeed seed;
};
struct KeptVeraTerms : torch::CustomClassHolder {
  explicit KeptVeraTerms(VeraTerms own) : terms(std::move(own)) {}
  VeraTerms terms;
};

/// The first columns of the shared A. Those of a wider matrix are a slow product's (nn/products),
/// a copy of them for each call is not.
Tensor in_one_piece(const Tensor& a, torch::ScalarType type) { return a.to(type).contiguous(); }

/// λ_b ∘ B [out, r], so many times: fewer numbers to scale than n rows of what B makes.
Tensor scaled_rows(const Tensor& b, const Tensor& outer, const VeraTerms& terms,
                   torch::ScalarType type) {
  return (b * (outer * terms.strength).unsqueeze(1)).to(type);
}

/// x [n, in], inner λ_d [r], outer λ_b [out], narrow [n, r]: drop(x) Aᵀ, a [r, in], b [out, r] →
/// [n, out].
class VeraFunction : public torch::autograd::Function<VeraFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& inner,
                        const Tensor& outer, const Tensor& narrow, const Tensor& a, const Tensor& b,
                        const VeraTerms& terms) {
    const torch::ScalarType type = x.scalar_type();
    context->save_for_backward({narrow, inner, outer, a, b});
    context->saved_data["terms"] =
        c10::IValue::make_capsule(c10::make_intrusive<KeptVeraTerms>(terms));
    return matrix_product(narrow * inner.to(type), scaled_rows(b, outer, terms, type).t());
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const VeraTerms& terms =
        c10::static_intrusive_pointer_cast<KeptVeraTerms>(context->saved_data["terms"].toCapsule())
            ->terms;
    const Tensor &narrow = saved[0], &inner = saved[1], &outer = saved[2], &a = saved[3],
                 &b = saved[4], &dy = gradients[0];
    const torch::ScalarType type = dy.scalar_type();
    variable_list results(7);
    if (context->needs_input_grad(2)) {
      // Row o of dyᵀ (A x) against row o of B ∘ λ_d: what B makes of it need not be kept.
      Tensor met = product_as(dy.t(), narrow, torch::kFloat32);  // [out, r]
      results[2] = met.mul_(b).mul_(inner).sum(1).mul_(terms.strength);
    }
    const Tensor dwide = matrix_product(dy, scaled_rows(b, outer, terms, type));  // [n, r]
    if (context->needs_input_grad(1))
      results[1] = (dwide * narrow).sum(0, /*keepdim=*/false, torch::kFloat32);
    if (context->needs_input_grad(0)) {
      const Tensor dx = matrix_product(dwide * inner.to(type), in_one_piece(a, type));
      results[0] = terms.dropout > 0 ? dropped_out(dx, terms.dropout, terms.seed) : dx;
    }
    return results;
  }
};

/// A weight with what is added to it.
struct VeraJoined {
  Tensor narrow;  ///< A x [n, r]; undefined where no gradient will be asked for
  Tensor weight;  ///< W + ΔW [out, in]
  Tensor b, bias;
  double strength = 1;
};

/// x [..., in] float32, λ_d, λ_b → x (W + ΔW)ᵀ + bias [..., out]; differentiable in all three.
class VeraJoinedFunction : public torch::autograd::Function<VeraJoinedFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& inner,
                        const Tensor& outer, const VeraJoined& of) {
    context->save_for_backward({of.narrow, inner, outer, of.weight, of.b});
    context->saved_data["strength"] = of.strength;
    return linear_product(x, of.weight, of.bias);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &narrow = saved[0], &inner = saved[1], &outer = saved[2], &joined = saved[3],
                 &b = saved[4];
    const Tensor dy = gradients[0].reshape({-1, gradients[0].size(-1)});  // [n, out]
    const double strength = context->saved_data["strength"].toDouble();
    variable_list results(4);
    if (context->needs_input_grad(0)) {
      auto shape = gradients[0].sizes().vec();
      shape.back() = joined.size(1);
      results[0] = matrix_product(dy, joined).view(shape);
    }
    if (!context->needs_input_grad(1) && !context->needs_input_grad(2)) return results;
    // The gradient of ΔW against B and A: each vector's is a sum over one side of it.
    const Tensor met = matrix_product(dy.t(), narrow).mul_(b);  // [out, r]
    if (context->needs_input_grad(1)) results[1] = met.t().mv(outer).mul_(strength);
    if (context->needs_input_grad(2)) results[2] = met.mv(inner).mul_(strength);
    return results;
  }
};

/// Of how many rows on W + ΔW, an out · in · r, with one product of theirs with A and one with what
/// B meets costs less than two with A and three with B.
std::int64_t rows_that_join(std::int64_t in, std::int64_t out) {
  return in * out / (in + 2 * out) + 1;
}

class VeraLinear : public InnerPlug {
 public:
  /// `a` [r, in], `b` [out, r]: the first columns and rows of the shared pair.
  VeraLinear(Tensor inner, Tensor outer, Tensor a, Tensor b, double dropout, std::uint64_t place)
      : inner_(std::move(inner)),
        outer_(std::move(outer)),
        a_(std::move(a)),
        b_(std::move(b)),
        dropout_(dropout),
        place_(place) {}

  /// The whole pair's A: its first columns are as many for all that read one x.
  const void* matrix() const override { return a_.storage().data(); }
  Tensor inner(const Tensor& x, const LinearImpl& linear) const override {
    const bool unwanted = joins(x, linear) && !at::GradMode::is_enabled();
    return strength == 0 || drops() || unwanted ? Tensor() : narrowed(x);
  }
  Tensor forward_from(const Tensor& x, const Tensor& made,
                      const LinearImpl& linear) const override {
    if (strength == 0) return linear.product(x);
    if (joins(x, linear)) {
      const VeraJoined of{made, joined_with(linear), b_, linear.bias, strength};
      return VeraJoinedFunction::apply(x, inner_, outer_, of);
    }
    const VeraTerms terms{strength, drops() ? dropout_ : 0.0,
                          MaskSeed(mixed(seed ^ mixed_bits(BatchPart::here())), mask_there)};
    const Tensor narrow =
        made.defined() ? made : narrowed(dropped_out(x.detach(), terms.dropout, terms.seed));
    const Tensor y = linear.product(x);
    const Tensor added =
        VeraFunction::apply(x.reshape({-1, x.size(-1)}), inner_, outer_, narrow, a_, b_, terms);
    return at::add(y, added.view_as(y));
  }
  std::optional<std::uint64_t> mask_seed(std::uint64_t of_batch) const override {
    return dropout_ > 0 ? std::optional(mixed(of_batch)) : std::nullopt;
  }
  void merge_into(LinearImpl& linear) const {
    const Tensor delta = at::mm(b_ * outer_.unsqueeze(1), a_ * inner_.unsqueeze(1));
    linear.weight.assign(linear.weight.dense(torch::kFloat32) + delta * strength);
  }

 private:
  bool drops() const { return training && dropout_ > 0; }
  /// x [..., in] → x Aᵀ [n, r], outside autograd.
  Tensor narrowed(const Tensor& x) const {
    const torch::NoGradGuard apart;
    return matrix_product(x.reshape({-1, x.size(-1)}), in_one_piece(a_, x.scalar_type()).t());
  }
  /// Only a step has its vectors' gradients to gain by one matrix, and an answer's rows are the
  /// same whatever stands beside them.
  bool joins(const Tensor& x, const LinearImpl& linear) const {
    return training && !drops() && joins_weight(x, linear) &&
           x.numel() / x.size(-1) >= rows_that_join(linear.in_features(), linear.out_features());
  }
  /// W + ΔW [out, in], outside autograd.
  Tensor joined_with(const LinearImpl& linear) const {
    const torch::NoGradGuard apart;
    Tensor sum = linear.weight.dense().clone();
    add_product(sum, b_ * (outer_ * strength).unsqueeze(1), a_ * inner_.unsqueeze(1));
    return sum;
  }
  std::uint64_t mixed(std::uint64_t of_batch) const {
    return mixed_bits(of_batch + kGoldenStep * (place_ + 1));
  }

  Tensor inner_, outer_, a_, b_;
  double dropout_;
  std::uint64_t place_;
};

std::vector<TensorSize> vera_sizes(const ModelModule& module, const ModuleScale& scale,
                                   const AdapterSettings&) {
  if (module.shape.size() != 2) return {};
  return {{".vera_lambda_d", {scale.rank}}, {".vera_lambda_b", {module.shape[0]}}};
}

/// A x, once for all that read x, and W + ΔW where it is joined; for a moment what λ_b ∘ B makes of
/// dy, with that or with dyᵀ (A x).
void vera_keeps(TrainedShare& share, const ModelModule& module, const ModuleScale& scale,
                const AdapterSettings& settings) {
  const std::int64_t in = module.shape.back(), out = module.shape.front();
  const bool drops = settings.more.number("adapter.vera_dropout") > 0;
  share.keeps_input = false;
  (drops ? share.row_numbers : share.shared_numbers) = scale.rank;
  share.row_work = scale.rank;
  share.made_floats = out * scale.rank;
  share.input_copies = drops ? 3 : 1;
  if (!drops && settings.bias == "none") {
    share.joined_floats = in * out;
    share.joined_from = rows_that_join(in, out);
  }
}

/// "false": the inner scales are drawn, and the outer ones are 1.
void draw_vera(std::vector<Tensor>& tensors, const ModuleToHang& to, at::Generator& generator) {
  if (drawn_whole(to.settings)) {
    tensors[0].normal_(0, 1, generator);
    tensors[1].fill_(1);
    return;
  }
  tensors[0].fill_(to.settings.more.number("adapter.d_initial"));
}

Adapter::Hung hang_vera(Ports& ports, const ModuleToHang& to, const std::vector<Tensor>& tensors) {
  const std::string& name = to.module.name;
  Linear base = ports.linears.at(name);
  auto plug = std::make_shared<VeraLinear>(
      tensors[0], tensors[1], to.shared[0].slice(1, 0, to.module.shape[1]),
      to.shared[1].slice(0, 0, to.module.shape[0]), to.settings.more.number("adapter.vera_dropout"),
      to.place);
  Adapter::Hung hung = hung_on(base->plug, name, plug);
  hung.merge = [base, plug]() mutable { plug->merge_into(*base); };
  return hung;
}

/// A [r, largest input] and B [largest output, r] of the modules.
std::vector<std::vector<std::int64_t>> projection_sizes(
    const std::vector<const ModelModule*>& wrapped, const AdapterSettings& settings) {
  std::int64_t in = 0, out = 0;
  for (const ModelModule* module : wrapped) {
    out = std::max(out, module->shape.at(0));
    in = std::max(in, module->shape.at(1));
  }
  return {{settings.r, in}, {out, settings.r}};
}

/// Both, one after the other of one stream, uniform within ±√(6 / columns).
std::vector<Tensor> make_projections(const std::vector<const ModelModule*>& wrapped,
                                     const AdapterSettings& settings) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(
      static_cast<std::uint64_t>(settings.more.integer("adapter.projection_prng_key")));
  std::vector<Tensor> made;
  for (const std::vector<std::int64_t>& sizes : projection_sizes(wrapped, settings)) {
    // As the reference comes to its bound, so that the last bits are its own.
    const double bound =
        std::sqrt(3.0) * (std::sqrt(2.0) / std::sqrt(static_cast<double>(sizes[1])));
    made.push_back(torch::empty(sizes, torch::kFloat32).uniform_(-bound, bound, generator));
  }
  return made;
}

bool saves_projection(const AdapterSettings& settings) {
  return settings.more.flag("adapter.save_projection");
}

const SharedTensors kProjections{{"base_model.vera_A", "base_model.vera_B"},
                                 projection_sizes,
                                 make_projections,
                                 saves_projection};

ModuleMethod vera_modules() {
  ModuleMethod method{{"VeRA wraps Linear modules.", is_linear_module, all_linear},
                      {".vera_lambda_d", ".vera_lambda_b"},
                      vera_sizes,
                      vera_keeps,
                      nullptr,
                      draw_vera,
                      hang_vera};
  method.shared = &kProjections;
  return method;
}

}  // namespace

const Method& vera_method() {
  static const ModuleMethod of_modules = vera_modules();
  static const Method method = [] {
    Method row(method_kind("vera"));
    row.fields = vera_fields;
    row.read = read_vera;
    row.write = write_vera;
    row.of_modules = &of_modules;
    return row;
  }();
  return method;
}

}  // namespace luthier
