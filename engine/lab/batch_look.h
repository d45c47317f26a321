// SPDX-License-Identifier: GPL-3.0-or-later
// What a card's batch looks like, from the batch itself: the first held-out rows as an evaluation
// of its run encodes and noises them, who sees whom, what is learned, and which pairs belong
// together; with a model, what it makes of them. No LibTorch header.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/io/json.h"
#include "engine/lab/card.h"
#include "engine/vision/image.h"

namespace luthier {

struct LookToken {
  std::string piece;
  bool special = false, picture = false;
  bool noised = false;   ///< other than in the row as it was written
  bool learned = false;  ///< it has a label
  std::string label;     ///< what is to be said here
  std::string guess;     ///< what the model says; empty: no label, or nobody was asked
  double sureness = 0;   ///< the probability of the guess
};

struct LookRow {
  std::string text;             ///< as it was written; of a conversation what is asked and answered
  std::string picture;          ///< its file; empty: none
  std::vector<LookToken> read;  ///< by an encoder beside it; patches of a tower that stands apart
  std::vector<LookToken> tokens;  ///< the row's own
  /// [n · n] with n = read + tokens: whether what the model makes of the one at i depends on the
  /// one at j. Measured on the model, but for towers that stand apart.
  std::vector<bool> sees;
  /// Of a picture whose patches were covered: what the model saw of it, grey elsewhere, and the
  /// same with what it says was there. Empty: it covers none, or nobody was asked.
  Image seen, rebuilt;
  std::string said;  ///< an answer that the model wrote from the question alone; empty: none

  std::size_t size() const { return read.size() + tokens.size(); }
  bool at(std::size_t i, std::size_t j) const { return sees[i * size() + j]; }
};

struct BatchLook {
  std::vector<LookRow> rows;
  /// Of two towers: how alike text i and picture j are, row by row, scaled; empty: no towers.
  std::vector<double> likeness;
  std::size_t pairs = 0;  ///< the likeness's side: text i belongs to picture i
  bool trained = false;   ///< by the run's result; else by the weights that the run begins with
};
Json to_json(const BatchLook& look);

struct LookOrder {
  std::size_t rows = 4;  ///< that are shown; two towers compare kCardBatch all the same
  bool trained = false;  ///< asks the run's result, which must be there
  std::function<bool()> go_on = {};
};
Result<BatchLook> look_at_batch(const PreparedCard& prepared, const LookOrder& order = {});

}  // namespace luthier
