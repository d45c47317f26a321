// SPDX-License-Identifier: GPL-3.0-or-later
// What to try for a task: prompt, retrieve, or train (features under a small head, an adapter, all
// weights). A table of rules, each a condition on what was said and a reason, for or against; an
// approach stands by the sum of what speaks for it, and nothing is hidden in the sum. Advice that
// arithmetic gives (memory) is arithmetic; the rest is what is usual, and the comparisons that it
// proposes are cheap enough to be run instead of believed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

enum class Approach { Prompt, Retrieve, Features, Adapter, Full };
inline constexpr int kApproaches = 5;
std::string approach_name(Approach approach);  ///< "prompt", "retrieve", …

/// What is known; the rest is left open, and its rules do not speak.
struct AdviceQuestion {
  std::optional<std::int64_t> rows;      ///< with answers, to learn from
  std::optional<double> weights;         ///< of the model
  std::optional<double> memory;          ///< bytes that training may take
  std::optional<double> latency;         ///< milliseconds that an answer may take
  std::optional<double> answer_latency;  ///< milliseconds that the model takes as it is
  std::optional<std::int64_t> tasks;     ///< that one model is to serve
  std::string drift;  ///< how often what is to be known changes: never | yearly | monthly | daily
  std::string task;   ///< facts | manner | format | skill | classes | search
  bool sources = false;                  ///< an answer must name where it is from
  std::string model, recipe, eval_rows;  ///< paths that commands name; may be empty
};
/// Words that drift and task may have.
const std::vector<std::string>& drift_words();
const std::vector<std::string>& task_words();

struct AdviceReason {
  int weight = 0;  ///< from -3 to 3; -100: it cannot be done
  std::string text;
};

struct RankedApproach {
  Approach approach = Approach::Prompt;
  int sum = 0;
  bool possible = true;
  std::vector<AdviceReason> reasons;
};

/// A comparison that is cheap beside the decision it serves.
struct AdviceComparison {
  std::string title, why;
  std::vector<std::string> commands;
};

struct Advice {
  std::vector<RankedApproach> ranked;  ///< the first is to be tried first
  std::vector<std::string> methods;    ///< of the config's kinds: what short runs compare
  std::vector<AdviceComparison> comparisons;
  std::vector<std::string> open;  ///< what was not said and would count
};

/// Input errors: a word that is not known, a number that is none.
Result<Advice> advise(const AdviceQuestion& question);
Json to_json(const Advice& advice);

}  // namespace luthier
