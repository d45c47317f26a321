// SPDX-License-Identifier: GPL-3.0-or-later
// Evenly spaced frames, as torch.arange gives them to transformers' video processors: in float32,
// whose rounding decides in long films. ATen fills eight numbers at a time from a first one that is
// already rounded, sixteen a turn, and makes what is left by itself. From end to end they are those
// of numpy's linspace, in double.
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

/// linspace(first, last, frames): to the nearest whole number, halves to even, or down to one.
std::vector<std::int64_t> between(std::int64_t first, std::int64_t last, std::int64_t frames,
                                  bool nearest) {
  const double range = static_cast<double>(last - first);
  const double step = frames > 1 ? range / static_cast<double>(frames - 1) : 0;
  std::vector<std::int64_t> indices;
  indices.reserve(static_cast<std::size_t>(frames));
  for (std::int64_t i = 0; i < frames; ++i) {
    double at = static_cast<double>(i) * step + static_cast<double>(first);
    if (i > 0 && i == frames - 1) at = static_cast<double>(last);
    indices.push_back(static_cast<std::int64_t>(nearest ? std::rint(at) : std::floor(at)));
  }
  return indices;
}

Error more_than_there(std::int64_t frames, std::int64_t total) {
  return input_error(std::to_string(frames) + " frames are asked for, and the film has " +
                         std::to_string(total) + ".",
                     {}, "Ask for fewer frames, or take the film out.");
}

Error unknown_fps() {
  return input_error(
      "The film does not say how many frames it has a second, and a number of frames a second is "
      "asked for.",
      {}, "Write its fps into the row, or ask for a number of frames.");
}

/// As many frames as `fps` of a second come to, as Python's int() cuts them.
std::int64_t frames_at(const FilmLength& film, double film_fps, double fps) {
  const double frames = static_cast<double>(film.frames) / film_fps * fps;
  return static_cast<std::int64_t>(std::min(frames, static_cast<double>(kMaxFilmFrames)));
}

/// How many frames are asked for; nothing: all.
using FramesAsked = Result<std::optional<std::int64_t>>;

FramesAsked patches_asked(const FilmLength& film, const FrameChoice& choice) {
  const std::int64_t patch = choice.temporal_patch_size, total = film.frames;
  std::optional<std::int64_t> frames;
  if (choice.num_frames) {
    // halves go to even, as Python rounds
    frames = static_cast<std::int64_t>(
                 std::rint(static_cast<double>(*choice.num_frames) / static_cast<double>(patch))) *
             patch;
    if (*frames > total) return more_than_there(*frames, total);
  } else if (choice.fps) {
    if (!film.fps) return unknown_fps();
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

FramesAsked even_asked(const FilmLength& film, const FrameChoice& choice) {
  std::optional<std::int64_t> frames = choice.num_frames;
  if (!frames && choice.fps) {
    if (!film.fps) return unknown_fps();
    frames = frames_at(film, *film.fps, *choice.fps);
  }
  if (frames && *frames > film.frames) return more_than_there(*frames, film.frames);
  return frames;
}

std::int64_t ends_asked(const FilmLength& film, const FrameChoice& choice) {
  const std::int64_t total = film.frames;
  if (choice.num_frames) return *choice.num_frames;
  const std::int64_t wanted =
      choice.fps ? frames_at(film, film.fps.value_or(kStandardFps), *choice.fps) : total;
  const std::int64_t within = std::min(std::max(wanted, choice.min_frames), choice.max_frames);
  return choice.fps ? std::min(within, total) : within;
}

struct FramesWithin {
  std::int64_t first = 0, last = 0, frames = 0;
};

Result<FramesWithin> inner_asked(const FilmLength& film, const FrameChoice& choice) {
  constexpr double kSkipped = 1;  // seconds at either end
  if (!choice.num_frames || !choice.fps)
    return input_error(
        "This model's frames are chosen by a number of frames and a number of frames "
        "a second, and one of them is missing.",
        "num_frames, fps", "Set film.num_frames and film.fps.");
  if (!film.fps) return unknown_fps();
  const double seconds = film.seconds.value_or(static_cast<double>(film.frames) / *film.fps);
  const auto estimated = static_cast<std::int64_t>(
      std::min(std::rint(*choice.fps * seconds), static_cast<double>(kMaxFilmFrames)));
  FramesWithin asked{0, film.frames - 1,
                     std::max<std::int64_t>(std::min(estimated, *choice.num_frames), 1)};
  if (seconds - 2 * kSkipped > static_cast<double>(*choice.num_frames) * *choice.fps) {
    const auto first = static_cast<std::int64_t>(kSkipped * *film.fps);
    const auto last =
        static_cast<std::int64_t>(static_cast<double>(film.frames) - kSkipped * *film.fps);
    if (first < std::min(last, asked.last))
      asked = {first, std::min(last, asked.last), asked.frames};
  }
  return asked;
}

Status check_choice(const FilmLength& film, const FrameChoice& choice) {
  if (film.frames < 1 || film.frames > kMaxFilmFrames)
    return input_error("The film has no frames, or more than anybody could count.");
  const auto usable = [](const std::optional<double>& fps) {
    return !fps || (*fps > 0 && *fps <= kMaxFps);
  };
  if (!usable(film.fps) || !usable(choice.fps))
    return input_error("Frames per second must be above 0 and at most a million.", "fps");
  if (choice.rule != FrameRule::Inner && choice.num_frames && choice.fps)
    return input_error("A number of frames and frames per second are both asked for.",
                       "num_frames, fps", "Clear one of them.");
  if (choice.temporal_patch_size < 1 || choice.min_frames < 0 || choice.max_frames < 1 ||
      (choice.num_frames && (*choice.num_frames < 1 || *choice.num_frames > kMaxFilmFrames)))
    return input_error("A number of frames must be at least 1.", "num_frames, max_frames");
  return {};
}

Status check_shown(std::int64_t frames) {
  if (frames < 1)
    return input_error("What is asked for of the film comes to no frame.", {},
                       "Ask for more frames, or take the film out.");
  if (frames <= kMaxChosenFrames) return {};
  return input_error(
      "The film would show " + std::to_string(frames) + " frames.", {},
      "At most " + std::to_string(kMaxChosenFrames) + " are: ask for fewer, by num_frames or fps.");
}

}  // namespace

Result<std::vector<std::int64_t>> choose_frames(const FilmLength& film, const FrameChoice& choice) {
  LUTHIER_CHECK(check_choice(film, choice));
  if (choice.samples && choice.rule == FrameRule::Ends) {
    const std::int64_t frames = ends_asked(film, choice);
    LUTHIER_CHECK(check_shown(frames));
    return between(0, film.frames - 1, frames, true);
  }
  if (choice.samples && choice.rule == FrameRule::Inner) {
    LUTHIER_TRY(const FramesWithin asked, inner_asked(film, choice));
    LUTHIER_CHECK(check_shown(asked.frames));
    std::vector<std::int64_t> indices = between(asked.first, asked.last, asked.frames, false);
    indices.erase(std::unique(indices.begin(), indices.end()), indices.end());
    return indices;
  }
  std::optional<std::int64_t> asked;
  if (choice.samples) {
    LUTHIER_TRY(asked, choice.rule == FrameRule::Even ? even_asked(film, choice)
                                                      : patches_asked(film, choice));
  }
  const std::int64_t frames = asked.value_or(film.frames);
  LUTHIER_CHECK(check_shown(frames));
  return evenly(film.frames, frames);
}

double chosen_fps(const FilmLength& film, std::int64_t chosen) {
  if (!film.fps) return kStandardFps;
  return static_cast<double>(chosen) / static_cast<double>(film.frames) * *film.fps;
}

}  // namespace luthier
