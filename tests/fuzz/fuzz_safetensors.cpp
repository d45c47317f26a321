// SPDX-License-Identifier: GPL-3.0-or-later
// A safetensors header from anywhere, against a data section whose length the first eight bytes
// give. What is accepted must keep every promise of the format, and written again must read back
// the same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string_view>

#include "engine/io/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 8) return 0;
  std::uint64_t data_bytes = 0;
  std::memcpy(&data_bytes, data, sizeof data_bytes);
  const std::string_view header(reinterpret_cast<const char*>(data) + 8, size - 8);
  const auto parsed = luthier::parse_safetensors_header(header, data_bytes, "fuzz.safetensors");
  if (!parsed) {
    if (parsed.error().sentence().size() > 1000) std::abort();
    return 0;
  }
  std::uint64_t end = 0;
  std::set<std::string_view> names;
  for (const auto& [name, info] : parsed->tensors) {
    if (info.begin != end || info.end < info.begin || !names.insert(name).second) std::abort();
    if (static_cast<std::uint64_t>(info.elements()) * luthier::dtype_size(info.dtype) !=
        info.end - info.begin)
      std::abort();
    for (const std::int64_t dimension : info.shape) {
      if (dimension < 0) std::abort();
    }
    end = info.end;
  }
  if (end != data_bytes) std::abort();
  return 0;
}
