// SPDX-License-Identifier: GPL-3.0-or-later
// A dataset is its rows on disk (JSON, tables, archives, Parquet and Arrow files, folders), indexed
// once and read row by row; and the checks that name a row before training wastes an hour on it.
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

class RowKind;
struct ColumnMap;

class Dataset {
 public:
  /// One or several files or folders, concatenated. Fails when one is missing or holds no rows; a
  /// bad single row is found by read() and check_dataset(). Relative picture paths start at
  /// `image_folder`; empty: beside each file.
  static Result<std::shared_ptr<const Dataset>> open(
      const std::vector<std::filesystem::path>& files,
      const std::filesystem::path& image_folder = {});
  /// With columns that are called otherwise than the keys that rows are read by.
  static Result<std::shared_ptr<const Dataset>> open(
      const std::vector<std::filesystem::path>& files, const std::filesystem::path& image_folder,
      const ColumnMap& columns);

  std::size_t size() const;
  /// `row` counts from 0; `fault` gets the kind of an error.
  Result<Conversation> read(std::size_t row, RowFault* fault = nullptr) const;
  /// The row as it is written, under the keys that rows are read by.
  Result<Json> row(std::size_t row) const;
  /// False where no text of the row holds `wanted` (small letters of ASCII) and its bytes alone say
  /// so; true where it is to be looked at.
  bool may_hold(std::size_t row, const std::string& wanted) const;
  /// The row with its columns as the file calls them.
  Result<Json> unmapped_row(std::size_t row) const;
  /// What relative picture paths of the row start at.
  std::filesystem::path folder_of(std::size_t row) const;
  /// Which of the files it is in, from 0.
  std::size_t file_of(std::size_t row) const;
  /// "train.jsonl: row 3" (rows count from 1 within their file; the line too, where it is another).
  std::string where(std::size_t row) const;
  /// SHA-256 over the files' bytes, and the columns: what a resume compares.
  const std::string& fingerprint() const;

 private:
  struct Source;
  const Source& source_of(std::size_t row) const;
  std::vector<std::shared_ptr<const Source>> sources_;
  std::string fingerprint_;
  std::filesystem::path image_folder_;
  std::shared_ptr<const ColumnMap> columns_;  // null: rows are read as they are
};

/// `kind`: bad_row | missing_image | broken_image | missing_film | broken_film | image_marks |
/// empty_answer | equal_answers | no_labels | too_long | duplicate | template | unsupported_media |
/// unsupported_tools | unknown_key. A duplicate, a pair of equal answers, a row that is too long
/// but keeps labels when cut, and one with a key that is nearly a known one stay usable; every
/// other kind makes its row unusable.
struct Finding {
  std::size_t row = 0;  ///< of the whole dataset, from 0 as Dataset::read counts
  std::string kind;
  std::string message;  ///< a sentence with file and row
  bool usable = false;  ///< the row may be trained on all the same
};

struct DatasetReport {
  std::size_t rows = 0, usable = 0;
  std::vector<Finding> findings;
  std::int64_t longest_tokens = 0;  ///< of the usable rows
};

struct DatasetCheck {
  LossOn loss_on = LossOn::Completion;
  std::int64_t max_length = 0;  ///< <= 0: no limit
  /// Every picture is decoded, once; else its size is read from its header, which finds what is
  /// missing and what is no picture.
  bool decode = true;
  const RowKind* kind = nullptr;  ///< the objective's; null: whichever kind a row is of
};

/// Checks every row with the model's processor, by several threads; the findings stand in the rows'
/// order. A row of several sequences is usable when each of them is. `progress(done, total)` counts
/// rows and is called on this thread; false cancels (an Interrupted error).
Result<DatasetReport> check_dataset(
    const Dataset& dataset, const ChatProcessor& processor, const DatasetCheck& how,
    const std::function<bool(std::size_t, std::size_t)>& progress = {});
Result<DatasetReport> check_dataset(
    const Dataset& dataset, const ChatProcessor& processor, LossOn loss_on, std::int64_t max_length,
    const std::function<bool(std::size_t, std::size_t)>& progress = {});

}  // namespace luthier
