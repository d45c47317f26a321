// SPDX-License-Identifier: GPL-3.0-or-later
// A real sweep: small Llama decoders of several sizes, each trained from nothing on several numbers
// of tokens of a made-up language (law_text.h), the laws fitted to what they came to, and the next
// size's loss forecast and held against its run. Every run is an ordinary one in a folder of its
// own and nothing is trained twice: what is there counts, what was broken off is gone on with. Who
// trains is the host. No LibTorch header.
//   OUT/language/{eval,train-00000,…}.jsonl   OUT/models/w32/   OUT/runs/w32-t131072/
//   OUT/points.csv
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/recipe.h"
#include "engine/lab/law_fit.h"
#include "engine/lab/law_minima.h"
#include "engine/train/run_result.h"

namespace luthier {

/// A decoder's shape, from its width alone: the wider, the deeper.
struct SweepSize {
  std::int64_t width = 0, layers = 0, heads = 0, intermediate = 0;
  std::int64_t weights() const;  ///< all; the table of words is tied to the head
  std::string name() const;      ///< "w32"
};
SweepSize sweep_size(std::int64_t width);

struct LawSweepOptions {
  std::vector<std::int64_t> widths = {16, 24, 32, 48};
  std::vector<std::int64_t> tokens = {65'536, 131'072, 262'144, 524'288};
  /// The size and data that are forecast; 0: the next width of the ladder, the most tokens.
  std::int64_t next_width = 0, next_tokens = 0;
  double minutes = 30;  ///< of this call; runs that would go beyond it are left for another
  std::int64_t rows_a_step = 16;
  double learning_rate = 0.02;  ///< of width 32; falls as the width grows
  std::uint64_t seed = 1;
  LawFitOptions fit;
};

struct SweepRun {
  SweepSize size;
  std::int64_t tokens = 0;  ///< learned, whole steps of them
  std::string name;         ///< "w32-t131072"
  std::string state;        ///< as run.json has it; empty: it has not started
  std::optional<double> loss;
  double seconds = 0;
  std::vector<LossPoint> points;  ///< evaluations on the way, and the end
};

/// What the next size came to.
struct HeldForecast {
  SweepRun run;
  double forecast = 0;
  Interval interval;           ///< of the forecast, by the draws
  std::optional<bool> within;  ///< whether the run's loss lies in it
};

struct LawSweep {
  std::vector<SweepRun> runs;           ///< cheapest first
  std::vector<std::string> left_out;    ///< by name: no time was left
  double floor = 0;                     ///< nats a token that no model falls below
  std::optional<Result<LawFit>> whole;  ///< approach 3
  std::optional<Result<MinimaFit>> envelope, parabolas;
  std::optional<HeldForecast> next;
  double minutes = 0;  ///< that runs took, in all calls
  std::vector<LossPoint> points() const;
};

struct SweepHost {
  /// As train_headless: a recipe, and the folder to go on in.
  std::function<Result<RunResult>(const Recipe&, const std::optional<std::filesystem::path>&)>
      train;
  std::function<void(const std::string&)> tell = {};
  std::function<bool()> go_on = {};
};

/// Trains what lacks, fits, forecasts; sweep.json and points.csv are written after every run. Input
/// errors: numbers that make no sweep, or a folder that holds one with other settings. Interrupted:
/// the same call goes on.
Result<LawSweep> run_law_sweep(const std::filesystem::path& folder, const LawSweepOptions& options,
                               const SweepHost& host);

Json to_json(const LawSweep& sweep);

}  // namespace luthier
