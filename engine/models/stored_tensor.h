// SPDX-License-Identifier: GPL-3.0-or-later
// A tensor from a safetensors file into its place in memory: piece by piece, cast on the way, so
// that it never stands there twice. Weights, adapters and checkpoints are all read through here.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/device/torch.h"
#include "engine/io/safetensors.h"

namespace luthier {

struct Family;  // models/family.h

/// Told the bytes that were read since the last call; false ends the reading (an Interrupted
/// error).
using ReadWatch = std::function<bool(std::uint64_t bytes)>;

/// Fills `target` (contiguous, of the tensor's number of elements, any device and floating type, or
/// the stored one). Stored integers and bytes are taken only as they are. `where` names file and
/// tensor. `finite`, where it is asked for, becomes false when a value is not.
Status read_stored(const TensorView& view, torch::Tensor target, const std::string& where,
                   const ReadWatch& watch = {}, bool* finite = nullptr);
/// Whether a file has the family's parameter `name` [a, b, c] as [a, c, b]: its shape says so. One
/// of square matrices is taken as it stands, by transformers too. A matrix [a, b] that may be
/// turned always is (Conv1D's).
bool is_turned(const Family& family, const std::string& name,
               const std::vector<std::int64_t>& stored, at::IntArrayRef shape);
/// What has the shape of the parameter `name` (itself, its gradient) as files have it: a matrix
/// that may be turned is.
torch::Tensor as_stored(const Family& family, const std::string& name, const torch::Tensor& own);
/// read_stored() of a turned tensor, one of its matrices at a time.
Status read_turned(const TensorView& view, torch::Tensor target, const std::string& where,
                   const ReadWatch& watch = {}, bool* finite = nullptr);
/// The same as a new tensor on the CPU, as it is stored.
Result<torch::Tensor> read_stored(const TensorView& view, const std::string& where);

}  // namespace luthier
