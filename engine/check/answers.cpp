// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/check/answers.h"

#include <cmath>
#include <limits>

namespace luthier {

double answers_apart(const std::vector<Generated>& found, const std::vector<Generated>& truth,
                     double near) {
  double far = 0;
  for (std::size_t row = 0; row < truth.size(); ++row) {
    const auto &got = found[row].tokens, &wanted = truth[row].tokens;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (i >= got.size()) return std::numeric_limits<double>::infinity();
      far = std::max(far, std::abs(got[i].logprob - wanted[i].logprob));
      if (got[i].id == wanted[i].id) continue;
      // Two tokens as good as one another: from here on the answers may differ.
      const auto& others = wanted[i].alternatives;
      if (others.empty() || wanted[i].logprob - std::log(others.front().second) > near)
        return std::numeric_limits<double>::infinity();
      break;
    }
  }
  return far;
}

}  // namespace luthier
