// SPDX-License-Identifier: GPL-3.0-or-later
// COCO's object instances (Lin et al. 2014): one JSON object with lists of images, annotations and
// categories. A row is an image with its boxes, [x, y, width, height] there and corners here;
// images without boxes and crowds (iscrowd, one box about many) are left out, and so are boxes of
// no area, which the published files have here and there and detectors' loaders drop. Nothing else
// of an annotation is asked for: pycocotools reads files without `area`, too. Segments are not
// read. Only where each annotation stands is held, and whose it is.
#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "engine/data/dataset_index.h"
#include "engine/data/sources/row_source.h"

namespace luthier::detail {

namespace {

const std::vector<std::string>& coco_lists() {
  static const std::vector<std::string> keys{"images", "annotations", "categories"};
  return keys;
}

/// A whole number; nothing: it is none.
std::optional<std::int64_t> coco_number(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer()) return {};
  return found->get<std::int64_t>();
}

/// As pycocotools asks it: whatever Python takes for true (1, true).
bool is_crowd(const Json& note) {
  const auto found = note.is_object() ? note.find("iscrowd") : note.end();
  if (found == note.end()) return false;
  return found->is_boolean() ? found->get<bool>() : found->is_number() && *found != 0;
}

/// Whether there is a box that a row can have. One that is no four numbers is said where it is
/// read.
bool has_box(const Json& note) {
  const auto box = note.is_object() ? note.find("bbox") : note.end();
  if (box == note.end() || box->is_null() || (box->is_array() && box->empty())) return false;
  if (!box->is_array() || box->size() != 4) return true;
  for (const Json& each : *box)
    if (!each.is_number()) return true;
  const auto at = [&](std::size_t i) { return (*box)[i].get<double>(); };
  return !(at(0) + at(2) <= at(0)) && !(at(1) + at(3) <= at(1));
}

class CocoSource : public RowSource {
 public:
  explicit CocoSource(RowFile file) : file_(std::move(file)) {}

  Status index(std::string_view text, const Passed& passed) {
    const std::string where = file_.path().string();
    LUTHIER_CHECK(check_encoding(text, where));
    LUTHIER_TRY(const auto lists, index_lists(text, coco_lists(), where));
    LUTHIER_CHECK(read_categories(text, lists[2]));
    std::unordered_map<std::int64_t, std::size_t> image_of;
    for (std::size_t i = 0; i < lists[0].size(); ++i) {
      const std::string place = where + ": images[" + std::to_string(i) + "]";
      LUTHIER_TRY(const Json image, element(text, lists[0][i], place));
      const auto id = coco_number(image, "id");
      if (!id) return no_field("The image has no whole number as its id.", place, "id");
      if (!image_of.emplace(*id, i).second)
        return no_field("Two images have this id.", place, "id");
    }
    std::vector<Place> places;
    for (std::size_t i = 0; i < lists[1].size(); ++i) {
      const std::string place = where + ": annotations[" + std::to_string(i) + "]";
      LUTHIER_TRY(const Json note, element(text, lists[1][i], place));
      if (passed) passed(lists[1][i].begin);
      const auto image = coco_number(note, "image_id");
      const auto found = image ? image_of.find(*image) : image_of.end();
      if (found == image_of.end())
        return no_field("The annotation names no image that is there.", place, "image_id");
      const auto category = coco_number(note, "category_id");
      if (!category || !categories_.contains(*category))
        return no_field("The annotation names no category that is there.", place, "category_id");
      if (is_crowd(note) || !has_box(note)) continue;
      places.push_back({found->second, lists[1][i]});
    }
    std::stable_sort(places.begin(), places.end(),
                     [](const Place& a, const Place& b) { return a.image < b.image; });
    for (const Place& place : places) {
      if (rows_.empty() || rows_.back().image_number != place.image)
        rows_.push_back({place.image, lists[0][place.image], boxes_.size()});
      boxes_.push_back(place.span);
    }
    if (rows_.empty())
      return input_error("No image of the file has a box.", where,
                         "Its annotations need bbox and image_id.");
    return {};
  }

  const RowFile& file() const { return file_; }
  std::size_t size() const override { return rows_.size(); }
  std::string place(std::size_t row) const override {
    return file_.path().string() + ": row " + std::to_string(row + 1) + " (images[" +
           std::to_string(rows_[row].image_number) + "])";
  }
  std::filesystem::path folder(std::size_t) const override { return file_.path().parent_path(); }
  const std::string& digest() const override { return file_.digest(); }

  Result<Json> read(std::size_t row, const std::string& where) const override {
    LUTHIER_TRY(const Json image, part(rows_[row].image, where));
    if (!image.contains("file_name") || !image["file_name"].is_string())
      return no_field("The image has no file_name.", where, "file_name");
    const std::size_t end = row + 1 < rows_.size() ? rows_[row + 1].first_box : boxes_.size();
    Json boxes = Json::array();
    for (std::size_t i = rows_[row].first_box; i < end; ++i) {
      LUTHIER_TRY(const Json note, part(boxes_[i], where));
      if (!note.is_object()) return no_field("The annotation is no object.", where, "bbox");
      const Json sides = note.value("bbox", Json());
      const auto number = [&](std::size_t at) {
        return sides.is_array() && sides.size() == 4 && sides[at].is_number()
                   ? sides[at].get<double>()
                   : std::nan("");
      };
      const double x = number(0), y = number(1), width = number(2), height = number(3);
      if (!std::isfinite(x + y + width + height))
        return no_field("A bbox is not four numbers, [x, y, width, height].", where, "bbox");
      const auto category = categories_.find(coco_number(note, "category_id").value_or(-1));
      if (category == categories_.end())
        return no_field("The annotation names no category that is there.", where, "category_id");
      boxes.push_back({{"label", category->second}, {"box", {x, y, x + width, y + height}}});
    }
    return Json{{"image", image["file_name"]}, {"boxes", std::move(boxes)}};
  }

 private:
  struct Place {
    std::size_t image;
    RowSpan span;
  };
  struct Row {
    std::size_t image_number;
    RowSpan image;
    std::size_t first_box;
  };

  static Error no_field(const char* what, const std::string& place, const char* field) {
    return input_error(what, place + ": " + field,
                       "COCO's files have images {\"id\", \"file_name\"}, annotations "
                       "{\"image_id\", \"category_id\", \"bbox\"} and categories {\"id\", "
                       "\"name\"}.");
  }
  static Result<Json> element(std::string_view text, const RowSpan& span,
                              const std::string& where) {
    return parse_json(text.substr(span.begin, span.end - span.begin), where);
  }
  Result<Json> part(const RowSpan& span, const std::string& where) const {
    auto text = file_.read(span.begin, span.end);
    if (!text) {
      Error error = text.error();
      error.where = where;
      return error;
    }
    return parse_json(*text, where);
  }

  Status read_categories(std::string_view text, const RowSpans& spans) {
    for (std::size_t i = 0; i < spans.size(); ++i) {
      const std::string place = file_.path().string() + ": categories[" + std::to_string(i) + "]";
      LUTHIER_TRY(const Json category, element(text, spans[i], place));
      const auto id = coco_number(category, "id");
      if (!id) return no_field("The category has no whole number as its id.", place, "id");
      if (!category.contains("name") || !category["name"].is_string())
        return no_field("The category has no name.", place, "name");
      categories_[*id] = category["name"].get<std::string>();
    }
    return {};
  }

  RowFile file_;
  std::unordered_map<std::int64_t, std::string> categories_;
  std::vector<Row> rows_;
  std::vector<RowSpan> boxes_;  ///< row by row
};

}  // namespace

bool looks_like_coco(std::string_view text) {
  const std::size_t first_byte = text.find_first_not_of(" \t\r\n");
  if (first_byte == std::string_view::npos || text[first_byte] != '{') return false;
  for (const std::string& key : coco_lists())
    if (text.find("\"" + key + "\"") == std::string_view::npos) return false;
  const auto lists = index_lists(text, coco_lists(), "");
  if (!lists || (*lists)[0].empty() || (*lists)[2].empty()) return false;
  // Without annotations it is one, too, and says so: no other file has these three lists.
  if ((*lists)[1].empty()) return true;
  const RowSpan first = (*lists)[1][0];
  const auto note = parse_json(text.substr(first.begin, first.end - first.begin), "");
  return note && note->is_object() && note->contains("image_id") && note->contains("category_id");
}

Result<SourcePtr> open_coco_source(const std::filesystem::path& path) {
  return open_indexed<CocoSource>(path);
}

}  // namespace luthier::detail
