// SPDX-License-Identifier: GPL-3.0-or-later
// The shipped base: a trained checkpoint's weights rounded to float16 (to nearest, ties to even),
// everything else of its folder as it is.
#include <bit>
#include <cmath>
#include <cstring>
#include <span>
#include <vector>

#include "engine/io/companion_files.h"
#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "engine/teaching/make.h"

namespace luthier {

namespace {

namespace fs = std::filesystem;

/// IEEE 754 binary16 of a binary32 value.
std::uint16_t to_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000u);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);
  if (magnitude >= 0x47800000u) return static_cast<std::uint16_t>(sign | 0x7c00u);
  // Below the smallest normal number, the step is 2^-24.
  if (magnitude < 0x38800000u) {
    return static_cast<std::uint16_t>(sign | static_cast<std::uint16_t>(std::nearbyint(
                                                 std::bit_cast<float>(magnitude) * 0x1p24f)));
  }
  const std::uint32_t rounded = magnitude + 0xfffu + (magnitude >> 13 & 1u);
  return static_cast<std::uint16_t>(sign |
                                    static_cast<std::uint16_t>((rounded - 0x38000000u) >> 13));
}

}  // namespace

Status finish_base(const fs::path& model, const fs::path& base) {
  LUTHIER_TRY(const CheckpointFiles files, CheckpointFiles::open(model));
  LUTHIER_TRY(Json config, read_json_file(model / "config.json"));
  std::error_code failed;
  fs::create_directories(base, failed);
  if (failed)
    return machine_error("The folder cannot be made: " + failed.message() + ".", base.string());

  std::vector<std::vector<std::uint16_t>> halves;
  std::vector<TensorToWrite> tensors;
  halves.reserve(files.tensors().size());
  for (const auto& [name, info] : files.tensors()) {
    const std::string where = (model / "model.safetensors").string() + ": " + name;
    if (info.dtype != DType::F32)
      return input_error("The tensor is " + dtype_name(info.dtype) + ", not F32.", where,
                         "Give the trained float32 checkpoint.");
    LUTHIER_TRY(const std::vector<std::byte> bytes, files.find(name)->bytes());
    const auto count = static_cast<std::size_t>(info.elements());
    std::vector<std::uint16_t>& half = halves.emplace_back(count);
    for (std::size_t i = 0; i < count; ++i) {
      float value;
      std::memcpy(&value, bytes.data() + 4 * i, 4);
      if (!(std::fabs(value) < 65504.0f))
        return input_error("The tensor holds a value that float16 cannot.", where);
      half[i] = to_half(value);
    }
    tensors.push_back({name, DType::F16, info.shape, std::as_bytes(std::span(half))});
  }
  LUTHIER_CHECK(write_safetensors(base / "model.safetensors", tensors));

  config["dtype"] = "float16";
  LUTHIER_CHECK(write_file_atomically(base / "config.json", config.dump(2) + "\n"));
  return copy_companion_files(model, base);
}

}  // namespace luthier
