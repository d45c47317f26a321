// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/kernels/heads.h"

#include <tuple>

#include "engine/device/neighbours.h"
#include "engine/kernels/tensors.h"

namespace luthier::kernels {
namespace {

using torch::Tensor;

constexpr const char* kHeadsSource = "heads.cu";
constexpr KernelOfTypes kHeads{{kHeadsSource, "heads_forward_float"},
                               {kHeadsSource, "heads_forward_bfloat16"}};
constexpr KernelOfTypes kHeadsBack{{kHeadsSource, "heads_backward_float"},
                                   {kHeadsSource, "heads_backward_bfloat16"}};
constexpr std::int64_t kWarps = 8;  // of a block

/// One of queries and keys, as a kernel takes it.
struct Side {
  Tensor x;
  long long stride = 0;
  int heads = 0;

  explicit Side(const Tensor& given) {
    if (!given.defined()) return;
    const bool whole = given.stride(2) == 1 && given.stride(1) == given.size(2);
    x = whole ? given : given.contiguous();
    stride = x.stride(0);
    heads = static_cast<int>(x.size(1));
  }
  Tensor like() const {
    return x.defined() ? at::empty(x.sizes(), x.options().requires_grad(false)) : Tensor();
  }
  /// Whether the kernels can write there.
  bool fits(const Tensor& into) const {
    return x.defined() && into.sizes() == x.sizes() && into.scalar_type() == x.scalar_type() &&
           row_step(into, x.size(0)).has_value();
  }
  Tensor scales() const {
    if (!x.defined()) return {};
    return at::empty({x.size(0), x.size(1), 1},
                     x.options().dtype(torch::kFloat32).requires_grad(false));
  }
};

/// Numbers from a token's heads to the next one's.
long long token_step(const Tensor& x) {
  return x.defined() ? row_step(x, x.size(0)).value_or(0) : 0;
}

bool weight_fits(const Tensor& weight, const Tensor& x) {
  return !weight.defined() || (weight.scalar_type() == x.scalar_type() && weight.is_contiguous() &&
                               weight.numel() == x.size(2));
}

bool fits(const HeadsToTurn& heads) {
  const Tensor &query = heads.query, &key = heads.key, &cosine = heads.cosine;
  if (!available(query) || query.dim() != 3) return false;
  if (key.defined() && (key.dim() != 3 || key.scalar_type() != query.scalar_type() ||
                        key.size(0) != query.size(0) || key.size(2) != query.size(2)))
    return false;
  for (const Tensor* table : {&cosine, &heads.sine}) {
    if (table->scalar_type() != query.scalar_type() || !table->is_contiguous() ||
        table->numel() != query.size(0) * table->size(-1))
      return false;
  }
  const std::int64_t turned = cosine.size(-1);
  if (turned % 2 != 0 || turned > query.size(2) || heads.sine.size(-1) != turned) return false;
  return weight_fits(heads.query_weight, query) &&
         (!key.defined() || (weight_fits(heads.key_weight, key) &&
                             heads.key_weight.defined() == heads.query_weight.defined()));
}

std::int64_t blocks(const Side& query, const Side& key) {
  return (query.x.size(0) * (query.heads + key.heads) + kWarps - 1) / kWarps;
}

}  // namespace

std::optional<TurnedHeads> turn_heads(const HeadsToTurn& heads, double sign,
                                      const std::pair<Tensor, Tensor>& into) {
  if (!fits(heads)) return std::nullopt;
  const Side query(heads.query), key(heads.key);
  if ((into.first.defined() && !query.fits(into.first)) ||
      (into.second.defined() && !key.fits(into.second)))
    return std::nullopt;
  TurnedHeads made{into.first.defined() ? into.first : query.like(),
                   into.second.defined() ? into.second : key.like(),
                   {},
                   {}};
  if (heads.query_weight.defined()) {
    made.query_scale = query.scales();
    made.key_scale = key.scales();
  }
  if (query.x.size(0) == 0 || query.heads + key.heads == 0) return made;
  const double bytes =
      bytes_of({&query.x, &key.x, &made.query, &made.key, &heads.cosine, &heads.sine});
  if (!launch(
          query.x, kHeads.of(query.x), blocks(query, key), 1, kWarps * 32, bytes, address(query.x),
          query.stride, address(heads.query_weight), address_to_write(made.query),
          token_step(made.query), address_to_write(made.query_scale), query.heads, address(key.x),
          key.stride, address(heads.key_weight), address_to_write(made.key), token_step(made.key),
          address_to_write(made.key_scale), key.heads, address(heads.cosine), address(heads.sine),
          static_cast<int>(heads.cosine.size(-1)), static_cast<float>(sign),
          static_cast<long long>(query.x.size(0)), static_cast<int>(query.x.size(2)),
          static_cast<float>(heads.epsilon), static_cast<int>(heads.centred)))
    return std::nullopt;
  return made;
}

std::optional<HeadsGradients> turn_heads_backward(const HeadsToTurn& heads, const TurnedHeads& made,
                                                  const Tensor& query_gradient,
                                                  const Tensor& key_gradient) {
  if (!fits(heads) || !heads.query_weight.defined()) return std::nullopt;
  const Side query(heads.query), key(heads.key);
  if (query_gradient.scalar_type() != query.x.scalar_type()) return std::nullopt;
  HeadsGradients gradients{query.like(), key.like()};
  if (const std::int64_t rows = rows_beside(key.x, query.x))
    std::tie(gradients.query, gradients.key) = empty_pair(query.x, key.x, rows);
  if (query.x.size(0) == 0 || query.heads + key.heads == 0) return gradients;
  const Tensor of_query = query_gradient.contiguous(),
               of_key = key.x.defined() ? key_gradient.contiguous() : Tensor();
  const double bytes = bytes_of({&query.x, &key.x, &of_query, &of_key, &gradients.query,
                                 &gradients.key, &heads.cosine, &heads.sine});
  if (!launch(query.x, kHeadsBack.of(query.x), blocks(query, key), 1, kWarps * 32, bytes,
              address(query.x), query.stride, address(heads.query_weight),
              address_to_write(gradients.query), token_step(gradients.query),
              address(made.query_scale), query.heads, address(key.x), key.stride,
              address(heads.key_weight), address_to_write(gradients.key), token_step(gradients.key),
              address(made.key_scale), key.heads, address(heads.cosine), address(heads.sine),
              static_cast<int>(heads.cosine.size(-1)), address(of_query), address(of_key),
              static_cast<long long>(query.x.size(0)), static_cast<int>(query.x.size(2)),
              static_cast<int>(heads.centred)))
    return std::nullopt;
  return gradients;
}

}  // namespace luthier::kernels
