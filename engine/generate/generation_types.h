// SPDX-License-Identifier: GPL-3.0-or-later
// What is asked of a model's decoding and what comes back a token; plain data for hosts and engine
// alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace luthier {

struct GenerationOptions {
  std::int64_t max_new_tokens = 64;
  double temperature = 0;  ///< 0: greedy
  double top_p = 1;
  std::int64_t top_k = 0;  ///< draws from so many of the likeliest; 0: from all
  std::uint64_t seed = 42;
  bool ignore_eos = false;
  std::int64_t alternatives = 5;          ///< runners-up kept a token
  std::vector<std::int64_t> barred = {};  ///< tokens that no answer holds
  /// A step is recorded on a device that can, and replayed (generate/standing_steps); unset: as
  /// LUTHIER_GRAPHS says.
  std::optional<bool> recorded = {};
};

/// One answered token. `alternatives` are {piece, probability}, best first.
struct AnswerToken {
  std::int64_t id = 0;
  std::string piece;  ///< as text, with its first space; or a special token's name
  double logprob = 0;
  std::vector<std::pair<std::string, double>> alternatives;
  /// Its place in the answer's text, in bytes: every character that it wrote or had a part in, so
  /// that neighbours may share one. Empty where it wrote nothing, and while the answer still grows.
  std::size_t begin = 0, end = 0;
};

}  // namespace luthier
