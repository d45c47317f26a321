// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/tensor_output.h"

#include <filesystem>

#include "engine/device/device.h"
#include "engine/io/safetensors.h"

namespace luthier::cli {

Status write_tensors(const std::string& path,
                     std::vector<std::pair<std::string, torch::Tensor>> tensors) {
  std::vector<TensorToWrite> views;
  for (auto& [name, tensor] : tensors) {
    tensor = tensor.detach().to(torch::kCPU).contiguous();
    views.push_back({name,
                     file_dtype(tensor.scalar_type()),
                     tensor.sizes().vec(),
                     {static_cast<const std::byte*>(tensor.const_data_ptr()),
                      static_cast<std::size_t>(tensor.nbytes())}});
  }
  const std::string temporary = path + ".part";
  std::error_code problem;
  if (const Status written = write_safetensors(temporary, views); !written) {
    std::filesystem::remove(temporary, problem);
    return written;
  }
  std::filesystem::rename(temporary, path, problem);
  if (problem) return machine_error("The file cannot be written: " + problem.message(), path);
  return {};
}

}  // namespace luthier::cli
