// SPDX-License-Identifier: GPL-3.0-or-later
// What stands beside a run's rows in files of its own: pictures, films, masks, regions. A resumed
// run must find them as they were, as it must its rows, and a refusal names what changed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/batches/window_source.h"

namespace luthier {

/// Two short numbers for each row of a dataset: of what its files hold, and of when those of them
/// were written that are not looked at whole. 0: it names none. Empty: nobody has looked.
struct RowMarks {
  std::vector<std::uint16_t> contents, times;
};

/// Looks at the files that rows name, wherever these lie. All of a file is looked at where it is no
/// larger than its share of 256 MiB, which all rows have alike and in a row its files (and those of
/// a film's folder), and up to 16 KiB in any case; of a larger one its length, beginning, middle
/// and end. What is not there or cannot be read counts as that. 12 bytes a row are kept, whatever
/// the number of files.
class RowFiles {
 public:
  /// Looks at what rows of this dataset name as far as their kind and the processor read it:
  /// pictures that stand in the row itself are the row's, and without a picture processor nobody
  /// reads any. A null processor: whoever reads them is not known.
  explicit RowFiles(const RowReader& reader);
  ~RowFiles();
  RowFiles(RowFiles&&) noexcept;

  /// Several threads may call it, each with rows of its own.
  void look(std::size_t row, const Conversation& read);
  /// Reads these rows and looks at each. `progress(done, total)` returns false to cancel
  /// (Interrupted).
  Status look_at(const std::vector<std::int64_t>& rows,
                 const std::function<bool(std::size_t done, std::size_t total)>& progress);

  /// "files-2 SHA-256" over what these rows' files hold, in this order; empty: they name none.
  std::string fingerprint(const std::vector<std::int64_t>& rows) const;
  RowMarks marks() const;

  /// The first files of rows whose contents are others than they were, with their rows, and how
  /// many more rows there are; empty where nothing is known of it.
  std::string changed_since(const RowMarks& before, const std::vector<std::int64_t>& rows) const;
  /// The same of rows whose files were written anew and look alike where not all is looked at.
  std::string rewritten_since(const RowMarks& before, const std::vector<std::int64_t>& rows) const;

 private:
  struct Known;
  std::vector<std::string> files_of(const Conversation& read) const;
  std::string named(const std::vector<std::size_t>& found) const;

  RowReader reader_;
  bool pictures_ = true;  ///< are read
  std::uintmax_t whole_ = 0;
  std::vector<std::uint64_t> contents_;
  std::vector<std::uint32_t> times_;
  std::unique_ptr<Known> known_;
};

/// Whether a fingerprint of a run was made of the same things as today's are.
bool compares_row_files(const std::string& fingerprint);

}  // namespace luthier
