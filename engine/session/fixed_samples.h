// SPDX-License-Identifier: GPL-3.0-or-later
// The rows that a run answers as it goes: its sample questions and the probe of what was known
// before. Read once, before the run begins, so that they stay the same.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/compare/sample.h"
#include "engine/config/recipe.h"

namespace luthier {

class Adapter;
struct LoadedModel;

struct FixedSamples {
  std::vector<Sample> samples, probe;
  std::int64_t sample_tokens = 64, probe_tokens = 64;  ///< of an answer at most
};

/// As the recipe says; none where it asks for none. An Input error names the file that cannot be
/// read, or the probe that has no answer.
Result<FixedSamples> fixed_samples(const Recipe& recipe);

/// Input error that names the recipe's setting where the model has no positions for the longest
/// answer to one of them; before the first step.
Status check_fixed_samples(const LoadedModel& model, const FixedSamples& fixed);

/// The samples answered greedily, as lines of samples.jsonl.
Result<std::string> answered_lines(const LoadedModel& model,
                                   const std::shared_ptr<Adapter>& adapter,
                                   const FixedSamples& fixed, std::int64_t step, bool first,
                                   const std::function<bool()>& go_on);

}  // namespace luthier
