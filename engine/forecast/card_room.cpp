// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/forecast/card_room.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <set>

namespace luthier {

namespace {

constexpr std::int64_t kKiB = 1024, kMiB = 1024 * kKiB;
// The caching allocator's, by its own names: kMinBlockSize, kSmallSize, kSmallBuffer,
// kMinLargeAlloc, kLargeBuffer, kRoundLarge.
constexpr std::int64_t kBlock = 512, kSmall = kMiB, kSmallSegment = 2 * kMiB, kAlone = 10 * kMiB,
                       kLargeSegment = 20 * kMiB, kWhole = 2 * kMiB;
constexpr std::int64_t kHandles = 2, kLtWorkspace = kMiB;
constexpr int kHopper = 90;

std::int64_t rounded_up(std::int64_t bytes, std::int64_t step) {
  return (std::max<std::int64_t>(1, bytes) + step - 1) / step * step;
}

std::int64_t new_segment(std::int64_t block) {
  if (block <= kSmall) return kSmallSegment;
  return block < kAlone ? kLargeSegment : rounded_up(block, kWhole);
}

}  // namespace

std::int64_t context_bytes(const CardFacts& card) {
  if (!card.context || card.free < 0) return kLikelyContext;
  return std::clamp(card.total - card.free - card.held, kLeastContext, kMostContext);
}

std::int64_t product_workspaces(const CardFacts& card, const std::string& config) {
  std::int64_t bytes = 0;
  // ":SIZE:COUNT" in KiB, several of them one after another.
  for (const char* at = config.c_str(); (at = std::strchr(at, ':')) != nullptr; ++at) {
    long long size = 0, count = 0;
    int read = 0;
    if (std::sscanf(at, ":%9lld:%6lld%n", &size, &count, &read) != 2) continue;
    if (size > 0 && count > 0) bytes += size * kKiB * count;
    at += read - 1;  // the next pair begins behind this one, not at its count
  }
  if (bytes == 0)  // not set, or nothing that it could be read as
    bytes = card.capability >= kHopper ? 32 * kMiB : 2 * 4096 * kKiB + 8 * 16 * kKiB;
  return kHandles * (rounded_up(bytes, kBlock) + kLtWorkspace);
}

std::int64_t available_on(const CardFacts& card) {
  if (card.free < 0) return -1;
  return card.free + card.held + (card.context ? context_bytes(card) : 0);
}

std::int64_t segment_bytes(const std::vector<std::int64_t>& blocks) {
  std::multiset<std::int64_t> small, large;  // rests of segments
  std::int64_t taken = 0;
  for (const std::int64_t bytes : blocks) {
    const std::int64_t block = rounded_up(bytes, kBlock);
    std::multiset<std::int64_t>& rests = block <= kSmall ? small : large;
    std::int64_t from = 0;
    if (const auto found = rests.lower_bound(block); found != rests.end()) {
      from = *found;
      rests.erase(found);
    } else {
      from = new_segment(block);
      taken += from;
    }
    const std::int64_t rest = from - block;
    if (block <= kSmall ? rest >= kBlock : rest > kSmall) rests.insert(rest);
  }
  return taken;
}

std::int64_t unused_bytes(const std::vector<std::int64_t>& blocks) {
  std::int64_t used = 0;
  for (const std::int64_t bytes : blocks) used += rounded_up(bytes, kBlock);
  return segment_bytes(blocks) - used;
}

}  // namespace luthier
