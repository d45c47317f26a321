// SPDX-License-Identifier: GPL-3.0-or-later
// Which text follows another, learned beside what was covered: next sentence prediction (Devlin et
// al. 2019: half of the second texts are another document's) and sentence order prediction (Lan et
// al. 2020: half of the pairs are the other way round). The loss is that of BertForPreTraining and
// AlbertForPreTraining.
#pragma once

#include <cstdint>
#include <string>

#include "engine/models/bert/pair_judge.h"
#include "engine/objectives/objective.h"

namespace luthier {

enum class PairTask { None, Next, Order };
/// Of the recipe's `mlm.pairs`.
PairTask pair_task_from_name(const std::string& name);

/// An Input error: the model has no head of pairs, or its tokenizer does not say how two texts are
/// read together.
Status fits_pairs(const LoadedModel& base);

/// Gives drawn pairs (data/sentence_pair_rows.h) their second text and their label. The draws, a
/// stream a row by its place in the micro-batch: whether it is changed, with which other row's
/// second text, and at which ends the longer text is cut. Next: a row that has no other document
/// beside it keeps its own. `alone`: micro-batches have one row by the recipe, which is then an
/// Input error.
Status make_pairs(PairTask task, const Tokenizer& tokenizer, bool alone, std::uint64_t seed,
                  MicroBatch& rows);

/// Input error where the row's pair is drawn and its second text may be another row's, of which
/// there is none.
Status check_pair_beside_none(PairTask task, const EncodedRow& row);

/// The rows that have a label, and what was said of them.
struct JudgedPairs {
  torch::Tensor logits;  ///< [pairs, 2] float32
  torch::Tensor labels;  ///< [pairs] int64: 0 follows, 1 does not
  torch::Tensor loss() const;
  /// The share that is right.
  torch::Tensor accuracy() const;
};
/// Of a batch's last states.
JudgedPairs judged_pairs(const PairJudge& judge, const torch::Tensor& states, const Batch& batch);

}  // namespace luthier
