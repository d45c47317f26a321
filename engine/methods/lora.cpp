// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/lora.h"

#include <cmath>

#include "engine/base/random_stream.h"
#include "engine/base/text.h"
#include "engine/methods/build_adapter.h"
#include "engine/methods/lora_settings.h"
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
  if (strength == 0) return LowRank();
  return LowRank{a,
                 b,
                 near_a_.of(a, type),
                 near_b_.of(b, type),
                 scale * strength,
                 training ? dropout : 0.0,
                 MaskSeed(mix(seed ^ mixed_bits(BatchPart::here()), place_), mask_there)};
}

std::optional<std::uint64_t> LoraLinear::mask_seed(std::uint64_t of_batch) const {
  return dropout > 0 ? std::optional(mix(of_batch, place_)) : std::nullopt;
}

void LoraLinear::add_copies(std::vector<NarrowCopy::Pair>& copies) const {
  copies.push_back({&a, &near_a_});
  copies.push_back({&b, &near_b_});
}

Tensor LoraLinear::delta() const {
  return at::mm(b.to(torch::kFloat32), a.to(torch::kFloat32)).mul_(scale * strength);
}

LoraEmbedding::LoraEmbedding(Tensor first, Tensor second, double s)
    : a(std::move(first)), b(std::move(second)), scale(s) {}

Tensor LoraEmbedding::forward(const Tensor& ids, const EmbeddingImpl& base) const {
  const Tensor found = base.lookup(ids);
  if (strength == 0) return found;
  const Tensor inner = at::embedding(a.t(), ids).to(found.scalar_type());  // [..., r]
  return at::addmm(found.reshape({-1, found.size(-1)}), inner.reshape({-1, inner.size(-1)}),
                   b.to(found.scalar_type()).t(), 1, scale * strength)
      .view_as(found);
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
