// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/compare/sample.h"

#include <set>

#include "engine/base/text.h"
#include "engine/data/columns.h"
#include "engine/data/dataset.h"
#include "engine/data/row_kind.h"
#include "engine/vision/image.h"

namespace luthier {
namespace fs = std::filesystem;
namespace {

std::string text_of(const Message& message) {
  std::string text;
  for (const ContentPart& part : message.content) {
    if (part.kind == ContentPart::Kind::Text) text += part.text;
  }
  return text;
}

Error in_sample(const Sample& sample, Error error) {
  error.where = sample.where + (error.where.empty() ? "" : ": " + error.where);
  return error;
}

}  // namespace

std::optional<std::string> Sample::expected() const {
  const auto& messages = conversation.messages;
  if (messages.empty() || messages.back().role != "assistant") return {};
  return text_of(messages.back());
}

std::string Sample::question() const {
  const auto& messages = conversation.messages;
  for (auto message = messages.rbegin(); message != messages.rend(); ++message) {
    if (message->role == "user" || message->role == "text") return trimmed(text_of(*message));
  }
  return {};
}

std::vector<fs::path> Sample::pictures() const {
  std::vector<fs::path> paths;
  for (const Message& message : conversation.messages) {
    for (const ContentPart& part : message.content) {
      if (part.kind == ContentPart::Kind::Image) paths.push_back(part.image);
    }
  }
  return paths;
}

std::vector<RowFilm> Sample::films() const {
  std::vector<RowFilm> films;
  for (const Message& message : conversation.messages) {
    for (const ContentPart& part : message.content) {
      if (part.kind == ContentPart::Kind::Film) films.push_back(part.film);
    }
  }
  return films;
}

bool same_sample(const Sample& a, const Sample& b) {
  const auto& left = a.conversation.messages;
  const auto& right = b.conversation.messages;
  if (a.where != b.where || left.size() != right.size()) return false;
  for (std::size_t i = 0; i < left.size(); ++i) {
    if (left[i].role != right[i].role || left[i].content != right[i].content) return false;
  }
  return true;
}

std::string short_place(const std::string& where) {
  const std::size_t row = where.rfind(": row ");
  if (row == std::string::npos) return fs::path(where).filename().string();
  return fs::path(where.substr(0, row)).filename().string() + where.substr(row);
}

Result<std::vector<Sample>> read_samples(const std::vector<fs::path>& files,
                                         const fs::path& image_folder) {
  LUTHIER_TRY(const auto dataset, Dataset::open(files, image_folder));
  std::vector<Sample> samples;
  for (std::size_t row = 0; row < dataset->size(); ++row) {
    LUTHIER_TRY(Conversation conversation, read_row(*dataset, row, any_rows()));
    samples.push_back({std::move(conversation), dataset->where(row)});
  }
  if (samples.empty()) {
    const std::string file = files.empty() ? "samples" : files.front().string();
    return input_error("The file holds no row.", file);
  }
  return samples;
}

Result<SamplesRead> read_first_samples(const fs::path& file, std::size_t count,
                                       const fs::path& image_folder) {
  return read_first_samples(file, count, image_folder, ColumnMap());
}

Result<SamplesRead> read_first_samples(const fs::path& file, std::size_t count,
                                       const fs::path& image_folder, const ColumnMap& columns) {
  LUTHIER_TRY(const auto dataset, Dataset::open({file}, image_folder, columns));
  SamplesRead read;
  read.rows = dataset->size();
  for (std::size_t row = 0; row < dataset->size() && read.samples.size() < count; ++row) {
    auto conversation = read_row(*dataset, row, any_rows());
    if (conversation)
      read.samples.push_back({conversation.take(), dataset->where(row)});
    else
      read.unreadable.push_back(conversation.error());
  }
  if (!read.samples.empty()) return read;
  if (!read.unreadable.empty()) return read.unreadable.front();
  return input_error("The file holds no row.", file.string(), "Choose another file.");
}

Status check_pictures(const std::vector<Sample>& samples) {
  std::set<fs::path> seen;
  for (const Sample& sample : samples) {
    for (const fs::path& path : sample.pictures()) {
      if (!seen.insert(path).second) continue;
      const auto size = read_image_size(path);
      if (!size) return in_sample(sample, size.error());
    }
    for (const RowFilm& film : sample.films()) {
      const auto opened = open_film(film);
      if (!opened) return in_sample(sample, opened.error());
      const auto size = (*opened)->size({0});
      if (!size) return in_sample(sample, size.error());
    }
  }
  return {};
}

}  // namespace luthier
