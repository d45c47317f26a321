// SPDX-License-Identifier: GPL-3.0-or-later
// Whether a run may start, decided in one place for the window and the command line, on the CPU as
// on a card.
#include <algorithm>

#include "engine/base/text.h"
#include "engine/config/recipe.h"
#include "engine/forecast/forecast.h"

namespace luthier {

bool MemoryForecast::fits() const {
  return !known() || parts.total() <= available / 100 * kMostOfFree;
}

std::string unknown_room(const MemoryForecast& forecast) {
  if (forecast.known()) return "";
  return "What is free on " + forecast.device +
         " cannot be known, so nobody can say whether the run fits.";
}

Status check_room(const MemoryForecast& forecast, const Recipe& recipe) {
  if (forecast.fits() || recipe.training.on_low_memory == "try") return {};
  constexpr std::size_t kMostAdvice = 3;
  std::string advice;
  for (std::size_t i = 0; i < std::min(kMostAdvice, forecast.advice.size()); ++i)
    advice += (i > 0 ? "; " : "") + forecast.advice[i];
  const std::string all_the_same = "training.on_low_memory: try starts it all the same.";
  return machine_error(
      "The run would need " + size_text(forecast.parts.total()) + " of memory on " +
          forecast.device + ", where " + size_text(forecast.available) + " are free.",
      "training",
      (advice.empty() ? "" : "Less would be needed with " + advice + ". ") + all_the_same);
}

}  // namespace luthier
