// SPDX-License-Identifier: GPL-3.0-or-later
// Named tensors to one safetensors file and back: checkpoints, adapters, whole models. Whatever
// their device or type, no more than a piece of one is copied at a time, so that writing a model
// takes no memory of the model's size.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/result.h"
#include "engine/device/torch.h"

namespace luthier {

/// A tensor that comes into being when its turn to be written has come.
struct TensorToMake {
  std::string name;
  torch::ScalarType dtype;
  std::vector<std::int64_t> shape;
  std::function<Result<torch::Tensor>()> make;  ///< of that shape and, once cast, of that type
};
/// One after another, each let go before the next is made. Not atomic by itself (io/safetensors.h).
Status write_tensor_file(const std::filesystem::path& path,
                         const std::vector<TensorToMake>& tensors);

using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

/// The same of tensors that are there. `dtype`: the type to store all of them in; otherwise each in
/// its own.
Status write_tensor_file(const std::filesystem::path& path, const NamedTensors& tensors,
                         std::optional<torch::ScalarType> dtype = {});
/// Writes with `write` beside `path` and renames, so that the file is there whole or not at all (a
/// result that can be made again: nothing is synced).
Status put_file(const std::filesystem::path& path,
                const std::function<Status(const std::filesystem::path& beside)>& write);

/// As they are stored, in memory of their own on `device`, where they are read without standing on
/// the CPU first. `wanted`: those of these names alone; empty: all.
Result<std::map<std::string, torch::Tensor>> read_tensor_file(
    const std::filesystem::path& path, torch::Device device = torch::kCPU,
    const std::function<bool(const std::string&)>& wanted = {});

}  // namespace luthier
