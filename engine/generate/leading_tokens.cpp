// SPDX-License-Identifier: GPL-3.0-or-later
// Of equal logits the lower id comes first on the host, and no device's sort promises that. So what
// is sorted are whole numbers that all differ: a logit's bits, made to ascend as it does, above the
// places counted down. The logit is read back out of them to the bit.
#include "engine/generate/leading_tokens.h"

#include <bit>

namespace luthier {

namespace {

using torch::Tensor;

constexpr std::int64_t kPlaces = std::int64_t{1} << 32;
constexpr std::int32_t kMagnitude = 0x7fffffff;  ///< of a float: all its bits but the sign

}  // namespace

Tensor leading_tokens(const Tensor& logits, const GenerationOptions& options) {
  const std::int64_t vocabulary = logits.size(1);
  const auto count =
      static_cast<std::int64_t>(leading_count(options, static_cast<std::size_t>(vocabulary)));
  const Tensor bits = (logits + 0.0).view(torch::kInt32),  // −0 becomes 0
      ascending = at::where(bits < 0, bits.bitwise_xor(kMagnitude), bits);
  const auto numbers = logits.options().dtype(torch::kInt64);
  const Tensor keys = ascending.to(torch::kInt64)
                          .mul_(kPlaces)
                          .add_(torch::arange(vocabulary - 1, -1, -1, numbers));
  const Tensor best = std::get<0>(keys.topk(count, 1, /*largest=*/true, /*sorted=*/true));
  Tensor wide = logits.to(torch::kFloat64);
  const Tensor top = wide.amax(1, /*keepdim=*/true);
  wide = wide - top;
  const Tensor log_total = wide.exp().sum(1, /*keepdim=*/true).log().add_(top);
  const Tensor weights = options.temperature > 0
                             ? wide.div(options.temperature).exp_().sum(1, /*keepdim=*/true)
                             : torch::zeros_like(log_total);
  return at::cat({log_total.view(torch::kInt64), weights.view(torch::kInt64), best}, 1);
}

Tensor most_likely(const Tensor& leading, std::int64_t vocabulary) {
  return leading.select(1, 2).bitwise_and(kPlaces - 1).neg().add_(vocabulary - 1);
}

std::vector<LeadingTokens> read_leading(const Tensor& leading, std::int64_t vocabulary) {
  const Tensor here = leading.to(torch::kCPU).contiguous();
  std::vector<LeadingTokens> rows;
  const auto* numbers = here.const_data_ptr<std::int64_t>();
  for (std::int64_t row = 0; row < here.size(0); ++row) {
    LeadingTokens& read = rows.emplace_back();
    read.vocabulary = static_cast<std::size_t>(vocabulary);
    read.log_total = std::bit_cast<double>(*numbers++);
    read.weights = std::bit_cast<double>(*numbers++);
    for (std::int64_t i = 2; i < here.size(1); ++i, ++numbers) {
      const auto ascending = static_cast<std::int32_t>(*numbers >> 32);
      const std::int32_t bits = ascending < 0 ? ascending ^ kMagnitude : ascending;
      read.best.emplace_back(static_cast<TokenId>(vocabulary - 1 - (*numbers & (kPlaces - 1))),
                             std::bit_cast<float>(bits));
    }
  }
  return rows;
}

}  // namespace luthier
