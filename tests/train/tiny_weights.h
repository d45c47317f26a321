// SPDX-License-Identifier: GPL-3.0-or-later
// A small checkpoint with its weights in a file, for what is loaded beside a run's own model.
#pragma once

#include <functional>

#include "engine/models/loaded_model.h"

#include "tests/train/tiny_run.h"  // after LibTorch, whose names Qt's keywords would break

namespace luthier::test {

inline void change_json(const fs::path& file, const std::function<void(Json&)>& by) {
  Json content = *read_json_file(file);
  by(content);
  write_text(file, content.dump());
}

/// make_model's, its weights drawn from `seed` once `change` has been at the folder.
inline void write_model(const fs::path& folder, const TinyModel& size, std::uint64_t seed,
                        const std::function<void(const fs::path&)>& change = {}) {
  const fs::path shape = folder.string() + "-shape";
  make_model(shape, size);
  if (change) change(shape);
  LoadOptions options;
  options.device = "cpu", options.dtype = "float32";
  options.random_weights = true, options.seed = seed;
  const auto drawn = load_model(shape, options);
  if (!drawn) qFatal("%s", drawn.error().sentence().c_str());
  if (const Status saved = save_model(*drawn, folder, torch::kFloat32); !saved)
    qFatal("%s", saved.error().sentence().c_str());
  fs::remove_all(shape);
}

/// For write_model: pictures are four times as large, for the processor and for the tower.
inline void take_larger_pictures(const fs::path& folder) {
  change_json(folder / "config.json",
              [](Json& content) { content["vision_config"]["image_size"] = 56; });
  const bool own = fs::exists(folder / "preprocessor_config.json");
  change_json(
      folder / (own ? "preprocessor_config.json" : "processor_config.json"), [](Json& content) {
        Json& pictures = content.contains("image_processor") ? content["image_processor"] : content;
        pictures["size"] = {{"shortest_edge", 56}};
        pictures["crop_size"] = {{"height", 56}, {"width", 56}};
      });
}

}  // namespace luthier::test
