// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/region_file.h"

#include <cmath>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "engine/base/text.h"
#include "engine/io/gguf.h"
#include "engine/io/safetensors.h"

namespace luthier {

namespace {

namespace fs = std::filesystem;

float of_bfloat16(std::uint16_t bits) {
  const std::uint32_t whole = static_cast<std::uint32_t>(bits) << 16;
  float value = 0;
  std::memcpy(&value, &whole, sizeof value);
  return value;
}

template <class Stored, class Take>
std::vector<double> numbers_as(const std::vector<std::byte>& bytes, Take take) {
  std::vector<double> numbers(bytes.size() / sizeof(Stored));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    numbers[i] = static_cast<double>(take(stored));
  }
  return numbers;
}

template <class Stored>
std::vector<double> numbers_as(const std::vector<std::byte>& bytes) {
  return numbers_as<Stored>(bytes, [](Stored stored) { return stored; });
}

bool is_float(DType type) {
  return type == DType::F32 || type == DType::F64 || type == DType::F16 || type == DType::BF16;
}

bool is_integer(DType type) {
  return type == DType::U8 || type == DType::I8 || type == DType::I16 || type == DType::I32 ||
         type == DType::I64;
}

std::vector<double> numbers_of(DType type, const std::vector<std::byte>& bytes) {
  switch (type) {
    case DType::F64: return numbers_as<double>(bytes);
    case DType::F16: return numbers_as<std::uint16_t>(bytes, half_value);
    case DType::BF16: return numbers_as<std::uint16_t>(bytes, of_bfloat16);
    case DType::U8: return numbers_as<std::uint8_t>(bytes);
    case DType::I8: return numbers_as<std::int8_t>(bytes);
    case DType::I16: return numbers_as<std::int16_t>(bytes);
    case DType::I32: return numbers_as<std::int32_t>(bytes);
    case DType::I64: return numbers_as<std::int64_t>(bytes);
    default: return numbers_as<float>(bytes);
  }
}

/// One file on its way to PixelValues.
class RegionReading {
 public:
  RegionReading(SafetensorsFile file, const RegionNeeds& needs, std::string where)
      : file_(std::move(file)), needs_(needs), where_(std::move(where)) {}

  Result<PixelValues> outline() {
    PixelValues made;
    const auto features = file_.find("features");
    if (!features) return fault("The file has no features of its regions.", "features");
    const std::vector<std::int64_t>& shape = features->info.shape;
    if (shape.size() != 2)
      return fault("The features are of shape " + shape_text(shape) + ", not [regions, numbers].",
                   "features");
    if (shape[0] < 1 || shape[0] > kMostRegions)
      return fault("The file has " + std::to_string(shape[0]) + " regions, and a row has 1 to " +
                       std::to_string(kMostRegions) + ".",
                   "features", "Keep those that the detector is surest of.");
    if (shape[1] != needs_.width)
      return fault("The features are " + std::to_string(shape[1]) +
                       " numbers a region, the model's " + needs_.width_field + " is " +
                       std::to_string(needs_.width) + ".",
                   "features", "Make them with the detector that the model was trained with.");
    regions_ = shape[0];
    if (needs_.boxes && !file_.find("boxes"))
      return fault("The file has no boxes of its regions, and the model asks for them.", "boxes");
    std::int64_t words = 0;
    if (const auto alignment = file_.find("alignment")) {
      const std::vector<std::int64_t>& of = alignment->info.shape;
      if (of.size() != 2 || of[0] != regions_ || of[1] < 1 || of[1] > kMostWords)
        return fault("The alignment is of shape " + shape_text(of) + ", not [" +
                         std::to_string(regions_) + ", 1 to " + std::to_string(kMostWords) + "].",
                     "alignment");
      words = of[1];
    }
    made.shape = {regions_, needs_.width + kRegionNumbers};
    made.grid = {regions_, words};
    return made;
  }

  Result<PixelValues> whole() {
    LUTHIER_TRY(PixelValues made, outline());
    made.values.assign(static_cast<std::size_t>(made.shape[0] * made.shape[1]), 0);
    const std::vector<std::int64_t> list{regions_};
    LUTHIER_TRY(auto numbers, read("features", {regions_, needs_.width}, is_float));
    place(*numbers, needs_.width, -needs_.width, made);
    LUTHIER_TRY(numbers, read("boxes", {regions_, 4}, is_float));
    if (numbers) {
      LUTHIER_CHECK(check_boxes(*numbers));
      place(*numbers, 4, region_numbers::kBox, made);
    }
    LUTHIER_CHECK(read_classes("objects", "object_confidences", needs_.objects,
                               region_numbers::kObject, made));
    LUTHIER_CHECK(read_classes("attributes", "attribute_confidences", needs_.attributes,
                               region_numbers::kAttribute, made));
    if (const std::int64_t words = made.grid[1]; words > 0) {
      LUTHIER_TRY(numbers, read("alignment", {regions_, words}, is_integer));
      for (const double each : *numbers) {
        if (each < -1 || each >= kMostTokens)
          return fault("An alignment is a place among the row's tokens, or -1.", "alignment");
        made.grid.push_back(static_cast<std::int64_t>(each));
      }
    }
    return made;
  }

 private:
  static constexpr std::int64_t kMostWords = 64, kMostTokens = 1 << 20;

  Error fault(std::string what, const char* tensor, std::string hint = {}) const {
    return input_error(std::move(what), where_ + ": " + tensor, std::move(hint));
  }

  /// None: the file does not have it.
  Result<std::optional<std::vector<double>>> read(const char* name,
                                                  const std::vector<std::int64_t>& shape,
                                                  bool (*fits)(DType)) const {
    const auto tensor = file_.find(name);
    if (!tensor) return std::optional<std::vector<double>>();
    if (tensor->info.shape != shape)
      return fault("The tensor is of shape " + shape_text(tensor->info.shape) + ", not " +
                       shape_text(shape) + ".",
                   name);
    if (!fits(tensor->info.dtype))
      return fault("Numbers of type " + dtype_name(tensor->info.dtype) + " are not read here.",
                   name, fits == is_integer ? "Save them as I64." : "Save them as F32.");
    LUTHIER_TRY(const std::vector<std::byte> bytes, tensor->bytes());
    std::vector<double> numbers = numbers_of(tensor->info.dtype, bytes);
    for (const double each : numbers)
      if (!std::isfinite(each) || std::abs(each) > kLargest)
        return fault("A number is not finite (NaN or infinite).", name,
                     "The detector's output is damaged: make the file anew.");
    return std::optional<std::vector<double>>(std::move(numbers));
  }
  static constexpr double kLargest = 3e38;  ///< of a float32

  /// `each` numbers a region, from `at` on behind the features.
  void place(const std::vector<double>& numbers, std::int64_t each, std::int64_t at,
             PixelValues& made) const {
    const std::int64_t columns = made.shape[1];
    for (std::int64_t region = 0; region < regions_; ++region)
      for (std::int64_t i = 0; i < each; ++i)
        made.values[static_cast<std::size_t>(region * columns + needs_.width + at + i)] =
            static_cast<float>(numbers[static_cast<std::size_t>(region * each + i)]);
  }

  Status check_boxes(const std::vector<double>& boxes) const {
    constexpr double kRounded = 1e-4;  // a float16's at 1
    for (std::int64_t region = 0; region < regions_; ++region) {
      const double* box = boxes.data() + 4 * region;
      const auto outside = [](double x) { return x < -kRounded || x > 1 + kRounded; };
      if (outside(box[0]) || outside(box[1]) || outside(box[2]) || outside(box[3]))
        return fault("The box of region " + std::to_string(region + 1) +
                         " lies outside its picture: its numbers are not from 0 to 1.",
                     "boxes", "Divide x by the picture's width and y by its height.");
      if (box[2] < box[0] || box[3] < box[1])
        return fault("The box of region " + std::to_string(region + 1) +
                         " ends before it begins: it is not x1, y1, x2, y2.",
                     "boxes");
    }
    return {};
  }

  /// Whole numbers below `classes`, and how sure the detector is of each.
  Status read_classes(const char* name, const char* sure, std::int64_t classes, std::int64_t at,
                      PixelValues& made) const {
    LUTHIER_TRY(const auto numbers, read(name, {regions_}, [](DType type) {
                  return is_float(type) || is_integer(type);
                }));
    LUTHIER_TRY(const auto confidences, read(sure, {regions_}, is_float));
    if (classes == 0) return {};  // the model does not ask
    if (!numbers && confidences) return fault("There are confidences of no classes.", sure);
    if (!numbers) return {};
    for (const double each : *numbers)
      if (each < 0 || each >= static_cast<double>(classes) || each != std::floor(each))
        return fault("A class is a whole number from 0 to " + std::to_string(classes - 1) + ".",
                     name);
    place(*numbers, 1, at, made);
    if (!confidences) {
      place(std::vector<double>(numbers->size(), 1.0), 1, at + 1, made);
      return {};
    }
    for (const double each : *confidences)
      if (each < 0 || each > 1) return fault("A confidence is a number from 0 to 1.", sure);
    place(*confidences, 1, at + 1, made);
    return {};
  }

  SafetensorsFile file_;
  const RegionNeeds& needs_;
  std::string where_;
  std::int64_t regions_ = 0;
};

}  // namespace

Result<PixelValues> read_region_file(const fs::path& file, const RegionNeeds& needs, bool outline,
                                     const std::string& where, RowFault* fault) {
  const std::string place = where + ": " + file.string();
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) {
    if (fault) *fault = RowFault::MissingImage;
    return input_error("The file of the regions is not there.", place,
                       "Relative paths start beside the rows, or at image_folder.");
  }
  if (fault) *fault = RowFault::BrokenImage;
  auto opened = SafetensorsFile::open(file);
  if (!opened) {
    Error error = opened.error();
    error.where = where + ": " + error.where;
    return error;
  }
  RegionReading reading(opened.take(), needs, place);
  return outline ? reading.outline() : reading.whole();
}

}  // namespace luthier
