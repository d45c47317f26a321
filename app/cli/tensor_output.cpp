// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/tensor_output.h"

namespace luthier::cli {

Status write_tensors(const std::string& path, const NamedTensors& tensors) {
  return put_file(path, [&](const auto& beside) { return write_tensor_file(beside, tensors); });
}

}  // namespace luthier::cli
