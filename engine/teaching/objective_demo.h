// SPDX-License-Identifier: GPL-3.0-or-later
// What the demo of an objective learns from: the teaching tasks' questions, written as the rows
// that the objective reads, and its recipe. No LibTorch header.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/recipe.h"

namespace luthier {

/// What the objective's result is judged by on held-out questions.
enum class DemoJudge {
  Longer,     ///< the longer of two answers wins: the base gives short ones
  AsTeacher,  ///< as many right answers as the base has, of which a smaller model learns
  Json,       ///< answers are JSON, which nobody showed
  Ranks       ///< of two answers the preferred one gets the higher reward
};

struct ObjectiveDemo {
  std::string objective;  ///< as a recipe names it
  DemoJudge judge = DemoJudge::Longer;
};
const std::vector<ObjectiveDemo>& objective_demos();
/// An Input error that names those that there are.
Result<ObjectiveDemo> objective_demo(const std::string& name);

struct ObjectiveLesson {
  Recipe recipe;
  /// Held-out questions with the answers that the base gives, and with those that are to be given.
  std::filesystem::path own, wanted;
};

/// Writes train.jsonl and eval.jsonl into `folder`, which is made, as rows of the objective's kind;
/// their pictures stay where they are. Of each question the answer in the pirate's manner, which is
/// the longer one, is preferred to the plain one, which the base gives. Where a smaller model
/// learns, it is made in `folder`/student. What is to become JSON is asked for as a list, words
/// that the base was never taught and takes for now one manner, now another.
Result<ObjectiveLesson> make_objective_demo(const ObjectiveDemo& demo,
                                            const std::filesystem::path& folder);

/// The checkpoint `teacher`, a LLaVA, without its decoder's last layer but one, into `folder`.
Status make_student(const std::filesystem::path& teacher, const std::filesystem::path& folder);

}  // namespace luthier
