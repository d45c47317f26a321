// SPDX-License-Identifier: GPL-3.0-or-later
// A safetensors file of what a detector found in one picture:
//   features [regions, width]            what it made of each region
//   boxes [regions, 4]                   x1, y1, x2, y2 as shares of the picture's width and height
//   objects, attributes [regions]        the class of each, whole numbers from 0
//   object_confidences, attribute_confidences [regions]   how sure it is, from 0 to 1; absent: 1
//   alignment [regions, words]           places in the row's tokens that a region belongs to, −1
//                                        where there are fewer (VisualBERT's image_text_alignment)
// Numbers are float32, float64, float16 or bfloat16, whole ones also integers.
#pragma once

#include <filesystem>
#include <string>

#include "engine/data/row_fault.h"
#include "engine/vision/region_processor.h"

namespace luthier {

/// A file's regions as vision/region_processor.h lays them out. `outline`: from the file's header,
/// shape and grid without values. An Input error names `where` (the row's field), the file and the
/// tensor; `fault` gets its kind.
Result<PixelValues> read_region_file(const std::filesystem::path& file, const RegionNeeds& needs,
                                     bool outline, const std::string& where, RowFault* fault);

}  // namespace luthier
