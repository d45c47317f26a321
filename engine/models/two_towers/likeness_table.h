// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures and texts, which belong together, and how alike a model of two towers finds them, as a
// table to be shown. No LibTorch.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace luthier {

/// Pictures and texts, and which belong together where that is known.
struct PicturesAndTexts {
  std::vector<std::filesystem::path> pictures;
  std::vector<std::string> texts;
  std::vector<std::size_t> picture_of;  ///< of each text, by its place; empty: not known
};

/// How well rows find what is theirs.
struct Recall {
  std::vector<double> at;  ///< a share for each k
  double median_rank = 0;  ///< of the first of its own, from 1
};

/// Both ways.
struct Recalls {
  std::vector<std::size_t> ks;
  Recall text_to_image, image_to_text;
};

struct LikenessTable {
  PicturesAndTexts given;
  std::vector<float> probabilities;  ///< [pictures · texts], picture by picture
  bool pairwise = false;  ///< those are each pair's own; else of each picture shares of the texts
  Recalls recalls;        ///< where `given` says which belong together; else of no k
};

}  // namespace luthier
