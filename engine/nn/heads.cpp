// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/heads.h"

#include <torch/csrc/autograd/custom_function.h>

#include "engine/device/neighbours.h"
#include "engine/kernels/heads.h"
#include "engine/nn/rms_norm.h"

namespace luthier {

namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using Both = std::pair<Tensor, Tensor>;

/// The rotation of both; −1 turns back. `into`: where to, which may be their own memory; undefined:
/// into new tensors.
Both both_turned(const Both& heads, const Tensor& cosine, const Tensor& sine, double sign,
                 const Both& into = {}) {
  const auto& [query, key] = heads;
  if (auto made = kernels::turn_heads({query, key, {}, {}, cosine, sine}, sign, into))
    return {made->query, made->key};
  return {rotated(query, cosine, sine, sign, into.first),
          rotated(key, cosine, sine, sign, into.second)};
}

/// Over the same memory, and not the same tensor: autograd takes a result for a new one.
Tensor memory_of(const Tensor& x) {
  return over_memory_of(x, x.sizes(), x.strides(), x.storage_offset());
}

/// Keeps nothing of queries and keys.
class TurnFunction : public torch::autograd::Function<TurnFunction> {
 public:
  static variable_list forward(AutogradContext* context, const Tensor& query, const Tensor& key,
                               const Tensor& cosine, const Tensor& sine, bool given_up) {
    context->save_for_backward({cosine, sine});
    context->saved_data["beside"] = rows_beside(key, query);
    const Both into = given_up ? Both(memory_of(query), memory_of(key)) : Both();
    const Both made = both_turned({query, key}, cosine, sine, 1, into);
    return {made.first, made.second};
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const Both into = empty_pair(gradients[0], gradients[1], context->saved_data["beside"].toInt());
    const Both made = both_turned({gradients[0], gradients[1]}, saved[0], saved[1], -1, into);
    return {made.first, made.second, Tensor(), Tensor(), Tensor()};
  }
};

/// Keeps what the norms keep: queries and keys as they came, and one number a head.
class NormTurnFunction : public torch::autograd::Function<NormTurnFunction> {
 public:
  static variable_list forward(AutogradContext* context, const Tensor& query, const Tensor& key,
                               const Tensor& query_weight, const Tensor& key_weight,
                               const Tensor& cosine, const Tensor& sine, double epsilon,
                               bool centred) {
    const kernels::HeadsToTurn heads{query,  key,  query_weight, key_weight,
                                     cosine, sine, epsilon,      centred};
    std::optional<kernels::TurnedHeads> made = kernels::turn_heads(heads);
    if (!made) {
      const RmsRows q = rms_rows(query, query_weight, epsilon, centred),
                    k = rms_rows(key, key_weight, epsilon, centred);
      const Both into = q.y.is_cpu() ? Both(q.y, k.y) : Both();
      const Both turned = both_turned({q.y, k.y}, cosine, sine, 1, into);
      made = kernels::TurnedHeads{turned.first, turned.second, q.scale, k.scale};
    }
    context->save_for_backward(
        {query, key, query_weight, key_weight, cosine, sine, made->query_scale, made->key_scale});
    context->saved_data["centred"] = centred;
    return {made->query, made->key};
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const bool centred = context->saved_data["centred"].toBool();
    const kernels::HeadsToTurn heads{saved[0], saved[1], saved[2], saved[3],
                                     saved[4], saved[5], 0,        centred};
    variable_list results(8);
    const bool reaches = context->needs_input_grad(0) || context->needs_input_grad(1);
    const bool learns = context->needs_input_grad(2) || context->needs_input_grad(3);
    const kernels::TurnedHeads scales{{}, {}, saved[6], saved[7]};
    std::optional<kernels::HeadsGradients> made;
    if (reaches) made = kernels::turn_heads_backward(heads, scales, gradients[0], gradients[1]);
    if (made) results[0] = made->query, results[1] = made->key;
    if (made && !learns) return results;
    const Both back = both_turned({gradients[0], gradients[1]}, heads.cosine, heads.sine, -1);
    const Both into = heads.query.is_cpu()
                          ? empty_pair(heads.query, heads.key, rows_beside(heads.key, heads.query))
                          : Both();
    const RmsGradients query = rms_gradients(back.first, heads.query, heads.query_weight, saved[6],
                                             centred, !made && context->needs_input_grad(0),
                                             context->needs_input_grad(2), into.first);
    const RmsGradients key = rms_gradients(back.second, heads.key, heads.key_weight, saved[7],
                                           centred, !made && context->needs_input_grad(1),
                                           context->needs_input_grad(3), into.second);
    if (!made) results[0] = query.x, results[1] = key.x;
    results[2] = query.weight, results[3] = key.weight;
    return results;
  }
};

}  // namespace

Both normed_and_turned(const Tensor& query, const Tensor& key, const RmsNorm& query_norm,
                       const RmsNorm& key_norm, const RotaryTable& table, bool given_up) {
  const Tensor cosine = table.cos.unsqueeze(1), sine = table.sin.unsqueeze(1);
  if (query_norm && query_norm->goes_alone(query)) {
    const auto turned = TurnFunction::apply(query_norm->forward(query), key_norm->forward(key),
                                            cosine, sine, /*given_up=*/true);
    return {turned[0], turned[1]};
  }
  const auto made =
      query_norm ? NormTurnFunction::apply(query, key, query_norm->weight, key_norm->weight, cosine,
                                           sine, query_norm->epsilon(), query_norm->centred())
                 : TurnFunction::apply(query, key, cosine, sine, given_up);
  return {made[0], made[1]};
}

}  // namespace luthier
