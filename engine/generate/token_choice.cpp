// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/generate/token_choice.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/base/random_stream.h"

namespace luthier {

namespace {

/// Uniform in [0, 1) from the draw's place alone.
double uniform_at(std::uint64_t seed, std::uint64_t prompt, std::uint64_t step) {
  return unit_from_bits(mixed_bits(seed * kGoldenStep + prompt * 0xbf58476d1ce4e5b9ull +
                                   (step + 1) * 0x94d049bb133111ebull));
}

/// As transformers: scale by temperature, sort, keep the top_k likeliest and of these the smallest
/// set whose probability reaches top_p, draw.
std::size_t draw(std::span<const float> logits, const GenerationOptions& options, double u) {
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
  if (options.top_k > 0 && static_cast<std::size_t>(options.top_k) < order.size())
    order.resize(static_cast<std::size_t>(options.top_k));
  const double top = logits[order.front()];
  std::vector<double> weights(order.size());
  double total = 0;
  for (std::size_t i = 0; i < order.size(); ++i)
    total += weights[i] = std::exp((logits[order[i]] - top) / options.temperature);
  double kept = 0;
  std::size_t count = 0;
  while (count < order.size() && (count == 0 || kept < options.top_p * total))
    kept += weights[count++];
  double target = u * kept;
  for (std::size_t i = 0; i < count; ++i) {
    if (target < weights[i] || i + 1 == count) return order[i];
    target -= weights[i];
  }
  return order.front();
}

/// How far a sum may be off for the order of its terms: 2⁻⁵³ a term at most, of which there are
/// less than a million.
constexpr double kOtherOrder = 1e-9;
/// Sent where tokens are drawn: nearly all of the probability of a model that knows what it says.
constexpr std::size_t kDrawnAmong = 256;

/// The place, among weights that descend, where `target` of their sum is reached; nothing: behind
/// them.
std::optional<std::size_t> reached(std::span<const double> weights, double target) {
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (target < weights[i]) return i;
    target -= weights[i];
  }
  return std::nullopt;
}

/// draw() as far as the leading tokens decide it → a place among them.
std::optional<std::size_t> draw_among(const LeadingTokens& leading,
                                      const GenerationOptions& options, double u) {
  const double top = leading.best.front().second;
  std::vector<double> weights;
  double all = 0;
  for (const auto& [id, logit] : leading.best) {
    weights.push_back(std::exp((logit - top) / options.temperature));
    all += weights.back();
  }
  const bool whole = weights.size() == leading.vocabulary;
  const double least = whole ? all : leading.weights * (1 - kOtherOrder),
               most = whole ? all : leading.weights * (1 + kOtherOrder);
  double kept = 0;
  std::size_t count = 0;
  while (count < weights.size() && (count == 0 || kept < options.top_p * least))
    kept += weights[count++];
  const bool ends = kept >= options.top_p * most || (whole && count == weights.size());
  if (ends) {  // what is kept is known to the bit
    const std::span<const double> among(weights.data(), count);
    return reached(among, u * kept).value_or(count - 1);
  }
  // It ends at one of two of them or behind them all, so that the target is known within what may
  // be kept.
  const double next = count < weights.size() ? weights[count] : weights.back(),
               lower = u * options.top_p * least,
               upper = u * std::min(most, options.top_p * most + next);
  const auto first = reached(weights, lower), last = reached(weights, upper);
  return first && last && *first == *last ? first : std::nullopt;
}

}  // namespace

std::size_t leading_count(const GenerationOptions& options, std::size_t vocabulary) {
  const auto told = static_cast<std::size_t>(std::max<std::int64_t>(0, options.alternatives)) + 1;
  return std::min(vocabulary, options.temperature > 0 ? std::max(told, kDrawnAmong) : told);
}

std::optional<TokenChoice> choose_among(const LeadingTokens& leading,
                                        const GenerationOptions& options, std::uint64_t prompt,
                                        std::int64_t step) {
  const auto place =
      options.temperature > 0
          ? draw_among(leading, options,
                       uniform_at(options.seed, prompt, static_cast<std::uint64_t>(step)))
          : std::optional<std::size_t>(0);
  if (!place) return std::nullopt;
  TokenChoice choice;
  choice.id = leading.best[*place].first;
  choice.logprob = leading.best[*place].second - leading.log_total;
  const auto told =
      std::min(leading.best.size(),
               static_cast<std::size_t>(std::max<std::int64_t>(0, options.alternatives)) + 1);
  for (std::size_t i = 0; i < told && choice.alternatives.size() + 1 < told; ++i) {
    if (i != *place)
      choice.alternatives.emplace_back(leading.best[i].first,
                                       std::exp(leading.best[i].second - leading.log_total));
  }
  return choice;
}

TokenChoice choose_token(std::span<const float> logits, const GenerationOptions& options,
                         std::uint64_t prompt, std::int64_t step, std::span<const float> scores) {
  const auto largest = [](std::span<const float> of) {
    return static_cast<std::size_t>(std::max_element(of.begin(), of.end()) - of.begin());
  };
  const std::size_t best = largest(logits);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - logits[best]);
  const double log_total = logits[best] + std::log(sum);
  const std::size_t chosen =
      options.temperature > 0
          ? draw(scores.empty() ? logits : scores, options,
                 uniform_at(options.seed, prompt, static_cast<std::uint64_t>(step)))
          : (scores.empty() ? best : largest(scores));

  TokenChoice choice;
  choice.id = static_cast<TokenId>(chosen);
  choice.logprob = logits[chosen] - log_total;
  const auto count = std::min<std::size_t>(
      logits.size(), static_cast<std::size_t>(std::max<std::int64_t>(0, options.alternatives)) + 1);
  if (count < 2) return choice;
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0u);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](std::size_t a, std::size_t b) {
                      return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
                    });
  for (std::size_t i = 0; i < count && choice.alternatives.size() + 1 < count; ++i) {
    if (order[i] != chosen)
      choice.alternatives.emplace_back(static_cast<TokenId>(order[i]),
                                       std::exp(logits[order[i]] - log_total));
  }
  return choice;
}

}  // namespace luthier
