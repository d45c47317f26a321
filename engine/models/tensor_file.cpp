// SPDX-License-Identifier: GPL-3.0-or-later
// The writer asks for one tensor after another, and gets it in pieces that are brought to the CPU
// and cast one by one.
#include "engine/models/tensor_file.h"

#include <algorithm>

#include "engine/device/device.h"
#include "engine/io/safetensors.h"
#include "engine/models/stored_tensor.h"

namespace luthier {

namespace {

constexpr std::int64_t kPieceToWrite = 32 << 20;  // bytes as they are stored

/// Slices along the first axis; of numbers that lie in one run, along that run.
Status give_in_pieces(const torch::Tensor& tensor, torch::ScalarType dtype, const TakeBytes& take) {
  if (tensor.numel() == 0) return {};
  const torch::Tensor rows = tensor.is_contiguous() ? tensor.view({tensor.numel()}) : tensor;
  const std::int64_t row_bytes =
      tensor.numel() / rows.size(0) * static_cast<std::int64_t>(dtype_size(file_dtype(dtype)));
  const std::int64_t most = std::max<std::int64_t>(1, kPieceToWrite / row_bytes);
  for (std::int64_t at = 0; at < rows.size(0); at += most) {
    const std::int64_t count = std::min(most, rows.size(0) - at);
    const torch::Tensor piece = rows.narrow(0, at, count).to(torch::kCPU, dtype).contiguous();
    LUTHIER_CHECK(take({static_cast<const std::byte*>(piece.const_data_ptr()),
                        static_cast<std::size_t>(piece.nbytes())}));
  }
  return {};
}

}  // namespace

Status write_tensor_file(const std::filesystem::path& path,
                         const std::vector<TensorToMake>& tensors) {
  const torch::NoGradGuard no_grad;
  std::vector<TensorOutline> outlines;
  for (const TensorToMake& tensor : tensors)
    outlines.push_back({tensor.name, file_dtype(tensor.dtype), tensor.shape});
  return write_safetensors(path, outlines, [&](std::size_t index, const TakeBytes& take) -> Status {
    LUTHIER_TRY(const torch::Tensor tensor, tensors[index].make());
    return give_in_pieces(tensor, tensors[index].dtype, take);
  });
}

Status write_tensor_file(const std::filesystem::path& path, const NamedTensors& tensors,
                         std::optional<torch::ScalarType> dtype) {
  std::vector<TensorToMake> there;
  for (const auto& [name, tensor] : tensors) {
    there.push_back({name, dtype.value_or(tensor.scalar_type()), tensor.sizes().vec(),
                     [tensor = tensor]() -> Result<torch::Tensor> { return tensor; }});
  }
  return write_tensor_file(path, there);
}

Status put_file(const std::filesystem::path& path,
                const std::function<Status(const std::filesystem::path& beside)>& write) {
  const std::filesystem::path beside = path.string() + ".part";
  std::error_code problem;
  Status written;
  try {
    written = write(beside);
  } catch (...) {
    std::filesystem::remove(beside, problem);
    throw;
  }
  if (!written) {
    std::filesystem::remove(beside, problem);
    return written;
  }
  std::filesystem::rename(beside, path, problem);
  if (problem) {
    std::error_code ignored;
    std::filesystem::remove(beside, ignored);
    return machine_error("The file cannot be written: " + problem.message(), path.string());
  }
  return {};
}

Result<std::map<std::string, torch::Tensor>> read_tensor_file(
    const std::filesystem::path& path, torch::Device device,
    const std::function<bool(const std::string&)>& wanted) {
  LUTHIER_TRY(const SafetensorsFile file, SafetensorsFile::open(path));
  std::map<std::string, torch::Tensor> tensors;
  for (const auto& [name, info] : file.header().tensors) {
    if (wanted && !wanted(name)) continue;
    const auto options = torch::TensorOptions().dtype(scalar_type(info.dtype)).device(device);
    torch::Tensor& tensor = tensors[name] = torch::empty(info.shape, options);
    LUTHIER_CHECK(read_stored(*file.find(name), tensor, path.string() + ": " + name));
  }
  LUTHIER_CHECK(file.check_unchanged());
  return tensors;
}

}  // namespace luthier
