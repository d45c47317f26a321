// SPDX-License-Identifier: GPL-3.0-or-later
// The house's random numbers: SplitMix64 (Steele, Lea, Flood 2014) keyed by seed and place, so that
// the same seed gives the same bytes on every machine and any draw can be made alone. The standard
// library's distributions differ between implementations.
#pragma once

#include <cstdint>

namespace luthier {

/// SplitMix64's step from one state to the next: 2^64 over the golden ratio.
inline constexpr std::uint64_t kGoldenStep = 0x9e3779b97f4a7c15ull;

/// SplitMix64's last part: each bit of the result depends on all bits of `state`.
constexpr std::uint64_t mixed_bits(std::uint64_t state) {
  state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9ull;
  state = (state ^ (state >> 27)) * 0x94d049bb133111ebull;
  return state ^ (state >> 31);
}

/// A number in [0, 1) of the bits' upper 53.
constexpr double unit_from_bits(std::uint64_t bits) {
  return static_cast<double>(bits >> 11) * 0x1.0p-53;
}

/// Draws one after another.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, std::uint64_t stream, std::uint64_t index = 0) : state_(seed) {
    state_ = next() ^ (stream * kGoldenStep);
    state_ = next() ^ (index * 0xd1b54a32d192ed03ull);
  }

  std::uint64_t next() {
    state_ += kGoldenStep;
    return mixed_bits(state_);
  }
  /// An integer in [0, count).
  int below(int count) {
    return static_cast<int>(((next() >> 32) * static_cast<std::uint64_t>(count)) >> 32);
  }
  /// An integer in [low, high].
  int between(int low, int high) { return low + below(high - low + 1); }
  /// A number in [0, 1).
  double unit() { return unit_from_bits(next()); }
  bool chance(double probability) { return unit() < probability; }

 private:
  std::uint64_t state_;
};

}  // namespace luthier
