// SPDX-License-Identifier: GPL-3.0-or-later
// What a dataset is made of: how long its rows are, how large its pictures, what its answers say
// and how often.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/data/row_kind.h"
#include "engine/data/tools/histogram.h"
#include "engine/data/tools/row_workers.h"

namespace luthier {

struct DatasetStatistics {
  std::size_t rows = 0, unreadable = 0;
  std::size_t with_pictures = 0, pictures = 0;
  Histogram tokens, learned;      ///< of a row; those that carry a loss. Empty without a processor
  Histogram turns, answer_words;  ///< words of the last answer, by spaces
  Histogram pictures_per_row, widths, heights;
  std::size_t distinct_answers = 0;
  bool answers_counted = true;  ///< false: there were too many different ones to count them all
  std::vector<std::pair<std::string, std::size_t>> answers;  ///< the most frequent, shortened
};

struct StatisticsRequest {
  const ChatProcessor* processor = nullptr;  ///< null: no tokens are counted
  const RowKind* kind = nullptr;             ///< null: whichever a row is of
  LossOn loss_on = LossOn::Completion;
  bool pictures = true;  ///< their sizes, from their headers
};

Result<DatasetStatistics> dataset_statistics(const Dataset& dataset,
                                             const StatisticsRequest& request,
                                             const RowProgress& progress = {});

}  // namespace luthier
