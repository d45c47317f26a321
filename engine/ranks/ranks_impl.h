// SPDX-License-Identifier: GPL-3.0-or-later
// What stands behind Ranks. Keys of the store: here/R (rank R has come), verdict (rank 0's, of who
// has), order/K, fault/R (why rank R ended), alive/R (it answered the roll call), bye/R (it heard
// the last order, or a verdict that ends the run).
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "engine/ranks/kept_pieces.h"
#include "engine/ranks/nccl_line.h"
#include "engine/ranks/presence.h"
#include "engine/ranks/ranks.h"

namespace luthier {

/// "Rank 1", "Ranks 1, 2 and 5".
inline std::string rank_list(const std::vector<int>& ranks) {
  std::string text = ranks.size() == 1 ? "Rank " : "Ranks ";
  for (std::size_t i = 0; i < ranks.size(); ++i)
    text += (i == 0 ? "" : i + 1 == ranks.size() ? " and " : ", ") + std::to_string(ranks[i]);
  return text;
}

/// A key of the store.
inline std::string numbered(const char* key, std::int64_t number) {
  return std::string(key) + "/" + std::to_string(number);
}

struct Ranks::Impl {
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kLook{500};  ///< until whether to go on is asked
  static constexpr std::chrono::microseconds kShortest{100}, kLongest{5000};  ///< between two looks

  c10::intrusive_ptr<c10d::Store> store;
  c10::intrusive_ptr<c10d::Backend> group;
  std::int64_t orders = 0;             ///< said or heard
  std::unique_ptr<KeptPieces> pieces;  ///< with connections of its own
  std::unique_ptr<Presence> presence;  ///< likewise, where there is a line between cards
  std::unique_ptr<NcclLine> cards;     ///< null: what lies on cards goes through the CPU's memory
  std::int64_t joined = 0;             ///< how often cards have joined
  RankLimits limits;
  std::optional<Error> broken;  ///< nothing more is asked of the others
  bool left = false;

  void set(const std::string& key, const std::string& text) {
    store->set(key, std::vector<std::uint8_t>(text.begin(), text.end()));
  }
  std::string get(const std::string& key) {
    const std::vector<std::uint8_t> bytes = store->get(key);
    return {bytes.begin(), bytes.end()};
  }
  bool has(const std::string& key) { return store->check({key}); }
  /// False: not yet after a moment. Throws where the store is gone. It asks again and again, at
  /// first at once: c10d's own wait would warn of each moment that goes by.
  bool waited(const std::string& key) {
    const Clock::time_point until = Clock::now() + kLook;
    for (auto pause = kShortest; !has(key); pause = std::min(2 * pause, kLongest)) {
      if (Clock::now() >= until) return false;
      std::this_thread::sleep_for(pause);
    }
    return true;
  }
  bool waited(const std::string& key, Clock::time_point until,
              const std::function<bool()>& go_on = {}) {
    while (!waited(key)) {
      if (Clock::now() >= until || (go_on && !go_on())) return false;
    }
    return true;
  }
  void say_verdict(const std::string& fault, int ranks);
  /// Asked while cards wait for one another, which by themselves do not end.
  NcclLine::GoOn while_there() const {
    return [this, until = Clock::now() + limits.answer]() -> Status {
      if (const int gone = presence->missing(); gone != Presence::kNobody)
        return machine_error(rank_list({gone}) + " is gone.");
      if (Clock::now() >= until) return machine_error("The other cards did not answer.");
      return {};
    };
  }
};

}  // namespace luthier
