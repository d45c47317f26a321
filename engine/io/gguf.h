// SPDX-License-Identifier: GPL-3.0-or-later
// GGUF, the one-file format of llama.cpp: a header of named fields, the tensors' names, shapes and
// places, then their bytes. Written in one go from tensors that are asked for one after another, as
// the format's version 3 has it (little-endian, every tensor at a multiple of 32 bytes).
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/safetensors.h"

namespace luthier {

/// The types of numbers that are written here, by the format's own codes.
enum class GgufType : std::uint32_t { F32 = 0, F16 = 1, Q8_0 = 8 };

/// Numbers of a block of Q8_0: one scale in float16, then so many whole numbers of a byte each.
inline constexpr std::int64_t kQ8Block = 32;

using GgufValue =
    std::variant<std::uint32_t, std::int32_t, float, bool, std::string, std::vector<std::int32_t>,
                 std::vector<float>, std::vector<bool>, std::vector<std::string>>;
struct GgufField {
  std::string key;
  GgufValue value;
};
/// In the order in which they are written. `general.architecture` is expected to come first.
using GgufFields = std::vector<GgufField>;

struct GgufOutline {
  std::string name;
  GgufType type = GgufType::F32;
  std::vector<std::int64_t> shape;  ///< rows first, as safetensors has it
};
/// Of the tensor's data; a Machine error where its rows do not divide into blocks.
Result<std::uint64_t> gguf_bytes(const GgufOutline& outline);

/// Writes one file (not atomically by itself, as write_safetensors). `give` is asked for the bytes
/// of each tensor in the order of `outlines`.
Status write_gguf(const std::filesystem::path& path, const GgufFields& fields,
                  const std::vector<GgufOutline>& outlines, const GiveBytes& give);

/// The bits of the float16 that is nearest; of two as near, the even one. What is too large becomes
/// infinite.
std::uint16_t half_bits(float value);
float half_value(std::uint16_t bits);

/// Whole blocks of numbers into theirs, 34 bytes each: the scale is the largest magnitude / 127,
/// and numbers are rounded before the scale is.
void encode_q8_0(std::span<const float> numbers, std::span<std::byte> blocks);

}  // namespace luthier
