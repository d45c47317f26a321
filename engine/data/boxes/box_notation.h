// SPDX-License-Identifier: GPL-3.0-or-later
// How a model writes boxes: the words that it is asked by, the text that it answers, and back from
// that text to boxes. A notation is a file and a row of box_notations(), found by config.json's
// model_type; whoever trains on, shows or scores rows of boxes asks it, and none knows a model.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "engine/vision/image.h"

namespace luthier {

/// x of the left edge, y of the upper, x of the right, y of the lower.
using BoxCorners = std::array<double, 4>;

struct LabelledBox {
  std::string label;  ///< empty: none was said
  BoxCorners corners{};
};

/// What a picture's boxes are counted by.
struct BoxSight {
  ImageSize picture;  ///< as it lies in its file, turned by EXIF: rows say boxes in its pixels
  ImageSize seen;     ///< as the tower gets it; 0, 0 where the notation does not count by it
};

class BoxNotation {
 public:
  virtual ~BoxNotation() = default;

  virtual const char* name() const = 0;
  /// Whether its numbers are pixels of the picture as the tower gets it.
  virtual bool counts_seen_pixels() const { return false; }
  /// What is asked where a row asks nothing: about these labels, each once, or about the phrases of
  /// a caption, where there is one.
  virtual std::string question(const std::vector<std::string>& labels,
                               const std::string& caption) const = 0;
  /// What a label may not hold, since the notation says something by it; empty: it holds nothing of
  /// the kind.
  virtual std::string mark_in(const std::string& /*label*/) const { return {}; }
  /// Boxes within their picture, in its pixels → the answer.
  virtual std::string write(const std::vector<LabelledBox>& boxes, const BoxSight& sight) const = 0;
  /// The boxes that an answer says, in the notation's own numbers, corners in their order; what is
  /// no box is passed over, and behind kMostBoxes nothing is looked at.
  virtual std::vector<LabelledBox> read(std::string_view answer) const = 0;
  /// How many of its numbers a picture is wide and high.
  virtual std::array<double, 2> sides(const BoxSight& sight) const = 0;
  /// Special tokens of the tokenizer that an answer is read with all the same.
  virtual std::vector<std::string> tokens() const { return {}; }
};

inline constexpr std::size_t kMostBoxes = 1000;  ///< of a row or an answer

struct BoxNotationRow {
  const BoxNotation* notation;
  std::vector<std::string> model_types;  ///< of config.json
};

/// The last is plain JSON, which every model is taught that was taught no notation of its own.
const std::vector<BoxNotationRow>& box_notations();
const BoxNotation& box_notation_for(std::string_view model_type);
/// Null where there is none of this name.
const BoxNotation* find_box_notation(std::string_view name);

namespace detail {
/// A file each, behind the table.
const BoxNotation& paligemma_boxes();
const BoxNotation& florence2_boxes();
const BoxNotation& qwen2_vl_boxes();
const BoxNotation& internvl_boxes();
const BoxNotation& json_pixel_boxes();
const BoxNotation& json_boxes();

/// A share of `sides` numbers, to the nearest as Python's round says it, `most` at most.
std::int64_t nearest_number(double at, double side, double sides, std::int64_t most);
/// Corners in any order → the left and upper ones first.
BoxCorners in_order(BoxCorners corners);
/// "red cube, blue ball".
std::string listed(const std::vector<std::string>& labels, std::string_view between,
                   std::string_view before = {}, std::string_view behind = {});
/// Moves `at` behind `word`, where the text goes on with it.
bool take_word(std::string_view text, std::size_t& at, std::string_view word);
/// Moves `at` behind a number of at most nine digits; −1: none stands there.
std::int64_t take_digits(std::string_view text, std::size_t& at);
/// Words for the model and no person, which no catalogue translates.
constexpr std::string_view to_model(std::string_view words) { return words; }
}  // namespace detail

}  // namespace luthier
