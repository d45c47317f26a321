// SPDX-License-Identifier: GPL-3.0-or-later
// Fused attention: LibTorch leaves a place for a device's own, where the pretended one puts the
// CPU's flash attention. One launch forward and one backward, whatever the mask, as CUDA has it.
#include <array>
#include <optional>
#include <tuple>

#include <ATen/SDPBackend.h>
#include <ATen/native/transformers/attention.h>
#include <torch/library.h>

#include "tests/pretend/arena.h"
#include "tests/pretend/graph.h"
#include "tests/pretend/ledger.h"
#include "tests/pretend/pretend.h"

namespace luthier::pretend {

namespace {

using at::Tensor;

bool left_out(const Tensor& query) { return is_dry() && is_large(query); }

std::optional<Tensor> readable_mask(const std::optional<Tensor>& mask) {
  return mask && mask->defined() ? std::optional(readable(*mask)) : std::nullopt;
}

/// `products`: of queries with keys, or with values, each way.
Work attention_work(const char* name, const Tensor& query, const Tensor& key, bool causal,
                    double products, double bytes) {
  const double pairs = static_cast<double>(query.size(0) * query.size(1) * query.size(2)) *
                       static_cast<double>(key.size(2)) * (causal ? 0.5 : 1);
  return {name, bytes, 2 * products * pairs * static_cast<double>(query.size(3)), 1,
          Work::Kind::Attention};
}

using Attended =
    std::tuple<Tensor, Tensor, Tensor, Tensor, c10::SymInt, c10::SymInt, Tensor, Tensor, Tensor>;

Attended attend(const Tensor& query, const Tensor& key, const Tensor& value,
                const std::optional<Tensor>& mask, double dropout, bool causal,
                bool /*return_debug_mask*/, std::optional<double> scale) {
  const std::int64_t rows = query.size(0), heads = query.size(1), length = query.size(2);
  // The mixture lies token by token, as CUDA's kernels leave it.
  const Tensor mixed =
      at::empty({rows, length, heads, query.size(3)}, query.options()).transpose(1, 2);
  const auto floats = query.options().dtype(at::kFloat);
  Tensor sums = at::empty({rows, length, heads}, floats).transpose(1, 2);
  const auto work = [causal, dropout, scale, floats, q = unowned(query), k = unowned(key),
                     v = unowned(value), to = unowned(mixed),
                     added =
                         mask ? std::optional(unowned(*mask)) : std::nullopt](Tensor& all_sums) {
    record(attention_work("attention", q, k, causal, 2,
                          reach({q, k, v, to}) + (added ? reach(*added) : 0)));
    if (left_out(q)) return;
    const auto [made, made_sums] = at::_scaled_dot_product_flash_attention_for_cpu(
        readable(q), readable(k), readable(v), dropout, causal, readable_mask(added), scale);
    readable(to).copy_(made);
    if (made_sums.strides() != all_sums.strides())
      all_sums = at::empty_strided(made_sums.sizes(), made_sums.strides(), floats);
    readable(all_sums).copy_(made_sums);
  };
  work(sums);
  if (is_recording()) note([work, of_rows = unowned(sums)]() mutable { work(of_rows); });
  const Tensor none, state = at::empty({}, query.options().dtype(at::kLong));
  return {mixed, sums, none, none, length, key.size(2), state, state, none};
}

std::tuple<Tensor, Tensor, Tensor, Tensor> attend_back(
    const Tensor& gradient, const Tensor& query, const Tensor& key, const Tensor& value,
    const Tensor& mask, std::array<bool, 4> /*wanted*/, const Tensor& mixed, const Tensor& sums,
    const Tensor&, const Tensor&, c10::SymInt, c10::SymInt, double dropout, bool causal,
    const Tensor&, const Tensor&, std::optional<double> scale) {
  const Tensor dquery = at::empty_like(query), dkey = at::empty_like(key),
               dvalue = at::empty_like(value);
  do_and_note([causal, dropout, scale, given = unowned(gradient), q = unowned(query),
               k = unowned(key), v = unowned(value), out = unowned(mixed), of_rows = unowned(sums),
               added = unowned(mask), dq = unowned(dquery), dk = unowned(dkey),
               dv = unowned(dvalue)] {
    record(attention_work("attention backward", q, k, causal, 5,
                          2 * reach({q, k, v, out}) + reach(added)));
    if (left_out(q)) return;
    const auto made = at::_scaled_dot_product_flash_attention_for_cpu_backward(
        readable(given), readable(q), readable(k), readable(v), readable(out), readable(of_rows),
        dropout, causal, readable_mask(added), scale);
    readable(dq).copy_(std::get<0>(made)), readable(dk).copy_(std::get<1>(made)),
        readable(dv).copy_(std::get<2>(made));
  });
  return {dquery, dkey, dvalue, Tensor()};
}

}  // namespace

/// Has a name that LibTorch's macro can reach.
std::int64_t chosen_attention(const Tensor&, const Tensor&, const Tensor&,
                              const std::optional<Tensor>&, double, bool, std::optional<double>,
                              bool) {
  return static_cast<std::int64_t>(at::SDPBackend::overrideable);
}

}  // namespace luthier::pretend

namespace at::native {
REGISTER_PRIVATEUSE1_DISPATCH(_fused_sdp_choice_stub, &luthier::pretend::chosen_attention)
}  // namespace at::native

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("_scaled_dot_product_fused_attention_overrideable", luthier::pretend::attend);
  library.impl("_scaled_dot_product_fused_attention_overrideable_backward",
               luthier::pretend::attend_back);
}
