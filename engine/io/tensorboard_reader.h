// SPDX-License-Identifier: GPL-3.0-or-later
// Scalars out of TensorBoard's event files, whoever wrote them: TFRecord frames whose checksums
// hold, Event and Summary messages, values as TensorFlow 1 (simple_value) and 2 (a tensor) write
// them. What is no scalar is passed over; nothing of the file is believed before it is measured.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace luthier {

struct ScalarPoint {
  std::int64_t step = 0;
  double wall_time = 0;  ///< seconds since 1970
  double value = 0;
};

/// By tag, in the order of the file. A file that ends within a record, as one that is still being
/// written does, gives what came before; an Input error where its first record is none.
Result<std::map<std::string, std::vector<ScalarPoint>>> read_tensorboard(std::string_view bytes,
                                                                         const std::string& where);

}  // namespace luthier
