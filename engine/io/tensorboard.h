// SPDX-License-Identifier: GPL-3.0-or-later
// TensorBoard event files: scalar summaries in TFRecord framing with masked CRC-32C, so that the
// tools people already use open a run.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "engine/base/result.h"

namespace luthier {

class TensorboardWriter {
 public:
  /// Creates `folder` if needed and a new events file in it (named as TensorBoard expects).
  static Result<TensorboardWriter> create(const std::filesystem::path& folder);
  TensorboardWriter(TensorboardWriter&&) noexcept;
  TensorboardWriter& operator=(TensorboardWriter&&) noexcept;
  ~TensorboardWriter();
  Status add_scalar(const std::string& tag, double value, std::int64_t step);
  Status flush();

 private:
  TensorboardWriter() = default;
  std::FILE* file_ = nullptr;
  std::filesystem::path path_;
};

}  // namespace luthier
