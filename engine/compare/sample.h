// SPDX-License-Identifier: GPL-3.0-or-later
// One input that every column of a comparison answers, and reading them from files of rows. No
// LibTorch.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/data/conversation.h"

namespace luthier {

struct ColumnMap;

struct Sample {
  Conversation conversation;  ///< a trailing assistant turn is the expected answer
  std::string where;          ///< "rows.jsonl: row 3"

  /// The trailing assistant turn's text.
  std::optional<std::string> expected() const;
  /// The last user turn's text.
  std::string question() const;
  /// Of all turns, in their order.
  std::vector<std::filesystem::path> pictures() const;
  std::vector<RowFilm> films() const;
};

bool same_sample(const Sample& a, const Sample& b);

/// `where` without the folders before the file's name.
std::string short_place(const std::string& where);

/// All rows of the files; the first that cannot be read is the error.
Result<std::vector<Sample>> read_samples(const std::vector<std::filesystem::path>& files,
                                         const std::filesystem::path& image_folder = {});

struct SamplesRead {
  std::vector<Sample> samples;
  std::size_t rows = 0;           ///< in the file
  std::vector<Error> unreadable;  ///< rows that were passed over
};
/// The first `count` rows of a file that can be read; an Input error where there is none.
Result<SamplesRead> read_first_samples(const std::filesystem::path& file, std::size_t count,
                                       const std::filesystem::path& image_folder = {});
/// The same of rows whose columns are called otherwise.
Result<SamplesRead> read_first_samples(const std::filesystem::path& file, std::size_t count,
                                       const std::filesystem::path& image_folder,
                                       const ColumnMap& columns);

/// That each picture is there and its header can be read: an Input error names the first that is
/// not. Cheap beside answering, which would find it only when it comes to that sample.
Status check_pictures(const std::vector<Sample>& samples);

}  // namespace luthier
