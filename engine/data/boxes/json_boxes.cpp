// SPDX-License-Identifier: GPL-3.0-or-later
// A JSON list of {"bbox_2d": [x1, y1, x2, y2], "label": "red cube"}. Qwen2.5-VL (Bai et al. 2025)
// counts pixels of the picture as smart_resize has made it, cut off at its last one
// (convert_to_qwen25vl_format of its fine-tuning tools); Qwen3-VL and whoever was taught nothing
// else count thousandths of the picture's sides.
#include <algorithm>
#include <cmath>

#include "engine/base/text.h"
#include "engine/data/boxes/box_notation.h"
#include "engine/io/json.h"

namespace luthier::detail {

namespace {

constexpr std::int64_t kJsonThousandths = 1000;

/// A box of an object of an answer.
bool box_of(const Json& object, LabelledBox& box) {
  if (!object.is_object()) return false;
  for (const char* key : {"bbox_2d", "bbox", "box"}) {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_array() || found->size() != 4) continue;
    for (std::size_t i = 0; i < 4; ++i) {
      if (!(*found)[i].is_number()) return false;
      box.corners[i] = (*found)[i].get<double>();
      if (!std::isfinite(box.corners[i])) return false;
    }
    box.corners = in_order(box.corners);
    const auto label = object.find("label");
    box.label = label != object.end() && label->is_string() ? trimmed(label->get<std::string>())
                                                            : std::string();
    return true;
  }
  return false;
}

class JsonBoxes : public BoxNotation {
 public:
  explicit JsonBoxes(bool pixels) : pixels_(pixels) {}
  const char* name() const override { return pixels_ ? "json_pixels" : "json"; }
  bool counts_seen_pixels() const override { return pixels_; }

  std::string question(const std::vector<std::string>& labels,
                       const std::string& caption) const override {
    const std::string what = caption.empty() ? listed(labels, ", ")
                                             : std::string(to_model("the phrases in: ")) + caption;
    return std::string(to_model("Report bbox coordinates in JSON format of ")) + what;
  }

  std::string write(const std::vector<LabelledBox>& boxes, const BoxSight& sight) const override {
    const std::array<double, 2> sides = this->sides(sight);
    std::string text = "[";
    for (const LabelledBox& box : boxes) {
      text += text.size() == 1 ? "{\"bbox_2d\": [" : ", {\"bbox_2d\": [";
      for (std::size_t corner = 0; corner < 4; ++corner) {
        const int side = corner % 2 == 0 ? sight.picture.width : sight.picture.height;
        const double all = sides[corner % 2];
        const auto most = static_cast<std::int64_t>(all) - (pixels_ ? 1 : 0);
        text +=
            (corner ? ", " : "") +
            std::to_string(pixels_ ? nearest_number(box.corners[corner] * (all / side), 1, 1, most)
                                   : nearest_number(box.corners[corner], side, all, most));
      }
      text += "], \"label\": " + Json(box.label).dump() + "}";
    }
    return text + "]";
  }

  /// Object by object, so that a list that was cut off or stands in a fence of code is read, too.
  std::vector<LabelledBox> read(std::string_view answer) const override {
    std::vector<LabelledBox> boxes;
    for (std::size_t at = answer.find('{');
         at != std::string_view::npos && boxes.size() < kMostBoxes; at = answer.find('{', at + 1)) {
      if (answer.find('}', at) == std::string_view::npos) break;
      const std::size_t end = object_end(answer, at);
      if (end == std::string_view::npos) continue;
      LabelledBox box;
      const auto object = parse_json(answer.substr(at, end - at), "answer");
      if (object && box_of(*object, box)) {
        boxes.push_back(std::move(box));
        at = end - 1;
      }
    }
    return boxes;
  }

  std::array<double, 2> sides(const BoxSight& sight) const override {
    if (!pixels_) return {kJsonThousandths, kJsonThousandths};
    return {static_cast<double>(sight.seen.width), static_cast<double>(sight.seen.height)};
  }

 private:
  /// Behind the first brace that closes, outside of texts; an object that holds others is gone
  /// into.
  static std::size_t object_end(std::string_view text, std::size_t begin) {
    constexpr std::size_t kLongest = 8192;  // of an object with a box
    const std::size_t most = std::min(text.size(), begin + kLongest);
    bool quoted = false;
    for (std::size_t at = begin + 1; at < most; ++at) {
      if (quoted && text[at] == '\\')
        ++at;
      else if (text[at] == '"')
        quoted = !quoted;
      else if (!quoted && text[at] == '}')
        return at + 1;
    }
    return std::string_view::npos;
  }

  bool pixels_;
};

}  // namespace

const BoxNotation& json_boxes() {
  static const JsonBoxes notation(false);
  return notation;
}

const BoxNotation& json_pixel_boxes() {
  static const JsonBoxes notation(true);
  return notation;
}

}  // namespace luthier::detail
