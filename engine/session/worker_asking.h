// SPDX-License-Identifier: GPL-3.0-or-later
// One request for answers while the model's worker is at it.
#pragma once

#include <chrono>
#include <map>
#include <utility>

#include "engine/session/model_worker.h"

namespace luthier {

struct ModelWorker::Asking {
  const AnswerRequest& asked;
  RequestId request;
  std::size_t done = 0;
  /// When something of an answer went out last, by column and sample.
  std::map<std::pair<std::size_t, std::size_t>, std::chrono::steady_clock::time_point> sent = {};

  std::size_t total() const { return asked.samples.size() * asked.columns.size(); }
};

}  // namespace luthier
