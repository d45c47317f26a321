// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/kernels/cross_entropy.h"

#include "engine/kernels/tensors.h"

namespace luthier::kernels {
namespace {

constexpr const char* kEntropySource = "cross_entropy.cu";
constexpr KernelOfTypes kEntropy{{kEntropySource, "cross_entropy_float"},
                                 {kEntropySource, "cross_entropy_bfloat16"}};

}  // namespace

std::optional<torch::Tensor> cross_entropy_(const torch::Tensor& logits,
                                            const torch::Tensor& target, bool writes,
                                            double factor) {
  if (!available(logits) || logits.dim() != 2 || !logits.is_contiguous() ||
      target.scalar_type() != torch::kInt64 || target.numel() != logits.size(0) ||
      logits.size(1) == 0)
    return std::nullopt;
  const std::int64_t vocabulary = logits.size(1);
  torch::Tensor losses =
      at::empty({logits.size(0)}, logits.options().dtype(torch::kFloat32).requires_grad(false));
  if (logits.size(0) == 0) return losses;
  const torch::Tensor goal = target.contiguous();
  if (!launch(logits, kEntropy.of(logits), logits.size(0), 1, threads_for(vocabulary, 1024),
              bytes_of({&logits, &losses, &goal}) + (writes ? 2 * bytes_of({&logits}) : 0),
              address_to_write(logits), address(goal), address_to_write(losses),
              static_cast<int>(vocabulary), static_cast<float>(factor), static_cast<int>(writes),
              goes_wide(vocabulary, {&logits})))
    return std::nullopt;
  return losses;
}

}  // namespace luthier::kernels
