// SPDX-License-Identifier: GPL-3.0-or-later
// A row's films: a folder of pictures, a list of them, or a file, by their paths; and sound, which
// no row may lose without a word.
#include <algorithm>

#include "engine/data/row_messages.h"
#include "engine/io/file_kind.h"
#include "engine/vision/inline_picture.h"

namespace luthier {

namespace fs = std::filesystem;

std::string film_name(const RowFilm& film) {
  if (film.pictures.empty()) return film.path.string();
  const std::string first = picture_name(film.pictures.front());
  if (film.pictures.size() == 1) return first;
  return first + " (" + std::to_string(film.pictures.size()) + " frames)";
}

bool film_exists(const RowFilm& film) {
  std::error_code ignored;
  if (film.pictures.empty()) return fs::exists(film.path, ignored);
  return std::all_of(film.pictures.begin(), film.pictures.end(), [&](const fs::path& picture) {
    return is_inline_picture(picture) || fs::exists(picture, ignored);
  });
}

bool is_sequence(const RowFilm& film) {
  std::error_code ignored;
  return !film.pictures.empty() || fs::is_directory(film.path, ignored);
}

Result<std::unique_ptr<FilmSource>> open_film(const RowFilm& film, const DecodeLimits& limits) {
  if (!film.pictures.empty())
    return open_sequence(film.pictures, film.fps, film_name(film), limits);
  std::error_code ignored;
  if (!fs::exists(film.path, ignored))
    return input_error("The film is missing.", film.path.string(),
                       "Put it there, or correct the path.");
  if (!is_sequence(film)) return open_film_file(film.path, film.fps, {}, limits);
  LUTHIER_TRY(auto pictures, film_folder(film.path));
  return open_sequence(std::move(pictures), film.fps, film.path.string(), limits);
}

namespace detail {

namespace {

/// What others write beside a film to say how it is cut and resized. Read over, it would be lost.
constexpr const char* kChoiceKeys[] = {
    "nframes",      "num_frames",     "min_frames",    "max_frames",  "min_pixels", "max_pixels",
    "total_pixels", "resized_height", "resized_width", "video_start", "video_end",  "sample_fps"};

constexpr const char* kFilmKeys[] = {"path", "video", "url", "video_url", "frames", "file_name"};

bool is_picture_name(const Json& value) {
  return value.is_string() &&
         file_kind_by_name(value.get_ref<const std::string&>()).family == FileFamily::Picture;
}

/// How tables write that there is none. A list of an empty list is a film without frames.
bool is_none(const Json& value) {
  if (value.is_array())
    return std::all_of(value.begin(), value.end(), [](const Json& each) { return each.is_null(); });
  return value.is_null() || value == "";
}

/// A list of pictures alone is one film, where nothing says that each is one.
bool are_frames(const Json& value) {
  return value.is_array() && !value.empty() &&
         std::all_of(value.begin(), value.end(), is_picture_name);
}

}  // namespace

bool holds_something(const Json& value) {
  if (value.is_null()) return false;
  if (value.is_string()) return !value.get_ref<const std::string&>().empty();
  if (value.is_array())
    return std::any_of(value.begin(), value.end(),
                       [](const Json& each) { return holds_something(each); });
  return !value.is_object() || !value.empty();
}

Status RowReader::sound(const Json& row, const std::string& prefix) const {
  for (const char* key : {"audios", "audio", "audio_path", "audio_paths"})
    if (row.contains(key) && holds_something(row[key]))
      return fault(RowFault::UnsupportedMedia,
                   "The row has sound, which is not trained on: only pictures, films and text are.",
                   prefix + key, "Take the row out, or take the sound out of it.");
  return {};
}

Result<RowFilm> RowReader::film_text(std::string text, const std::string& field) const {
  if (text.starts_with("file://")) text.erase(0, 7);
  if (text.empty() || text.find('\0') != std::string::npos)
    return fault(RowFault::BadRow, "The film's path is empty or not a path.", field);
  for (const char* scheme : {"http://", "https://", "s3://", "gs://"})
    if (text.starts_with(scheme))
      return fault(RowFault::BadRow, "Films are read from files, not from addresses.", field,
                   "Download it and give its path.");
  constexpr std::size_t kLongestPath = 4096;
  if (text.starts_with("data:") || text.size() > kLongestPath)
    return fault(RowFault::BadRow, "A film is given by its path, not by its bytes.", field,
                 "Write it into a file or its frames into a folder.");
  const FileKind kind = file_kind_by_name(text);
  if (kind.family == FileFamily::Audio)
    return fault(
        RowFault::UnsupportedMedia,
        "This is " + kind.name + ", which is not trained on: only pictures, films and text are.",
        field, "Take the row out, or take the sound out of it.");
  if (kind.family == FileFamily::Picture)
    return fault(RowFault::BadRow, "This is " + kind.name + ", and a film was expected.", field,
                 "A film of pictures is a list of them within the list, or their folder.");
  return RowFilm{(base_ / text).lexically_normal(), {}, {}};
}

Result<RowFilm> RowReader::film(const Json& value, const std::string& field) const {
  if (value.is_string()) return film_text(value.get<std::string>(), field);
  if (value.is_array()) {
    RowFilm film;
    for (std::size_t i = 0; i < value.size(); ++i) {
      LUTHIER_TRY(auto path, picture(value[i], field + "[" + std::to_string(i) + "]"));
      film.pictures.push_back(std::move(path));
    }
    if (film.pictures.empty()) return fault(RowFault::BadRow, "The film has no frames.", field);
    return film;
  }
  if (value.is_object()) {
    LUTHIER_CHECK(no_choice(value, field));
    for (const char* key : kFilmKeys) {
      if (!value.contains(key) || !holds_something(value[key])) continue;
      LUTHIER_TRY(RowFilm film, this->film(value[key], field + "." + key));
      if (!value.contains("fps") || value["fps"].is_null()) return film;
      if (!value["fps"].is_number() || !(value["fps"].get<double>() > 0) ||
          !(value["fps"].get<double>() <= kMaxFps))
        return fault(RowFault::BadRow, "Frames per second must be above 0 and at most a million.",
                     field + ".fps");
      film.fps = value["fps"].get<double>();
      return film;
    }
  }
  return fault(RowFault::BadRow, "A film must be given by its path or by its frames.", field,
               "It is a folder of pictures, a list of pictures, a file, or an object with path and "
               "fps.");
}

Status RowReader::no_choice(const Json& object, const std::string& field) const {
  for (const char* key : kChoiceKeys)
    if (object.contains(key) && !object[key].is_null())
      return fault(RowFault::BadRow,
                   std::string("The film says ") + key +
                       ", and how films are cut and resized is the recipe's for all of them.",
                   field + "." + key, "Take it out, and set the recipe's film settings.");
  return {};
}

Result<std::vector<RowFilm>> RowReader::films(const Json& row, const std::string& prefix) const {
  std::vector<RowFilm> films;
  for (const char* key : {"videos", "video", "video_paths", "video_path"}) {
    if (!row.contains(key) || is_none(row[key])) continue;
    const Json& value = row[key];
    const std::string at = prefix + key;
    const bool one = !value.is_array() || (!at.ends_with('s') && are_frames(value));
    if (one) {
      LUTHIER_TRY(auto film, this->film(value, at));
      films.push_back(std::move(film));
      continue;
    }
    for (std::size_t i = 0; i < value.size(); ++i) {
      LUTHIER_TRY(auto film, this->film(value[i], at + "[" + std::to_string(i) + "]"));
      films.push_back(std::move(film));
    }
  }
  return films;
}

Result<ContentPart> RowReader::film_part(const Json& block, const std::string& field) const {
  LUTHIER_CHECK(no_choice(block, field));
  if (block.contains("fps") && !block["fps"].is_null())
    return fault(
        RowFault::BadRow,
        "The part says fps, and how many frames of a second are shown is the recipe's for "
        "all films.",
        field + ".fps",
        "Set film.fps, or write {\"path\": …, \"fps\": …} where the frames' own is meant.");
  for (const char* key : {"video", "path", "url", "video_url", "frames", "source"}) {
    if (!block.contains(key) || block[key].is_null()) continue;
    LUTHIER_TRY(auto film, this->film(block[key], field + "." + key));
    return ContentPart::of_film(std::move(film));
  }
  return ContentPart::of_film({});
}

}  // namespace detail

}  // namespace luthier
