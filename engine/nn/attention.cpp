// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of one length go to ATen's fused attention in one call. Rows of different lengths are padded
// for it where that wastes little, else taken in groups of one length: attention's work grows with
// the square of a row, padding it would cost more than a few calls. A device whose kernels know
// rows takes all of them in one call (nn/flash_attention), but for what needs scores of its own.
#include "engine/nn/attention.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <torch/csrc/autograd/custom_function.h>

#include "engine/nn/attention_masks.h"
#include "engine/nn/attention_watch.h"
#include "engine/nn/flash_attention.h"
#include "engine/nn/loop_attention.h"

namespace luthier {

namespace {

using torch::Tensor;

/// Whether the device's own kernels can make this of queries like these with so many numbers a
/// head: a causal rule and a window they know, a softcap, blocks and a bias they do not.
bool goes_flash(const Tensor& like, std::int64_t head_dim, const AttentionRule& rule,
                const Tensor& blocks, const ScoreBias* bias) {
  return rule.softcap == 0 && !blocks.defined() && !bias &&
         flash_takes(like.device(), like.scalar_type(), head_dim);
}
bool goes_flash(const Tensor& q, const AttentionRule& rule, const Tensor& blocks,
                const ScoreBias* bias) {
  return goes_flash(q, q.size(-1), rule, blocks, bias);
}

/// What RowLayout::once is asked for by another name than a mask's.
constexpr std::int64_t kPairs = -2, kPaddedBlocks = -3;

Tensor repeat_heads(const Tensor& x, std::int64_t times) {
  if (times == 1) return x;
  const auto batch = x.size(0), heads = x.size(1), keys = x.size(2), size = x.size(3);
  return x.unsqueeze(2)
      .expand({batch, heads, times, keys, size})
      .reshape({batch, heads * times, keys, size});
}

/// With a bias on the scores. Where it learns they are made here, since fused attention has no
/// gradient for what is added to them; in float32, as ATen makes them where it has such a gradient.
Tensor attend_biased(const Tensor& q, const Tensor& key, const Tensor& value, const Tensor& added,
                     const ScoreBias& bias, const std::optional<double>& scale) {
  if (!bias.learns())
    return at::scaled_dot_product_attention(q, key, value, added, 0.0, false, scale);
  const double factor = scale.value_or(1 / std::sqrt(static_cast<double>(q.size(3))));
  // Each as a tensor of its own: what a few rows keep must not hold on to those of the whole batch.
  const torch::ScalarType wide = c10::promoteTypes(q.scalar_type(), torch::kFloat32);
  const auto own = [wide](const Tensor& x) { return x.to(wide).contiguous(); };
  Tensor scores = at::matmul(own(q), own(key).transpose(-1, -2));
  if (factor != 1) scores = scores * factor;
  const Tensor shares = at::softmax(scores.add_(added), -1);
  return at::matmul(shares, own(value)).to(q.scalar_type());
}

/// [batch, seq, heads, head_dim] ↔ [batch, heads, seq, head_dim].
Tensor swapped(const Tensor& x) { return x.transpose(1, 2); }

/// q [batch, heads, seq, head_dim] behind zeros: [batch, heads, keys, head_dim].
Tensor queries_for(std::int64_t keys, const Tensor& q) {
  return at::constant_pad_nd(q, {0, 0, keys - q.size(2), 0});
}

/// q [batch, heads, seq, head_dim], k and v [batch, kv_heads, keys, head_dim] → [batch, heads, seq,
/// head_dim]. `blocks` [batch, keys].
Tensor attend_equal(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionRule& rule,
                    const Tensor& blocks, const Masks& masks, const ScoreBias* bias = nullptr) {
  if (goes_flash(q, rule, blocks, bias))
    return swapped(flash_attention(swapped(q), swapped(k), swapped(v), rule));
  const std::int64_t seq = q.size(2), keys = k.size(2), groups = q.size(1) / k.size(1);
  const Tensor key = repeat_heads(k, groups), value = repeat_heads(v, groups);
  const bool windowed = rule.causal && rule.window && keys > *rule.window;
  const std::optional<double> scale =
      rule.scale > 0 ? std::optional<double>(rule.scale) : std::nullopt;
  const bool stretched = blocks.defined() || windowed;
  const bool masked = stretched || (rule.causal && seq > 1 && seq != keys);
  // Keys before the rows need no mask where as many queries, whose answers nobody reads, stand
  // before the rows' own.
  const Sight sight = stretched ? Sight::Stretches : Sight::Causal;
  const bool few_before = keys <= 2 * seq || at::GradMode::is_enabled();
  if (masked && rule.causal && seq > 1 && few_before && !bias && rule.softcap == 0 &&
      loops_take(key, key, value, sight)) {
    const Tensor stretches = stretched ? masks.stretches(q, keys, rule, blocks) : Tensor();
    if (!stretched || stretches.numel() > 0) {
      const Tensor mixed = loop_attention(seq < keys ? queries_for(keys, q) : q, key, value, sight,
                                          scale, stretches);
      return seq < keys ? mixed.slice(2, keys - seq) : mixed;
    }
  }
  if (bias) {
    TORCH_CHECK(rule.softcap == 0, "scores with a softcap take no bias");
    const bool hides = masked || (rule.causal && seq > 1);
    return attend_biased(q, key, value, masks.with(*bias, q, keys, rule, blocks, hides), *bias,
                         scale);
  }
  if (rule.softcap > 0) {
    Tensor scores = at::matmul(q, key.transpose(-1, -2)) *
                    scale.value_or(1 / std::sqrt(static_cast<double>(q.size(3))));
    scores = at::tanh(scores / rule.softcap) * rule.softcap;
    if (masked || (rule.causal && seq > 1)) scores = scores + masks.of(q, keys, rule, blocks);
    return at::matmul(scores.to(torch::kFloat32).softmax(-1).to(q.scalar_type()), value);
  }
  if (masked)
    return at::scaled_dot_product_attention(q, key, value, masks.of(q, keys, rule, blocks), 0.0,
                                            false, scale);
  const bool causal = rule.causal && seq > 1;
  const Sight all = causal ? Sight::Causal : Sight::All;
  if (loops_take(q, key, value, all)) return loop_attention(q, key, value, all, scale);
  return at::scaled_dot_product_attention(q, key, value, {}, 0.0, causal, scale);
}

/// One token of each row over all places of a cache that stands, those behind it hidden, or of one
/// with rows of several lengths, those before each row hidden: q [rows, heads, head_dim], k and v
/// [rows, kv_heads, head_dim] → [rows, heads·head_dim]. The queries of one head of keys are its
/// places in the product, so that keys are not repeated for them.
Tensor attend_masked(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionRule& rule,
                     KeyValueCache& cache, std::int64_t layer) {
  const std::int64_t rows = q.size(0), head_dim = q.size(2);
  const auto [key, value] =
      k.defined() ? cache.append(layer, k.unsqueeze(2), v.unsqueeze(2)) : cache.held(layer, 1);
  const Tensor query = q.reshape({rows, key.size(1), -1, head_dim}),
               mask = cache.mask(rule.causal ? rule.window : std::nullopt, q);
  const double factor = rule.scale > 0 ? rule.scale : 1 / std::sqrt(static_cast<double>(head_dim));
  Tensor mixed;  // [rows, kv_heads, queries of one, head_dim]
  if (rule.softcap > 0) {
    const Tensor scores = at::matmul(query, key.transpose(-1, -2)) * factor;
    const Tensor capped = at::tanh(scores / rule.softcap) * rule.softcap + mask;
    mixed = at::matmul(capped.to(torch::kFloat32).softmax(-1).to(q.scalar_type()), value);
  } else {
    mixed = at::scaled_dot_product_attention(query, key, value, mask, 0.0, false, factor);
  }
  return mixed.reshape({rows, -1});
}

/// The first key that each row sees of a cache that grows: where the row begins, or the window.
std::vector<std::int64_t> first_seen(KeyValueCache& cache, const AttentionRule& rule,
                                     const Tensor& like) {
  const std::int64_t rows = like.size(0), keys = cache.length() + 1;
  const auto window = rule.causal ? rule.window : std::nullopt;
  if (!cache.ragged())
    return std::vector<std::int64_t>(static_cast<std::size_t>(rows),
                                     window ? std::max<std::int64_t>(0, keys - *window) : 0);
  const Tensor mask = cache.mask(window, like).view({rows, keys});
  std::vector<std::int64_t> first;
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* const begin = mask.const_data_ptr<float>() + row * keys;
    first.push_back(std::find(begin, begin + keys, 0.0f) - begin);
  }
  return first;
}

/// One token of each row over a cache that grows, by loops of our own: q [rows, heads, head_dim], k
/// and v [rows, kv_heads, head_dim] → [rows, heads·head_dim].
Tensor attend_newest(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionRule& rule,
                     KeyValueCache& cache, std::int64_t layer) {
  const auto [key, value] =
      k.defined() ? cache.append(layer, k.unsqueeze(2), v.unsqueeze(2)) : cache.held(layer, 1);
  const double scale = rule.scale > 0 ? rule.scale : 1 / std::sqrt(static_cast<double>(q.size(2)));
  return token_attention(q, key, value, first_seen(cache, rule, q), cache.alike(), scale);
}

/// x [batch, kv_heads, keys, head_dim] with `first` [count, kv_heads, head_dim] in front of each
/// row.
Tensor behind(const Tensor& first, const Tensor& x) {
  if (!first.defined()) return x;
  const Tensor each = first.to(x.scalar_type()).transpose(0, 1).unsqueeze(0);
  return at::cat({each.expand({x.size(0), -1, -1, -1}), x}, 2);
}

/// Blocks of keys with those in front, which are in none: [batch, count + keys].
Tensor behind_count(std::int64_t count, const Tensor& blocks) {
  return count > 0 && blocks.defined() ? at::constant_pad_nd(blocks, {count, 0}, -1) : blocks;
}

/// [rows, longest]: what fills the end of a short row is in no block. Made once for all layers.
Tensor padded_blocks(const Tensor& blocks, const RowLayout& rows) {
  if (rows.equal()) return rows.pad(blocks);
  return rows.once({kPaddedBlocks}, [&] {
    // A row's last position stands in all of its padding.
    const Tensor places = rows.pad(rows.positions(blocks.device()));
    const Tensor filled = places != torch::arange(rows.longest(), places.options()).unsqueeze(0);
    return rows.pad(blocks).masked_fill(filled, -1);
  });
}

/// Rows that stand by length already need no gather, and two calls are as good as one.
bool few_groups(const RowLayout& rows) { return rows.grouped() && rows.groups().size() <= 2; }

bool padding_is_cheap(const RowLayout& rows) {
  double real = 0;
  for (const std::int64_t length : rows.lengths())
    real += static_cast<double>(length) * static_cast<double>(length);
  const double padded = static_cast<double>(rows.rows()) * static_cast<double>(rows.longest()) *
                        static_cast<double>(rows.longest());
  return rows.longest() <= 96 || padded <= 1.5 * real;
}

/// Of rows of several lengths.
bool goes_padded(const RowLayout& rows, const AttentionRule& rule) {
  return rule.causal && !few_groups(rows) && padding_is_cheap(rows);
}

/// Rows by the two lengths that they have, and the gathers that bring tokens into the pairs' order.
struct Pairs {
  struct Group {
    std::int64_t rows = 0, length = 0, seen = 0;
  };
  std::vector<Group> groups;
  std::vector<std::int64_t> sizes, seen_sizes;  ///< tokens of each group
  Tensor there, back, seen_there, seen_back;

  Pairs(const RowLayout& rows, const RowLayout& memory, torch::Device device) {
    for (const auto& [pair, members] : members_of(rows, memory)) {
      groups.push_back({static_cast<std::int64_t>(members.size()), pair.first, pair.second});
      sizes.push_back(groups.back().rows * pair.first);
      seen_sizes.push_back(groups.back().rows * pair.second);
    }
    const Tensor all = rows.once(name_of(memory), [&] { return gathers(rows, memory).to(device); });
    const auto parts =
        all.split_with_sizes({rows.tokens(), rows.tokens(), memory.tokens(), memory.tokens()});
    there = parts[0], back = parts[1], seen_there = parts[2], seen_back = parts[3];
  }

  /// All four on the host, one behind another.
  static Tensor gathers(const RowLayout& rows, const RowLayout& memory) {
    const Members found = members_of(rows, memory);
    const Tensor own = gather(rows, found), seen = gather(memory, found);
    return at::cat({own, own.argsort(), seen, seen.argsort()});
  }
  /// Under which the rows keep them.
  static std::vector<std::int64_t> name_of(const RowLayout& memory) {
    std::vector<std::int64_t> name{kPairs};
    name.insert(name.end(), memory.lengths().begin(), memory.lengths().end());
    return name;
  }

 private:
  using Members =
      std::map<std::pair<std::int64_t, std::int64_t>, std::vector<std::size_t>, std::greater<>>;

  static Members members_of(const RowLayout& rows, const RowLayout& memory) {
    Members found;
    for (std::size_t row = 0; row < rows.lengths().size(); ++row)
      found[{rows.lengths()[row], memory.lengths()[row]}].push_back(row);
    return found;
  }
  static Tensor gather(const RowLayout& layout, const Members& found) {
    std::vector<std::int64_t> starts, order;
    std::int64_t start = 0;
    for (const std::int64_t length : layout.lengths()) {
      starts.push_back(start);
      start += length;
    }
    for (const auto& [pair, members] : found)
      for (const std::size_t row : members)
        for (std::int64_t i = 0; i < layout.lengths()[row]; ++i) order.push_back(starts[row] + i);
    return torch::tensor(order, torch::kInt64);
  }
};

/// Of all rows' keys or values [tokens, kv_heads, head_dim] those that each fork sees: its trunk's,
/// then its own, one fork after another. Their gradients are added up in that order.
class SeenByForks : public torch::autograd::Function<SeenByForks> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const RowLayout& rows) {
    std::int64_t seen = 0;
    for (const RowLayout::Fork& fork : rows.forks()) seen += fork.trunk_length + fork.length;
    context->saved_data["shape"] = x.sizes().vec();
    std::vector<std::int64_t> places;
    for (const RowLayout::Fork& fork : rows.forks())
      for (const std::int64_t each : {fork.trunk, fork.trunk_length, fork.start, fork.length})
        places.push_back(each);
    context->saved_data["forks"] = places;
    auto shape = x.sizes().vec();
    shape[0] = seen;
    Tensor made = torch::empty(shape, x.options().requires_grad(false));
    for_each(places, [&](std::int64_t from, std::int64_t to, std::int64_t count, bool) {
      made.narrow(0, to, count).copy_(x.narrow(0, from, count));
    });
    return made;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    Tensor sum = torch::zeros(context->saved_data["shape"].toIntVector(), gradients[0].options());
    for_each(context->saved_data["forks"].toIntVector(),
             [&](std::int64_t to, std::int64_t from, std::int64_t count, bool shared) {
               const Tensor own = gradients[0].narrow(0, from, count);
               Tensor there = sum.narrow(0, to, count);
               shared ? there.add_(own) : there.copy_(own);
             });
    return {sum, Tensor()};
  }

 private:
  /// work(place in the rows, place among what is seen, count, whether it is a trunk's).
  template <class Work>
  static void for_each(const std::vector<std::int64_t>& forks, const Work& work) {
    std::int64_t place = 0;
    for (std::size_t i = 0; i < forks.size(); i += 4) {
      work(forks[i], place, forks[i + 1], true);
      place += forks[i + 1];
      work(forks[i + 2], place, forks[i + 3], false);
      place += forks[i + 3];
    }
  }
};

/// What forks' tokens make of those of their trunk and their own: q of theirs alone [tokens, heads,
/// head_dim], keys and values of all rows → [tokens, heads·head_dim]. Neighbours of the same two
/// lengths go in one call.
Tensor attend_forks(const Tensor& q, const Tensor& k, const Tensor& v, const RowLayout& rows,
                    const AttentionRule& rule) {
  const std::vector<RowLayout::Fork>& forks = rows.forks();
  const Tensor keys = SeenByForks::apply(k, rows), values = SeenByForks::apply(v, rows);
  std::vector<std::int64_t> sizes, seen_sizes;
  std::vector<std::int64_t> counts;
  for (std::size_t i = 0; i < forks.size(); ++i) {
    const bool alike = i > 0 && forks[i].length == forks[i - 1].length &&
                       forks[i].trunk_length == forks[i - 1].trunk_length;
    if (!alike) sizes.push_back(0), seen_sizes.push_back(0), counts.push_back(0);
    sizes.back() += forks[i].length;
    seen_sizes.back() += forks[i].trunk_length + forks[i].length;
    ++counts.back();
  }
  const auto query = q.split_with_sizes(sizes), key = keys.split_with_sizes(seen_sizes),
             value = values.split_with_sizes(seen_sizes);
  std::vector<Tensor> mixed;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0) continue;
    const auto split = [&](const Tensor& x) {
      return swapped(x.reshape({counts[i], -1, x.size(1), x.size(2)}));
    };
    mixed.push_back(swapped(attend_equal(split(query[i]), split(key[i]), split(value[i]), rule, {},
                                         Masks{&rows, static_cast<std::int64_t>(i)}))
                        .reshape({sizes[i], q.size(1) * q.size(2)}));
  }
  return mixed.size() == 1 ? mixed.front() : at::cat(mixed);
}

}  // namespace

Tensor ScoreBias::once(const std::vector<std::int64_t>& key,
                       const std::function<Tensor()>& make) const {
  Tensor& made = made_[key];
  if (!made.defined()) made = make();
  return made;
}

Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, const RowLayout& rows,
              const AttentionRule& rule, const Tensor& blocks, KeyValueCache* cache,
              std::int64_t layer, const KeysAndValues& before, const ScoreBias* bias) {
  const std::int64_t width = q.size(1) * q.size(2);
  if (AttentionWatch* watch = AttentionWatch::here(); watch && !cache)
    watch->see(q, k, rows, rule, blocks, before, bias);
  if (cache && !cache->stands() && cache->length() > 0 && rows.longest() == 1 && !bias &&
      rule.softcap == 0 && token_loops_take(q))
    return attend_newest(q, k, v, rule, *cache, layer);
  if (cache && (cache->stands() || cache->ragged())) {
    TORCH_CHECK(rows.longest() == 1 && !bias, "such a cache takes a token of each row");
    return attend_masked(q, k, v, rule, *cache, layer);
  }
  if (cache) {
    TORCH_CHECK(rows.equal(), "a cache holds rows of equal length");
    const bool begins = cache->length() == 0;
    const KeysAndValues first = begins ? before : KeysAndValues();
    const auto [key, value] = k.defined()
                                  ? cache->append(layer, behind(first.keys, swapped(rows.pad(k))),
                                                  behind(first.values, swapped(rows.pad(v))))
                                  : cache->held(layer, rows.longest());
    const Tensor own =
        blocks.defined() && begins ? behind_count(first.count(), rows.pad(blocks)) : Tensor();
    return swapped(attend_equal(swapped(rows.pad(q)), key, value, rule, own, Masks{}, bias))
        .reshape({-1, width});
  }
  if (rows.forked()) {
    TORCH_CHECK(before.count() == 0 && !bias, "rows that fork have nothing before them");
    const std::int64_t first = rows.beginnings().tokens();
    const auto parts = q.split_with_sizes({first, q.size(0) - first});
    const Tensor own = blocks.defined() ? blocks.slice(0, 0, first) : Tensor();
    const Tensor begun =
        attend(parts[0], k.slice(0, 0, first), v.slice(0, 0, first), rows.beginnings(), rule, own);
    if (parts[1].size(0) == 0) return begun;
    return at::cat({begun, attend_forks(parts[1], k, v, rows, rule)});
  }
  if (!rows.equal() && before.count() == 0 && goes_flash(q, rule, blocks, bias))
    return flash_attention(q, k, v, rows, rows, rule).reshape({-1, width});
  if (rows.equal() || goes_padded(rows, rule)) {
    // Under a causal rule no real token sees the padding behind its row, and blocks are padded with
    // −1.
    const Tensor own = blocks.defined() ? padded_blocks(blocks, rows) : Tensor();
    const Tensor mixed =
        attend_equal(swapped(rows.pad(q)), behind(before.keys, swapped(rows.pad(k))),
                     behind(before.values, swapped(rows.pad(v))), rule,
                     behind_count(before.count(), own), Masks{&rows}, bias);
    return rows.unpad(swapped(mixed)).reshape({-1, width});
  }
  const bool gathered = !rows.grouped();
  const Tensor there = gathered ? rows.order(q.device()) : Tensor(),
               back = gathered ? rows.order_back(q.device()) : Tensor();
  const auto ordered = [&](const Tensor& x) { return gathered ? reorder(x, there, back) : x; };
  const Tensor own = gathered && blocks.defined() ? blocks.index_select(0, there) : blocks;
  std::vector<std::int64_t> sizes;
  for (const auto& group : rows.groups()) sizes.push_back(group.rows * group.length);
  const auto queries = ordered(q).split_with_sizes(sizes),
             keys = ordered(k).split_with_sizes(sizes), values = ordered(v).split_with_sizes(sizes);
  std::vector<Tensor> mixed;
  std::int64_t start = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const auto& group = rows.groups()[i];
    const auto split = [&](const Tensor& x) {
      return swapped(x.reshape({group.rows, group.length, x.size(1), x.size(2)}));
    };
    const Tensor part = own.defined()
                            ? own.slice(0, start, start + sizes[i]).view({group.rows, group.length})
                            : Tensor();
    const Masks masks{&rows, static_cast<std::int64_t>(i)};
    mixed.push_back(swapped(attend_equal(split(queries[i]), behind(before.keys, split(keys[i])),
                                         behind(before.values, split(values[i])), rule,
                                         behind_count(before.count(), part), masks, bias))
                        .reshape({sizes[i], width}));
    start += sizes[i];
  }
  const Tensor together = mixed.size() == 1 ? mixed.front() : at::cat(mixed);
  return gathered ? reorder(together, back, there) : together;
}

bool keeps_as_given(const Tensor& like, std::int64_t heads, std::int64_t kv_heads,
                    std::int64_t head_dim, const RowLayout& rows, const AttentionRule& rule,
                    const Tensor& blocks, bool before) {
  if (before || rows.forked()) return false;
  if (goes_flash(like, head_dim, rule, blocks, nullptr)) return true;
  if (heads != kv_heads || rule.softcap > 0) return false;
  return rows.equal() || (rows.grouped() && !goes_padded(rows, rule));
}

Tensor attend_across(const Tensor& q, const RowLayout& rows,
                     const std::function<KeysAndValues()>& seen, const RowLayout& memory,
                     const AttentionRule& asked, KeyValueCache* cache, std::int64_t layer) {
  AttentionRule rule = asked;
  rule.causal = false, rule.window = {};
  const std::int64_t width = q.size(1) * q.size(2);
  const auto padded = [&] {
    const KeysAndValues flat = seen();
    return std::pair(swapped(memory.pad(flat.keys)), swapped(memory.pad(flat.values)));
  };
  if (cache || (rows.equal() && memory.equal())) {
    TORCH_CHECK(rows.equal() && (cache || rows.rows() == memory.rows()),
                "each row looks across to one of the other rows");
    const auto [key, value] = cache ? cache->across(layer, padded) : padded();
    return swapped(attend_equal(swapped(rows.pad(q)), key, value, rule, {}, Masks{}))
        .reshape({-1, width});
  }
  TORCH_CHECK(rows.rows() == memory.rows(), "each row looks across to one of the other rows");
  const KeysAndValues flat = seen();
  if (goes_flash(q, rule, {}, nullptr))
    return flash_attention(q, flat.keys, flat.values, rows, memory, rule).reshape({-1, width});
  const Pairs pairs(rows, memory, q.device());
  const auto queries = reorder(q, pairs.there, pairs.back).split_with_sizes(pairs.sizes);
  const auto ordered = [&](const Tensor& x) {
    return reorder(x, pairs.seen_there, pairs.seen_back).split_with_sizes(pairs.seen_sizes);
  };
  const auto keys = ordered(flat.keys), values = ordered(flat.values);
  std::vector<Tensor> mixed;
  for (std::size_t i = 0; i < pairs.groups.size(); ++i) {
    const Pairs::Group& group = pairs.groups[i];
    const auto split = [&](const Tensor& x, std::int64_t length) {
      return swapped(x.reshape({group.rows, length, x.size(1), x.size(2)}));
    };
    mixed.push_back(
        swapped(attend_equal(split(queries[i], group.length), split(keys[i], group.seen),
                             split(values[i], group.seen), rule, {}, Masks{}))
            .reshape({pairs.sizes[i], width}));
  }
  return reorder(at::cat(mixed), pairs.back, pairs.there);
}

void set_across_aside(const RowLayout& rows, const RowLayout& memory, NamedTensorMap& aside,
                      const std::string& name) {
  if (rows.rows() != memory.rows() || (rows.equal() && memory.equal())) return;
  aside[name] = Pairs::gathers(rows, memory);
}

void take_across_back(const RowLayout& rows, const RowLayout& memory, const NamedTensorMap& aside,
                      const std::string& name) {
  const auto found = aside.find(name);
  if (found == aside.end()) return;
  (void)rows.once(Pairs::name_of(memory), [&] { return found->second; });
}

}  // namespace luthier
