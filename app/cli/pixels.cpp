// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/pixels.h"

#include "engine/base/log.h"
#include "engine/methods/adapter_notes.h"

namespace luthier::cli {

void add_pixel_options(CLI::App& app, MediaLimits& pixels) {
  app.add_option("--min-pixels", pixels.min_pixels,
                 "Pixels a picture has at least after resizing (default: as the adapter was "
                 "trained, else as the "
                 "checkpoint's processor says)");
  app.add_option("--max-pixels", pixels.max_pixels,
                 "Pixels a picture has at most after resizing (default: the same)");
  app.add_option("--film-frames", pixels.film.num_frames,
                 "Frames that are shown of a film (default: the same)");
  app.add_option("--film-fps", pixels.film.fps,
                 "Frames that are shown of each second of a film (default: the same)");
}

MediaLimits pixels_for(const std::string& adapter_folder, const MediaLimits& own,
                       const MediaLimits& asked) {
  const MediaLimits chosen = chosen_pixels(asked, own);
  if (chosen != asked) {
    log_info(adapter_folder + ": pictures as it was trained, with " + pixels_text(chosen) +
             " (--min-pixels, --max-pixels, --film-frames and --film-fps change that).");
  }
  return chosen;
}

}  // namespace luthier::cli
