// SPDX-License-Identifier: GPL-3.0-or-later
// The teaching data's own random numbers: SplitMix64 (Steele, Lea, Flood 2014) keyed by (seed,
// stream, index), so that the same seed gives the same bytes on every machine and any row can be
// made alone. The standard library's distributions differ between implementations.
#pragma once

#include <cstdint>

namespace luthier {

class RandomStream {
 public:
  RandomStream(std::uint64_t seed, std::uint64_t stream, std::uint64_t index = 0) : state_(seed) {
    state_ = next() ^ (stream * 0x9e3779b97f4a7c15ull);
    state_ = next() ^ (index * 0xd1b54a32d192ed03ull);
  }

  std::uint64_t next() {
    std::uint64_t value = (state_ += 0x9e3779b97f4a7c15ull);
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ull;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebull;
    return value ^ (value >> 31);
  }
  /// An integer in [0, count).
  int below(int count) {
    return static_cast<int>(((next() >> 32) * static_cast<std::uint64_t>(count)) >> 32);
  }
  /// An integer in [low, high].
  int between(int low, int high) { return low + below(high - low + 1); }
  /// A number in [0, 1).
  double unit() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
  bool chance(double probability) { return unit() < probability; }

 private:
  std::uint64_t state_;
};

}  // namespace luthier
