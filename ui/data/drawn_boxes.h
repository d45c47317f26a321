// SPDX-License-Identifier: GPL-3.0-or-later
// The boxes of a row on its picture, each with its label.
#pragma once

#include <QImage>
#include <vector>

#include "engine/data/boxes/box_notation.h"

namespace luthier {

/// `picture`: how large the picture is whose pixels the boxes are in; `shown` is it in another
/// size.
void draw_boxes(QImage& shown, const std::vector<LabelledBox>& boxes, ImageSize picture);

}  // namespace luthier
