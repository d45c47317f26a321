// SPDX-License-Identifier: GPL-3.0-or-later
// Threads read and cast pieces of their own, small enough to stay in a core's cache between the
// two; where nothing is to be cast, the bytes are read straight into their place.
#include "engine/models/stored_tensor.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>

#include "engine/models/vlm.h"

namespace luthier {

namespace {

constexpr std::int64_t kPieceBytes = 1 << 20;
constexpr std::int64_t kRoundBytes = 64 << 20;  // between two looks at the watch

bool is_float(torch::ScalarType type) {
  return type == torch::kFloat16 || type == torch::kBFloat16 || type == torch::kFloat32 ||
         type == torch::kFloat64;
}

std::span<std::byte> bytes_of(torch::Tensor& tensor, std::int64_t at, std::int64_t count) {
  const auto width = static_cast<std::int64_t>(tensor.element_size());
  return {static_cast<std::byte*>(tensor.data_ptr()) + at * width,
          static_cast<std::size_t>(count * width)};
}

/// Elements [begin, end) of the stored tensor into the same ones of `flat`.
Status read_range(const TensorView& view, torch::Tensor& flat, torch::ScalarType stored,
                  std::int64_t begin, std::int64_t end) {
  const auto width = static_cast<std::int64_t>(dtype_size(view.info.dtype));
  if (flat.is_cpu() && flat.scalar_type() == stored) {
    return view.read(static_cast<std::uint64_t>(begin * width), bytes_of(flat, begin, end - begin));
  }
  const std::int64_t most = std::min(kPieceBytes / width, end - begin);
  torch::Tensor piece = torch::empty({most}, torch::TensorOptions().dtype(stored));
  for (std::int64_t at = begin; at < end; at += most) {
    const std::int64_t count = std::min(most, end - at);
    LUTHIER_CHECK(view.read(static_cast<std::uint64_t>(at * width), bytes_of(piece, 0, count)));
    flat.narrow(0, at, count).copy_(piece.narrow(0, 0, count));
  }
  return {};
}

/// The same with all threads, where the target lies on the CPU.
Status read_round(const TensorView& view, torch::Tensor& flat, torch::ScalarType stored,
                  std::int64_t begin, std::int64_t end) {
  if (!flat.is_cpu()) return read_range(view, flat, stored, begin, end);
  std::mutex mutex;
  std::optional<Error> failed;
  const auto grain = kPieceBytes / static_cast<std::int64_t>(dtype_size(view.info.dtype));
  at::parallel_for(begin, end, grain, [&](std::int64_t first, std::int64_t last) {
    const torch::NoGradGuard no_grad;  // of this thread
    const Status status = read_range(view, flat, stored, first, last);
    if (status) return;
    const std::lock_guard lock(mutex);
    if (!failed) failed = status.error();
  });
  if (failed) return *failed;
  return {};
}

}  // namespace

Status read_stored(const TensorView& view, torch::Tensor target, const std::string& where,
                   const ReadWatch& watch) {
  const torch::NoGradGuard no_grad;
  const torch::ScalarType stored = scalar_type(view.info.dtype);
  const bool castable = is_float(stored) && is_float(target.scalar_type());
  if (!castable && stored != target.scalar_type()) {
    return input_error("The tensor is stored as " + dtype_name(view.info.dtype) + ".", where,
                       "Weights must be F16, BF16, F32 or F64.");
  }
  const std::int64_t elements = view.info.elements();
  if (target.numel() != elements)
    return input_error("The tensor has another number of elements.", where);
  torch::Tensor flat = target.view({elements});
  const std::int64_t round = kRoundBytes / static_cast<std::int64_t>(dtype_size(view.info.dtype));
  for (std::int64_t at = 0; at < elements; at += round) {
    const std::int64_t end = std::min(elements, at + round);
    LUTHIER_CHECK(read_round(view, flat, stored, at, end));
    const auto bytes = static_cast<std::uint64_t>(end - at) * dtype_size(view.info.dtype);
    if (watch && !watch(bytes)) return interrupted_error();
  }
  return {};
}

Result<torch::Tensor> read_stored(const TensorView& view, const std::string& where) {
  torch::Tensor tensor =
      torch::empty(view.info.shape, torch::TensorOptions().dtype(scalar_type(view.info.dtype)));
  LUTHIER_CHECK(read_stored(view, tensor, where));
  return tensor;
}

}  // namespace luthier
