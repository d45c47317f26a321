// SPDX-License-Identifier: GPL-3.0-or-later
// Within a chunk what each token writes depends on what those before it wrote. With c the sum of g
// so far and D_ij = e^(c_i − c_j) for i ≥ j, that is a unit lower triangular system for all tokens
// at once, solved for the values (as if the state were empty) and for what reads the state.
#include "engine/nn/delta_rule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

namespace luthier {

namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// All [rows, value_heads, seq, ...], float32 or wider.
struct DeltaParts {
  Tensor query, key, value;
  Tensor decay, write;  // [rows, value_heads, seq, 1]
};

Tensor unit_length(const Tensor& x) {
  constexpr double kEpsilon = 1e-6;  // within the root, over the sum
  return x * at::rsqrt((x * x).sum(-1, /*keepdim=*/true) + kEpsilon);
}

DeltaParts delta_parts(const Tensor& mixed, const Tensor& decay, const Tensor& write,
                       const DeltaSizes& sizes) {
  const auto type = c10::promoteTypes(mixed.scalar_type(), torch::kFloat32);
  const auto heads = [type](const Tensor& x, std::int64_t count, std::int64_t size) {
    return x.unflatten(-1, {count, size}).transpose(1, 2).to(type);
  };
  const auto each = sizes.value_heads / sizes.key_heads;
  // In the order in which products read them; else each of those would copy.
  const auto shared = [each](const Tensor& x) {
    return (each > 1 ? x.repeat_interleave(each, 1) : x).contiguous();
  };
  const auto given = mixed.split_with_sizes({sizes.keys(), sizes.keys(), sizes.values()}, -1);
  const double scale = 1 / std::sqrt(static_cast<double>(sizes.key_dim));
  DeltaParts parts;
  parts.query = shared(unit_length(heads(given[0], sizes.key_heads, sizes.key_dim)) * scale);
  parts.key = shared(unit_length(heads(given[1], sizes.key_heads, sizes.key_dim)));
  parts.value = heads(given[2], sizes.value_heads, sizes.value_dim);
  parts.decay = heads(decay, sizes.value_heads, 1);
  parts.write = heads(write, sizes.value_heads, 1);
  return parts;
}

/// One token of each row, from the state before it.
DeltaPass one_token(const DeltaParts& parts, const Tensor& before) {
  const auto column = [](const Tensor& x) { return x.select(2, 0).unsqueeze(-1); };
  const auto line = [](const Tensor& x) { return x.select(2, 0).unsqueeze(-2); };
  const Tensor key = column(parts.key);  // [rows, heads, key_dim, 1]
  Tensor state = before * line(parts.decay).exp();
  const Tensor fresh = (line(parts.value) - (state * key).sum(-2, true)) * line(parts.write);
  state = state + key * fresh;
  return {(state * column(parts.query)).sum(-2, true), state};
}

DeltaPass in_chunks(const DeltaParts& parts, Tensor state) {
  const std::int64_t seq = parts.query.size(2), size = std::min(kDeltaChunk, seq),
                     chunks = (seq + size - 1) / size, filler = chunks * size - seq;
  // [rows, heads, seq, n] → [rows, heads, chunks, size, n]; filler forgets and writes nothing.
  const auto cut = [&](const Tensor& x) {
    const Tensor whole = filler > 0 ? at::constant_pad_nd(x, {0, 0, 0, filler}) : x;
    return whole.unflatten(2, {chunks, size});
  };
  const Tensor query = cut(parts.query), key = cut(parts.key), write = cut(parts.write);
  const Tensor sum = cut(parts.decay).cumsum(3);  // [rows, heads, chunks, size, 1]
  const Tensor later =
      at::ones({size, size}, sum.options().dtype(torch::kBool).requires_grad(false)).triu(1);
  // Hidden before the exponent, which could overflow there.
  const Tensor fade = (sum - sum.transpose(-1, -2))
                          .masked_fill(later, -std::numeric_limits<double>::infinity())
                          .exp();
  const Tensor written = key * write, turned = key.transpose(-1, -2), grown = sum.exp();
  const Tensor solved = at::linalg_solve_triangular(
      at::matmul(written, turned) * fade, at::cat({cut(parts.value) * write, written * grown}, -1),
      /*upper=*/false, /*left=*/true,
      /*unitriangular=*/true);
  const Tensor within = at::matmul(query, turned) * fade, asked = query * grown;
  const Tensor whole = sum.narrow(3, size - 1, 1);
  const Tensor left = (key * (whole - sum).exp()).transpose(-1, -2), over = whole.exp();
  // All at once: a chunk that is selected by itself has a gradient as large as all of them.
  const auto each = [](const Tensor& x) { return x.unbind(2); };
  const auto solutions = solved.split_with_sizes({parts.value.size(-1), parts.key.size(-1)}, -1);
  const auto values = each(solutions[0]), reads = each(solutions[1]), asks = each(asked),
             weights = each(within), leaves = each(left), stays = each(over);
  std::vector<Tensor> made;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Tensor fresh = values[i] - at::matmul(reads[i], state);
    made.push_back(at::matmul(asks[i], state) + at::matmul(weights[i], fresh));
    state = state * stays[i] + at::matmul(leaves[i], fresh);
  }
  return {at::cat(made, 2).slice(2, 0, seq), state};
}

class DeltaFunction : public torch::autograd::Function<DeltaFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& mixed, const Tensor& decay,
                        const Tensor& write, const DeltaSizes& sizes) {
    context->save_for_backward({mixed, decay, write});
    context->saved_data["sizes"] = std::vector<std::int64_t>{sizes.key_heads, sizes.value_heads,
                                                             sizes.key_dim, sizes.value_dim};
    return delta_pass(mixed, decay, write, sizes).out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto numbers = context->saved_data["sizes"].toIntVector();
    const DeltaSizes sizes{numbers[0], numbers[1], numbers[2], numbers[3]};
    variable_list given;
    for (const Tensor& saved : context->get_saved_variables())
      given.push_back(saved.detach().set_requires_grad(true));
    variable_list made;
    {
      const at::AutoGradMode grad(true);
      made = {delta_pass(given[0], given[1], given[2], sizes).out};
    }
    variable_list found = torch::autograd::grad(made, given, {gradients[0]});
    found.emplace_back();
    return found;
  }
};

}  // namespace

DeltaPass delta_pass(const Tensor& mixed, const Tensor& decay, const Tensor& write,
                     const DeltaSizes& sizes, const Tensor& state) {
  const DeltaParts parts = delta_parts(mixed, decay, write, sizes);
  DeltaPass made;
  if (state.defined() && mixed.size(1) == 1) {
    made = one_token(parts, state);
  } else {
    const Tensor first =
        state.defined()
            ? state
            : at::zeros({mixed.size(0), sizes.value_heads, sizes.key_dim, sizes.value_dim},
                        parts.value.options().requires_grad(false));
    made = in_chunks(parts, first);
  }
  made.out = made.out.transpose(1, 2).to(mixed.scalar_type()).contiguous();
  return made;
}

Tensor delta_rule(const Tensor& mixed, const Tensor& decay, const Tensor& write,
                  const DeltaSizes& sizes) {
  return DeltaFunction::apply(mixed, decay, write, sizes);
}

}  // namespace luthier
