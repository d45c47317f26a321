// SPDX-License-Identifier: GPL-3.0-or-later
// Films that lie as one file. What is wrong with the file itself is told before FFmpeg's libraries
// are asked, so that it is told without them too.
#include <fstream>
#include <new>
#include <sstream>
#include <utility>

#include "engine/io/file_kind.h"
#include "engine/vision/decoders.h"
#include "engine/vision/film.h"
#if LUTHIER_HAS_FFMPEG
#include "engine/vision/film_reader.h"
#endif

namespace luthier {

namespace fs = std::filesystem;

namespace {

using FilmStream = std::function<std::unique_ptr<std::istream>()>;

Error located_film(Error error, const std::string& where) {
  error.where = where;
  return error;
}

Status check_film_kind(const FilmStream& open, const std::string& where) {
  const auto file = open();
  if (!file || !*file)
    return input_error("The film cannot be opened.", where, "Check its permissions.");
  std::string start(512, '\0');
  file->read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<std::size_t>(file->gcount()));
  if (start.empty())
    return input_error("The film's file is empty.", where, "Replace it or take its row out.");
  const FileKind kind = file_kind(start);
  if (kind.family == FileFamily::Pointer)
    return input_error("This is " + kind.name + ".", where, "Fetch it first: git lfs pull");
  const bool may_be = !kind.known() || kind.family == FileFamily::Video ||
                      kind.family == FileFamily::Picture || kind.family == FileFamily::Audio ||
                      kind.family == FileFamily::Other;
  if (may_be) return {};
  return input_error("This is " + kind.name + ", not a film.", where,
                     "Name a film's file (MP4, Matroska, WebM, AVI), or a folder of its frames.");
}

#if LUTHIER_HAS_FFMPEG

class FilmFile : public FilmSource {
 public:
  FilmFile(FilmStream open, detail::FilmIndex index, std::string where, const DecodeLimits& limits)
      : open_(std::move(open)),
        index_(std::move(index)),
        where_(std::move(where)),
        limits_(limits) {}

  FilmLength length() const override { return index_.length; }

  Result<ImageSize> size(const std::vector<std::int64_t>& indices) const override {
    for (const std::int64_t each : indices) LUTHIER_CHECK(check_frame(each));
    return index_.size;
  }

  Status each(const std::vector<std::int64_t>& indices, const Take& take) const override {
    auto reader = detail::FilmReader::open(open_, limits_);
    if (!reader) return located_film(reader.error(), where_);
    Image image;
    std::int64_t last = -1;
    for (const std::int64_t each : indices) {
      LUTHIER_CHECK(check_frame(each));
      if (each != last) {
        LUTHIER_TRY(image, frame(**reader, each));
      }
      last = each;
      LUTHIER_CHECK(take(image));
    }
    return {};
  }

 private:
  Status check_frame(std::int64_t index) const {
    if (index >= 0 && index < index_.length.frames) return {};
    return input_error("The film has no frame " + std::to_string(index) + ".", where_);
  }

  Result<Image> frame(detail::FilmReader& reader, std::int64_t number) const {
    try {
      auto image = reader.frame(number, index_);
      if (!image) return located_film(image.error(), where_);
      if (image->width == index_.size.width && image->height == index_.size.height) return image;
      return input_error(
          "The film's frame " + std::to_string(number) + " has " + std::to_string(image->width) +
              " x " + std::to_string(image->height) + " pixels, and the film says " +
              std::to_string(index_.size.width) + " x " + std::to_string(index_.size.height) + ".",
          where_, "All frames of a film have one size: write it anew, or take it out.");
    } catch (const std::bad_alloc&) {
      return machine_error("There is not enough memory for the film's frames.", where_,
                           "Make it smaller, or take its row out.");
    }
  }

  FilmStream open_;
  detail::FilmIndex index_;
  std::string where_;
  DecodeLimits limits_;
};

Result<std::unique_ptr<FilmSource>> open_film_stream(FilmStream open, std::optional<double> fps,
                                                     const std::string& where,
                                                     const DecodeLimits& limits) {
  auto reader = detail::FilmReader::open(open, limits);
  if (!reader) return located_film(reader.error(), where);
  auto index = (*reader)->scan();
  if (!index) return located_film(index.error(), where);
  if (fps) {
    index->length.fps = fps;
    index->length.seconds = static_cast<double>(index->length.frames) / *fps;
  }
  return std::unique_ptr<FilmSource>(
      std::make_unique<FilmFile>(std::move(open), index.take(), where, limits));
}

#else

Result<std::unique_ptr<FilmSource>> open_film_stream(const FilmStream&, std::optional<double>,
                                                     const std::string& where,
                                                     const DecodeLimits&) {
  return machine_error("This program was built without FFmpeg's libraries, which read film files.",
                       where,
                       "Install them (on Debian: `apt-get install libavformat-dev libavcodec-dev "
                       "libswscale-dev`) and "
                       "build it again, or give the film as a folder of pictures.");
}

#endif

Result<std::unique_ptr<FilmSource>> open_known_film(FilmStream open, std::optional<double> fps,
                                                    const std::string& where,
                                                    const DecodeLimits& limits) {
  if (fps && !(*fps > 0 && *fps <= kMaxFps))
    return input_error("Frames per second must be above 0 and at most a million.", where + ": fps");
  LUTHIER_CHECK(check_film_kind(open, where));
  return open_film_stream(std::move(open), fps, where, limits);
}

}  // namespace

Result<std::unique_ptr<FilmSource>> open_film_file(const fs::path& path, std::optional<double> fps,
                                                   const std::string& where,
                                                   const DecodeLimits& limits) {
  std::error_code ignored;
  const std::string place = (where.empty() ? where : where + ": ") + path.string();
  if (!fs::exists(path, ignored))
    return input_error("The film is missing.", place, "Put it there, or correct the path.");
  if (!fs::is_regular_file(path, ignored))
    return input_error("This is no ordinary file.", place, "Name a film's file.");
  return open_known_film([path] { return std::make_unique<std::ifstream>(path, std::ios::binary); },
                         fps, place, limits);
}

Result<std::unique_ptr<FilmSource>> open_film_bytes(std::string bytes, std::optional<double> fps,
                                                    const std::string& where,
                                                    const DecodeLimits& limits) {
  const auto shared = std::make_shared<const std::string>(std::move(bytes));
  return open_known_film([shared] { return std::make_unique<std::istringstream>(*shared); }, fps,
                         where, limits);
}

}  // namespace luthier
