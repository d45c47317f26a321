// SPDX-License-Identifier: GPL-3.0-or-later
// A product of all queries with all distances is made, [length, 2 · length − 1], in which query i
// and key j meet at i − j: read with a row's stride one longer than it is, that is the matrix of
// scores, without a gather. Scores are in float32, as nn/attention makes those with a bias.
#include "engine/models/deberta/disentangled.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace luthier::deberta {

using torch::Tensor;

namespace {

/// What RowLayout::once is asked for.
constexpr std::int64_t kDistances = -5;

/// transformers' make_log_bucket_position, number by number in float32.
Tensor bucket_of(const Tensor& distances, std::int64_t buckets, std::int64_t furthest) {
  const std::int64_t middle = buckets / 2;
  const Tensor away =
      at::where(distances.abs() < middle, torch::full_like(distances, middle - 1), distances.abs());
  const float most =
      static_cast<float>(static_cast<double>(furthest - 1) / static_cast<double>(middle));
  const Tensor widths = at::log(torch::full({}, most, distances.options().dtype(torch::kFloat32)));
  const Tensor far = at::ceil(at::log(away / middle) / widths * (middle - 1)) + middle;
  return at::where(away <= middle, distances.to(torch::kFloat32), far * at::sign(distances))
      .to(torch::kInt64);
}

Tensor in_table(const Distances& d, const Tensor& distances) {
  const Tensor rows = d.buckets > 0 ? bucket_of(distances, d.buckets, d.furthest) : distances;
  return (rows + d.span).clamp(0, 2 * d.span - 1);
}

/// [heads, batch, a, 2n − 1] as [heads, batch, a, n]: row i's numbers begin n − 1 − i further on.
Tensor skewed(const Tensor& x, std::int64_t length) {
  const std::int64_t wide = 2 * length - 1, own = length * wide;
  return x.as_strided({x.size(0), x.size(1), length, length}, {x.size(1) * own, own, wide - 1, 1},
                      length - 1);
}

/// q, k, v [heads, rows, length, head_dim] of one length → the same shape. Heads stand outermost,
/// so that all rows meet a head's distances in one product: broadcast, each row would copy the
/// table.
Tensor attend_alike(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& keys,
                    const Tensor& queries, const Tensor& places, double scale) {
  const torch::ScalarType wide = c10::promoteTypes(q.scalar_type(), torch::kFloat32);
  // Each as a tensor of its own: what a few rows keep must not hold on to those of the whole batch.
  const auto own = [wide](const Tensor& x) { return x.to(wide).contiguous(); };
  const std::int64_t heads = q.size(0), rows = q.size(1), length = q.size(2);
  const Tensor query = own(q) * scale, key = own(k);
  Tensor scores = at::matmul(query, key.transpose(-1, -2));
  // `x` by each distance: the table is [part of it, heads, head_dim].
  const auto by_distance = [&](const Tensor& x, const Tensor& table, const Tensor& each,
                               double by) {
    const Tensor taken = at::embedding(table.to(wide).flatten(1), each)
                             .view({each.size(0), heads, table.size(2)})
                             .permute({1, 2, 0});
    return at::bmm(x.flatten(1, 2), by == 1 ? taken : taken * by)
        .view({heads, rows, length, each.size(0)});
  };
  if (keys.defined()) scores.add_(skewed(by_distance(query, keys, places.flip(0), 1), length));
  if (queries.defined())
    scores.add_(skewed(by_distance(key, queries, places, scale), length).transpose(-1, -2));
  return at::matmul(at::softmax(scores, -1), own(v)).to(q.scalar_type());
}

}  // namespace

TablePart part_for(const Distances& d, std::int64_t longest) {
  std::int64_t away = std::max<std::int64_t>(1, longest - 1);
  if (d.buckets > 0 && away >= d.buckets / 2) {
    const double middle = static_cast<double>(d.buckets / 2);
    const double widths = std::log(static_cast<double>(away) / middle) /
                          std::log(static_cast<double>(d.furthest - 1) / middle);
    // And one more, since float32 may round up.
    away = static_cast<std::int64_t>(std::ceil(widths * (middle - 1))) + d.buckets / 2 + 1;
  }
  if (away >= d.span) return {0, 2 * d.span};
  return {d.span - away, 2 * away + 1};
}

Tensor distance_rows(const Distances& d, std::int64_t length, std::int64_t count,
                     torch::Device device) {
  const auto options = torch::TensorOptions().dtype(torch::kInt64).device(device);
  return in_table(d, torch::arange(1 - length, length, options)) - (d.span - count / 2);
}

Tensor disentangled_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& keys,
                              const Tensor& queries, const RowLayout& rows, const Distances& d) {
  const std::int64_t heads = q.size(1), size = q.size(2), width = heads * size;
  const double scale = 1 / std::sqrt(static_cast<double>(size * d.terms()));
  const std::int64_t count = keys.defined()      ? keys.size(0)
                             : queries.defined() ? queries.size(0)
                                                 : 0;
  const auto alike = [&](const Tensor& a, const Tensor& b, const Tensor& c, std::int64_t batch,
                         std::int64_t length) {
    const auto split = [&](const Tensor& x) {
      return x.reshape({batch, length, heads, size}).permute({2, 0, 1, 3});
    };
    const Tensor places = count == 0 ? Tensor() : rows.once({kDistances, length, count}, [&] {
      return distance_rows(d, length, count, q.device());
    });
    return attend_alike(split(a), split(b), split(c), keys, queries, places, scale)
        .permute({1, 2, 0, 3})
        .reshape({batch * length, width});
  };
  if (rows.equal()) return alike(q, k, v, rows.rows(), rows.longest());
  const bool gathered = !rows.grouped();
  const Tensor there = gathered ? rows.order(q.device()) : Tensor(),
               back = gathered ? rows.order_back(q.device()) : Tensor();
  std::vector<std::int64_t> sizes;
  for (const auto& group : rows.groups()) sizes.push_back(group.rows * group.length);
  const auto ordered = [&](const Tensor& x) {
    return (gathered ? reorder(x, there, back) : x).split_with_sizes(sizes);
  };
  const auto query = ordered(q), key = ordered(k), value = ordered(v);
  std::vector<Tensor> mixed;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const auto& group = rows.groups()[i];
    mixed.push_back(alike(query[i], key[i], value[i], group.rows, group.length));
  }
  const Tensor together = mixed.size() == 1 ? mixed.front() : at::cat(mixed);
  return gathered ? reorder(together, back, there) : together;
}

}  // namespace luthier::deberta
