// SPDX-License-Identifier: GPL-3.0-or-later
// The head of a reward model: numbers for a state in place of the vocabulary's logits. It is the
// module `score` of the loaded model, as in transformers' classes for sequences (one number, no
// bias) and tokens (two numbers and a bias), and stands there only while something needs it.
#pragma once

#include "engine/models/loaded_model.h"

namespace luthier {

inline constexpr const char* kScoreHead = "score";

/// Null: the model has none.
Linear score_head(const Model& model);
/// Whether an in-memory name is of that module or of one of its tensors.
bool is_of_score_head(std::string_view name);

/// Gives the model a head of so many numbers (one without a bias, several with one) in the place of
/// one that stands there; 0: takes that away. The numbers are those of the checkpoint's own head of
/// this size; else they are drawn, normal with the family's initializer_range from `seed`, the bias
/// 0. What an adapter has saved for the head before stays the adapter's.
Status set_score_head(LoadedModel& loaded, std::int64_t numbers, std::uint64_t seed);

/// Takes the head away at its end.
class ScoreHeadWhile {
 public:
  explicit ScoreHeadWhile(LoadedModel& loaded) : loaded_(loaded) {}
  ~ScoreHeadWhile();
  ScoreHeadWhile(const ScoreHeadWhile&) = delete;
  ScoreHeadWhile& operator=(const ScoreHeadWhile&) = delete;

 private:
  LoadedModel& loaded_;
};

/// How many numbers the head of a whole checkpoint gives, by the names in its files alone; 0: it
/// has none. An Input error where the folder is no checkpoint.
Result<std::int64_t> stored_score_numbers(const std::filesystem::path& folder);

}  // namespace luthier
