// SPDX-License-Identifier: GPL-3.0-or-later
// What needs a model's tokenizer and picture processor but no weights: checking data, showing rows
// as the model gets them, forecasts. Everything that was read is kept for the next question, so
// that a forecast answers while fields change.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/forecast/forecast.h"
#include "engine/session/job_thread.h"

namespace luthier {

class DataWorker {
 public:
  DataWorker(std::function<void(SessionEvent)> emit, const Cancellations& cancellations)
      : emit_(std::move(emit)), cancellations_(cancellations) {}

  Status check(const Recipe& recipe, RequestId request);
  Status preview(const Recipe& recipe, std::size_t first, std::size_t count, RequestId request);
  Status inspect(const Recipe& recipe, std::size_t row, RequestId request);
  Status forecast(const Recipe& recipe, RequestId request);
  Status table_methods(const Recipe& recipe, bool four_bits_beside, RequestId request);

 private:
  Result<std::shared_ptr<const ChatProcessor>> processor_for(const Recipe& recipe);
  Result<std::shared_ptr<const ModelSummary>> summary_for(const Recipe& recipe);
  Result<std::shared_ptr<const Dataset>> dataset_for(const Recipe& recipe);
  std::function<bool(std::size_t, std::size_t)> watch(RequestId request,
                                                      const std::string& what) const;

  std::function<void(SessionEvent)> emit_;
  const Cancellations& cancellations_;
  std::string processor_key_, dataset_key_, summary_key_, rows_key_;
  std::shared_ptr<const ChatProcessor> processor_;
  std::shared_ptr<const Dataset> dataset_;
  std::shared_ptr<const ModelSummary> summary_;
  std::shared_ptr<const std::vector<RowShape>> rows_;
};

}  // namespace luthier
