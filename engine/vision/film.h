// SPDX-License-Identifier: GPL-3.0-or-later
// A film: frames of one size, asked for by their index, so that nobody decodes or holds more of it
// than is shown to a model. Which frames those are follows from its length alone, by the rules of
// transformers' video processors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/vision/image.h"

namespace luthier {

inline constexpr std::int64_t kMaxFilmFrames = std::int64_t{1} << 40;  ///< of any film
inline constexpr std::int64_t kMaxSequence = 1 << 16;                  ///< of a sequence
inline constexpr std::int64_t kMaxChosenFrames = 4096;
inline constexpr double kMaxFps = 1e6;
/// What transformers says of a sequence whose frames per second nobody told.
inline constexpr double kStandardFps = 24;

struct FilmLength {
  std::int64_t frames = 0;
  std::optional<double> fps = {};      ///< frames per second; none: not known
  std::optional<double> seconds = {};  ///< how long it plays, where its file tells
};

/// Whose rule it is that makes frames of numbers.
enum class FrameRule {
  Patches,  ///< Qwen2-VL's: whole temporal patches, evenly from the start
  Even,     ///< LLaVA-OneVision's, transformers' own: as many as asked for, evenly from the start
  Ends,     ///< Qwen3-VL's: evenly from the first frame to the last
  Inner,    ///< SmolVLM's: that, and in a long film not its first and last second
};

/// How many frames a model is to see, and so which: `num_frames`, or `fps` of a second within the
/// limits; neither: all. Inner takes both, the one that shows less.
struct FrameChoice {
  FrameRule rule = FrameRule::Patches;
  bool samples = true;     ///< false: all frames, whatever the numbers say
  bool by_recipe = false;  ///< a recipe asked for it
  std::optional<std::int64_t> num_frames = {};
  std::optional<double> fps = {};
  std::int64_t min_frames = 4, max_frames = 768;  ///< under `fps`
  std::int64_t temporal_patch_size = 2;

  /// A film of pictures is shown as it is, but where a recipe asks: transformers refuses to sample
  /// lists of pictures.
  FrameChoice of_pictures() const {
    FrameChoice choice = *this;
    choice.samples = samples && by_recipe;
    return choice;
  }
};

/// Indices that do not fall, each below the film's length; the last two rules may show a frame more
/// than once. A film too short for the choice, or too long to be shown whole, is an Input error.
Result<std::vector<std::int64_t>> choose_frames(const FilmLength& film, const FrameChoice& choice);
/// Frames per second of `chosen` frames taken evenly out of the film.
double chosen_fps(const FilmLength& film, std::int64_t chosen);

class FilmSource {
 public:
  using Take = std::function<Status(const Image&)>;

  virtual ~FilmSource() = default;
  virtual FilmLength length() const = 0;
  /// What each of these frames has, from headers alone.
  virtual Result<ImageSize> size(const std::vector<std::int64_t>& indices) const = 0;
  /// Decodes the frames at these indices, which do not fall, all of one size, one after another; an
  /// error of `take` ends it.
  virtual Status each(const std::vector<std::int64_t>& indices, const Take& take) const = 0;
};

/// The pictures of a folder as a film's frames: by name, a number in it by its value. Hidden files
/// and what by its name is no picture are passed over.
Result<std::vector<std::filesystem::path>> film_folder(const std::filesystem::path& folder);
/// A film's file of any kind that FFmpeg's libraries read, its frames in the order in which they
/// are shown and turned as it says; `fps` stands in place of its own. Its packets are counted once,
/// and nothing is decoded. Where this program was built without FFmpeg or the machine has it not: a
/// Machine error that says what to install.
Result<std::unique_ptr<FilmSource>> open_film_file(const std::filesystem::path& path,
                                                   std::optional<double> fps,
                                                   const std::string& where,
                                                   const DecodeLimits& limits = {});
/// The same of a file that lies in memory.
Result<std::unique_ptr<FilmSource>> open_film_bytes(std::string bytes, std::optional<double> fps,
                                                    const std::string& where,
                                                    const DecodeLimits& limits = {});
/// A film of pictures, each a frame; `where` names it in errors. Nothing is decoded or opened yet.
Result<std::unique_ptr<FilmSource>> open_sequence(std::vector<std::filesystem::path> pictures,
                                                  std::optional<double> fps,
                                                  const std::string& where,
                                                  const DecodeLimits& limits = {});

}  // namespace luthier
