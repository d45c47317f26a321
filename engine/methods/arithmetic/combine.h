// SPDX-License-Identifier: GPL-3.0-or-later
// Several adapters become one that stands by itself, without their base: PEFT 0.21's
// add_weighted_adapter over folders, file to file. What a method can do of it is its row's
// (Method::combine); what all have in common (reading, unlike bases, modules that not all have,
// writing) is here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/io/json.h"
#include "engine/methods/arithmetic/combine_options.h"
#include "engine/methods/arithmetic/stored_adapter.h"
#include "engine/methods/arithmetic/tensor_arithmetic.h"
#include "engine/vision/film_processor.h"

namespace luthier {

/// A way by its name: the arithmetic, and whether it is done on the whole changes of the weights,
/// of which a low rank is taken afterwards. Of "cat" the arithmetic says nothing.
struct Combination {
  TaskArithmetic arithmetic;
  bool cat = false, svd = false;
};
/// Input errors: an unknown name, a density that is missing or is none.
Result<Combination> find_combination(const CombineOptions& how);

/// What a method makes of adapters.
struct CombinedAdapter {
  AdapterSettings settings;
  std::vector<std::pair<std::string, torch::Tensor>> tensors;  ///< by the file's keys
  std::int64_t rank = 0;                                       ///< 0: the method has none
  std::vector<std::string> notes;                              ///< sentences
};

struct CombineReport {
  std::string combination_type;  ///< as it was done: one adapter alone is "linear", as in PEFT
  std::int64_t rank = 0;         ///< of the result; 0: its method has none
  std::int64_t modules = 0;
  std::vector<std::string> notes;
};
Json to_json(const CombineReport& report);

/// The adapter that several come to, as its folder would hold it.
struct Combined {
  const Method* method = nullptr;
  AdapterSettings settings;
  Json config;
  std::vector<std::pair<std::string, torch::Tensor>> tensors;  ///< by the file's keys
  std::optional<MediaLimits> pixels;  ///< where all were trained under the same
  CombineReport report;
};
/// In memory. Refusals are Input errors that name the folder and what of it has no arithmetic.
Result<Combined> combine_in_memory(const std::vector<std::filesystem::path>& folders,
                                   const CombineOptions& how);
/// The same into `out`, which is new or empty.
Result<CombineReport> combine_adapters(const std::vector<std::filesystem::path>& folders,
                                       const CombineOptions& how,
                                       const std::filesystem::path& out);

/// On this base, without a folder in between. Errors call it "the combined adapter".
Result<std::shared_ptr<Adapter>> load_combined(LoadedModel& base, const Combined& combined);

}  // namespace luthier
