// SPDX-License-Identifier: GPL-3.0-or-later
// The attention kernels that know rows, in plain products over one row after another: each query's
// head with its keys' head, numbers in float32. What CUDA's kernels check is checked, and what they
// allocate is allocated, as they do under deterministic algorithms on a card of 132
// multiprocessors. One launch forward and one backward, as for the other fused attention.
#include <cmath>
#include <limits>

#include <torch/library.h>

#include "engine/nn/flash_attention.h"
#include "tests/pretend/arena.h"
#include "tests/pretend/graph.h"
#include "tests/pretend/ledger.h"
#include "tests/pretend/pretend.h"

namespace luthier::pretend {

namespace {

using at::Tensor;

constexpr std::int64_t kMultiprocessors = 132, kBlock = 128;

using Window = std::optional<c10::SymInt>;

struct Flash {
  std::vector<std::int64_t> query_ends, key_ends;  ///< 0 in front
  std::int64_t heads = 0, kv_heads = 0, head_dim = 0;
  double scale = 0;
  bool causal = false;
  std::int64_t left = -1, right = -1;  ///< keys beside a query's own place; −1: all

  std::size_t rows() const { return query_ends.size() - 1; }

  /// Scores' places of a row that its queries do not see: [queries, keys].
  Tensor hidden(std::int64_t queries, std::int64_t keys) const {
    const Tensor query = at::arange(keys - queries, keys).unsqueeze(1),
                 key = at::arange(keys).unsqueeze(0);
    Tensor out = at::zeros({queries, keys}, at::kBool);
    if (right >= 0) out = out.logical_or(key > query + right);
    if (left >= 0) out = out.logical_or(key < query - left);
    return out;
  }
  /// Products of queries with keys that have to be made, over all heads.
  double pairs() const {
    double sum = 0;
    for (std::size_t row = 0; row < rows(); ++row) {
      const auto queries = static_cast<double>(query_ends[row + 1] - query_ends[row]),
                 keys = static_cast<double>(key_ends[row + 1] - key_ends[row]);
      const double seen =
          left >= 0 ? std::min(keys, static_cast<double>(left) + 1) : keys * (right == 0 ? 0.5 : 1);
      sum += queries * seen;
    }
    return sum * static_cast<double>(heads);
  }
};

std::vector<std::int64_t> row_ends(const std::optional<Tensor>& given, const Tensor& x,
                                   std::int64_t longest) {
  std::vector<std::int64_t> ends{0};
  if (!given || !given->defined()) {
    for (std::int64_t row = 0; row < x.size(0); ++row) ends.push_back(ends.back() + x.size(1));
    return ends;
  }
  TORCH_CHECK(given->is_privateuseone() && given->scalar_type() == at::kInt &&
                  given->is_contiguous() && given->dim() == 1,
              "ends of rows must be the device's own int32 numbers");
  const Tensor here = readable(*given).to(at::kLong);
  ends.assign(here.const_data_ptr<std::int64_t>(),
              here.const_data_ptr<std::int64_t>() + here.numel());
  for (std::size_t row = 0; row + 1 < ends.size(); ++row)
    TORCH_CHECK(ends[row + 1] - ends[row] <= longest, "a row is longer than the longest");
  TORCH_CHECK(ends.size() > 1 && ends.front() == 0 && ends.back() == x.size(0),
              "the rows are not those of the tokens");
  return ends;
}

Flash flash_of(const Tensor& query, const Tensor& key, const Tensor& value,
               const std::optional<Tensor>& query_ends, const std::optional<Tensor>& key_ends,
               std::int64_t queries, std::int64_t keys, double dropout, bool causal,
               std::optional<double> scale, const Window& left, const Window& right) {
  for (const Tensor* each : {&query, &key, &value}) {
    TORCH_CHECK(each->is_privateuseone() && each->scalar_type() == query.scalar_type(),
                "queries, keys and values must be the device's, of one type");
    TORCH_CHECK(each->stride(-1) == 1 && each->dim() == query.dim(),
                "a head's numbers must lie together");
  }
  TORCH_CHECK(dropout == 0, "dropout is not pretended");
  Flash made;
  made.heads = query.size(-2), made.kv_heads = key.size(-2), made.head_dim = query.size(-1);
  TORCH_CHECK(made.heads % made.kv_heads == 0 && key.sizes() == value.sizes() &&
                  key.size(-1) == made.head_dim,
              "heads do not fit");
  made.query_ends = row_ends(query_ends, query, queries);
  made.key_ends = row_ends(key_ends, key, keys);
  TORCH_CHECK(made.query_ends.size() == made.key_ends.size(), "rows do not fit");
  made.scale = scale.value_or(1 / std::sqrt(static_cast<double>(made.head_dim)));
  made.causal = causal;
  if (left) made.left = left->expect_int();
  if (right) made.right = right->expect_int();
  if (causal) made.right = 0;
  if (made.left >= keys) made.left = -1;
  if (made.right >= keys) made.right = -1;
  return made;
}

/// [.., heads, head_dim] as [tokens, heads, head_dim] that the host may read.
Tensor flat(const Tensor& x) { return readable(x).reshape({-1, x.size(-2), x.size(-1)}); }

/// A row of it, in float32: [heads, tokens, head_dim], a head of keys once for each of its
/// queries'.
Tensor row_of(const Tensor& x, const std::vector<std::int64_t>& ends, std::size_t row,
              std::int64_t times) {
  const Tensor own = x.slice(0, ends[row], ends[row + 1]).to(at::kFloat).transpose(0, 1);
  return times == 1 ? own : own.repeat_interleave(times, 0);
}

struct RowScores {
  Tensor q, k, v, scores;  ///< each by head
};

RowScores scores_of(const Flash& flash, const Tensor& q, const Tensor& k, const Tensor& v,
                    std::size_t row) {
  const std::int64_t times = flash.heads / flash.kv_heads;
  RowScores made{row_of(q, flash.query_ends, row, 1),
                 row_of(k, flash.key_ends, row, times),
                 row_of(v, flash.key_ends, row, times),
                 {}};
  made.scores = at::matmul(made.q, made.k.transpose(1, 2)) * flash.scale;
  made.scores.masked_fill_(flash.hidden(made.q.size(1), made.k.size(1)),
                           -std::numeric_limits<double>::infinity());
  return made;
}

/// A number for each query and head: [heads, tokens], or [rows, heads, queries].
Tensor empty_sums(const Tensor& query) {
  const auto options = query.options().dtype(at::kFloat);
  return query.dim() == 3 ? at::empty({query.size(1), query.size(0)}, options)
                          : at::empty({query.size(0), query.size(2), query.size(1)}, options);
}

/// Of one row: [heads, queries].
Tensor sums_of(const Tensor& sums, const Flash& flash, std::size_t row) {
  return sums.dim() == 2 ? sums.slice(1, flash.query_ends[row], flash.query_ends[row + 1])
                         : sums.select(0, static_cast<std::int64_t>(row));
}

Work flash_work(const char* name, const Flash& flash, double products, double bytes) {
  return {name, bytes, 2 * products * flash.pairs() * static_cast<double>(flash.head_dim), 1,
          Work::Kind::Attention};
}

std::optional<Tensor> unowned_ends(const std::optional<Tensor>& ends) {
  return ends ? std::optional(unowned(*ends)) : std::nullopt;
}

bool is_left_out(const Tensor& query) { return is_dry() && is_large(query); }

/// Attention of every row into `mixed`, and its sums.
void mix_rows(const Flash& flash, const Tensor& query, const Tensor& key, const Tensor& value,
              const Tensor& mixed, const Tensor& sums) {
  record(flash_work("flash attention", flash, 2, reach({query, key, value, mixed, sums})));
  if (is_left_out(query)) return;
  const Tensor q = flat(query), k = flat(key), v = flat(value);
  Tensor to = flat(mixed);
  for (std::size_t row = 0; row < flash.rows(); ++row) {
    const RowScores made = scores_of(flash, q, k, v, row);
    const Tensor sum = made.scores.logsumexp(-1);
    sums_of(readable(sums), flash, row).copy_(sum);
    to.slice(0, flash.query_ends[row], flash.query_ends[row + 1])
        .copy_(at::matmul((made.scores - sum.unsqueeze(-1)).exp(), made.v).transpose(0, 1));
  }
}

using Made = std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor>;

Made flash_forward(const Tensor& query, const Tensor& key, const Tensor& value,
                   const std::optional<Tensor>& query_ends, const std::optional<Tensor>& key_ends,
                   c10::SymInt queries, c10::SymInt keys, double dropout, bool causal,
                   bool /*return_debug_mask*/, std::optional<double> scale, Window left,
                   Window right, const std::optional<Tensor>&, const std::optional<Tensor>&) {
  const Tensor mixed = at::empty(query.sizes(), query.options()), sums = empty_sums(query);
  const Tensor state = at::empty({2}, query.options().dtype(at::kUInt64)),
               unused = at::empty({}, query.options().dtype(at::kUInt64));
  const Tensor none = at::empty({0}, query.options());
  // Where rows end is read from the device at each replay.
  do_and_note([=, q = unowned(query), k = unowned(key), v = unowned(value), to = unowned(mixed),
               of_rows = unowned(sums), q_ends = unowned_ends(query_ends),
               k_ends = unowned_ends(key_ends)] {
    const Flash now = flash_of(q, k, v, q_ends, k_ends, queries.expect_int(), keys.expect_int(),
                               dropout, causal, scale, left, right);
    mix_rows(now, q, k, v, to, of_rows);
  });
  return {mixed, sums, state, unused, none};
}

/// [heads of queries, keys, head_dim] added up over the queries' heads of each key's.
Tensor over_groups(const Tensor& x, const Flash& flash) {
  const std::int64_t times = flash.heads / flash.kv_heads;
  return x.view({flash.kv_heads, times, x.size(1), x.size(2)}).sum(1).transpose(0, 1);
}

/// What the backward holds beside its results, as CUDA's lays it out.
std::vector<Tensor> temporaries(const Flash& flash, const Tensor& query, const Tensor& key) {
  const auto rows = static_cast<std::int64_t>(flash.rows());
  const auto up = [](std::int64_t number, std::int64_t step) {
    return (number + step - 1) / step * step;
  };
  const std::int64_t parts = (kMultiprocessors + rows * flash.heads - 1) / (rows * flash.heads);
  const std::int64_t queries =
      query.dim() == 4 ? rows * up(query.size(1), kBlock) : query.size(0) + kBlock * rows;
  const auto floats = query.options().dtype(at::kFloat);
  std::vector<Tensor> held{
      at::empty({parts, queries, flash.heads, up(flash.head_dim, flash.head_dim <= 128 ? 32 : 64)},
                floats),
      at::empty({queries, flash.heads}, floats)};
  if (flash.heads == flash.kv_heads) return held;
  for (int each = 0; each < 2; ++each)
    held.push_back(at::empty(
        {key.numel() / key.size(-1) / flash.kv_heads, flash.heads, flash.head_dim}, key.options()));
  return held;
}

std::tuple<Tensor, Tensor, Tensor> flash_backward(
    const Tensor& gradient, const Tensor& query, const Tensor& key, const Tensor& value,
    const Tensor& mixed, const Tensor& sums, const Tensor& query_ends, const Tensor& key_ends,
    c10::SymInt queries, c10::SymInt keys, double dropout, bool causal, const Tensor&,
    const Tensor&, std::optional<double> scale, Window left, Window right) {
  const Flash flash = flash_of(query, key, value, query_ends, key_ends, queries.expect_int(),
                               keys.expect_int(), dropout, causal, scale, left, right);
  const Tensor given = gradient.contiguous();
  const Tensor dquery = at::empty(query.sizes(), query.options()),
               dkey = at::empty(key.sizes(), key.options()),
               dvalue = at::empty(value.sizes(), value.options());
  const std::vector<Tensor> held = temporaries(flash, query, key);
  const double held_bytes = reach(held);
  do_and_note([=, all_q = unowned(query), all_k = unowned(key), all_v = unowned(value),
               all_mixed = unowned(mixed), all_given = unowned(given), all_sums = unowned(sums),
               of_q = unowned(dquery), of_k = unowned(dkey), of_v = unowned(dvalue),
               q_ends = unowned(query_ends), k_ends = unowned(key_ends)] {
    // Where rows end is read from the device at each replay.
    const Flash now = flash_of(all_q, all_k, all_v, q_ends, k_ends, queries.expect_int(),
                               keys.expect_int(), dropout, causal, scale, left, right);
    record(flash_work("flash attention backward", now, 5,
                      2 * reach({all_q, all_k, all_v, all_mixed}) + 2 * held_bytes));
    if (is_left_out(all_q)) return;
    const Tensor q = flat(all_q), k = flat(all_k), v = flat(all_v), from = flat(all_given),
                 out = flat(all_mixed);
    Tensor dq = flat(of_q), dk = flat(of_k), dv = flat(of_v);
    for (std::size_t row = 0; row < now.rows(); ++row) {
      const RowScores made = scores_of(now, q, k, v, row);
      const Tensor shares =
          (made.scores - sums_of(readable(all_sums), now, row).unsqueeze(-1)).exp();
      const Tensor wanted = row_of(from, now.query_ends, row, 1);
      const Tensor inner = (wanted * row_of(out, now.query_ends, row, 1)).sum(-1, /*keepdim=*/true);
      const Tensor of_scores =
          shares * (at::matmul(wanted, made.v.transpose(1, 2)) - inner) * now.scale;
      const auto part = [&](Tensor& all, const std::vector<std::int64_t>& ends, const Tensor& x) {
        all.slice(0, ends[row], ends[row + 1]).copy_(x);
      };
      part(dq, now.query_ends, at::matmul(of_scores, made.k).transpose(0, 1));
      part(dk, now.key_ends, over_groups(at::matmul(of_scores.transpose(1, 2), made.q), now));
      part(dv, now.key_ends, over_groups(at::matmul(shares.transpose(1, 2), wanted), now));
    }
  });
  return {dquery, dkey, dvalue};
}

bool takes(torch::Device device, torch::ScalarType type, std::int64_t) {
  return device.is_privateuseone() && at::isFloatingType(type);
}
bool takes_none(torch::Device, torch::ScalarType, std::int64_t) { return false; }

}  // namespace

void let_flash(bool on) { exchange_flash_door(on ? &takes : &takes_none); }

}  // namespace luthier::pretend

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("_flash_attention_forward", luthier::pretend::flash_forward);
  library.impl("_flash_attention_backward", luthier::pretend::flash_backward);
}
