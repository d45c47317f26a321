// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/generate/token_choice.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/base/random_stream.h"
#include "engine/device/torch.h"

namespace luthier {

namespace {

/// Uniform in [0, 1) from the draw's place alone.
double uniform_at(std::uint64_t seed, std::uint64_t prompt, std::uint64_t step) {
  return unit_from_bits(mixed_bits(seed * kGoldenStep + prompt * 0xbf58476d1ce4e5b9ull +
                                   (step + 1) * 0x94d049bb133111ebull));
}

/// Sent where tokens are drawn: nearly all of the probability of a model that knows what it says.
constexpr std::size_t kDrawnAmong = 256;

/// Many at a time: neighbours wait for none of one another.
constexpr std::size_t kAtATime = 16;

/// The place of the largest, of equal ones the first.
std::size_t largest(std::span<const float> of) {
  std::array<float, kAtATime> most;
  most.fill(-std::numeric_limits<float>::infinity());
  std::size_t i = 0;
  for (; i + kAtATime <= of.size(); i += kAtATime)
    for (std::size_t k = 0; k < kAtATime; ++k) most[k] = most[k] < of[i + k] ? of[i + k] : most[k];
  for (std::size_t k = 0; i < of.size(); ++i, ++k) most[k] = most[k] < of[i] ? of[i] : most[k];
  const float top = *std::max_element(most.begin(), most.end());
  const auto found = std::find(of.begin(), of.end(), top);
  return found == of.end() ? 0 : static_cast<std::size_t>(found - of.begin());
}

double sum_of(const std::vector<double>& weights) {
  std::array<double, kAtATime> sums{};
  std::size_t i = 0;
  for (; i + kAtATime <= weights.size(); i += kAtATime)
    for (std::size_t k = 0; k < kAtATime; ++k) sums[k] += weights[i + k];
  for (std::size_t k = 0; i < weights.size(); ++i, ++k) sums[k] += weights[i];
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

/// The places of the `count` largest, falling, of equal ones the first before the others.
std::vector<std::size_t> leading_places(std::span<const float> of, std::size_t count) {
  const auto falls = [&](std::size_t a, std::size_t b) {
    return of[a] != of[b] ? of[a] > of[b] : a < b;
  };
  constexpr std::size_t kFew = 64;  // that are held in order
  count = std::min(count, of.size());
  std::vector<std::size_t> best(count > kFew ? of.size() : count);
  std::iota(best.begin(), best.end(), 0u);
  std::partial_sort(best.begin(), best.begin() + static_cast<std::ptrdiff_t>(count), best.end(),
                    falls);
  best.resize(count);
  if (count == 0 || count > kFew) return best;
  float least = of[best.back()];
  for (std::size_t i = best.size(); i < of.size(); ++i) {
    if (!(of[i] > least)) continue;
    best.pop_back();
    best.insert(std::upper_bound(best.begin(), best.end(), i, falls), i);
    least = of[best.back()];
  }
  return best;
}

/// e^((logit − top) / temperature) of each.
std::vector<double> weights_of(std::span<const float> logits, float top, double temperature) {
  std::vector<double> weights(logits.size());
  const std::int64_t count = std::ssize(logits);
  torch::Tensor wide = torch::from_blob(weights.data(), {count}, torch::kFloat64);
  wide.copy_(torch::from_blob(const_cast<float*>(logits.data()), {count}, torch::kFloat32));
  wide.sub_(top);
  if (temperature != 1) wide.div_(temperature);
  wide.exp_();
  return weights;
}

/// A vocabulary in the order in which it is drawn from: by falling logits, of equal ones by id. It
/// is parted into stretches of the logits' range, and of those a draw sorts the ones in which it
/// ends: sorting all of it would take longer than making the logits.
class FallingTokens {
 public:
  FallingTokens(std::span<const float> logits, std::span<const double> weights)
      : logits_(logits), weights_(weights), stretch_of_(logits.size()) {
    const float top = *std::max_element(logits.begin(), logits.end());
    float bottom = top;
    for (const float logit : logits)
      if (std::isfinite(logit)) bottom = std::min(bottom, logit);
    const float per_stretch = top > bottom ? static_cast<float>(kStretches) / (top - bottom) : 0.0f;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const float below = (top - logits[i]) * per_stretch;  // no number where all are equal
      const auto stretch = below < kStretches - 1 ? static_cast<std::uint16_t>(below)
                           : below > 0            ? static_cast<std::uint16_t>(kStretches - 1)
                                                  : std::uint16_t{0};
      stretch_of_[i] = stretch;
      sums_[stretch] += weights[i];
    }
    for (const double sum : sums_) total_ += sum;
  }

  double total() const { return total_; }

  /// The first token with which the sum of weights reaches `target` (or goes above it, where
  /// `above`), and that sum.
  struct Place {
    std::size_t token = 0;
    double sum = 0;
  };
  Place reaching(double target, bool above) const {
    Place place{0, 0};
    for (std::size_t stretch = 0; stretch < kStretches; ++stretch) {
      if (sums_[stretch] == 0) continue;
      const double behind = place.sum + sums_[stretch];
      const bool here = above ? behind > target : behind >= target;
      if (!here && !is_last(stretch)) {
        place.sum = behind;
        continue;
      }
      for (const std::size_t token : sorted(stretch)) {
        if (weights_[token] == 0) break;
        place = {token, place.sum + weights_[token]};
        if (above ? place.sum > target : place.sum >= target) break;
      }
      break;
    }
    return place;
  }

 private:
  static constexpr std::size_t kStretches = 512;

  bool is_last(std::size_t stretch) const {
    return std::all_of(sums_.begin() + static_cast<std::ptrdiff_t>(stretch) + 1, sums_.end(),
                       [](double sum) { return sum == 0; });
  }
  std::vector<std::size_t> sorted(std::size_t stretch) const {
    std::vector<std::size_t> tokens;
    for (std::size_t i = 0; i < stretch_of_.size(); ++i)
      if (stretch_of_[i] == stretch) tokens.push_back(i);
    std::stable_sort(tokens.begin(), tokens.end(),
                     [&](std::size_t a, std::size_t b) { return logits_[a] > logits_[b]; });
    return tokens;
  }

  std::span<const float> logits_;
  std::span<const double> weights_;
  std::vector<std::uint16_t> stretch_of_;
  std::array<double, kStretches> sums_{};
  double total_ = 0;
};

/// The place, among weights that descend, where `target` of their sum is reached; nothing: behind
/// them.
std::optional<std::size_t> reached(std::span<const double> weights, double target) {
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (target < weights[i]) return i;
    target -= weights[i];
  }
  return std::nullopt;
}

/// How many leading weights come to `share` of `total`, and their sum.
std::pair<std::size_t, double> kept_of(std::span<const double> weights, double share,
                                       double total) {
  double kept = 0;
  std::size_t count = 0;
  while (count < weights.size() && (count == 0 || kept < share * total)) kept += weights[count++];
  return {count, kept};
}

/// As transformers: scale by temperature, keep the top_k likeliest and of these the smallest set
/// whose probability reaches top_p, draw.
std::size_t draw(std::span<const float> logits, const GenerationOptions& options, double u) {
  const std::vector<double> weights =
      weights_of(logits, logits[largest(logits)], options.temperature);
  const std::size_t most =
      options.top_k > 0 ? static_cast<std::size_t>(options.top_k) : kDrawnAmong;
  if (options.top_k <= 0 && logits.size() > most) {
    const FallingTokens falling(logits, weights);
    // Of scores that are no numbers nothing can be drawn.
    if (!(falling.total() > 0) || !std::isfinite(falling.total())) return largest(logits);
    const double kept = options.top_p < 1
                            ? falling.reaching(options.top_p * falling.total(), false).sum
                            : falling.total();
    return falling.reaching(u * kept, true).token;
  }
  const std::vector<std::size_t> order = leading_places(logits, most);
  std::vector<double> leading;
  for (const std::size_t place : order) leading.push_back(weights[place]);
  const double total = std::accumulate(leading.begin(), leading.end(), 0.0);
  const auto [among, kept] = kept_of(leading, options.top_p, total);
  return order[reached(std::span(leading).first(among), u * kept).value_or(among - 1)];
}

/// How far a sum may be off for the order of its terms: 2⁻⁵³ a term at most, of which there are
/// less than a million.
constexpr double kOtherOrder = 1e-9;
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
  const auto [count, kept] = kept_of(weights, options.top_p, least);
  const std::span<const double> among(weights.data(), count);
  if (whole) return reached(among, u * kept).value_or(count - 1);
  if (kept >= options.top_p * most) {  // it ends among them
    const auto first = reached(among, u * kept * (1 - kOtherOrder)),
               last = reached(among, u * kept * (1 + kOtherOrder));
    return first == last ? std::optional(first.value_or(count - 1)) : std::nullopt;
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
  const std::size_t best = largest(logits);
  const std::vector<double> shares = weights_of(logits, logits[best], 1);
  const double log_total = logits[best] + std::log(sum_of(shares));
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
  for (const std::size_t place : leading_places(logits, count)) {
    if (choice.alternatives.size() + 1 == count) break;
    if (place != chosen)
      choice.alternatives.emplace_back(static_cast<TokenId>(place),
                                       std::exp(logits[place] - log_total));
  }
  return choice;
}

}  // namespace luthier
