// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/answer_scores.h"

#include <cmath>

namespace luthier {

Result<std::vector<double>> read_scores(const ClassOptions& answers, const Json& scores,
                                        const std::string& where) {
  if (scores.empty())
    return input_error("No answer has a score.", where,
                       "Write {\"an answer\": 1}, or leave the field out where there is none.");
  std::vector<double> wanted(static_cast<std::size_t>(answers.numbers()), 0.0);
  for (const auto& [name, score] : scores.items()) {
    LUTHIER_TRY(const std::int64_t number, class_of_label(answers, Json(name), where));
    const bool known = score.is_number() && std::isfinite(score.get<double>()) &&
                       score.get<double>() >= 0 && score.get<double>() <= 1;
    if (!known)
      return input_error("The score of an answer is a number from 0 to 1.", where + "." + name);
    wanted[static_cast<std::size_t>(number)] = score.get<double>();
  }
  return wanted;
}

}  // namespace luthier
