// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/convolutions/batch_norm.h"

#include <torch/csrc/autograd/custom_function.h>

namespace luthier {

using torch::Tensor;

namespace {

thread_local bool batch_statistics_wanted = false;

/// x itself, and its gradient channel by channel in memory. ATen's batch norm reads the gradient of
/// one picture so whatever its strides say, where the picture's own stride is not the product of
/// the others': what a tower's places, side by side, hand back.
class OnePictureFunction : public torch::autograd::Function<OnePictureFunction> {
 public:
  static Tensor forward(torch::autograd::AutogradContext*, const Tensor& x) { return x.view_as(x); }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext*,
                                                 torch::autograd::variable_list gradients) {
    return {gradients[0].contiguous()};
  }
};

}  // namespace

void set_batch_statistics(bool on) { batch_statistics_wanted = on; }
bool batch_statistics() { return batch_statistics_wanted; }

BatchNormImpl::BatchNormImpl(std::int64_t channels, double epsilon, double momentum,
                             const torch::TensorOptions& options)
    : epsilon_(epsilon), momentum_(momentum) {
  const auto floats = options.dtype(torch::kFloat32);
  add_parameter("weight", weight, {channels}, options);
  add_parameter("bias", bias, {channels}, options);
  add_fixed("running_mean", running_mean, {channels}, 0, floats);
  add_fixed("running_var", running_var, {channels}, 1, floats);
  add_fixed("num_batches_tracked", num_batches_tracked, {}, 0, options.dtype(torch::kInt64));
}

Tensor BatchNormImpl::first_value(const std::string& name, const at::Generator& generator) const {
  if (name == "weight") return torch::ones(weight.sizes(), torch::kFloat32);
  return ParameterModule::first_value(name, generator);
}

Tensor BatchNormImpl::forward(const Tensor& x) {
  const bool learning = batch_statistics_wanted && weight.requires_grad();
  if (learning) {
    const torch::NoGradGuard no_grad;
    num_batches_tracked.add_(1);
  }
  const auto floats = [](const Tensor& tensor) { return tensor.to(torch::kFloat32); };
  const Tensor normed =
      at::batch_norm(floats(x), floats(weight), floats(bias), running_mean, running_var, learning,
                     momentum_, epsilon_, /*cudnn_enabled=*/true)
          .to(x.scalar_type());
  return x.size(0) == 1 && normed.requires_grad() ? OnePictureFunction::apply(normed) : normed;
}

std::map<std::string, torch::ScalarType> statistics_types(const torch::nn::Module& model) {
  std::map<std::string, torch::ScalarType> found;
  for (const auto& item : model.named_modules()) {
    const auto* norm = dynamic_cast<const BatchNormImpl*>(item.value().get());
    if (!norm) continue;
    for (const auto& [name, tensor] : norm->slots())
      if (!norm->learns(name)) found.emplace(item.key() + "." + name, tensor->scalar_type());
  }
  return found;
}

std::vector<std::pair<std::string, Tensor>> moving_statistics(const torch::nn::Module& model) {
  std::vector<std::pair<std::string, Tensor>> found;
  for (const auto& item : model.named_modules()) {
    const auto* norm = dynamic_cast<const BatchNormImpl*>(item.value().get());
    if (!norm || !norm->weight.requires_grad()) continue;
    for (const auto& [name, tensor] : norm->slots())
      if (!norm->learns(name)) found.emplace_back(item.key() + "." + name, *tensor);
  }
  return found;
}

}  // namespace luthier
