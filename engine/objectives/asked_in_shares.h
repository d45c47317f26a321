// SPDX-License-Identifier: GPL-3.0-or-later
// An objective whose reference several processes can ask beforehand: each asks about micro-batches
// of its own, what was said passes between them, and each keeps all of it.
#pragma once

#include <filesystem>

#include "engine/base/result.h"
#include "engine/batches/batch.h"
#include "engine/io/json.h"

namespace luthier {

class Policy;

/// What such an objective is, besides.
class AskedInShares {
 public:
  virtual ~AskedInShares() = default;
  /// Where this process keeps what was said until all rows were asked about, in the place of the
  /// run's folder: beside it, and its own. Before the first answer is taken.
  virtual void keep_beside(const std::filesystem::path& place) = 0;
  /// What the reference says of these rows.
  virtual Json answer_beforehand(Policy& policy, const MicroBatch& rows) = 0;
  /// Adds what answer_beforehand() made at whichever process. A Machine error where it cannot be
  /// kept; throws what the JSON library does where it is no such answer.
  virtual Status take_answer(const Json& said, bool evaluation) = 0;
};

}  // namespace luthier
