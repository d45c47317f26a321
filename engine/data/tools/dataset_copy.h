// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of a dataset into a file of their own: chosen, put right, in one form or another. The
// original is never written; rows go through one by one, and the file is whole or not there.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/data/dataset.h"
#include "engine/data/row_kind.h"
#include "engine/data/tools/picture_variants.h"
#include "engine/data/tools/row_edits.h"
#include "engine/data/tools/row_workers.h"

namespace luthier {

enum class CopyForm { AsWritten, Messages, Conversations };

struct CopyRequest {
  RowList rows;  ///< in the order in which they are written
  RowEdits edits = {};
  CopyForm form = CopyForm::AsWritten;
  /// Rows with pictures come once more for each, as messages, the pictures in a folder beside the
  /// file ("train-pictures"), which is not there yet.
  VariantRules variants = {};
};

struct CopyReport {
  std::size_t written = 0;  ///< with variants
  /// Rows that could not be read and are left out, and those that came without variants for a
  /// picture that could not be; all of them, and what is said of the first hundred.
  std::size_t left_out = 0;
  std::vector<Error> unreadable;
};

/// Into a .jsonl file that is not there yet, pictures' paths from where it lies. `form` other than
/// as written reads each row as `kind`.
Result<CopyReport> copy_rows(const Dataset& dataset, const CopyRequest& request,
                             const std::filesystem::path& file, const RowKind& kind = any_rows(),
                             const RowProgress& progress = {});

/// All rows of a dataset but those that were dropped.
RowList kept_rows(const Dataset& dataset, const RowEdits& edits);

}  // namespace luthier
