// SPDX-License-Identifier: GPL-3.0-or-later
// A film's file behind FFmpeg's demuxers and decoders: what frames it holds, in the order in which
// they are shown, and the pixels of one after another. Frames are counted as transformers' decoder
// (torchcodec) counts them: by the times of their packets. Internal to the vision room; only what
// was built with FFmpeg's headers (LUTHIER_HAS_FFMPEG) may include it.
#pragma once

#include <cstdint>
#include <functional>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/vision/film.h"
#include "engine/vision/film_libraries.h"

namespace luthier::detail {

/// Opens the file anew from its start: each reader has its own place in it.
using FilmBytes = std::function<std::unique_ptr<std::istream>()>;

/// What a pass over all packets tells; nothing is decoded.
struct FilmIndex {
  struct Key {
    std::int64_t frame = 0, time = 0;  ///< its number, and where it is looked for
  };
  std::vector<std::int64_t> times;  ///< of all frames, rising; in the stream's units
  std::vector<Key> keys;            ///< frames from which decoding may start, rising
  bool timed = false;  ///< times tell frames apart; if not, frames are counted as they come
  ImageSize size;      ///< as shown: turned as the file says
  FilmLength length;
};

class FilmReader {
 public:
  /// Errors carry the sentence without the file, as decoders' do.
  static Result<std::unique_ptr<FilmReader>> open(const FilmBytes& bytes,
                                                  const DecodeLimits& limits);
  ~FilmReader();
  FilmReader(const FilmReader&) = delete;
  FilmReader& operator=(const FilmReader&) = delete;

  /// Reads the file to its end: for a fresh reader, which is of no use behind it.
  Result<FilmIndex> scan();
  /// The frame of that number. Numbers must rise from call to call.
  Result<Image> frame(std::int64_t number, const FilmIndex& index);

 private:
  FilmReader(const FilmLibraries& libraries, FilmBytes bytes, const DecodeLimits& limits)
      : ffmpeg_(libraries), bytes_(std::move(bytes)), limits_(limits) {}
  Status open_file();
  void close();
  Status find_pictures();
  Status open_decoder();
  int orientation() const;
  /// To the last key frame before that one, where this leaves frames out.
  void skip_to(std::int64_t number, const FilmIndex& index);
  Status start_over();
  Status check_whole();
  /// The next frame as it is shown; false: there are no more.
  Result<bool> next_frame();
  Status feed();
  Result<Image> pixels();
  std::string words(int code) const;

  const FilmLibraries& ffmpeg_;
  FilmBytes bytes_;
  DecodeLimits limits_;
  std::unique_ptr<std::istream> file_;
  std::int64_t told_size_ = 0;  ///< by the file's head; 0: it tells none
  AVIOContext* io_ = nullptr;
  AVFormatContext* format_ = nullptr;
  AVStream* stream_ = nullptr;
  AVCodecContext* decoder_ = nullptr;
  AVPacket* packet_ = nullptr;
  AVFrame* frame_ = nullptr;
  SwsContext* scale_ = nullptr;
  std::int64_t next_ = 0;  ///< number of the frame that comes next, where frames are counted
  bool ended_ = false;     ///< the decoder was told that no packets follow
  bool landed_ = true;     ///< since the last look for a key frame a frame came
  bool keyed_ = true;      ///< and a key frame's packet did
  bool seeks_ = true;
};

}  // namespace luthier::detail
