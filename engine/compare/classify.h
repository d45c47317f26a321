// SPDX-License-Identifier: GPL-3.0-or-later
// What a head of classes says of rows, with the classes' names: for the command line.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/data/dataset.h"
#include "engine/models/loaded_model.h"

namespace luthier {

/// Of a row, or of one of its words.
struct ClassSaid {
  std::vector<double> numbers;       ///< probabilities by class; numbers where the head gives those
  std::vector<std::int64_t> chosen;  ///< classes: the likeliest, or all above one half
  std::vector<double> wanted;        ///< the label, as EncodedRow::targets; empty: there is none
};

struct RowSaid {
  std::string where;            ///< "rows.jsonl: row 3"
  std::vector<ClassSaid> said;  ///< one, or one a word
};

/// How well all that had a label were told apart.
struct ClassScores {
  std::int64_t judged = 0;
  double accuracy = 0;    ///< the share whose chosen classes are exactly the label's
  double macro_f1 = 0;    ///< the mean of the classes' F1, of those that are wanted or chosen
  double mean_error = 0;  ///< of numbers: the mean distance
};

/// Row by row. An Input error where the model has no head of classes, or a row is none of its own.
Result<std::vector<RowSaid>> classify_rows(LoadedModel& model, const Dataset& rows,
                                           const std::function<bool()>& go_on);
ClassScores class_scores(const ClassOptions& classes, const std::vector<RowSaid>& rows);

}  // namespace luthier
