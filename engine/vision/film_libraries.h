// SPDX-License-Identifier: GPL-3.0-or-later
// FFmpeg's libraries, loaded when the first film file is opened and not with the program: with what
// Debian's are linked with they are more than a hundred files and 170 MB, which a start, a carried
// folder and a package would all have to bear. The build takes their headers, so that each entry
// has the type that they give it, and the files whose version is the headers'. Internal to the
// vision room; only what was built with the headers (LUTHIER_HAS_FFMPEG) may include it.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#include "engine/base/result.h"

namespace luthier::detail {

struct FilmLibraries {
  decltype(&::av_log_set_level) log_set_level = nullptr;
  decltype(&::av_max_alloc) max_alloc = nullptr;
  decltype(&::av_malloc) allocate = nullptr;
  decltype(&::av_freep) free_pointer = nullptr;
  decltype(&::av_dict_set) dict_set = nullptr;
  decltype(&::av_dict_free) dict_free = nullptr;
  decltype(&::av_strerror) error_text = nullptr;
  decltype(&::av_frame_alloc) frame_alloc = nullptr;
  decltype(&::av_frame_free) frame_free = nullptr;
  decltype(&::av_packet_alloc) packet_alloc = nullptr;
  decltype(&::av_packet_free) packet_free = nullptr;
  decltype(&::av_packet_unref) packet_unref = nullptr;
  decltype(&::avcodec_alloc_context3) codec_alloc = nullptr;
  decltype(&::avcodec_free_context) codec_free = nullptr;
  decltype(&::avcodec_parameters_to_context) codec_parameters = nullptr;
  decltype(&::avcodec_open2) codec_open = nullptr;
  decltype(&::avcodec_flush_buffers) codec_flush = nullptr;
  decltype(&::avcodec_send_packet) send_packet = nullptr;
  decltype(&::avcodec_receive_frame) receive_frame = nullptr;
  decltype(&::avcodec_get_name) codec_name = nullptr;
  decltype(&::avcodec_find_decoder) find_decoder = nullptr;
  decltype(&::avio_alloc_context) io_alloc = nullptr;
  decltype(&::avio_context_free) io_free = nullptr;
  decltype(&::avformat_alloc_context) format_alloc = nullptr;
  decltype(&::avformat_open_input) format_open = nullptr;
  decltype(&::avformat_close_input) format_close = nullptr;
  decltype(&::avformat_find_stream_info) find_stream_info = nullptr;
  decltype(&::av_find_best_stream) find_best_stream = nullptr;
  decltype(&::avformat_index_get_entries_count) index_count = nullptr;
  decltype(&::avformat_index_get_entry) index_entry = nullptr;
  decltype(&::av_read_frame) read_frame = nullptr;
  decltype(&::av_seek_frame) seek_frame = nullptr;
#if LIBAVFORMAT_VERSION_MAJOR >= 61
  decltype(&::av_packet_side_data_get) side_data = nullptr;
#else
  decltype(&::av_stream_get_side_data) side_data = nullptr;
#endif
  decltype(&::sws_getCachedContext) scale_context = nullptr;
  decltype(&::sws_freeContext) scale_free = nullptr;
  decltype(&::sws_getCoefficients) scale_coefficients = nullptr;
  decltype(&::sws_setColorspaceDetails) scale_colors = nullptr;
  decltype(&::sws_scale) scale = nullptr;
};

/// Loaded once for the whole process, quiet from then on. Without them: a Machine error that says
/// what to install.
Result<const FilmLibraries*> film_libraries();

}  // namespace luthier::detail
