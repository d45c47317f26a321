// SPDX-License-Identifier: GPL-3.0-or-later
// What can be put right in a row by itself: marks that are not as many as its pictures, a key that
// is nearly a known one, a picture that lies elsewhere in the folder.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>

#include "engine/data/tools/dataset_copy.h"
#include "engine/io/json.h"

namespace luthier {

/// Whether a finding of this kind can be put right at all.
bool is_fixable(const std::string& kind);

/// Where pictures lie by their names, whatever the case; each folder is gone through once.
class PictureFinder {
 public:
  /// `go_on`: whether to, asked now and then while a folder is gone through; false leaves it.
  explicit PictureFinder(std::function<bool()> go_on = {}) : go_on_(std::move(go_on)) {}

  /// The one file in the folder or below it that is called so; else the one picture that is, but
  /// for its ending. Nothing where several are: any of them may be meant.
  std::optional<std::string> find(const std::filesystem::path& folder,
                                  const std::filesystem::path& wanted);

 private:
  struct Names {
    std::unordered_multimap<std::string, std::string> files, pictures;
  };
  Names read(const std::filesystem::path& folder) const;

  std::function<bool()> go_on_;
  std::map<std::filesystem::path, Names> folders_;
};

/// The row put right, or nothing. `folder`: what its picture paths start at.
std::optional<Json> fixed_row(const std::string& kind, const Json& row,
                              const std::filesystem::path& folder, PictureFinder& pictures);
std::optional<Json> fixed_row(const std::string& kind, const Json& row,
                              const std::filesystem::path& folder);

/// Every row with keys that are nearly known ones: a check tells of the first such row alone.
struct KeyFixes {
  ReplacedRows fixed;
  RowSet left;  ///< that could not be put right
};
/// Of the rows that are kept, as they are put right so far.
Result<KeyFixes> fixed_keys(const Dataset& dataset, const RowEdits& edits,
                            const RowProgress& progress = {});

}  // namespace luthier
