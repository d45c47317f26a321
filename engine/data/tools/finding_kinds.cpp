// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/tools/finding_kinds.h"

#include "engine/data/conversation.h"

namespace luthier {

const std::vector<std::string>& finding_kinds() {
  static const std::vector<std::string> kinds = [] {
    std::vector<std::string> all;
    for (const RowFault fault :
         {RowFault::BadRow, RowFault::ImageMarks, RowFault::MissingImage, RowFault::BrokenImage,
          RowFault::MissingFilm, RowFault::BrokenFilm, RowFault::Template,
          RowFault::UnsupportedMedia, RowFault::UnsupportedTools, RowFault::UnknownKey})
      all.emplace_back(row_fault_name(fault));
    for (const char* other :
         {"duplicate", "near_duplicate", "empty_answer", "equal_answers", "no_labels", "too_long"})
      all.emplace_back(other);
    return all;
  }();
  return kinds;
}

}  // namespace luthier
