// SPDX-License-Identifier: GPL-3.0-or-later
// DeBERTa's disentangled attention (He et al. 2021): beside what query and key say of each other, a
// score has what the query says of their distance and what the distance says of the key. Distances
// are rows of one table, far ones in buckets.
#pragma once

#include "engine/models/deberta/deberta_options.h"
#include "engine/nn/rows.h"

namespace luthier::deberta {

/// Of the rows of the table those that rows of so many tokens can ask for: the first and how many.
struct TablePart {
  std::int64_t first = 0, count = 0;
};
TablePart part_for(const Distances& distances, std::int64_t longest);

/// The rows, in the part of the table that has `count`, of the distances 1 − length, …, length − 1
/// of query − key: [2 · length − 1] int64.
torch::Tensor distance_rows(const Distances& distances, std::int64_t length, std::int64_t count,
                            torch::Device device);

/// q, k, v [tokens, heads, head_dim] → [tokens, heads · head_dim]. `keys` and `queries` [part of
/// the table, heads, head_dim] are what the table's rows are as keys (c2p) and as queries (p2c);
/// undefined: there is no such term.
torch::Tensor disentangled_attention(const torch::Tensor& q, const torch::Tensor& k,
                                     const torch::Tensor& v, const torch::Tensor& keys,
                                     const torch::Tensor& queries, const RowLayout& rows,
                                     const Distances& distances);

}  // namespace luthier::deberta
