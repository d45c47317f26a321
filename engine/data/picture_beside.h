// SPDX-License-Identifier: GPL-3.0-or-later
// Models that take a text and one picture beside it, each by itself or both together, without a
// place for the picture in the text (two towers, FIBER).
#pragma once

#include "engine/data/region_rows.h"

namespace luthier {

inline bool reads_picture_beside(const ChatProcessor& processor) {
  return processor.image_processor() && processor.image_token_id() < 0 &&
         processor.row_form() == RowForm::ChatTemplate && !region_needs(processor);
}

}  // namespace luthier
