// SPDX-License-Identifier: GPL-3.0-or-later
// Films that lie as pictures in a folder or are listed one by one.
#include <algorithm>
#include <string_view>
#include <utility>

#include "engine/io/file_kind.h"
#include "engine/vision/film.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The digits at the start of `text`, taken off it, without the zeros before them.
std::string_view take_number(std::string_view& text) {
  std::size_t end = 0;
  while (end < text.size() && is_digit(text[end])) ++end;
  std::string_view number = text.substr(0, end);
  text.remove_prefix(end);
  while (number.size() > 1 && number.front() == '0') number.remove_prefix(1);
  return number;
}

/// Numbers by their value, however long; all else byte by byte. Names that are equal so, "1" and
/// "01", by their bytes.
bool named_before(const std::string& left, const std::string& right) {
  std::string_view a = left, b = right;
  while (!a.empty() && !b.empty()) {
    if (is_digit(a.front()) && is_digit(b.front())) {
      const std::string_view x = take_number(a), y = take_number(b);
      if (x.size() != y.size()) return x.size() < y.size();
      if (x != y) return x < y;
      continue;
    }
    if (a.front() != b.front())
      return static_cast<unsigned char>(a.front()) < static_cast<unsigned char>(b.front());
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  if (a.empty() != b.empty()) return a.empty();
  return left < right;
}

std::string size_text(int width, int height) {
  return std::to_string(width) + " x " + std::to_string(height);
}

class PictureSequence : public FilmSource {
 public:
  PictureSequence(std::vector<fs::path> pictures, std::optional<double> fps, std::string where,
                  const DecodeLimits& limits)
      : pictures_(std::move(pictures)), fps_(fps), where_(std::move(where)), limits_(limits) {}

  FilmLength length() const override { return {static_cast<std::int64_t>(pictures_.size()), fps_}; }

  Result<ImageSize> size(const std::vector<std::int64_t>& indices) const override {
    ImageSize first;
    for (const std::int64_t index : indices) {
      LUTHIER_TRY(const fs::path path, picture(index));
      LUTHIER_TRY(const ImageSize size, read_image_size(path, limits_));
      if (first.width == 0) first = size;
      LUTHIER_CHECK(check_same(first, size, path));
    }
    if (first.width == 0) return input_error("No frame is asked for.", where_);
    return first;
  }

  Status each(const std::vector<std::int64_t>& indices, const Take& take) const override {
    ImageSize first;
    for (const std::int64_t index : indices) {
      LUTHIER_TRY(const fs::path path, picture(index));
      LUTHIER_TRY(const Image image, decode_image(path, limits_));
      const ImageSize size{image.width, image.height};
      if (first.width == 0) first = size;
      LUTHIER_CHECK(check_same(first, size, path));
      LUTHIER_CHECK(take(image));
    }
    return {};
  }

 private:
  Result<fs::path> picture(std::int64_t index) const {
    if (index < 0 || index >= static_cast<std::int64_t>(pictures_.size()))
      return input_error("The film has no frame " + std::to_string(index) + ".", where_);
    return pictures_[static_cast<std::size_t>(index)];
  }

  Status check_same(const ImageSize& first, const ImageSize& size, const fs::path& path) const {
    if (size.width == first.width && size.height == first.height) return {};
    return input_error("The frame has " + size_text(size.width, size.height) +
                           " pixels, and the film's first has " +
                           size_text(first.width, first.height) + ".",
                       where_ + ": " + path.string(),
                       "All frames of a film have one size: write them anew, or take it out.");
  }

  std::vector<fs::path> pictures_;
  std::optional<double> fps_;
  std::string where_;
  DecodeLimits limits_;
};

Error too_many_frames(const std::string& where) {
  return input_error("The film has more than " + std::to_string(kMaxSequence) + " pictures.", where,
                     "Cut it into shorter ones.");
}

}  // namespace

Result<std::vector<fs::path>> film_folder(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code problem;
  fs::directory_iterator walk(folder, problem);
  for (const fs::directory_iterator end; !problem && walk != end; walk.increment(problem)) {
    std::string name = walk->path().filename().string();
    if (name.starts_with('.') || file_kind_by_name(name).family != FileFamily::Picture) continue;
    names.push_back(std::move(name));
    if (static_cast<std::int64_t>(names.size()) > kMaxSequence)
      return too_many_frames(folder.string());
  }
  if (problem)
    return input_error("The film's folder cannot be read: " + problem.message() + ".",
                       folder.string());
  if (names.empty())
    return input_error("The film's folder has no pictures.", folder.string(),
                       "A film is a folder of its frames as PNG, JPEG, WebP, GIF, BMP or TIFF.");
  std::sort(names.begin(), names.end(), named_before);
  std::vector<fs::path> pictures;
  pictures.reserve(names.size());
  for (const std::string& name : names) pictures.push_back(folder / name);
  return pictures;
}

Result<std::unique_ptr<FilmSource>> open_sequence(std::vector<fs::path> pictures,
                                                  std::optional<double> fps,
                                                  const std::string& where,
                                                  const DecodeLimits& limits) {
  if (pictures.empty()) return input_error("The film has no frames.", where);
  if (static_cast<std::int64_t>(pictures.size()) > kMaxSequence) return too_many_frames(where);
  if (fps && !(*fps > 0 && *fps <= kMaxFps))
    return input_error("Frames per second must be above 0 and at most a million.", where + ": fps");
  return std::unique_ptr<FilmSource>(
      std::make_unique<PictureSequence>(std::move(pictures), fps, where, limits));
}

}  // namespace luthier
