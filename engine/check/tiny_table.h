// SPDX-License-Identifier: GPL-3.0-or-later
// The configurations of the small models, by family: what they differ in is what the families' code
// can meet (rotary positions of each kind, sliding windows, grouped queries, biases, heads from 16
// numbers to 128). Internal to the check room.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/check/tiny_models.h"

namespace luthier {

struct TinyRow {
  const char* config;
  TinyPicture picture = {};
  const char* objective = "sft";
  TokenId last = -1;
  std::vector<std::int64_t> lengths = {18, 110, 30};
  TokenId start = -1;  ///< what answers begin with that a decoder of their own writes; −1: none
};
using TinyTable = std::map<std::string, TinyRow>;

const TinyTable& tiny_picture_models();
const TinyTable& tiny_tower_models();
const TinyTable& tiny_text_models();

}  // namespace luthier
