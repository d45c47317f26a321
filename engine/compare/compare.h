// SPDX-License-Identifier: GPL-3.0-or-later
// Answering: the base, adapters on it, and whole checkpoints beside it, column by column over the
// same samples.
//   compare_adapters(base, {{"korean", "runs/korean"}}, samples, options, progress)
// A whole checkpoint is loaded when its column comes, answers all samples and is let go, so that no
// more than two models ever stand in memory. No LibTorch header.
#pragma once

#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/compare/comparison.h"

namespace luthier {

class Adapter;
class AdapterRouter;
class ChatProcessor;
struct LoadedModel;
struct Generated;

/// Called after each token of sample `index` with its answer so far, which at its end has a
/// `finish`; false stops.
using AnswerWatch = std::function<bool(std::size_t index, const Generated& so_far)>;

/// Every sample by what is active on `model` now, its pictures as `processor` gives them; some at a
/// time, so that memory holds the pixels of few. `draws`: see generate(). Stopped by the watch: an
/// Interrupted error.
Status answer_samples(const LoadedModel& model, const ChatProcessor& processor,
                      const std::vector<Sample>& samples, std::span<const std::uint64_t> draws,
                      const GenerationOptions& options, const AnswerWatch& watch);

/// Input error at `setting` where an answer of so many tokens to one of these samples needs
/// positions that the model lacks, by the headers of pictures alone. Nothing where the model writes
/// no text, or has no end.
Status check_samples_fit(const LoadedModel& model, const std::vector<Sample>& samples,
                         std::int64_t max_new_tokens, const std::string& setting);

/// What an exception of LibTorch stopped answers with, in a sentence.
Error answering_failure(const std::exception& failure, const LoadedModel& model);

/// What answers on a resident base: an adapter or none, and how it sees pictures.
struct ResidentColumn {
  std::shared_ptr<Adapter> adapter;
  std::shared_ptr<const ChatProcessor> processor;
  /// In place of the two: one of these answers each sample, by its place in `route`.
  std::vector<ResidentColumn> among = {};
  std::vector<std::size_t> route = {};

  const ResidentColumn& of(std::size_t sample) const {
    return among.empty() ? *this : among[route[sample]];
  }
};
/// The same of sample `index` by column `column`.
using ColumnWatch =
    std::function<bool(std::size_t column, std::size_t index, const Generated& so_far)>;
/// Every sample by each of the columns, decoded together as far as that goes (generate_by). Leaves
/// the base without an adapter.
Status answer_columns(const LoadedModel& model, const std::vector<ResidentColumn>& columns,
                      const std::vector<Sample>& samples, std::span<const std::uint64_t> draws,
                      const GenerationOptions& options, const ColumnWatch& watch);

/// `results`: name and folder, as find_result takes it. Every folder is checked, and every adapter
/// loaded, before anything is answered. `progress(done, total)` counts answers; false stops, and
/// what was answered comes back with `stopped` set. Leaves the base without an adapter. `router`:
/// one more column, "router", in which it picks the adapter for each sample; null: none.
Result<Comparison> compare_adapters(
    LoadedModel& base, const std::vector<std::pair<std::string, std::filesystem::path>>& results,
    const std::vector<Sample>& samples, const GenerationOptions& options,
    const std::function<bool(std::size_t, std::size_t)>& progress = {},
    const AdapterRouter* router = nullptr);

}  // namespace luthier
