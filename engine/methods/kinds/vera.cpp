// SPDX-License-Identifier: GPL-3.0-or-later
// VeRA as PEFT has it: y += λ_b ∘ (B (λ_d ∘ (A x))), where A and B are the first columns and rows
// of one drawn pair for all modules and only the vectors train. Between forward and backward a
// module keeps A x, which is as narrow as the rank.
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

/// x [n, in], a [r, in], b [out, r], inner λ_d [r], outer λ_b [out] → [n, out].
class VeraFunction : public torch::autograd::Function<VeraFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& inner,
                        const Tensor& outer, const Tensor& a, const Tensor& b,
                        const VeraTerms& terms) {
    const torch::ScalarType type = x.scalar_type();
    const Tensor in = terms.dropout > 0 ? dropped_out(x, terms.dropout, terms.seed) : x;
    const Tensor narrow = matrix_product(in, in_one_piece(a, type).t());  // [n, r]
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
    variable_list results(6);
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

class VeraLinear : public LinearPlug {
 public:
  /// `a` [r, in], `b` [out, r]: of the shared pair.
  VeraLinear(Tensor inner, Tensor outer, Tensor a, Tensor b, double dropout, std::uint64_t place)
      : inner_(std::move(inner)),
        outer_(std::move(outer)),
        a_(std::move(a)),
        b_(std::move(b)),
        dropout_(dropout),
        place_(place) {}

  Tensor forward(const Tensor& x, const LinearImpl& linear) const override {
    const Tensor y = linear.product(x);
    if (strength == 0) return y;
    const VeraTerms terms{strength, training ? dropout_ : 0.0,
                          MaskSeed(mixed(seed ^ mixed_bits(BatchPart::here())), mask_there)};
    const Tensor added =
        VeraFunction::apply(x.reshape({-1, x.size(-1)}), inner_, outer_, a_, b_, terms);
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

/// Beside A x: what λ_b ∘ B makes of dy, with that or with dyᵀ (A x).
void vera_keeps(TrainedShare& share, const ModelModule& module, const ModuleScale& scale,
                const AdapterSettings& settings) {
  share.keeps_input = false;
  share.row_numbers = scale.rank;
  share.row_work = scale.rank;
  share.made_floats = module.shape.front() * scale.rank;
  share.input_copies = settings.more.number("adapter.vera_dropout") > 0 ? 3 : 1;
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
