// SPDX-License-Identifier: GPL-3.0-or-later
// Batch norm (Ioffe & Szegedy 2015) as torch's BatchNorm2d, with its statistics in the checkpoint.
//
// While a training step runs (batch_statistics) and the norm's weight learns, each channel is
// normed by the batch's own mean and its biased variance, and the running mean and the unbiased
// running variance move towards them by `momentum`; a forward moves them once, so a step of several
// micro-batches moves them as often, as in transformers' Trainer. Everywhere else, and in a norm
// that does not learn (a frozen tower's, a base under an adapter), the running statistics stand in
// the batch's place and stay as they are.
//
// They are float32 in any model, no part of what an optimizer trains, and no part of the model's
// count. A run's checkpoint has them in a file of their own (train/checkpoint), so that a resumed
// run goes on to the byte, and a saved model has them beside the weights, as transformers does.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/nn/parameters.h"

namespace luthier {

/// Of this thread: whether a batch's own statistics are taken where a norm learns.
void set_batch_statistics(bool on);
bool batch_statistics();

class BatchNormImpl : public ParameterModule {
 public:
  /// `options`: of weight and bias.
  BatchNormImpl(std::int64_t channels, double epsilon, double momentum,
                const torch::TensorOptions& options);
  torch::Tensor forward(const torch::Tensor& x);  // [pictures, channels, height, width]
  std::string type_name() const override { return "BatchNorm2d"; }
  bool row_by_row() const override { return !weight.requires_grad(); }
  /// A fresh one changes nothing.
  torch::Tensor first_value(const std::string& name, const at::Generator& generator) const override;

  torch::Tensor weight, bias;
  torch::Tensor running_mean, running_var, num_batches_tracked;

 private:
  double epsilon_, momentum_;
};
TORCH_MODULE(BatchNorm);

/// The statistics of all norms, by their names in the model, and the types that files have them in
/// whatever the model's is.
std::map<std::string, torch::ScalarType> statistics_types(const torch::nn::Module& model);
/// Those of norms whose weight learns.
std::vector<std::pair<std::string, torch::Tensor>> moving_statistics(
    const torch::nn::Module& model);

}  // namespace luthier
