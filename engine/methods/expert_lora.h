// SPDX-License-Identifier: GPL-3.0-or-later
// LoRA on a stack of experts' matrices, which PEFT reaches by the parameter's name
// (target_parameters; its ParamWrapper): each expert has a pair of its own. In the file A is
// [experts · r, in], an expert's rows together, and B [out, r · experts], the expert innermost.
#pragma once

#include <string>
#include <vector>

#include "engine/methods/method.h"
#include "engine/nn/experts.h"

namespace luthier {

class ExpertLora : public ExpertPlug {
 public:
  /// a [experts · r, in], b [out, r · experts], float32.
  ExpertLora(torch::Tensor a, torch::Tensor b, std::int64_t experts, double scale);
  ExpertPair pair(torch::ScalarType type) const override;
  /// scale · B A of each expert into their matrices [experts, out, in].
  void merge_into(torch::Tensor& stack) const;

  torch::Tensor a, b;

 private:
  std::int64_t experts_;
  double scale_;
};

/// The module of a stack's keys. Where both stacks of a module have a pair PEFT wraps it twice, the
/// last one outermost.
std::string expert_root(const ModelModule& stack, const std::vector<std::string>& parameters);
std::vector<TensorSize> expert_sizes(const ModelModule& stack, std::int64_t rank);
/// What of the settings goes with a weight that is reached by its name alone.
Status check_by_weight(const ModelModule& module, const AdapterSettings& settings);
Adapter::Hung hang_on_experts(Ports& ports, const ModuleToHang& to,
                              const std::vector<torch::Tensor>& tensors);

}  // namespace luthier
