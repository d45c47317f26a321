// SPDX-License-Identifier: GPL-3.0-or-later
// A film's file from anywhere: refused with a sentence, or frames of the size that it says, its first
// and its last among them. Without FFmpeg's libraries all are refused.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "engine/vision/film.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const auto film = luthier::open_film_bytes(bytes, {}, "fuzz", {300'000});
  if (!film) {
    if (film.error().what.empty() || film.error().where.empty()) std::abort();
    return 0;
  }
  const luthier::FilmLength length = (*film)->length();
  if (length.frames < 1 || (length.fps && !(*length.fps > 0)) ||
      (length.seconds && !(*length.seconds > 0)))
    std::abort();
  const std::vector<std::int64_t> ends{0, length.frames / 2, length.frames - 1};
  const auto extent = (*film)->size(ends);
  if (!extent || extent->width < 1 || extent->height < 1) std::abort();
  const auto look = [&](const luthier::Image& image) -> luthier::Status {
    if (image.width != extent->width || image.height != extent->height ||
        image.rgb.size() != std::size_t(image.width) * std::size_t(image.height) * 3)
      std::abort();
    return {};
  };
  const luthier::Status done = (*film)->each(ends, look);
  if (!done && (done.error().what.empty() || done.error().where.empty())) std::abort();
  return 0;
}
