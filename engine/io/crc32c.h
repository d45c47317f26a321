// SPDX-License-Identifier: GPL-3.0-or-later
// CRC-32C (Castagnoli), and the masked form in which TFRecord stores it (RFC 3720; TensorFlow's
// record format).
#pragma once

#include <cstdint>
#include <string_view>

namespace luthier {

std::uint32_t crc32c(std::string_view bytes);
/// Rotated and offset, so that a checksum of data that holds checksums stays useful.
std::uint32_t masked_crc32c(std::string_view bytes);

}  // namespace luthier
