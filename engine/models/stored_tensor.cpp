// SPDX-License-Identifier: GPL-3.0-or-later
// Threads read, cast and look at pieces of their own, small enough to stay in a core's cache
// meanwhile; where nothing is to be cast, the bytes are read straight into their place.
#include "engine/models/stored_tensor.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <optional>

#include "engine/device/parallel.h"
#include "engine/models/loaded_model.h"

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

/// The sum is enough where it is finite; where it is not, finite values may have overflowed it.
bool all_finite(const torch::Tensor& values) {
  return std::isfinite(at::sum(values, torch::kFloat32).item<double>()) ||
         at::isfinite(values).all().item<bool>();
}

/// Elements [begin, end) of the stored tensor into the same ones of `flat`.
Status read_range(const TensorView& view, torch::Tensor& flat, torch::ScalarType stored,
                  std::int64_t begin, std::int64_t end, std::atomic<bool>* finite) {
  const auto width = static_cast<std::int64_t>(dtype_size(view.info.dtype));
  const bool in_place = flat.is_cpu() && flat.scalar_type() == stored;
  const std::int64_t most = std::min(kPieceBytes / width, end - begin);
  torch::Tensor piece;
  if (!in_place) piece = torch::empty({most}, torch::TensorOptions().dtype(stored));
  for (std::int64_t at = begin; at < end; at += most) {
    const std::int64_t count = std::min(most, end - at);
    const std::span<std::byte> into =
        in_place ? bytes_of(flat, at, count) : bytes_of(piece, 0, count);
    LUTHIER_CHECK(view.read(static_cast<std::uint64_t>(at * width), into));
    const torch::Tensor here = in_place ? flat.narrow(0, at, count) : piece.narrow(0, 0, count);
    if (!in_place) flat.narrow(0, at, count).copy_(here);
    if (finite && !all_finite(here)) *finite = false;
  }
  return {};
}

/// The same with all threads, where the target lies on the CPU.
Status read_round(const TensorView& view, torch::Tensor& flat, torch::ScalarType stored,
                  std::int64_t begin, std::int64_t end, std::atomic<bool>* finite) {
  if (!flat.is_cpu()) return read_range(view, flat, stored, begin, end, finite);
  std::mutex mutex;
  std::optional<Error> failed;
  const auto grain = kPieceBytes / static_cast<std::int64_t>(dtype_size(view.info.dtype));
  for_pieces(begin, end, grain, [&](std::int64_t first, std::int64_t last) {
    const torch::NoGradGuard no_grad;  // of this thread
    const Status status = read_range(view, flat, stored, first, last, finite);
    if (status) return;
    const std::lock_guard lock(mutex);
    if (!failed) failed = status.error();
  });
  if (failed) return *failed;
  return {};
}

}  // namespace

Status read_stored(const TensorView& view, torch::Tensor target, const std::string& where,
                   const ReadWatch& watch, bool* finite) {
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
  std::atomic<bool> all_are(true);
  std::atomic<bool>* look = finite && is_float(stored) ? &all_are : nullptr;
  const std::int64_t round = kRoundBytes / static_cast<std::int64_t>(dtype_size(view.info.dtype));
  for (std::int64_t at = 0; at < elements; at += round) {
    const std::int64_t end = std::min(elements, at + round);
    LUTHIER_CHECK(read_round(view, flat, stored, at, end, look));
    const auto bytes = static_cast<std::uint64_t>(end - at) * dtype_size(view.info.dtype);
    if (watch && !watch(bytes)) return interrupted_error();
  }
  if (finite && !all_are) *finite = false;
  return {};
}

bool is_turned(const Family& family, const std::string& name,
               const std::vector<std::int64_t>& stored, at::IntArrayRef shape) {
  if (!family.may_be_turned || !family.may_be_turned(name)) return false;
  if (shape.size() == 2)
    return stored.size() == 2 && stored[0] == shape[1] && stored[1] == shape[0];
  return stored.size() == 3 && shape.size() == 3 && stored != shape.vec() &&
         at::IntArrayRef({stored[0], stored[2], stored[1]}) == shape;
}

torch::Tensor as_stored(const Family& family, const std::string& name, const torch::Tensor& own) {
  const bool turned = family.may_be_turned && own.dim() == 2 && family.may_be_turned(name);
  return turned ? own.t().contiguous() : own;
}

Status read_turned(const TensorView& view, torch::Tensor target, const std::string& where,
                   const ReadWatch& watch, bool* finite) {
  const torch::NoGradGuard no_grad;
  const auto& shape = view.info.shape;
  if (shape.size() == 2) {
    torch::Tensor turned = torch::empty(shape, target.options());
    LUTHIER_CHECK(read_stored(view, turned, where, watch, finite));
    target.copy_(turned.t());
    return {};
  }
  TORCH_CHECK(
      shape.size() == 3 && target.sizes() == at::IntArrayRef({shape[0], shape[2], shape[1]}),
      "a turned tensor has three axes");
  const auto width = static_cast<std::uint64_t>(dtype_size(view.info.dtype));
  const auto bytes = static_cast<std::uint64_t>(shape[1] * shape[2]) * width;
  for (std::int64_t i = 0; i < shape[0]; ++i) {
    TensorView matrix = view;  // one of the stack, as a tensor of its own
    matrix.info.shape = {shape[1], shape[2]};
    matrix.info.begin = view.info.begin + static_cast<std::uint64_t>(i) * bytes;
    matrix.info.end = matrix.info.begin + bytes;
    torch::Tensor turned = torch::empty({shape[1], shape[2]}, target.options());
    LUTHIER_CHECK(read_stored(matrix, turned, where, watch, finite));
    target[i].copy_(turned.t());
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
