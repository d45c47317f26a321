// SPDX-License-Identifier: GPL-3.0-or-later
// What kind of fault an error about a row is: the data check sorts its findings by it, the loader
// may skip pictures' faults only.
#pragma once

namespace luthier {

enum class RowFault {
  BadRow,
  ImageMarks,
  MissingImage,
  BrokenImage,
  MissingFilm,
  BrokenFilm,  ///< or one that is too short or too long
  Template,
  UnsupportedMedia,  ///< sound, or a film where the model takes none
  UnsupportedTools,  ///< tools in the row, and a template that has no place for them
  UnknownKey,        ///< a key that is not read and holds a picture
};

/// "bad_row", "image_marks", ... as the data check writes it.
const char* row_fault_name(RowFault fault);

}  // namespace luthier
