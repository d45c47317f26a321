// SPDX-License-Identifier: GPL-3.0-or-later
// On the CPU an element's fate is an integer hash of its index, so that the loop runs in parallel
// and in vectors (a serial generator took longer than the products it served). A kernel of our own
// draws the same mask on CUDA, and where it could not be launched ATen's operators do: a launch may
// fail between a forward and its backward. Where nobody launches kernels ATen's generator draws
// another mask, but under a seed that stands in memory, where ATen's operators make the hash.
#include "engine/nn/dropout.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "engine/device/parallel.h"
#include "engine/kernels/dropout.h"
#include "engine/kernels/launcher.h"
#include "engine/nn/loop_numbers.h"
#include "engine/nn/mask_places.h"

namespace luthier {

namespace {

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define LUTHIER_WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#define LUTHIER_WITHIN inline __attribute__((always_inline))
#else
#define LUTHIER_WIDE
#define LUTHIER_WITHIN inline
#endif

/// Of one stretch of numbers: its first place, how many there are, and what decides of each.
struct Mask {
  std::uint32_t begin = 0, count = 0, seed = 0, seed_high = 0, threshold = 0;
  float scale = 1;
  bool keeps(std::uint32_t i) const { return stays(begin + i, seed, seed_high, threshold); }
};

/// bfloat16 numbers are widened, decided on and narrowed by blocks of so many: loops over numbers
/// of one size are made vectors of the processor's whole width, one over two sizes of half of it.
constexpr std::uint32_t kAtOnce = 256;

/// The bits of a bfloat16, to the nearest, to an even one where two are as near.
LUTHIER_WITHIN std::uint32_t rounded(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t made = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return value == value ? made : 0x7fc0u;
}
LUTHIER_WITHIN void widen(const std::uint16_t* from, float* to, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i)
    to[i] = std::bit_cast<float>(static_cast<std::uint32_t>(from[i]) << 16);
}
LUTHIER_WITHIN void narrow(const std::uint32_t* from, std::uint16_t* to, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) to[i] = static_cast<std::uint16_t>(from[i]);
}
/// All ones where a number of the block at `at` stays, else zero.
LUTHIER_WITHIN void decide(const Mask& mask, std::uint32_t at, std::uint32_t* stays_there,
                           std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) stays_there[i] = mask.keeps(at + i) ? ~0u : 0u;
}

LUTHIER_WIDE void drop(const float* x, float* y, Mask mask) {
  for (std::uint32_t i = 0; i < mask.count; ++i) y[i] = mask.keeps(i) ? x[i] * mask.scale : 0.0f;
}
/// bfloat16 numbers by their bits: the product is made in float32 and rounded.
LUTHIER_WIDE void drop(const std::uint16_t* x, std::uint16_t* y, Mask mask) {
  float numbers[kAtOnce];
  std::uint32_t there[kAtOnce], made[kAtOnce];
  for (std::uint32_t at = 0; at < mask.count; at += kAtOnce) {
    const std::uint32_t some = std::min(kAtOnce, mask.count - at);
    widen(x + at, numbers, some);
    decide(mask, at, there, some);
    for (std::uint32_t i = 0; i < some; ++i) made[i] = rounded(numbers[i] * mask.scale) & there[i];
    narrow(made, y + at, some);
  }
}

/// The same, added to what stands in y. Product and sum are loops of their own: the compiler would
/// join them here and not there, and each way is another number.
LUTHIER_WITHIN void add_kept(const float* x, const std::uint32_t* there, float scale, float* y,
                             std::uint32_t count) {
  float made[kAtOnce];
  for (std::uint32_t i = 0; i < count; ++i) made[i] = there[i] ? x[i] * scale : 0.0f;
  for (std::uint32_t i = 0; i < count; ++i) y[i] += made[i];
}
LUTHIER_WIDE void drop_onto(const float* x, float* y, Mask mask) {
  std::uint32_t there[kAtOnce];
  for (std::uint32_t at = 0; at < mask.count; at += kAtOnce, x += kAtOnce, y += kAtOnce) {
    const std::uint32_t some = std::min(kAtOnce, mask.count - at);
    decide(mask, at, there, some);
    add_kept(x, there, mask.scale, y, some);
  }
}
/// What stays of x is added to y; where it is dropped y stays as it is.
LUTHIER_WITHIN void add_kept(const float* x, const std::uint32_t* there, float scale,
                             std::uint16_t* y, std::uint32_t count) {
  float sums[kAtOnce];
  std::uint32_t made[kAtOnce];
  widen(y, sums, count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t before = std::bit_cast<std::uint32_t>(sums[i]) >> 16;
    made[i] = there[i] ? rounded(sums[i] + x[i] * scale) : before;
  }
  narrow(made, y, count);
}
LUTHIER_WIDE void drop_onto(const std::uint16_t* x, std::uint16_t* y, Mask mask) {
  float numbers[kAtOnce];
  std::uint32_t there[kAtOnce];
  for (std::uint32_t at = 0; at < mask.count; at += kAtOnce) {
    const std::uint32_t some = std::min(kAtOnce, mask.count - at);
    widen(x + at, numbers, some);
    decide(mask, at, there, some);
    add_kept(numbers, there, mask.scale, y + at, some);
  }
}

/// `added` onto the sum, and x into the place of `added`.
LUTHIER_WIDE void drop_both(const float* x, float* added, float* sum, Mask mask) {
  std::uint32_t there[kAtOnce];
  float made[kAtOnce];
  for (std::uint32_t at = 0; at < mask.count;
       at += kAtOnce, x += kAtOnce, added += kAtOnce, sum += kAtOnce) {
    const std::uint32_t some = std::min(kAtOnce, mask.count - at);
    decide(mask, at, there, some);
    add_kept(added, there, mask.scale, sum, some);
    for (std::uint32_t i = 0; i < some; ++i) made[i] = there[i] ? x[i] * mask.scale : 0.0f;
    for (std::uint32_t i = 0; i < some; ++i) added[i] = made[i];
  }
}
LUTHIER_WIDE void drop_both(const std::uint16_t* x, std::uint16_t* added, std::uint16_t* sum,
                            Mask mask) {
  float numbers[kAtOnce];
  std::uint32_t there[kAtOnce], made[kAtOnce];
  for (std::uint32_t at = 0; at < mask.count; at += kAtOnce) {
    const std::uint32_t some = std::min(kAtOnce, mask.count - at);
    decide(mask, at, there, some);
    widen(added + at, numbers, some);
    add_kept(numbers, there, mask.scale, sum + at, some);
    widen(x + at, numbers, some);
    for (std::uint32_t i = 0; i < some; ++i) made[i] = rounded(numbers[i] * mask.scale) & there[i];
    narrow(made, added + at, some);
  }
}

/// Calls `work(place, mask)` for all numbers, in parallel.
template <class Work>
void for_stretches(std::int64_t count, double p, std::uint64_t seed, const Work& work) {
  const MaskRule rule(p, seed);
  Mask whole;
  whole.threshold = rule.threshold;
  whole.scale = rule.scale;
  whole.seed = rule.seed;
  for_pieces(0, count, 1 << 15, [&](std::int64_t begin, std::int64_t end) {
    constexpr std::int64_t kSpace = 1ll << 32;
    for (std::int64_t at = begin; at < end;) {  // one index space of 32 bits at a time
      const std::int64_t stop = std::min(end, (at / kSpace + 1) * kSpace);
      Mask mask = whole;
      mask.seed_high = rule.seed_high(at);
      mask.begin = static_cast<std::uint32_t>(at);
      mask.count = static_cast<std::uint32_t>(stop - at);
      work(at, mask);
      at = stop;
    }
  });
}

/// Whether loops of ours can add to `sum` what is of x's type.
bool suits_sum(const torch::Tensor& sum, const torch::Tensor& x) {
  const torch::ScalarType type = sum.scalar_type();
  return sum.is_cpu() && sum.is_contiguous() && x.scalar_type() == type &&
         (type == torch::kBFloat16 || type == torch::kFloat32);
}

}  // namespace

torch::Tensor dropped_by_generator(const torch::Tensor& x, double p, std::uint64_t seed) {
  at::Generator generator = at::globalContext().defaultGenerator(x.device()).clone();
  generator.set_current_seed(seed);
  const torch::Tensor keeps =
      torch::empty(x.sizes(), x.options().dtype(torch::kBool)).bernoulli_(1 - p, generator);
  // The factor is a number and not a tensor of x's type: 1 / (1 − p) in bfloat16 is up to 0.2 %
  // off.
  return x.detach().mul(1 / (1 - p)).mul_(keeps);
}

torch::Tensor dropped_by_places(const torch::Tensor& x, double p, const torch::Tensor& seed) {
  using torch::Tensor;
  constexpr std::int64_t kBits = 0xffffffff;
  // Numbers of 32 bits, held in 64: what a product carries beyond them is cut off.
  const auto scattered = [](const Tensor& from) {
    Tensor mixed = (from ^ from.bitwise_right_shift(16)).mul_(std::int64_t{0x7feb352d});
    mixed = mixed.bitwise_and_(kBits);
    mixed = (mixed ^ mixed.bitwise_right_shift(15)).mul_(std::int64_t{0x846ca68b});
    mixed = mixed.bitwise_and_(kBits);
    return mixed ^ mixed.bitwise_right_shift(16);
  };
  const torch::NoGradGuard no_grad;
  constexpr std::int64_t kAtATime = 1 << 20;  // eight bytes each, several times over
  const Tensor low = seed.bitwise_and(kBits),
               high = seed.bitwise_right_shift(32).bitwise_and_(kBits);
  const Tensor from = x.detach().reshape({-1});
  Tensor to = at::empty_like(from);
  for (std::int64_t begin = 0; begin < from.numel(); begin += kAtATime) {
    const std::int64_t end = std::min(from.numel(), begin + kAtATime);
    const Tensor places = at::arange(begin, end, seed.options());
    const Tensor blocks = places.bitwise_right_shift(32).mul_(std::int64_t{0x9e3779b9}).add_(high);
    const Tensor hash = scattered(
        (scattered(places.bitwise_and(kBits).bitwise_xor_(low)) + blocks).bitwise_and_(kBits));
    const Tensor keeps = hash.bitwise_right_shift(1) >= std::llround(p * 2147483648.0);
    to.slice(0, begin, end).copy_(from.slice(0, begin, end).mul(1 / (1 - p)).mul_(keeps));
  }
  return to.view(x.sizes());
}

torch::Tensor dropped_out(const torch::Tensor& x, double p, const MaskSeed& of) {
  const std::uint64_t seed = of.number;
  if (!x.is_cpu()) {
    if (auto made = kernels::dropped(x, p, seed, x.scalar_type(), of.there)) return *made;
    if (of.there.defined()) return dropped_by_places(x, p, of.there);
    if (!kernels::launcher_for(x.device().type())) return dropped_by_generator(x, p, seed);
    const auto bits = static_cast<std::int64_t>(seed);
    return dropped_by_places(x, p, at::full({1}, bits, x.options().dtype(torch::kInt64)));
  }
  const bool narrow = x.scalar_type() == torch::kBFloat16;
  const torch::Tensor from = (narrow ? x.detach() : x.detach().to(torch::kFloat32)).contiguous();
  torch::Tensor to = torch::empty_like(from);
  by_type(from, [&](auto number) {
    using Number = decltype(number);
    for_stretches(from.numel(), p, seed, [&](std::int64_t at, const Mask& mask) {
      drop(numbers<Number>(from) + at, to_write<Number>(to) + at, mask);
    });
  });
  return to.to(x.scalar_type());
}

void add_dropped_out(torch::Tensor& sum, const torch::Tensor& x, double p, const MaskSeed& seed) {
  if (!sum.is_cpu() && kernels::add_dropped(sum, x, p, seed.number, seed.there)) return;
  if (!suits_sum(sum, x)) {
    sum.add_(dropped_out(x, p, seed));
    return;
  }
  const torch::Tensor from = x.detach().contiguous();
  by_type(from, [&](auto number) {
    using Number = decltype(number);
    for_stretches(from.numel(), p, seed.number, [&](std::int64_t at, const Mask& mask) {
      drop_onto(numbers<Number>(from) + at, to_write<Number>(sum) + at, mask);
    });
  });
}

torch::Tensor add_and_drop(torch::Tensor& sum, torch::Tensor added, const torch::Tensor& x,
                           double p, const MaskSeed& seed) {
  if (!suits_sum(sum, added) || !suits_sum(added, x)) {
    add_dropped_out(sum, added, p, seed);
    added = torch::Tensor();  // its memory goes before the other's comes
    return dropped_out(x, p, seed);
  }
  const torch::Tensor from = x.detach().contiguous();
  by_type(from, [&](auto number) {
    using Number = decltype(number);
    for_stretches(from.numel(), p, seed.number, [&](std::int64_t at, const Mask& mask) {
      drop_both(numbers<Number>(from) + at, to_write<Number>(added) + at,
                to_write<Number>(sum) + at, mask);
    });
  });
  return added;
}

}  // namespace luthier
