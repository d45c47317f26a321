// SPDX-License-Identifier: GPL-3.0-or-later
// How well what a run trains answers rows that it has not seen: greedily, as the Compare page asks
// by default, so that the figures of both are the same. No LibTorch header.
#pragma once

#include <cstdint>
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

/// Of eval_dataset the first `count` rows that say which answer is expected; those that cannot be
/// read are the evaluation's to name.
std::vector<Sample> held_out_samples(const Recipe& recipe, std::size_t count);

/// The means of the answers' scores by their names in metrics.jsonl (exact_match, token_f1, chrf,
/// json_valid), and `answered`: of how many rows they are. `adapter`: null where the model itself
/// is what is trained. `go_on` is asked at each token; false: Interrupted.
Result<std::map<std::string, double>> held_out_scores(const LoadedModel& model,
                                                      const std::shared_ptr<Adapter>& adapter,
                                                      const std::vector<Sample>& samples,
                                                      const std::function<bool()>& go_on,
                                                      std::int64_t max_new_tokens = 64);

}  // namespace luthier
