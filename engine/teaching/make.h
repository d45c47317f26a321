// SPDX-License-Identifier: GPL-3.0-or-later
// Making the teaching default: the checkpoint folder without weights, the pretraining rows and the
// tuning tasks, all from one seed; and turning a finished pretraining into the float16 base that is
// shipped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "engine/base/result.h"

namespace luthier {

struct TeachingMakeOptions {
  std::uint64_t seed = 20;
  int pretrain_rows = 64000;
  bool lessons = true;     ///< the pretraining rows begin with easy ones
  bool late = false;       ///< mostly questions that are learned late
  int heldout_rows = 240;  ///< of each task, and of the base's own questions
  int train_rows = 960;    ///< of each task
};

/// Called now and then; returning false cancels.
using TeachingProgress = std::function<bool(const char* what, int done, int total)>;

/// Writes `work`/skeleton (config, tokenizer, template, processor) and `work`/pretrain
/// (train.jsonl, eval.jsonl, pictures): what resources/teaching/pretrain.yaml reads.
Status make_pretraining(const std::filesystem::path& work, const TeachingMakeOptions& options,
                        const TeachingProgress& progress = {});

/// Writes `teaching`/heldout.jsonl, pictures and tasks/NAME/{train,heldout}.jsonl: the rows that
/// are shipped.
Status make_tasks(const std::filesystem::path& teaching, const TeachingMakeOptions& options);

/// The trained checkpoint `model` as a float16 one in `base`: weights cast, all other files copied,
/// `dtype` in config.json changed.
Status finish_base(const std::filesystem::path& model, const std::filesystem::path& base);

}  // namespace luthier
