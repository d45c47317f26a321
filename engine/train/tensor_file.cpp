// SPDX-License-Identifier: GPL-3.0-or-later
// Tensors on another device are copied to the CPU first; those copies live until the file stands,
// because the writer wants all bytes at hand.
#include "engine/train/tensor_file.h"

#include <vector>

#include "engine/io/safetensors.h"
#include "engine/models/loaded_model.h"
#include "engine/models/stored_tensor.h"

namespace luthier {

Status write_tensor_file(const std::filesystem::path& path,
                         const std::map<std::string, torch::Tensor>& tensors) {
  std::vector<torch::Tensor> kept;
  std::vector<TensorToWrite> entries;
  for (const auto& [name, tensor] : tensors) {
    const torch::Tensor plain = tensor.detach().to(torch::kCPU).contiguous();
    kept.push_back(plain);
    TensorToWrite entry;
    entry.name = name;
    entry.dtype = file_dtype(plain.scalar_type());
    entry.shape.assign(plain.sizes().begin(), plain.sizes().end());
    entry.bytes = {static_cast<const std::byte*>(plain.const_data_ptr()),
                   static_cast<std::size_t>(plain.nbytes())};
    entries.push_back(std::move(entry));
  }
  return write_safetensors(path, entries);
}

Result<std::map<std::string, torch::Tensor>> read_tensor_file(const std::filesystem::path& path) {
  LUTHIER_TRY(const SafetensorsFile file, SafetensorsFile::open(path));
  std::map<std::string, torch::Tensor> tensors;
  for (const auto& [name, info] : file.header().tensors) {
    LUTHIER_TRY(tensors[name], read_stored(*file.find(name), path.string() + ": " + name));
  }
  LUTHIER_CHECK(file.check_unchanged());
  return tensors;
}

}  // namespace luthier
