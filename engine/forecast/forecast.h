// SPDX-License-Identifier: GPL-3.0-or-later
// Memory before launch, part by part: which tensors a step holds at its peak, given the recipe and
// the longest batch. The model, the objective and the method answer for themselves; here it is
// added up. Held against what was measured afterwards (see the run's memory curve). No LibTorch
// here.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/recipe.h"
#include "engine/io/json.h"
#include "engine/models/cost.h"
#include "engine/models/model_summary.h"
#include "engine/ranks/shards.h"

namespace luthier {

/// Bytes by part; those of tensors are measured by the same parts.
struct MemoryParts {
  std::int64_t weights = 0, adapter = 0, gradients = 0, optimizer = 0, activations = 0,
               workspace = 0;
  std::int64_t recordings = 0;  ///< of recorded steps, beside what steps take that are not
  /// Of the optimizer's state, what waits in the machine's memory beside a device's; in no sum.
  std::int64_t paged = 0;
  // Of a card alone (forecast/card_room.h).
  std::int64_t context = 0;        ///< CUDA's, with the kernels in it
  std::int64_t libraries = 0;      ///< cuBLAS's workspaces
  std::int64_t fragmentation = 0;  ///< what lies unused between the allocator's blocks
  std::int64_t tensors() const {
    return weights + adapter + gradients + optimizer + activations + workspace + recordings;
  }
  std::int64_t total() const { return tensors() + context + libraries + fragmentation; }
};

/// Percent of what is free that a run may be planned to take: other programs want some, and a
/// forecast can be a few percent off.
inline constexpr std::int64_t kMostOfFree = 95;

/// Processes that train the run together (train/shared_run); the forecast is one's.
struct RankPlan {
  int ranks = 1;
  Shards shards = {};  ///< what each keeps a part of
  int on_machine = 1;  ///< that share its memory, where they train on the CPU
};

struct MemoryForecast {
  MemoryParts parts;
  RankPlan ranks = {};
  std::int64_t available = 0;  ///< free on the device now, for this process; -1: not known
  std::string device, dtype;
  std::string device_note;              ///< what a person should know of how it came to that device
  bool gradient_checkpointing = false;  ///< what `auto` came to
  std::int64_t batch_tokens = 0;        ///< tokens of the largest micro-batch; there is no padding
  std::vector<std::pair<std::string, std::int64_t>> weights_by_part;
  std::vector<std::string>
      advice;  ///< what to change when it will not fit, most effective first; empty when it fits

  bool known() const { return available >= 0; }
  /// Within kMostOfFree of what is free, or nobody can know.
  bool fits() const;
};

/// Refuses a launch that does not fit, with the advice, unless the recipe says to try it: a Machine
/// error. What starts a run asks here.
Status check_room(const MemoryForecast& forecast, const Recipe& recipe);
/// What is said where nobody can know whether it fits; else empty.
std::string unknown_room(const MemoryForecast& forecast);

/// Sequences of one row that begin alike (batches/shared_beginnings.h).
struct AlikeBeginning {
  std::int64_t tokens = 0, sequences = 0;
};

/// What the largest micro-batch looks like.
struct BatchShape {
  std::int64_t batch_size = 1;
  std::int64_t tokens = 0;  ///< of all rows together
  std::int64_t labels = 0;  ///< labelled tokens in the batch
  PictureLoad pictures;
  std::vector<std::int64_t> lengths;            ///< of the rows; empty: all alike
  std::vector<AlikeBeginning> beginnings = {};  ///< of neighbours among them; empty: of none
  std::vector<BatchShape> others = {};          ///< that may need more where beginnings go once
  /// Of what an encoder reads beside them, where the rows themselves have that; `tokens` holds it.
  std::vector<std::int64_t> source_lengths = {};
  std::int64_t micro_batches = 0;   ///< of a step at most; 0: as many as the recipe says
  std::int64_t visited_rows = 0;    ///< of the data, where they come more than once
  PictureLoad visited;              ///< their pictures: what a fixed tower gives for them is kept
  std::int64_t drawn_answers = 0;   ///< of a generation
  std::int64_t drawn_rows = 0;      ///< answers that are drawn together; 0: none is
  std::int64_t drawn_length = 0;    ///< tokens of each at most, its prompt's with them
  PictureLoad drawn_pictures = {};  ///< of the largest prompt
};

/// `trainable`: {shape, part} of what trains under the recipe comes from the summary and the
/// recipe's selectors.
Result<MemoryForecast> forecast_memory(const ModelSummary& model, const Recipe& recipe,
                                       const BatchShape& batch, const RankPlan& ranks = {});

/// The modules that train under the recipe, in order, and the trained parameters in all.
struct TrainedModules {
  std::vector<std::string> wrapped;  ///< those that an adapter's plugs hang on
  std::vector<std::string> saved;    ///< those of modules_to_save
  std::vector<std::string> base;     ///< of a method that changes the base itself
  std::int64_t parameters = 0;
};
Result<TrainedModules> trained_modules(const ModelSummary& model, const Recipe& recipe);

/// The document of `plan --json`: the parts of a card stand in it where there is one; what nobody
/// can know is null.
Json to_json(const MemoryForecast& forecast);

class Dataset;
class ChatProcessor;

/// One row's sizes, whole (before max_length).
struct RowShape {
  std::size_t row = 0;                  ///< of the dataset, from 0
  std::int64_t tokens = 0, labels = 0;  ///< of all its sequences
  PictureLoad pictures;
  std::vector<std::int64_t> lengths;              ///< of each sequence
  std::vector<std::int64_t> source_lengths = {};  ///< what is read beside each; empty: nothing
  std::int64_t beginning = 0;   ///< tokens that all its sequences begin with; 0: of no use
  std::int64_t stands_for = 1;  ///< rows of the dataset, where only some are measured
  std::size_t file = 0;         ///< of the dataset, from 0
};

/// The sizes of up to `max_rows` rows, spread evenly, longest first, from the pictures' sizes and
/// the texts alone. Rows that cannot be read are left out; the data check names them. `go_on`
/// returns false to cancel (an Interrupted error).
Result<std::vector<RowShape>> measure_rows(
    const Dataset& dataset, const ChatProcessor& processor, const Recipe& recipe,
    std::size_t max_rows = 50'000, const std::function<bool(std::size_t, std::size_t)>& go_on = {});
/// The largest micro-batch that the recipe's settings can make of these rows (longest first).
Result<BatchShape> batch_shape(const std::vector<RowShape>& rows, const Recipe& recipe);

}  // namespace luthier
