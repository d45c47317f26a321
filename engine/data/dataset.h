// SPDX-License-Identifier: GPL-3.0-or-later
// A dataset is its rows on disk (JSONL, or JSON holding a list), indexed once and read row by row; and the checks that name a row before
// training wastes an hour on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/data/conversation.h"
#include "engine/data/processor.h"

namespace luthier {

class Dataset {
 public:
  /// One or several files, concatenated. Fails when a file is missing or not JSON/JSONL; a bad single row is found by read() and check_dataset().
  static Result<std::shared_ptr<const Dataset>> open(const std::vector<std::filesystem::path>& files);

  std::size_t size() const;
  /// `row` counts from 0; `fault` gets the kind of an error.
  Result<Conversation> read(std::size_t row, RowFault* fault = nullptr) const;
  /// The row as it is written.
  Result<Json> row(std::size_t row) const;
  /// "train.jsonl: row 3" (rows count from 1 within their file; the line too, where it is another).
  std::string where(std::size_t row) const;
  /// SHA-256 over the files' bytes: what a resume compares.
  const std::string& fingerprint() const;

 private:
  struct Source;
  const Source& source_of(std::size_t row) const;
  std::vector<std::shared_ptr<const Source>> sources_;
  std::string fingerprint_;
};

/// `kind`: bad_row | missing_image | broken_image | image_marks | empty_answer | no_labels | too_long | duplicate | template.
/// A duplicate, and a row that is too long but keeps labels when cut, stay usable; every other kind makes its row unusable.
struct Finding {
  std::size_t row = 0;     ///< 1-based over the whole dataset
  std::string kind;
  std::string message;     ///< a sentence with file and row
};

struct DatasetReport {
  std::size_t rows = 0, usable = 0;
  std::vector<Finding> findings;
  std::int64_t longest_tokens = 0;   ///< of the usable rows
};

/// Checks every row with the model's processor; every picture is decoded once, by several threads. `max_length` <= 0 means no limit.
/// A preference row is checked with either answer. `progress(done, total)` counts pictures and rows; false cancels (an Interrupted error).
Result<DatasetReport> check_dataset(const Dataset& dataset, const ChatProcessor& processor, LossOn loss_on, std::int64_t max_length,
                                    const std::function<bool(std::size_t, std::size_t)>& progress = {});

}  // namespace luthier
