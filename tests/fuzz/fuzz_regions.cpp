// SPDX-License-Identifier: GPL-3.0-or-later
// A file of regions from anywhere: refused with a sentence that names it, or as many finite numbers
// as its shape says, with boxes inside their picture and classes that the model has. Its header
// alone says the same shape.
#include <unistd.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "engine/data/region_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::filesystem::path file =
      std::filesystem::temp_directory_path() / ("fuzz_regions." + std::to_string(getpid()));
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  luthier::RegionNeeds needs;
  needs.width = 3, needs.boxes = size % 2 == 0, needs.objects = 4, needs.attributes = 3;
  const auto whole = luthier::read_region_file(file, needs, false, "fuzz", nullptr),
             outline = luthier::read_region_file(file, needs, true, "fuzz", nullptr);
  if (!whole) {
    if (whole.error().what.empty() || !whole.error().where.starts_with("fuzz: ")) std::abort();
    return 0;
  }
  const std::int64_t regions = whole->shape.at(0), columns = whole->shape.at(1);
  if (!outline || outline->shape != whole->shape || !outline->values.empty()) std::abort();
  if (regions < 1 || regions > luthier::kMostRegions || columns != 3 + luthier::kRegionNumbers)
    std::abort();
  if (whole->values.size() != static_cast<std::size_t>(regions * columns)) std::abort();
  for (const float each : whole->values)
    if (!std::isfinite(each)) std::abort();
  for (std::int64_t region = 0; region < regions; ++region) {
    const float* told = whole->values.data() + region * columns + 3;
    for (int i = 0; i < 4; ++i)
      if (told[i] < -0.001f || told[i] > 1.001f) std::abort();
    const float object = told[luthier::region_numbers::kObject],
                attribute = told[luthier::region_numbers::kAttribute];
    if (object < 0 || object > 3 || attribute < 0 || attribute > 2) std::abort();
  }
  const auto words = static_cast<std::size_t>(whole->grid.at(1));
  if (whole->grid.size() != 2 + words * static_cast<std::size_t>(regions)) std::abort();
  return 0;
}
