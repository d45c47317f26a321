// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/lora.h"

#include <cmath>

#include "engine/base/random_stream.h"
#include "engine/base/text.h"
#include "engine/methods/arithmetic/method_arithmetic.h"
#include "engine/methods/build_adapter.h"
#include "engine/methods/expert_lora.h"
#include "engine/methods/invoked_lora.h"
#include "engine/methods/loftq.h"
#include "engine/methods/lora_settings.h"
#include "engine/methods/lora_starts.h"
#include "engine/methods/lora_variants.h"
#include "engine/nn/batch_part.h"

namespace luthier {

using torch::Tensor;

namespace {

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  return mixed_bits(a + kGoldenStep * (b + 1));
}

}  // namespace

LoraLinear::LoraLinear(Tensor first, Tensor second, double s, double p, std::uint64_t place)
    : a(std::move(first)), b(std::move(second)), scale(s), dropout(p), place_(place) {}

Tensor LoraLinear::forward(const Tensor& x, const LinearImpl& base) const {
  return low_rank_product(x, base, low_rank(x.scalar_type()));
}

LowRank LoraLinear::low_rank(torch::ScalarType type) const {
  return strength == 0 ? LowRank() : low_rank_of(*this, strength, type);
}

LowRank LoraLinear::low_rank_of(const Plug& plug, double at, torch::ScalarType type) const {
  LowRank low{matrix_a(),
              matrix_b(),
              near_a_.of(a, type).flatten(1),
              near_b_.of(b, type).flatten(1),
              scale * at,
              plug.training ? dropout : 0.0,
              MaskSeed(mix(plug.seed ^ mixed_bits(BatchPart::here()), place_), plug.mask_there)};
  if (bias.defined()) low.bias = (bias * low.scale).to(type);
  return low;
}

std::optional<std::uint64_t> LoraLinear::mask_seed(std::uint64_t of_batch) const {
  return dropout > 0 ? std::optional(mix(of_batch, place_)) : std::nullopt;
}

void LoraLinear::add_copies(std::vector<NarrowCopy::Pair>& copies) const {
  copies.push_back({&a, &near_a_});
  copies.push_back({&b, &near_b_});
}

Tensor LoraLinear::delta() const {
  return at::mm(matrix_b().to(torch::kFloat32), matrix_a().to(torch::kFloat32))
      .mul_(scale * strength);
}

void LoraLinear::merge_into(LinearImpl& linear) const {
  linear.weight.assign(linear.weight.dense(torch::kFloat32) + delta());
  if (bias.defined())
    linear.bias.copy_(linear.bias.to(torch::kFloat32) + bias * (scale * strength));
}

LoraEmbedding::LoraEmbedding(Tensor first, Tensor second, double s)
    : a(std::move(first)), b(std::move(second)), scale(s) {}

Tensor LoraEmbedding::forward(const Tensor& ids, const EmbeddingImpl& base) const {
  return looked_up(ids, base, strength);
}

Tensor LoraEmbedding::looked_up(const Tensor& ids, const EmbeddingImpl& base, double at) const {
  const Tensor found = base.lookup(ids);
  if (at == 0) return found;
  const Tensor inner = at::embedding(a.t(), ids).to(found.scalar_type());  // [..., r]
  return at::addmm(found.reshape({-1, found.size(-1)}), inner.reshape({-1, inner.size(-1)}),
                   b.to(found.scalar_type()).t(), 1, scale * at)
      .view_as(found);
}

Tensor LoraEmbedding::delta() const {
  return at::mm(a.t().to(torch::kFloat32), b.t().to(torch::kFloat32)).mul_(scale * strength);
}

namespace {

/// kaiming_uniform(√5) on [r, in]: uniform(−1/√in, 1/√in).
void draw_half(Tensor& half, const std::string& init, std::int64_t rank, at::Generator& generator) {
  const double most = 1 / std::sqrt(static_cast<double>(half.flatten(1).size(1)));
  if (init == "gaussian")
    half.normal_(0, 1.0 / static_cast<double>(rank), generator);
  else
    half.uniform_(-most, most, generator);
}

/// PEFT's: A drawn and B zero; of an embedding A zero and B normal. "false": both drawn.
void draw_lora(std::vector<Tensor>& tensors, const ModuleToHang& to, at::Generator& generator) {
  const std::string& init = to.settings.init_lora_weights;
  Tensor &a = tensors[0], &b = tensors[1];
  if (init == kMica) return;  // A is zero
  if (!to.module.token_embedding() && (takes_from_base(init) || packs_base(init))) return;
  if (to.module.token_embedding()) {
    b.normal_(0, 1, generator);
    if (init == "false") a.normal_(0, 1, generator);
    return;
  }
  if (init == "orthogonal") return draw_orthogonal(a, b, generator);
  draw_half(a, init, to.scale.rank, generator);
  if (init != "false") return;
  draw_half(b, "true", to.scale.rank, generator);
  if (!to.settings.more.flag("adapter.lora_bias")) return;
  const double most = 1 / std::sqrt(static_cast<double>(b.size(1)));
  tensors[2].uniform_(-most, most, generator);
}

Error no_packed_embedding(const std::string& module) {
  return input_error(module + " is an embedding, which loftq does not pack.",
                     "adapter.init_lora_weights",
                     "Leave it out of adapter.target_modules, or start otherwise.");
}

/// The start of each wrapped Linear, by the shapes of its A [r, in] and B [out, r].
Status check_starts(const ModuleSelection& selection, const AdapterSettings& settings) {
  for (const WrappedModule& module : selection.wrapped) {
    const bool tokens = ModelModule{module.name, "Embedding"}.token_embedding();
    if (tokens && packs_base(settings.init_lora_weights)) return no_packed_embedding(module.name);
    if (tokens || module.shapes.size() < 2 || module.shapes[0].size() != 2) continue;
    LUTHIER_CHECK(check_start(settings.init_lora_weights, module.name, module.scale.rank,
                              module.shapes[1][0], module.shapes[0][1]));
  }
  return {};
}

/// PEFT knows few starts there.
Status check_convolution(const ModuleToHang& to) {
  const std::string& start = to.settings.init_lora_weights;
  if (start == "true" || start == "false" || start == "gaussian" || start == "eva") return {};
  return input_error(to.module.name + " is a convolution, which " + start + " has no start for.",
                     "adapter.init_lora_weights",
                     "Leave it out of adapter.target_modules, or start otherwise.");
}

Status check_lora_base(const Ports& ports, const ModuleToHang& to) {
  if (to.module.stack()) return {};
  if (!to.settings.more.names(kInvocation).empty()) LUTHIER_CHECK(check_invoked(ports, to.module));
  const std::string& start = to.settings.init_lora_weights;
  if (to.module.token_embedding()) {
    if (packs_base(start)) return no_packed_embedding(to.module.name);
    if (start == kMica)
      return check_start(start, to.module.name, to.scale.rank, to.module.shape[1],
                         to.module.shape[0]);
    if (!to.settings.more.flag("adapter.lora_bias")) return {};
    return input_error(to.module.name + " is an embedding, whose B has no bias.",
                       "adapter.lora_bias", "Leave it out of adapter.target_modules.");
  }
  if (to.module.convolution()) return check_convolution(to);
  if (!starts_from_weight(start)) return {};
  const Linear& linear = ports.linears.at(to.module.name);
  if (linear->weight.packed()) {
    if (start == kMica && !to.fresh) return {};
    return input_error("The weight of " + to.module.name + " is packed, and " + start +
                           " takes its start out of the weight.",
                       "adapter.init_lora_weights",
                       "Start otherwise, or over a base that is not packed.");
  }
  if (packs_base(start)) LUTHIER_CHECK(check_loftq(linear->weight, to.module.name));
  return check_start(start, to.module.name, to.scale.rank, linear->weight.rows(),
                     linear->weight.cols());
}

Status check_lora(const ModuleToHang& to, const std::vector<std::optional<TensorView>>& views,
                  const std::string& place) {
  if (!views[0] || !views[1]) {
    return input_error(std::string("lora_") + (views[0] ? "B" : "A") + " is missing.", place,
                       "The file is incomplete.");
  }
  // The shapes are compared, the rank with them.
  if (to.module.convolution() || to.module.stack()) return {};
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

Adapter::Hung hang_on_embedding(Ports& ports, const ModuleToHang& to,
                                const std::vector<Tensor>& tensors) {
  const std::string& name = to.module.name;
  Embedding base = ports.embeddings.at(name);
  if (to.fresh && to.settings.init_lora_weights == kMica)
    Tensor(tensors[1]).copy_(smallest_directions(base->weight.t(), to.scale.rank));
  auto pair = std::make_shared<LoraEmbedding>(tensors[0], tensors[1], to.scale.scale);
  if (to.settings.use_dora) {
    auto plug = std::make_shared<DoraEmbedding>(pair, tensors[2], *base);
    if (to.fresh) Tensor(tensors[2]).copy_(plug->norms(*base));
    Adapter::Hung hung = hung_on(base->plug, name, plug);
    hung.merge = [base, plug]() mutable { plug->merge_into(*base); };
    return hung;
  }
  Adapter::Hung hung = hung_on(base->plug, name, pair);
  hung.merge = [base, pair] {
    base->weight.copy_(base->weight.to(torch::kFloat32).add_(pair->delta()));
  };
  return hung;
}

/// What the start took, again from the weight that it was taken from; fresh ones begin with it.
LoraVariant::Taken taken_out(const LinearImpl& linear, const ModuleToHang& to,
                             const std::vector<Tensor>& tensors) {
  const std::string& start = to.settings.init_lora_weights;
  if (!takes_from_base(start)) return {};
  LoraVariant::Taken taken =
      taken_from(linear.weight, start, to.scale.rank, to.scale.scale, start_seed(to.module.name));
  taken.a = taken.a.to(tensors[0].device());
  taken.b = taken.b.to(tensors[1].device());
  if (to.fresh) {
    Tensor(tensors[0]).copy_(taken.a);
    Tensor(tensors[1]).copy_(taken.b);
  }
  return taken;
}

Adapter::Hung hang_lora(Ports& ports, const ModuleToHang& to, const std::vector<Tensor>& tensors) {
  if (to.module.stack()) return hang_on_experts(ports, to, tensors);
  if (to.module.token_embedding()) return hang_on_embedding(ports, to, tensors);
  const std::string& name = to.module.name;
  PatchProduct* patches = to.module.convolution() ? ports.patches.at(name) : nullptr;
  const std::shared_ptr<LinearImpl> base =
      patches ? patches->as_linear() : ports.linears.at(name).ptr();
  const LinearPlug*& port = patches ? patches->plug : base->plug;
  // Where the product's weight stands at the time.
  const auto now = [patches, base] { return patches ? patches->as_linear() : base; };
  auto pair = std::make_shared<LoraLinear>(tensors[0], tensors[1], to.scale.scale,
                                           to.settings.lora_dropout, to.place);
  const std::string& start = to.settings.init_lora_weights;
  if (!to.settings.more.names(kInvocation).empty()) {
    const bool biased = to.settings.more.flag("adapter.lora_bias");
    auto plug =
        std::make_shared<InvokedLora>(tensors[0], tensors[1], biased ? tensors[2] : Tensor(),
                                      to.scale.scale, to.settings.lora_dropout, to.place);
    Adapter::Hung hung = hung_on(port, name, plug);
    hung.unmergeable = "It is on for a part of the tokens alone (alora_invocation_tokens).";
    return hung;
  }
  if (to.settings.use_dora || takes_from_base(start) || packs_base(start)) {
    auto plug = std::make_shared<LoraVariant>(pair, taken_out(*base, to, tensors));
    if (packs_base(start)) {
      LoftqStart packed = loftq_start(base->weight, to.settings, to.scale.rank, to.fresh);
      plug->stand_in(std::move(packed.weight));
      if (to.fresh) {
        Tensor(tensors[0]).copy_(packed.a);
        Tensor(tensors[1]).copy_(packed.b);
      }
    }
    if (to.settings.use_dora) {
      plug->rescale(tensors[2], *base);
      if (to.fresh) Tensor(tensors[2]).copy_(plug->norms(*base).view_as(tensors[2]));
    }
    Adapter::Hung hung = hung_on(port, name, plug);
    hung.merge = [now, plug] { plug->merge_into(*now()); };
    return hung;
  }
  if (to.fresh && start == kMica)
    Tensor(tensors[1])
        .copy_(smallest_directions(base->weight.dense(torch::kFloat32), to.scale.rank));
  if (to.settings.more.flag("adapter.lora_bias")) pair->bias = tensors[2];
  Adapter::Hung hung = hung_on(port, name, pair);
  if (pair->bias.defined() && !base->bias.defined())
    hung.unmergeable = "B has a bias (lora_bias), and " + name + " has none that it could go into.";
  hung.merge = [now, pair] { pair->merge_into(*now()); };
  return hung;
}

ModuleMethod lora_modules() {
  ModuleMethod method{
      {"LoRA wraps Linear modules, convolutions of patches and the token embedding.", lora_can_wrap,
       all_linear},
      {".lora_A.weight", ".lora_B.weight", ".lora_B.bias", ".lora_embedding_A", ".lora_embedding_B",
       ".lora_magnitude_vector"},
      lora_sizes,
      lora_keeps,
      check_lora,
      draw_lora,
      hang_lora};
  method.check_selection = check_starts;
  method.check_base = check_lora_base;
  method.token_rows = kLoraTokenRows;
  method.parameters = kLoraParameters;
  method.check_module = check_by_weight;
  method.root = [](const ModelModule& module, const AdapterSettings& settings) {
    return module.stack() ? expert_root(module, settings.more.names(kLoraParameters)) : module.name;
  };
  method.hang_beside = hang_invocation;
  return method;
}

}  // namespace

const Method& lora_method() {
  static const ModuleMethod modules = lora_modules();
  static const Method method = [] {
    Method row(method_kind("lora"));
    row.fields = lora_fields;
    row.read = read_lora_settings;
    row.write = write_lora_settings;
    row.of_modules = &modules;
    row.combine = combine_lora;
    return row;
  }();
  return method;
}

}  // namespace luthier
