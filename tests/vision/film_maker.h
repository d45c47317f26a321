// SPDX-License-Identifier: GPL-3.0-or-later
// Film files for the tests, written by FFmpeg's own encoders and muxers: lossless ones, whose
// frames come back as they were, and ones with frames that are stored in another order than shown.
#pragma once

#include "fixtures.h"

#include <QTemporaryDir>
#include <fstream>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libswscale/swscale.h>
}

namespace luthier::test {

struct FilmRecipe {
  const char* container = "matroska";
  AVCodecID codec = AV_CODEC_ID_FFV1;
  AVPixelFormat pixels = AV_PIX_FMT_BGR0;
  int rate = 25;                          ///< frames a second
  int key_every = 12;                     ///< frames from one key frame to the next
  int between = 0;                        ///< frames that wait for a later one
  bool index_first = false;               ///< MP4's: the list of frames before them
  std::vector<std::int32_t> matrix = {};  ///< how a player turns it
};

inline AVFrame* film_frame(const Image& image, AVPixelFormat format) {
  AVFrame* frame = av_frame_alloc();
  frame->format = format;
  frame->width = image.width;
  frame->height = image.height;
  av_frame_get_buffer(frame, 0);
  SwsContext* scale = sws_getContext(image.width, image.height, AV_PIX_FMT_RGB24, image.width,
                                     image.height, format, SWS_BILINEAR, nullptr, nullptr, nullptr);
  const std::uint8_t* const from[4] = {image.rgb.data(), nullptr, nullptr, nullptr};
  const int stride[4] = {3 * image.width, 0, 0, 0};
  sws_scale(scale, from, stride, 0, image.height, frame->data, frame->linesize);
  sws_freeContext(scale);
  return frame;
}

inline AVCodecContext* film_encoder(const FilmRecipe& recipe, const Image& first, bool headers) {
  const AVCodec* codec = avcodec_find_encoder(recipe.codec);
  AVCodecContext* encoder = avcodec_alloc_context3(codec);
  encoder->width = first.width;
  encoder->height = first.height;
  encoder->pix_fmt = recipe.pixels;
  encoder->time_base = {1, recipe.rate};
  encoder->framerate = {recipe.rate, 1};
  encoder->gop_size = recipe.key_every;
  encoder->max_b_frames = recipe.between;
  encoder->bit_rate = 400000;
  encoder->thread_count = 1;
  encoder->strict_std_compliance = FF_COMPLIANCE_UNOFFICIAL;
  encoder->flags |= AV_CODEC_FLAG_BITEXACT | (headers ? AV_CODEC_FLAG_GLOBAL_HEADER : 0);
  return avcodec_open2(encoder, codec, nullptr) < 0 ? nullptr : encoder;
}

/// The film's bytes; none where it could not be made. Frames of another size than the first's have
/// an encoder of their own, which only codecs without memory bear.
inline std::string film_of(const std::vector<Image>& frames, const FilmRecipe& recipe) {
  const QTemporaryDir folder;
  const std::string path = (folder.path() + "/film").toStdString();
  AVFormatContext* out = nullptr;
  if (avformat_alloc_output_context2(&out, nullptr, recipe.container, path.c_str()) < 0) return {};
  out->flags |= AVFMT_FLAG_BITEXACT;
  AVStream* stream = avformat_new_stream(out, nullptr);
  const bool headers = out->oformat->flags & AVFMT_GLOBALHEADER;
  AVCodecContext* encoder = film_encoder(recipe, frames.front(), headers);
  if (!encoder) return {};
  avcodec_parameters_from_context(stream->codecpar, encoder);
  stream->time_base = encoder->time_base;
  stream->avg_frame_rate = encoder->framerate;
  if (!recipe.matrix.empty())
    std::memcpy(av_stream_new_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, 36),
                recipe.matrix.data(), 36);
  AVDictionary* options = nullptr;
  if (recipe.index_first) av_dict_set(&options, "movflags", "faststart", 0);
  if (avio_open(&out->pb, path.c_str(), AVIO_FLAG_WRITE) < 0 ||
      avformat_write_header(out, &options) < 0)
    return {};
  av_dict_free(&options);
  AVPacket* packet = av_packet_alloc();
  const auto write = [&](AVFrame* frame) {
    avcodec_send_frame(encoder, frame);
    while (avcodec_receive_packet(encoder, packet) >= 0) {
      av_packet_rescale_ts(packet, encoder->time_base, stream->time_base);
      packet->duration = av_rescale_q(1, encoder->time_base, stream->time_base);
      packet->stream_index = stream->index;
      av_interleaved_write_frame(out, packet);
    }
  };
  for (std::size_t i = 0; i < frames.size(); ++i) {
    if (frames[i].width != encoder->width) {
      write(nullptr);
      avcodec_free_context(&encoder);
      encoder = film_encoder(recipe, frames[i], headers);
    }
    AVFrame* frame = film_frame(frames[i], recipe.pixels);
    frame->pts = static_cast<std::int64_t>(i);
    frame->quality = FF_QP2LAMBDA;
    write(frame);
    av_frame_free(&frame);
  }
  write(nullptr);
  av_write_trailer(out);
  av_packet_free(&packet);
  avcodec_free_context(&encoder);
  avio_closep(&out->pb);
  avformat_free_context(out);
  const auto bytes = read_file(path, 1 << 26);
  return bytes.ok() ? *bytes : std::string();
}

}  // namespace luthier::test
