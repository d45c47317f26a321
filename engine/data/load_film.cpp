// SPDX-License-Identifier: GPL-3.0-or-later
// A row's film to what the model gets of it: opened, its frames chosen, and those made pixels (or
// their shape, where only lengths are wanted).
#include <algorithm>

#include "engine/data/processor_row.h"

namespace luthier {

namespace {

/// Middles of the grid's steps, each of `patch` frames, the last frame again where they do not come
/// out even.
FilmTimes times_of(const FilmLength& length, const std::vector<std::int64_t>& indices,
                   std::int64_t patch) {
  const double fps = length.fps.value_or(kStandardFps);
  const auto count = static_cast<std::int64_t>(indices.size());
  const auto second = [&](std::int64_t frame) {
    return static_cast<double>(indices[static_cast<std::size_t>(std::min(frame, count - 1))]) / fps;
  };
  FilmTimes times;
  times.whole = length.seconds;
  times.step = static_cast<double>(patch) / chosen_fps(length, count);
  for (std::int64_t frame = 0; frame < count; frame += patch)
    times.middles.push_back((second(frame) + second(frame + patch - 1)) / 2);
  return times;
}

/// A film's frames are decoded, and their size kept.
Result<ImageSize> decoded_size(const FilmSource& film, const std::vector<std::int64_t>& indices) {
  ImageSize size;
  LUTHIER_CHECK(film.each(indices, [&size](const Image& image) -> Status {
    size = {image.width, image.height};
    return {};
  }));
  return size;
}

}  // namespace

const ChatTemplate* ChatProcessor::template_of(std::span<const Message> messages) const {
  if (!film_template_) return template_.get();
  for (const Message& message : messages)
    for (const ContentPart& part : message.content)
      if (part.kind == ContentPart::Kind::Film) return film_template_.get();
  return template_.get();
}

void ChatProcessor::load_film_template() {
  film_template_ = nullptr;
  if (!image_tokens_.films || image_tokens_.films->chat_template.empty()) return;
  auto parsed = ChatTemplate::parse(image_tokens_.films->chat_template, "films");
  if (parsed) film_template_ = std::make_shared<const ChatTemplate>(parsed.take());
}

/// Pictures do without: what is wrong with it is said of a row with a film, and at once where
/// somebody set limits.
Status ChatProcessor::load_film_processor(const std::filesystem::path& folder,
                                          const FilmLimits& limits) {
  film_processor_ = nullptr;
  film_error_.reset();
  if (!image_tokens_.films) {
    if (!limits.any()) return {};
    return input_error("This model takes no films, so there are none to limit.", "film",
                       "Clear its settings.");
  }
  auto made = FilmProcessor::load(folder, image_tokens_.films->processor, limits);
  if (made && image_tokens_.films->check) {
    const Status fits = image_tokens_.films->check(**made);
    if (!fits) film_error_ = fits.error();
  }
  if (!made)
    film_error_ = made.error();
  else
    film_processor_ = made.take();
  if (film_error_ && limits.any()) return *film_error_;
  return {};
}

Result<PixelValues> ChatProcessor::load_film(const Row& row, const RowFilm& film,
                                             const SizeOf* size_of) const {
  if (film_error_) return row.about(RowFault::UnsupportedMedia, *film_error_);
  if (!film_processor_)
    return row.error(RowFault::UnsupportedMedia,
                     "The row has a film, and films are not trained on with this model.",
                     "Take the row out, or give single frames as pictures.");
  const auto broken = [&](Error error) {
    if (error.where.empty()) error.where = film_name(film);
    // A machine that cannot decode it is no fault of the row's, to be left out for.
    const RowFault fault = error.code == ErrorCode::Machine ? RowFault::UnsupportedMedia
                           : film_exists(film)              ? RowFault::BrokenFilm
                                                            : RowFault::MissingFilm;
    return row.about(fault, std::move(error));
  };
  const auto source = open_film(film);
  if (!source) return broken(source.error());
  const FrameChoice choice =
      is_sequence(film) ? film_processor_->choice().of_pictures() : film_processor_->choice();
  const FilmLength length = (*source)->length();
  const auto indices = choose_frames(length, choice);
  if (!indices) return broken(indices.error());
  Result<PixelValues> pixels = [&]() -> Result<PixelValues> {
    if (!size_of) return film_processor_->process(**source, *indices);
    LUTHIER_TRY(const ImageSize size,
                *size_of ? decoded_size(**source, *indices) : (*source)->size(*indices));
    return film_processor_->outline(size, static_cast<std::int64_t>(indices->size()));
  }();
  if (!pixels) return broken(pixels.error());
  pixels->film = times_of(length, *indices, choice.temporal_patch_size);
  return pixels;
}

}  // namespace luthier
