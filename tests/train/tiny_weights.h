// SPDX-License-Identifier: GPL-3.0-or-later
// A small checkpoint with its weights in a file, for what is loaded beside a run's own model.
#pragma once

#include "engine/models/loaded_model.h"

#include "tests/train/tiny_run.h"  // after LibTorch, whose names Qt's keywords would break

namespace luthier::test {

/// make_model's, its weights drawn from `seed`.
inline void write_model(const fs::path& folder, const TinyModel& size, std::uint64_t seed) {
  const fs::path shape = folder.string() + "-shape";
  make_model(shape, size);
  LoadOptions options;
  options.device = "cpu", options.dtype = "float32";
  options.random_weights = true, options.seed = seed;
  const auto drawn = load_model(shape, options);
  if (!drawn) qFatal("%s", drawn.error().sentence().c_str());
  if (const Status saved = save_model(*drawn, folder, torch::kFloat32); !saved)
    qFatal("%s", saved.error().sentence().c_str());
}

}  // namespace luthier::test
