// SPDX-License-Identifier: GPL-3.0-or-later
// An objective whose reference several processes can ask beforehand: each asks about micro-batches
// of its own, and what was said passes between them.
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
  /// run's folder: beside it, and its own. Before the first answer is taken; of one that keeps it
  /// in a file.
  virtual void keep_beside(const std::filesystem::path& /*place*/) {}
  /// Nothing is kept here: the whole file is another process's, and is read there (read_asked) once
  /// all rows were asked about.
  virtual void leave_to_another() {}
  /// What the reference says of these rows.
  virtual Json answer_beforehand(Policy& policy, const MicroBatch& rows) = 0;
  /// Adds what answer_beforehand() made at whichever process. A Machine error where it cannot be
  /// kept; throws what the JSON library does where it is no such answer.
  virtual Status take_answer(const Json& said, bool evaluation) = 0;
};

}  // namespace luthier
