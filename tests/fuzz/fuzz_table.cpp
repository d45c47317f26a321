// SPDX-License-Identifier: GPL-3.0-or-later
// Tables and archives from anywhere: records and members lie inside the file, one after another,
// and what is read of them becomes rows or sentences.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "engine/data/columns.h"
#include "engine/data/sources/csv_text.h"
#include "engine/data/sources/row_source.h"
#include "engine/data/sources/tar_index.h"
#include "engine/data/tools/row_fixes.h"
#include "engine/data/tools/row_search.h"
#include "engine/data/tools/row_texts.h"

namespace {

using namespace luthier;

void read_table(std::string_view text) {
  const char separator = detail::separator_of(text);
  const auto rows = detail::index_csv(text, separator, "fuzz");
  if (!rows) {
    if (rows.error().what.empty()) std::abort();
    return;
  }
  std::uint64_t before = 0;
  for (std::size_t i = 0; i < rows->size(); ++i) {
    const detail::RowSpan row = (*rows)[i];
    if (row.begin < before || row.end < row.begin || row.end > text.size()) std::abort();
    before = row.end;
    std::size_t letters = 0;
    for (const std::string& field :
         detail::csv_fields(text.substr(row.begin, row.end - row.begin), separator)) {
      letters += field.size();
      (void)detail::typed_text("messages", field);
      (void)detail::typed_text("label", field);
    }
    if (letters > row.end - row.begin) std::abort();
  }
  if (!rows->empty())
    (void)detail::csv_names(text.substr((*rows)[0].begin, (*rows)[0].end - (*rows)[0].begin),
                            separator, "fuzz");
}

void read_archive(std::string_view archive) {
  const auto samples = detail::index_tar(archive, "fuzz");
  if (!samples) {
    if (samples.error().what.empty()) std::abort();
    return;
  }
  for (const auto& sample : *samples) {
    if (sample.begin >= sample.end || sample.end > archive.size()) std::abort();
    const std::string_view own = archive.substr(sample.begin, sample.end - sample.begin);
    std::uint64_t at = 0;
    while (at < own.size()) {
      const auto member = detail::next_member(own, at, "fuzz");
      if (!member || member->name.empty()) break;
      if (member->next <= at || member->end > own.size()) std::abort();
      if (member->name.starts_with('/') || member->name.starts_with("../")) std::abort();
      at = member->next;
    }
  }
}

/// The first line is a condition or columns, the rest a row.
void map_row(std::string_view text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string first(text.substr(0, end));
  const auto row = parse_json(text.substr(std::min(end + 1, text.size())), "fuzz");
  if (!row) return;
  if (const auto map = column_map({first}, "{a} {b.0.c}", "")) (void)mapped_row(*map, *row);
  if (const auto condition = row_condition(first)) (void)fits(*row, {"x", {*condition}});
  for (const char* kind : {"image_marks", "unknown_key"}) (void)fixed_row(kind, *row, "/nowhere");
  each_text(*row, [](const std::string&, std::string_view) { return true; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  read_table(text);
  read_archive(text);
  map_row(text);
  return 0;
}
