// SPDX-License-Identifier: GPL-3.0-or-later
// Datasets on disk: the files are mapped while they are indexed and read by position after that, so
// that any thread may read any row.
#include "engine/data/dataset.h"

#include <algorithm>

#include "engine/data/columns.h"
#include "engine/data/sources/row_source.h"
#include "engine/io/files.h"

namespace luthier {

struct Dataset::Source {
  detail::SourcePtr rows;
  std::size_t first = 0;  // its first row in the whole dataset
};

Result<std::shared_ptr<const Dataset>> Dataset::open(
    const std::vector<std::filesystem::path>& files, const std::filesystem::path& image_folder) {
  return open(files, image_folder, ColumnMap());
}

Result<std::shared_ptr<const Dataset>> Dataset::open(
    const std::vector<std::filesystem::path>& files, const std::filesystem::path& image_folder,
    const ColumnMap& columns) {
  std::error_code ignored;
  if (!image_folder.empty() && !std::filesystem::is_directory(image_folder, ignored)) {
    const bool there = std::filesystem::exists(image_folder, ignored);
    return input_error(
        there ? "The picture folder is no folder." : "The picture folder is missing.",
        image_folder.string(),
        "image_folder names the folder that the rows' relative picture paths start at.");
  }
  if (files.empty())
    return input_error("No dataset is given.", "dataset",
                       "Name at least one file of rows, or their folder.");
  auto dataset = std::make_shared<Dataset>();
  dataset->image_folder_ = image_folder;
  std::string digests;
  for (const std::filesystem::path& path : files) {
    auto source = std::make_shared<Source>();
    source->first = dataset->size();
    LUTHIER_TRY(source->rows, detail::open_source(path));
    digests += source->rows->digest();
    dataset->sources_.push_back(std::move(source));
  }
  bool one = files.size() == 1;
  if (!columns.empty()) {
    dataset->columns_ = std::make_shared<const ColumnMap>(columns);
    for (const std::string& entry : column_entries(columns)) digests += entry + '\n';
    digests += columns.prompt + '\n' + columns.answer;
    one = false;
  }
  dataset->fingerprint_ = one ? digests : sha256_bytes(std::as_bytes(std::span(digests)));
  return std::shared_ptr<const Dataset>(std::move(dataset));
}

Result<std::shared_ptr<const Dataset>> open_rows(const Recipe& recipe,
                                                 const std::vector<std::string>& files) {
  LUTHIER_TRY(const ColumnMap columns, column_map(recipe));
  return Dataset::open({files.begin(), files.end()}, recipe.image_folder, columns);
}

std::size_t Dataset::size() const {
  return sources_.empty() ? 0 : sources_.back()->first + sources_.back()->rows->size();
}

const Dataset::Source& Dataset::source_of(std::size_t row) const { return *sources_[file_of(row)]; }

std::size_t Dataset::file_of(std::size_t row) const {
  const auto after =
      std::upper_bound(sources_.begin(), sources_.end(), row,
                       [](std::size_t value, const auto& source) { return value < source->first; });
  return static_cast<std::size_t>(after - sources_.begin()) - 1;
}

std::string Dataset::where(std::size_t row) const {
  if (row >= size()) return "row " + std::to_string(row + 1);
  const Source& source = source_of(row);
  return source.rows->place(row - source.first);
}

Result<Json> Dataset::unmapped_row(std::size_t row) const {
  if (row >= size())
    return input_error("The dataset has " + std::to_string(size()) + " rows; row " +
                       std::to_string(row + 1) + " was asked for.");
  const Source& source = source_of(row);
  return source.rows->read(row - source.first, where(row));
}

bool Dataset::may_hold(std::size_t row, const std::string& wanted) const {
  if (row >= size() || columns_) return true;  // a map may say more than the file
  const Source& source = source_of(row);
  return source.rows->may_hold(row - source.first, wanted);
}

Result<Json> Dataset::row(std::size_t row) const {
  LUTHIER_TRY(Json json, unmapped_row(row));
  return columns_ ? mapped_row(*columns_, std::move(json)) : std::move(json);
}

Result<Conversation> Dataset::read(std::size_t row, RowFault* fault) const {
  if (fault) *fault = RowFault::BadRow;
  LUTHIER_TRY(const Json json, this->row(row));
  return read_conversation(json, folder_of(row), where(row), fault);
}

std::filesystem::path Dataset::folder_of(std::size_t row) const {
  const Source& source = source_of(row);
  return image_folder_.empty() ? source.rows->folder(row - source.first) : image_folder_;
}

const std::string& Dataset::fingerprint() const { return fingerprint_; }

}  // namespace luthier
