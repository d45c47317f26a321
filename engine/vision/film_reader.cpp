// SPDX-License-Identifier: GPL-3.0-or-later
// Only a file is read, through a stream of our own: no protocol is known to the demuxers, and of
// those only such as hold pictures in the file itself.
#if LUTHIER_HAS_FFMPEG
#include "engine/vision/film_reader.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <string_view>
#include <utility>

#include "engine/vision/decoders.h"

namespace luthier::detail {

namespace {

constexpr int kFilmBuffer = 1 << 16;
constexpr std::size_t kMaxFilmPackets = std::size_t{1} << 24;  // six days at 30 a second
/// One name of each demuxer's; what refers to other files (playlists, concatenations) is not there.
constexpr const char* kFilmFormats =
    "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,asf,flv,ogg,nut,mxf,dv,gif,apng,m4v,mjpeg,"
    "h264,hevc,ivf,obu,yuv4mpegpipe";
const char* const kFilmAnew = "Write it anew as MP4 with H.264, or take its row out.";

int read_film(void* opaque, std::uint8_t* to, int count) {
  auto& file = *static_cast<std::istream*>(opaque);
  file.clear();
  file.read(reinterpret_cast<char*>(to), count);
  const auto got = static_cast<int>(file.gcount());
  return got > 0 ? got : AVERROR_EOF;
}

std::int64_t seek_film(void* opaque, std::int64_t offset, int whence) {
  auto& file = *static_cast<std::istream*>(opaque);
  file.clear();
  if (whence == AVSEEK_SIZE) {
    const auto at = file.tellg();
    file.seekg(0, std::ios::end);
    const auto size = file.tellg();
    file.seekg(at);
    return static_cast<std::int64_t>(size);
  }
  const auto from = (whence & ~AVSEEK_FORCE) == SEEK_CUR   ? std::ios::cur
                    : (whence & ~AVSEEK_FORCE) == SEEK_END ? std::ios::end
                                                           : std::ios::beg;
  file.seekg(offset, from);
  return file ? static_cast<std::int64_t>(file.tellg()) : AVERROR(EINVAL);
}

/// EXIF's number for what a display matrix does, where it turns by right angles alone.
int film_orientation(const std::uint8_t* bytes, std::size_t size) {
  std::array<std::int32_t, 9> matrix{};
  if (!bytes || size < sizeof(matrix)) return 1;
  std::memcpy(matrix.data(), bytes, sizeof(matrix));
  const std::int32_t a = matrix[0], b = matrix[1], c = matrix[3], d = matrix[4];
  if (b == 0 && c == 0 && a != 0 && d != 0) return a > 0 ? (d > 0 ? 1 : 4) : (d > 0 ? 2 : 3);
  if (a == 0 && d == 0 && b != 0 && c != 0) return c > 0 ? (b > 0 ? 5 : 8) : (b > 0 ? 6 : 7);
  return 1;
}

/// What a header claims; some files leave it to the first frame.
Status check_claimed(const AVCodecParameters& coded, const DecodeLimits& limits) {
  if (coded.codec_type != AVMEDIA_TYPE_VIDEO || coded.width < 1 || coded.height < 1) return {};
  return check_pixels(static_cast<std::uint64_t>(coded.width),
                      static_cast<std::uint64_t>(coded.height), limits);
}

Error film_without_memory() {
  return machine_error("There is not enough memory for the film.", {},
                       "Make it smaller, or take its row out.");
}

/// A number of EBML at `at`, which goes on behind it: its first byte says how long it is. Nothing
/// where it is not known or not there.
std::optional<std::int64_t> ebml_number(std::string_view bytes, std::size_t& at, bool with_mark) {
  if (at >= bytes.size()) return {};
  const auto first = static_cast<unsigned char>(bytes[at]);
  const auto length = static_cast<std::size_t>(std::countl_zero(first)) + 1;
  if (length > 8 || bytes.size() - at < length) return {};
  std::uint64_t value = with_mark ? first : first & (0xff >> length);
  for (std::size_t i = 1; i < length; ++i)
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  at += length;
  const bool unknown = !with_mark && value == (std::uint64_t{1} << (7 * length)) - 1;
  if (unknown) return {};
  return static_cast<std::int64_t>(value);
}

/// How long the file's head says that it is: a RIFF's or Matroska's outermost piece. 0: it does
/// not.
std::int64_t told_size(std::istream& file) {
  std::string start(4096, '\0');
  file.clear();
  file.seekg(0);
  file.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<std::size_t>(file.gcount()));
  file.clear();
  if (start.size() > 8 && start.starts_with("RIFF")) {
    std::uint32_t size = 0;
    for (std::size_t i = 8; i-- > 4;) size = size << 8 | static_cast<unsigned char>(start[i]);
    return std::int64_t{size} + 8;
  }
  constexpr std::int64_t kHead = 0x1a45dfa3, kSegment = 0x18538067;
  std::size_t at = 0;
  if (ebml_number(start, at, true) != kHead) return 0;
  const auto head = ebml_number(start, at, false);
  if (!head || *head > static_cast<std::int64_t>(start.size() - at)) return 0;
  at += static_cast<std::size_t>(*head);
  if (ebml_number(start, at, true) != kSegment) return 0;
  const auto size = ebml_number(start, at, false);
  constexpr std::int64_t kMost = std::int64_t{1} << 60;
  return size ? static_cast<std::int64_t>(at) + std::min(*size, kMost) : 0;
}

Error cut_film() {
  return input_error("The film is cut: its file ends before its frames do.", {},
                     "Copy it again, or take its row out.");
}

}  // namespace

std::string FilmReader::words(int code) const {
  std::array<char, 128> text{};
  ffmpeg_.error_text(code, text.data(), text.size());
  return text.data();
}

Result<std::unique_ptr<FilmReader>> FilmReader::open(const FilmBytes& bytes,
                                                     const DecodeLimits& limits) {
  LUTHIER_TRY(const FilmLibraries* libraries, film_libraries());
  std::unique_ptr<FilmReader> reader(new FilmReader(*libraries, bytes, limits));
  LUTHIER_CHECK(reader->open_file());
  LUTHIER_CHECK(reader->find_pictures());
  return reader;
}

FilmReader::~FilmReader() { close(); }

void FilmReader::close() {
  ffmpeg_.scale_free(std::exchange(scale_, nullptr));
  ffmpeg_.frame_free(&frame_);
  ffmpeg_.packet_free(&packet_);
  ffmpeg_.codec_free(&decoder_);
  ffmpeg_.format_close(&format_);
  if (io_) ffmpeg_.free_pointer(&io_->buffer);
  ffmpeg_.io_free(&io_);
  stream_ = nullptr;
}

Status FilmReader::open_file() {
  file_ = bytes_();
  if (!file_ || !*file_)
    return input_error("The film cannot be opened.", {}, "Check its permissions.");
  told_size_ = told_size(*file_);
  file_->seekg(0);
  packet_ = ffmpeg_.packet_alloc();
  frame_ = ffmpeg_.frame_alloc();
  format_ = ffmpeg_.format_alloc();
  auto* buffer = static_cast<unsigned char*>(ffmpeg_.allocate(kFilmBuffer));
  if (buffer)
    io_ = ffmpeg_.io_alloc(buffer, kFilmBuffer, 0, file_.get(), read_film, nullptr, seek_film);
  if (buffer && !io_) ffmpeg_.free_pointer(&buffer);
  if (!packet_ || !frame_ || !format_ || !io_) return film_without_memory();
  format_->pb = io_;
  AVDictionary* options = nullptr;
  ffmpeg_.dict_set(&options, "format_whitelist", kFilmFormats, 0);
  ffmpeg_.dict_set(&options, "protocol_whitelist", "none", 0);
  const int opened = ffmpeg_.format_open(&format_, "", nullptr, &options);
  ffmpeg_.dict_free(&options);
  if (opened < 0)
    return input_error("The film cannot be read (" + words(opened) +
                           "): its file is cut, broken "
                           "or of a kind that is not known.",
                       {}, kFilmAnew);
  for (unsigned i = 0; i < format_->nb_streams; ++i)
    LUTHIER_CHECK(check_claimed(*format_->streams[i]->codecpar, limits_));
  const std::string most = std::to_string(limits_.max_pixels);
  std::vector<AVDictionary*> own(format_->nb_streams);
  for (AVDictionary*& each : own) ffmpeg_.dict_set(&each, "max_pixels", most.c_str(), 0);
  const int looked = ffmpeg_.find_stream_info(format_, own.empty() ? nullptr : own.data());
  for (AVDictionary*& each : own) ffmpeg_.dict_free(&each);
  if (looked < 0)
    return input_error("The film's streams cannot be read (" + words(looked) + ").", {}, kFilmAnew);
  return {};
}

Status FilmReader::find_pictures() {
  const int found = ffmpeg_.find_best_stream(format_, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  if (found >= 0) stream_ = format_->streams[found];
  if (!stream_ || (stream_->disposition & AV_DISPOSITION_ATTACHED_PIC))
    return input_error("The file has no video stream.", {},
                       "It may hold sound alone: name a film, or take its row out.");
  for (unsigned i = 0; i < format_->nb_streams; ++i)
    if (format_->streams[i] != stream_) format_->streams[i]->discard = AVDISCARD_ALL;
  const AVCodecParameters& coded = *stream_->codecpar;
  if (coded.codec_id == AV_CODEC_ID_NONE || !ffmpeg_.find_decoder(coded.codec_id))
    return input_error(
        "The film's pictures are coded in a way that FFmpeg's libraries do not "
        "decode here (" +
            std::string(ffmpeg_.codec_name(coded.codec_id)) + ").",
        {}, kFilmAnew);
  if (coded.width < 1 || coded.height < 1)
    return input_error(
        "The film does not say how large its pictures are, or claims more pixels "
        "than the limit of " +
            std::to_string(limits_.max_pixels) + ".",
        {}, kFilmAnew);
  return check_claimed(coded, limits_);
}

int FilmReader::orientation() const {
#if LIBAVFORMAT_VERSION_MAJOR >= 61
  const AVPacketSideData* data =
      ffmpeg_.side_data(stream_->codecpar->coded_side_data, stream_->codecpar->nb_coded_side_data,
                        AV_PKT_DATA_DISPLAYMATRIX);
  return data ? film_orientation(data->data, data->size) : 1;
#else
  std::size_t size = 0;
  const std::uint8_t* data = ffmpeg_.side_data(stream_, AV_PKT_DATA_DISPLAYMATRIX, &size);
  return film_orientation(data, size);
#endif
}

/// A list of the frames in front of them, or a size at the file's head, tells what must be there.
Status FilmReader::check_whole() {
  const std::int64_t size = seek_film(file_.get(), 0, AVSEEK_SIZE);
  if (told_size_ > size) return cut_film();
  const int count = ffmpeg_.index_count(stream_);
  for (int i = 0; i < count; ++i) {
    const AVIndexEntry* entry = ffmpeg_.index_entry(stream_, i);
    if (entry && (entry->pos > size || entry->size > size - entry->pos)) return cut_film();
  }
  return {};
}

Result<FilmIndex> FilmReader::scan() {
  LUTHIER_CHECK(check_whole());
  struct Seen {
    std::int64_t time;
    bool key;
  };
  std::vector<Seen> seen;
  std::int64_t first = 0, end = 0;
  bool timed = true;
  int status = 0;
  for (; (status = ffmpeg_.read_frame(format_, packet_)) >= 0; ffmpeg_.packet_unref(packet_)) {
    if (packet_->stream_index != stream_->index) continue;
    if (packet_->flags & AV_PKT_FLAG_CORRUPT) return cut_film();
    if (packet_->flags & AV_PKT_FLAG_DISCARD) continue;
    if (seen.size() == kMaxFilmPackets)
      return input_error("The film has more than " + std::to_string(kMaxFilmPackets) + " frames.",
                         {}, "Cut it into shorter ones.");
    timed = timed && packet_->pts != AV_NOPTS_VALUE;
    std::int64_t time = packet_->pts != AV_NOPTS_VALUE ? packet_->pts : packet_->dts;
    if (time == AV_NOPTS_VALUE) time = seen.empty() ? 0 : seen.back().time + 1;
    const std::int64_t until = time + std::max<std::int64_t>(packet_->duration, 0);
    first = seen.empty() ? time : std::min(first, time);
    end = seen.empty() ? until : std::max(end, until);
    seen.push_back({time, (packet_->flags & AV_PKT_FLAG_KEY) != 0});
  }
  if (status != AVERROR_EOF)
    return input_error("The film cannot be read to its end (" + words(status) + ").", {},
                       "Copy it again, or take its row out.");
  if (seen.empty()) return input_error("The film has no frames.", {}, "Take its row out.");
  std::stable_sort(seen.begin(), seen.end(),
                   [](const Seen& a, const Seen& b) { return a.time < b.time; });
  FilmIndex index;
  index.times.reserve(seen.size());
  for (const Seen& each : seen) {
    if (!index.times.empty() && index.times.back() == each.time) timed = false;
    if (each.key) index.keys.push_back({static_cast<std::int64_t>(index.times.size()), each.time});
    index.times.push_back(each.time);
  }
  index.timed = timed;
  index.size = {stream_->codecpar->width, stream_->codecpar->height};
  if (orientation() >= 5) std::swap(index.size.width, index.size.height);
  index.length.frames = static_cast<std::int64_t>(seen.size());
  const auto ratio = [](const AVRational& of) {
    return of.den ? static_cast<double>(of.num) / static_cast<double>(of.den) : 0;
  };
  const double unit = ratio(stream_->time_base);
  const double seconds = static_cast<double>(end) * unit - static_cast<double>(first) * unit;
  const auto usable = [](double fps) { return fps > 0 && fps <= kMaxFps; };
  if (seconds > 0 && std::isfinite(seconds)) index.length.seconds = seconds;
  double fps = index.length.seconds ? static_cast<double>(seen.size()) / seconds : 0;
  if (!usable(fps)) fps = ratio(stream_->avg_frame_rate);
  if (usable(fps)) index.length.fps = fps;
  return index;
}

Status FilmReader::open_decoder() {
  const AVCodec* codec = ffmpeg_.find_decoder(stream_->codecpar->codec_id);
  decoder_ = ffmpeg_.codec_alloc(codec);
  if (!decoder_) return film_without_memory();
  int status = ffmpeg_.codec_parameters(decoder_, stream_->codecpar);
  decoder_->thread_count = 1;
  decoder_->pkt_timebase = stream_->time_base;
  decoder_->max_pixels = static_cast<std::int64_t>(limits_.max_pixels);
  if (status >= 0) status = ffmpeg_.codec_open(decoder_, codec, nullptr);
  if (status < 0)
    return input_error("The film's pictures cannot be decoded (" + words(status) + ").", {},
                       kFilmAnew);
  return {};
}

void FilmReader::skip_to(std::int64_t number, const FilmIndex& index) {
  // Where times may jump, packets behind a place that was looked for get other ones.
  if (!index.timed || !seeks_ || (format_->iformat->flags & AVFMT_TS_DISCONT)) return;
  const auto behind = std::upper_bound(
      index.keys.begin(), index.keys.end(), number,
      [](std::int64_t frame, const FilmIndex::Key& key) { return frame < key.frame; });
  if (behind == index.keys.begin() || (behind - 1)->frame <= next_) return;
  if (ffmpeg_.seek_frame(format_, stream_->index, (behind - 1)->time, AVSEEK_FLAG_BACKWARD) < 0)
    return;  // all that is between is decoded, then
  ffmpeg_.codec_flush(decoder_);
  ended_ = landed_ = keyed_ = false;
}

/// A key frame was looked for and a later one found: from the start again, frame by frame.
Status FilmReader::start_over() {
  close();
  LUTHIER_CHECK(open_file());
  LUTHIER_CHECK(find_pictures());
  LUTHIER_CHECK(open_decoder());
  next_ = 0;
  landed_ = true;
  ended_ = seeks_ = false;
  return {};
}

Status FilmReader::feed() {
  for (;;) {
    const int status = ffmpeg_.read_frame(format_, packet_);
    if (status < 0) {
      ended_ = true;
      ffmpeg_.send_packet(decoder_, nullptr);
      return {};
    }
    const bool ours =
        packet_->stream_index == stream_->index && !(packet_->flags & AV_PKT_FLAG_DISCARD);
    const int sent = ours ? ffmpeg_.send_packet(decoder_, packet_) : 0;
    ffmpeg_.packet_unref(packet_);
    if (sent < 0)
      return input_error("The film is broken: a frame behind its number " + std::to_string(next_) +
                             " cannot be decoded (" + words(sent) + ").",
                         {}, kFilmAnew);
    if (ours) return {};
  }
}

Result<bool> FilmReader::next_frame() {
  for (;;) {
    const int status = ffmpeg_.receive_frame(decoder_, frame_);
    if (status >= 0) {
      count_decoded();
      return true;
    }
    if (status == AVERROR_EOF) return false;
    if (status != AVERROR(EAGAIN) || ended_)
      return input_error("The film is broken: a frame behind its number " + std::to_string(next_) +
                             " cannot be decoded (" + words(status) + ").",
                         {}, kFilmAnew);
    LUTHIER_CHECK(feed());
  }
}

Result<Image> FilmReader::frame(std::int64_t number, const FilmIndex& index) {
  if (!decoder_) LUTHIER_CHECK(open_decoder());
  skip_to(number, index);
  for (;;) {
    LUTHIER_TRY(const bool there, next_frame());
    if (!there && !landed_) {
      LUTHIER_CHECK(start_over());
      continue;
    }
    if (!there)
      return input_error("The film ends before its frame " + std::to_string(number) + ".", {},
                         kFilmAnew);
    std::int64_t shown = next_;
    bool known = true;
    if (index.timed) {
      const auto at =
          std::lower_bound(index.times.begin(), index.times.end(), frame_->best_effort_timestamp);
      shown = at - index.times.begin();
      known = at != index.times.end() && *at == frame_->best_effort_timestamp;
    }
    if (!landed_ && (!known || shown > number)) {
      LUTHIER_CHECK(start_over());
      continue;
    }
    landed_ = true;
    next_ = shown + 1;
    if (shown < number) continue;
    if ((frame_->flags & AV_FRAME_FLAG_CORRUPT) || frame_->decode_error_flags)
      return input_error("The film's frame " + std::to_string(number) + " is broken.", {},
                         kFilmAnew);
    return pixels();
  }
}

Result<Image> FilmReader::pixels() {
  const int width = frame_->width, height = frame_->height;
  LUTHIER_CHECK(check_pixels(static_cast<std::uint64_t>(std::max(width, 0)),
                             static_cast<std::uint64_t>(std::max(height, 0)), limits_));
  const auto format = static_cast<AVPixelFormat>(frame_->format);
  scale_ = ffmpeg_.scale_context(scale_, width, height, format, width, height, AV_PIX_FMT_RGB24,
                                 SWS_BILINEAR, nullptr, nullptr, nullptr);
  if (!scale_)
    return input_error("The film's colours cannot be made red, green and blue.", {}, kFilmAnew);
  const int* colors = ffmpeg_.scale_coefficients(frame_->colorspace);
  const int full = frame_->color_range == AVCOL_RANGE_JPEG;
  constexpr int kWhole = 1 << 16;
  ffmpeg_.scale_colors(scale_, colors, full, colors, 1, 0, kWhole, kWhole);
  // Rows are written in whole steps of vectors, beyond their ends.
  constexpr int kStep = 64;
  const int stride = (3 * width + 2 * kStep - 1) / kStep * kStep;
  std::vector<std::uint8_t> rows(std::size_t(stride) * std::size_t(height) + kStep);
  std::uint8_t* const to[4] = {rows.data(), nullptr, nullptr, nullptr};
  const int strides[4] = {stride, 0, 0, 0};
  if (ffmpeg_.scale(scale_, frame_->data, frame_->linesize, 0, height, to, strides) != height)
    return input_error("The film's colours cannot be made red, green and blue.", {}, kFilmAnew);
  Image image{width, height, {}};
  const std::size_t row = 3 * std::size_t(width);
  image.rgb.resize(row * std::size_t(height));
  for (std::size_t y = 0; y < std::size_t(height); ++y)
    std::memcpy(image.rgb.data() + y * row, rows.data() + y * std::size_t(stride), row);
  return turned(std::move(image), orientation());
}

}  // namespace luthier::detail
#endif
