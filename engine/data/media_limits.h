// SPDX-License-Identifier: GPL-3.0-or-later
// A recipe's limits of pictures and films, as processors take them.
#pragma once

#include "engine/config/recipe.h"
#include "engine/vision/film_processor.h"

namespace luthier {

inline MediaLimits media_limits(const Recipe& recipe) {
  const FilmSettings& film = recipe.film;
  return {{recipe.image.min_pixels, recipe.image.max_pixels},
          {film.num_frames,
           film.fps,
           film.max_frames,
           {film.min_pixels, film.max_pixels},
           film.min_frames}};
}

}  // namespace luthier
