// SPDX-License-Identifier: GPL-3.0-or-later
// Evenly spaced frames, as torch.arange gives them to transformers' video processors: in float32,
// whose rounding decides in long films. ATen fills eight numbers at a time from a first one that is
// already rounded, sixteen a turn, and makes what is left by itself.
#include <algorithm>
#include <cmath>

#include "engine/vision/film.h"

namespace luthier {

namespace {

constexpr std::int64_t kArangeLanes = 8, kArangeTurn = 2 * kArangeLanes;

/// What stands at `i` of arange(0, ..., step) of so many numbers.
float arange_value(std::int64_t i, std::int64_t count, double step) {
  const std::int64_t by_turns = count - count % kArangeTurn;
  if (i >= by_turns) return static_cast<float>(step * static_cast<double>(i));
  const std::int64_t lane = i % kArangeLanes;
  const float base = static_cast<float>(step * static_cast<double>(i - lane));
  return static_cast<float>(static_cast<double>(base) + static_cast<double>(lane) * step);
}

std::vector<std::int64_t> evenly(std::int64_t total, std::int64_t frames) {
  const double all = static_cast<double>(total), step = all / static_cast<double>(frames);
  // One more than asked for where the division was rounded down: the length of arange is that of
  // its numbers, and the last lies behind the film then.
  const auto count = static_cast<std::int64_t>(std::ceil(all / step));
  std::vector<std::int64_t> indices;
  indices.reserve(static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<std::int64_t>(arange_value(i, count, step));
    if (index < total) indices.push_back(index);
  }
  return indices;
}

/// How many frames are asked for; nothing: all.
Result<std::optional<std::int64_t>> frames_asked(const FilmLength& film,
                                                 const FrameChoice& choice) {
  const std::int64_t patch = choice.temporal_patch_size, total = film.frames;
  std::optional<std::int64_t> frames;
  if (choice.num_frames) {
    // halves go to even, as Python rounds
    frames = static_cast<std::int64_t>(
                 std::rint(static_cast<double>(*choice.num_frames) / static_cast<double>(patch))) *
             patch;
    if (*frames > total)
      return input_error(std::to_string(*frames) + " frames are asked for, and the film has " +
                             std::to_string(total) + ".",
                         {}, "Ask for fewer frames, or take the film out.");
  } else if (choice.fps) {
    if (!film.fps)
      return input_error(
          "The film does not say how many frames it has a second, and a number of frames a second "
          "is asked for.",
          {}, "Write its fps into the row, or ask for a number of frames.");
    const std::int64_t most = std::min(choice.max_frames, total) / patch * patch;
    double wanted = static_cast<double>(total) / *film.fps * *choice.fps;
    wanted = std::min(std::max(wanted, static_cast<double>(choice.min_frames)),
                      static_cast<double>(most));
    frames = static_cast<std::int64_t>(std::floor(wanted / static_cast<double>(patch))) * patch;
  }
  if (frames && *frames < 1)
    return input_error("What is asked for of the film's " + std::to_string(total) +
                           " frames comes to no whole patch of " + std::to_string(patch) + ".",
                       {}, "Ask for more frames, or take the film out.");
  return frames;
}

Status check_choice(const FilmLength& film, const FrameChoice& choice) {
  if (film.frames < 1 || film.frames > kMaxFilmFrames)
    return input_error("The film has no frames, or more than anybody could count.");
  const auto usable = [](const std::optional<double>& fps) {
    return !fps || (*fps > 0 && *fps <= kMaxFps);
  };
  if (!usable(film.fps) || !usable(choice.fps))
    return input_error("Frames per second must be above 0 and at most a million.", "fps");
  if (choice.num_frames && choice.fps)
    return input_error("A number of frames and frames per second are both asked for.",
                       "num_frames, fps", "Clear one of them.");
  if (choice.temporal_patch_size < 1 || choice.min_frames < 0 || choice.max_frames < 1 ||
      (choice.num_frames && (*choice.num_frames < 1 || *choice.num_frames > kMaxFilmFrames)))
    return input_error("A number of frames must be at least 1.", "num_frames, max_frames");
  return {};
}

}  // namespace

Result<std::vector<std::int64_t>> choose_frames(const FilmLength& film, const FrameChoice& choice) {
  LUTHIER_CHECK(check_choice(film, choice));
  LUTHIER_TRY(const std::optional<std::int64_t> asked, frames_asked(film, choice));
  const std::int64_t frames = asked.value_or(film.frames);
  if (frames > kMaxChosenFrames)
    return input_error("The film would show " + std::to_string(frames) + " frames.", {},
                       "At most " + std::to_string(kMaxChosenFrames) +
                           " are: ask for fewer, by num_frames or fps.");
  return evenly(film.frames, frames);
}

double chosen_fps(const FilmLength& film, std::int64_t chosen) {
  if (!film.fps) return kStandardFps;
  return static_cast<double>(chosen) / static_cast<double>(film.frames) * *film.fps;
}

}  // namespace luthier
