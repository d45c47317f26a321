// SPDX-License-Identifier: GPL-3.0-or-later
#if LUTHIER_HAS_FFMPEG
#include "engine/vision/film_libraries.h"

#include <string>
#include <utility>

#include "engine/base/library_entry.h"

namespace luthier::detail {

namespace {

const char* const kFilmHint =
    "Install them (on Debian: `apt-get install libavformat-dev libavcodec-dev libswscale-dev`), or "
    "give the film as a folder of pictures.";

/// One library by its file; the first word of what went wrong is kept.
class FilmLibrary {
 public:
  FilmLibrary(const std::string& file, std::string& problem)
      : library_(dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)), file_(file), problem_(problem) {
    if (!library_ && problem_.empty()) problem_ = loader_words(file);
  }

  template <class Function>
  FilmLibrary& get(const char* name, Function& entry) {
    if (library_ && !find_entry(library_, name, entry) && problem_.empty())
      problem_ = file_ + " has no " + name;
    return *this;
  }

 private:
  void* library_;
  std::string file_;
  std::string& problem_;
};

std::string film_library_file(const char* name, int major) {
  return std::string(name) + ".so." + std::to_string(major);
}

/// Empty: all of them are there.
std::string load_film_libraries(FilmLibraries& all) {
  std::string problem;
  FilmLibrary(film_library_file("libavutil", LIBAVUTIL_VERSION_MAJOR), problem)
      .get("av_log_set_level", all.log_set_level)
      .get("av_max_alloc", all.max_alloc)
      .get("av_malloc", all.allocate)
      .get("av_freep", all.free_pointer)
      .get("av_dict_set", all.dict_set)
      .get("av_dict_free", all.dict_free)
      .get("av_strerror", all.error_text)
      .get("av_frame_alloc", all.frame_alloc)
      .get("av_frame_free", all.frame_free);
  FilmLibrary(film_library_file("libavcodec", LIBAVCODEC_VERSION_MAJOR), problem)
      .get("av_packet_alloc", all.packet_alloc)
      .get("av_packet_free", all.packet_free)
      .get("av_packet_unref", all.packet_unref)
#if LIBAVFORMAT_VERSION_MAJOR >= 61
      .get("av_packet_side_data_get", all.side_data)
#endif
      .get("avcodec_alloc_context3", all.codec_alloc)
      .get("avcodec_free_context", all.codec_free)
      .get("avcodec_parameters_to_context", all.codec_parameters)
      .get("avcodec_open2", all.codec_open)
      .get("avcodec_flush_buffers", all.codec_flush)
      .get("avcodec_send_packet", all.send_packet)
      .get("avcodec_receive_frame", all.receive_frame)
      .get("avcodec_get_name", all.codec_name)
      .get("avcodec_find_decoder", all.find_decoder);
  FilmLibrary(film_library_file("libavformat", LIBAVFORMAT_VERSION_MAJOR), problem)
      .get("avio_alloc_context", all.io_alloc)
      .get("avio_context_free", all.io_free)
      .get("avformat_alloc_context", all.format_alloc)
      .get("avformat_open_input", all.format_open)
      .get("avformat_close_input", all.format_close)
      .get("avformat_find_stream_info", all.find_stream_info)
      .get("av_find_best_stream", all.find_best_stream)
      .get("avformat_index_get_entries_count", all.index_count)
      .get("avformat_index_get_entry", all.index_entry)
      .get("av_read_frame", all.read_frame)
#if LIBAVFORMAT_VERSION_MAJOR < 61
      .get("av_stream_get_side_data", all.side_data)
#endif
      .get("av_seek_frame", all.seek_frame);
  FilmLibrary(film_library_file("libswscale", LIBSWSCALE_VERSION_MAJOR), problem)
      .get("sws_getCachedContext", all.scale_context)
      .get("sws_freeContext", all.scale_free)
      .get("sws_getCoefficients", all.scale_coefficients)
      .get("sws_setColorspaceDetails", all.scale_colors)
      .get("sws_scale", all.scale);
  if (!problem.empty()) return problem;
  constexpr std::size_t kLargestBlock = std::size_t{1} << 30;  // whatever a file claims
  all.max_alloc(kLargestBlock);
  all.log_set_level(AV_LOG_QUIET);
  return problem;
}

}  // namespace

Result<const FilmLibraries*> film_libraries() {
  static FilmLibraries all;
  static const std::string problem = load_film_libraries(all);
  if (problem.empty()) return &std::as_const(all);
  return machine_error(
      "Film files are read by FFmpeg's libraries, which cannot be loaded: " + problem + ".", {},
      kFilmHint);
}

}  // namespace luthier::detail
#endif
