// SPDX-License-Identifier: GPL-3.0-or-later
// The head of BertForPreTraining and AlbertForPreTraining that says whether two texts follow one
// another (0) or not, or in the other order (1): tanh of a product on the first token, and two
// numbers. A text encoder has it where config.json names one of these classes.
#pragma once

#include <string>

#include "engine/io/json.h"
#include "engine/models/model.h"

namespace luthier {

/// A capability, of which models beyond text encoders need to know nothing.
class PairJudge {
 public:
  virtual ~PairJudge() = default;
  virtual bool judges_pairs() const = 0;
  /// Last states [tokens, hidden] → [rows, 2], those of filler too.
  virtual torch::Tensor judge_pairs(const torch::Tensor& states, const RowLayout& rows) const = 0;
};

/// Null: the model has no such head.
PairJudge* pair_judge(Model& model);

/// transformers' class with that head for a config.json's model_type; null: there is none.
const char* pretraining_class(const std::string& model_type);
/// Whether config.json names that class.
bool names_pretraining_class(const Json& config);

}  // namespace luthier
