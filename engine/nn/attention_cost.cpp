// SPDX-License-Identifier: GPL-3.0-or-later
// As attention.cpp treats rows: padded where that wastes little, else in groups of one length.
// Keys and values are kept once a query's head, since they are repeated for it; kernels that know
// rows keep them as they are.
#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "engine/nn/float_loops.h"
#include "engine/nn/module_cost.h"
#include "engine/nn/tile_loops.h"

namespace luthier {

namespace {

std::int64_t rounded_up(std::int64_t number, std::int64_t step) {
  return (number + step - 1) / step * step;
}

/// Temporaries of the kernels' backward beside the gradients of what is kept: the queries' gradient
/// as sums in float32, one for each part of the card that adds to it in its own order, a number for
/// each query, and the gradients of keys and values once a query's head.
std::int64_t flash_work(const StepTerms& terms, const RowsShape& rows, std::int64_t keys,
                        std::int64_t heads, std::int64_t kv_heads, std::int64_t head_dim) {
  constexpr std::int64_t kBlock = 128;
  const std::int64_t count = std::max<std::int64_t>(1, rows.rows);
  const std::int64_t queries = rows.longest > 0 ? count * rounded_up(rows.longest, kBlock)
                                                : rows.own_tokens + count * kBlock;
  const std::int64_t parts = (terms.multiprocessors + count * heads - 1) / (count * heads);
  const std::int64_t sums =
      parts * queries * heads * rounded_up(head_dim, head_dim <= kBlock ? 32 : 64);
  const std::int64_t once = heads > kv_heads ? 2 * terms.block(keys * heads * head_dim) : 0;
  return terms.floats(sums) + terms.floats(queries * heads) + once;
}

}  // namespace

RowsShape unmoved_rows(const StepTerms& terms, std::int64_t tokens) {
  RowsShape shape;
  shape.tokens = shape.keys = shape.own_tokens = shape.own_keys = tokens;
  shape.rows = terms.frames, shape.longest = tokens / std::max<std::int64_t>(1, terms.frames);
  return shape;
}

std::vector<std::int64_t> longer_rows(std::vector<std::int64_t> lengths, std::int64_t before) {
  for (std::int64_t& length : lengths) length += before;
  return lengths;
}

RowsShape behind_keys(RowsShape rows, std::int64_t before) {
  for (const RowsShape::Group& group : rows.groups) {
    rows.keys += group.rows * before;
    rows.squares += group.rows * group.length * before;
  }
  return rows;
}

RowsShape rows_shape(const std::vector<std::int64_t>& lengths, bool causal) {
  std::map<std::int64_t, std::int64_t, std::greater<>> by_length;
  RowsShape shape;
  std::int64_t longest = 0;
  for (const std::int64_t length : lengths) {
    ++by_length[length];
    shape.tokens += length;
    longest = std::max(longest, length);
  }
  double real = 0;
  for (const auto& [length, rows] : by_length) {
    shape.groups.push_back({rows, length});
    shape.squares += rows * length * length;
    real += static_cast<double>(rows) * static_cast<double>(length) * static_cast<double>(length);
  }
  shape.keys = shape.own_tokens = shape.own_keys = shape.tokens;
  shape.rows = static_cast<std::int64_t>(lengths.size());
  shape.longest = by_length.size() == 1 ? longest : 0;
  if (by_length.size() <= 1) return shape;
  shape.copied = true;
  const bool sorted = std::is_sorted(lengths.begin(), lengths.end(), std::greater<>());
  const auto rows = static_cast<std::int64_t>(lengths.size());
  const double padded =
      static_cast<double>(rows) * static_cast<double>(longest) * static_cast<double>(longest);
  if (!causal || (sorted && by_length.size() <= 2) || (longest > 96 && padded > 1.5 * real))
    return shape;
  shape.tokens = shape.keys = rows * longest;
  shape.squares = rows * longest * longest;
  shape.groups = {{rows, longest}};
  return shape;
}

RowsShape forked_shape(const std::vector<std::int64_t>& lengths,
                       const std::vector<std::int64_t>& trunks) {
  std::vector<std::int64_t> first;
  std::vector<RowsShape::Fork> forks;
  for (std::size_t row = 0; row < lengths.size(); ++row) {
    if (trunks[row] < 0) {
      first.push_back(lengths[row]);
      continue;
    }
    const std::int64_t seen = lengths[static_cast<std::size_t>(trunks[row])] + lengths[row];
    if (forks.empty() || forks.back().length != lengths[row] || forks.back().seen != seen)
      forks.push_back({0, lengths[row], seen});
    ++forks.back().rows;
  }
  RowsShape shape = rows_shape(first, /*causal=*/true);
  shape.forks = std::move(forks);
  shape.as_they_lie = shape.tokens == shape.own_tokens &&
                      std::is_sorted(first.begin(), first.end(), std::greater<>());
  return shape;
}

RowsShape across_shape(const std::vector<std::int64_t>& lengths,
                       const std::vector<std::int64_t>& memory) {
  // Rows of one text, which a run is refused for only once its model stands, have no memory.
  const auto memory_of = [&memory](std::size_t row) {
    return row < memory.size() ? memory[row] : 0;
  };
  RowsShape shape;
  for (std::size_t row = 0; row < lengths.size(); ++row) {
    shape.tokens += lengths[row];
    shape.keys += memory_of(row);
    shape.squares += lengths[row] * memory_of(row);
    shape.copied = shape.copied || lengths[row] != lengths[0] || memory_of(row) != memory_of(0);
  }
  shape.own_tokens = shape.tokens, shape.own_keys = shape.keys;
  shape.rows = static_cast<std::int64_t>(lengths.size());
  shape.longest = shape.copied || lengths.empty() ? 0 : lengths[0];
  return shape;
}

std::int64_t bias_kept(const StepTerms& terms, const RowsShape& rows, std::int64_t heads) {
  std::int64_t bytes = 0;
  for (const auto& group : rows.groups) bytes += terms.block(heads * group.length * group.length);
  return bytes;
}

namespace {

bool goes_in_loops(const StepTerms& terms, std::int64_t head_dim) {
  return terms.cpu && terms.own_loops && head_dim % tiles::kStep == 0;
}

/// Tiles know no stretches.
bool goes_in_stretches(const StepTerms& terms, std::int64_t head_dim) {
  return goes_in_loops(terms, head_dim) && terms.element >= 4;
}

/// What loops of our own (nn/loop_attention) lay out for a head, on each thread that has one.
std::int64_t loop_room(const StepTerms& terms, const RowsShape& rows, std::int64_t heads,
                       std::int64_t head_dim) {
  const bool narrow = terms.element < 4;
  if (!goes_in_loops(terms, head_dim)) return 0;
  std::int64_t most = 0;
  for (const auto& group : rows.groups) {
    const std::int64_t length = group.length + terms.keys_before;
    const std::int64_t bytes = narrow ? tiles::attend_back_scratch(length, head_dim)
                                      : floats::attend_back_scratch(length, head_dim),
                       threads = std::min<std::int64_t>(terms.threads, group.rows * heads);
    most = std::max(most, threads * terms.block(bytes, 1));
  }
  for (const auto& fork : rows.forks) {
    const std::int64_t bytes = narrow ? tiles::attend_back_scratch(fork.seen, head_dim)
                                      : floats::attend_back_scratch(fork.seen, head_dim),
                       threads = std::min<std::int64_t>(terms.threads, fork.rows * heads);
    most = std::max(most, threads * terms.block(bytes, 1));
  }
  return most;
}

/// What rows that go on from others add: each sees copies of its trunk's keys and values before its
/// own, and stands behind as many queries. `cost` is of those others, which hold on to the memory
/// of all queries, keys and values where nothing copies them.
AttentionCost with_forks(const StepTerms& terms, const RowsShape& rows, std::int64_t heads,
                         std::int64_t kv_heads, std::int64_t head_dim, Scores kind,
                         AttentionCost cost) {
  const std::int64_t width = heads * head_dim,
                     key_width = (heads > kv_heads && kv_heads > 1 ? heads : kv_heads) * head_dim;
  const bool capped = kind == Scores::Capped, longer = goes_in_loops(terms, head_dim) && !capped;
  std::int64_t own = 0, seen = 0, work = 0, scores = 0;
  for (const RowsShape::Fork& fork : rows.forks) {
    const std::int64_t queries = fork.rows * (longer ? fork.seen : fork.length),
                       keys = fork.rows * fork.seen;
    cost.kept += 2 * terms.block(queries * width) + terms.floats(queries * heads);
    work = std::max(work, 2 * terms.block(queries * width) + 2 * terms.block(keys * key_width));
    if (capped) {
      const std::int64_t all = fork.rows * fork.length * fork.seen * heads;
      cost.kept += 2 * terms.block(all) + (terms.element < 4 ? terms.floats(all) : 0);
      scores = std::max(scores, 3 * terms.floats(all));
    }
    own += fork.rows * fork.length, seen += keys;
  }
  cost.kept += 2 * terms.block(seen * key_width);
  // Queries that go as they are lie there already.
  if (rows.as_they_lie && (longer || capped)) cost.kept += terms.block(own * width);
  if (rows.as_they_lie && key_width == kv_heads * head_dim)
    cost.kept += 2 * terms.block(own * kv_heads * head_dim);
  if (longer) work += loop_room(terms, rows, heads, head_dim);
  cost.work =
      std::max(cost.work, work + 2 * terms.block((own + rows.own_keys) * kv_heads * head_dim));
  cost.scores = std::max(cost.scores, scores);
  cost.holds_mixture = false;
  return cost;
}

}  // namespace

AttentionCost attention_cost(const StepTerms& terms, const RowsShape& rows, std::int64_t heads,
                             std::int64_t kv_heads, std::int64_t head_dim, Scores asked) {
  if (!rows.forks.empty()) {
    RowsShape first = rows;
    first.forks.clear();
    return with_forks(terms, rows, heads, kv_heads, head_dim, asked,
                      attention_cost(terms, first, heads, kv_heads, head_dim, asked));
  }
  const Scores kind = asked != Scores::Stretched           ? asked
                      : goes_in_stretches(terms, head_dim) ? Scores::Fused
                                                           : Scores::Masked;
  if (kind == Scores::Fused && terms.flash && flash_takes_heads(head_dim)) {
    // Behind other keys, rows of different lengths are padded all the same.
    const bool padded = terms.keys_before > 0;
    const std::int64_t tokens = padded ? rows.tokens : rows.own_tokens,
                       keys = padded ? rows.keys : rows.own_keys;
    const std::int64_t query = terms.block(tokens * heads * head_dim),
                       key = terms.block(keys * kv_heads * head_dim);
    AttentionCost cost;
    // Its result and a number for each query and head; what dropout draws from, which is empty.
    cost.kept = 2 * query + 2 * key + terms.floats(tokens * heads) + 2 * terms.block(1, 8);
    cost.work = 2 * query + 2 * key + flash_work(terms, rows, keys, heads, kv_heads, head_dim);
    cost.holds_mixture = !padded || !rows.copied;
    return cost;
  }
  const bool repeated = heads / std::max<std::int64_t>(1, kv_heads) > 1;
  // Before the loops' queries stand as many as there are keys before the rows.
  const bool longer =
      kind == Scores::Fused && terms.keys_before > 0 && goes_in_loops(terms, head_dim);
  const std::int64_t queries = longer ? rows.keys : rows.tokens;
  const std::int64_t query = terms.block(queries * heads * head_dim),
                     key = terms.block(rows.keys * (repeated ? heads : kv_heads) * head_dim),
                     // One head for all queries is read where it stands, without copies.
      kept_key = kv_heads == 1 ? terms.block(rows.keys * head_dim) : key;
  AttentionCost cost;
  cost.kept = query + 2 * kept_key;
  cost.work = 2 * query + 2 * key;
  // Fused attention keeps its result and a number for each query and head.
  if (kind == Scores::Fused || kind == Scores::Masked) {
    cost.kept += query + terms.floats(queries * heads);
    if (kind == Scores::Fused) cost.work += loop_room(terms, rows, heads, head_dim);
    cost.holds_mixture = !rows.copied;
    return cost;
  }
  const std::int64_t scores = rows.squares * heads;
  if (kind == Scores::Biased) {
    // All of it in float32.
    cost.kept = terms.floats(rows.tokens * heads * head_dim) +
                2 * terms.floats(rows.keys * heads * head_dim) + terms.floats(scores);
    // While the scores' gradient is made, those of the mixture and the values are there.
    cost.work = 2 * query + key;
    cost.scores = 2 * terms.floats(scores);
    return cost;
  }
  cost.kept += 2 * terms.block(scores) + (terms.element < 4 ? terms.floats(scores) : 0);
  cost.scores = 3 * terms.floats(scores);
  return cost;
}

std::int64_t masks_kept(const StepTerms& terms, const RowsShape& rows,
                        const std::vector<std::int64_t>& windows, bool blocks, bool capped,
                        std::int64_t head_dim, std::int64_t whole_head_dim) {
  constexpr std::int64_t kStretch = 2 * sizeof(std::int32_t);
  const auto in_stretches = [&](std::int64_t window) {
    const bool whole = window == 0 && whole_head_dim > 0;
    return !capped && goes_in_stretches(terms, whole ? whole_head_dim : head_dim);
  };
  std::int64_t bytes = 0;
  for (const auto& group : rows.groups) {
    // One mask for each window that bounds these rows, and one for what none bounds.
    std::set<std::pair<std::int64_t, bool>> kinds;
    for (const std::int64_t window : windows)
      kinds.emplace(window > 0 && window < group.length ? window : 0, in_stretches(window));
    for (const auto& [window, stretches] : kinds) {
      const std::int64_t keys = group.length + terms.keys_before, numbers = group.length * keys;
      if (stretches && (blocks || window > 0))
        bytes += terms.block((blocks ? group.rows : 1) * keys, kStretch);
      else if (blocks)
        bytes += terms.block(group.rows * numbers);
      else if (window > 0 || capped || (terms.keys_before > 0 && !(terms.cpu && terms.own_loops)))
        bytes += terms.block(numbers);
    }
  }
  for (const auto& fork : rows.forks) {
    std::set<std::pair<std::int64_t, bool>> kinds;
    for (const std::int64_t window : windows)
      kinds.emplace(window > 0 && window < fork.seen ? window : 0, in_stretches(window));
    for (const auto& [window, stretches] : kinds) {
      if (stretches && window > 0)
        bytes += terms.block(fork.seen, kStretch);
      else if (window > 0 || capped || !goes_in_loops(terms, head_dim))
        bytes += terms.block(fork.length * fork.seen);
    }
  }
  return bytes;
}

}  // namespace luthier
