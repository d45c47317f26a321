// SPDX-License-Identifier: GPL-3.0-or-later
// Rows as a model takes them: sequences laid one after another, on the device in one copy, a row's
// pictures once through the tower however many sequences show them.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "engine/batches/filler.h"
#include "engine/batches/row_cache.h"
#include "engine/data/row_kind.h"
#include "engine/models/loaded_model.h"

namespace luthier {

/// Rows that go through the model at once.
struct MicroBatch {
  std::vector<std::int64_t> rows;                        ///< of the dataset, from 0
  std::vector<EncodedRow> encoded;                       ///< pixel values only where not cached
  std::vector<std::shared_ptr<const CachedRow>> cached;  ///< one a row; null: not cached

  bool empty() const { return encoded.empty(); }
  std::int64_t tokens() const;
  std::int64_t labels() const;
};

/// A micro-batch laid out for a model.
struct Batch {
  struct Sequence {
    std::size_t row = 0, number = 0;  ///< the micro-batch's row, and which of its sequences
  };
  const MicroBatch* rows = nullptr;
  SequenceOrder order = SequenceOrder::RowByRow;
  TokenId padding = 0;  ///< the tokenizer's, else its end token
  ModelInput input;     ///< on the model's device; behind the sequences a row of filler may stand
  /// In the order in which they lie in `input`, or what of them goes on from prompts that lie there
  /// once (batches/shared_beginnings.h).
  std::vector<Sequence> sequences;

  const Example& example(std::size_t sequence) const {
    const Sequence& place = sequences[sequence];
    return rows->encoded[place.row].sequences[place.number];
  }
};

/// Where a sequence's tokens lie in a batch's input: the first `shared` from `trunk` on, the others
/// from `start` on.
struct LyingSequence {
  std::int64_t trunk = 0, shared = 0, start = 0;
  std::int64_t place(std::int64_t token) const {
    return token < shared ? trunk + token : start + token - shared;
  }
};
/// Of each sequence.
std::vector<LyingSequence> lying_sequences(const Batch& batch);

/// What a tower made of these examples' pictures together, each one's: [features, width].
std::vector<torch::Tensor> features_by_example(const PictureTower& tower,
                                               const std::vector<const Example*>& examples,
                                               const torch::Tensor& made);

/// Makes the batches of one model.
class BatchMaker {
 public:
  enum class Pass {
    Training,
    Recorded,  ///< training, filled up to recorded_sizes and still on the host, prepared: but for
               ///< features that a fixed tower has just made
    Evaluation
  };

  /// `tower_fixed`: no tensor of the vision tower trains. In training its features are then made
  /// for the rows that `cache` does not hold, and kept there; it may be null.
  ///
  /// On the CPU each row's are made by themselves, and a row comes out the same in any batch. On a
  /// device the tower runs for several rows at once, since for one it launches about as much as the
  /// decoder for all of them; then a row's last bits may go by the rows beside it.
  BatchMaker(const LoadedModel& base, bool tower_fixed, std::shared_ptr<RowCache> cache)
      : base_(base), tower_fixed_(tower_fixed), cache_(std::move(cache)) {}

  /// Points to `rows`, which must outlive it.
  Batch make(const MicroBatch& rows, SequenceOrder order, Pass pass) const;
  /// Of other sequences about the same pictures, one a row of `shown` and in its order: what that
  /// batch has of the pictures (pixels, or what a tower gave for them) is taken over. `rows` carry
  /// their pictures' shapes and grids.
  Batch beside(const MicroBatch& rows, const Batch& shown, Pass pass) const;
  /// Keeps what make() would of a training batch of these rows, and makes no more of it.
  void keep_features(const MicroBatch& rows) const;

 private:
  using Kept = std::vector<std::shared_ptr<const CachedRow>>;  ///< one a row; null: not kept
  using Place = std::pair<std::size_t, std::size_t>;           ///< a row and its sequence
  using Features = std::vector<std::vector<torch::Tensor>>;    ///< of each row's sequences
  struct TowerCall;
  TokenId filler_token() const;  ///< one that stands for no picture
  Batch without_input(const MicroBatch& rows, SequenceOrder order) const;
  Kept kept_of(const MicroBatch& rows, Pass pass) const;
  std::vector<TowerCall> tower_calls(const MicroBatch& rows, const Kept& kept) const;
  ModelInput pictures_of(const MicroBatch& rows, const TowerCall& call) const;
  void run_tower(const MicroBatch& rows, TowerCall& call, Features& features) const;
  Features run_tower(const MicroBatch& rows, std::vector<TowerCall>& calls) const;
  void keep(const MicroBatch& rows, const Kept& kept, const Features& features) const;

  const LoadedModel& base_;
  bool tower_fixed_;
  std::shared_ptr<RowCache> cache_;
};

}  // namespace luthier
