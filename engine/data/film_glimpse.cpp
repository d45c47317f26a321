// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/film_glimpse.h"

namespace luthier {

std::vector<std::filesystem::path> film_glimpse(const RowFilm& film, std::size_t most) {
  std::vector<std::filesystem::path> pictures = film.pictures;
  if (pictures.empty() && is_sequence(film)) {
    auto found = film_folder(film.path);
    if (found) pictures = found.take();
  }
  if (pictures.size() <= most || most == 0) return most == 0 ? decltype(pictures){} : pictures;
  std::vector<std::filesystem::path> shown;
  for (std::size_t i = 0; i < most; ++i)
    shown.push_back(pictures[most == 1 ? 0 : i * (pictures.size() - 1) / (most - 1)]);
  return shown;
}

}  // namespace luthier
