// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/wider_weights.h"

#include "engine/models/open_weights.h"
#include "engine/models/packing.h"
#include "engine/models/stored_parameter.h"

namespace luthier {

namespace {

using torch::Tensor;

/// Whether `narrow` is the rounding of `wide`, bit for bit. Piece by piece: small ones on the CPU,
/// whose memory is counted, larger ones where each has to be waited for.
bool rounds_to(const Tensor& wide, const Tensor& narrow) {
  const std::int64_t most = narrow.is_cpu() && wide.is_cpu() ? 1 << 14 : 1 << 22;
  const Tensor from = wide.view({wide.numel()}), to = narrow.detach().reshape({narrow.numel()});
  for (std::int64_t at = 0; at < from.size(0); at += most) {
    const std::int64_t count = std::min(most, from.size(0) - at);
    const Tensor rounded = from.narrow(0, at, count).to(to.scalar_type());
    if (!at::equal(rounded, to.narrow(0, at, count).to(rounded.device()))) return false;
  }
  return true;
}

}  // namespace

Result<WiderWeights> WiderWeights::open(const LoadedModel& loaded) {
  WiderWeights wider(loaded);
  if (loaded.model->dtype() == torch::kFloat32 || loaded.drawn) return wider;
  LUTHIER_TRY(wider.files_,
              open_weights(loaded.folder, loaded.config, *loaded.family, *loaded.model));
  LUTHIER_TRY(wider.stored_,
              stored_names(*loaded.family, *wider.files_, PackingPlan{}, loaded.folder.string()));
  return wider;
}

Result<Tensor> WiderWeights::value(const std::string& name, const Tensor& parameter,
                                   torch::Device device) const {
  const torch::NoGradGuard no_grad;
  Tensor value;
  if (loaded_->drawn) {
    const auto found = loaded_->draws.find(name);
    if (found != loaded_->draws.end())
      value = drawn_again(found->second, parameter.sizes()).to(device);
  } else if (files_) {
    // Of what no file has, no more is known.
    const auto stored = StoredParameter::find(
        {*loaded_->family, *files_, stored_, loaded_->folder.string()}, name, parameter.sizes());
    if (stored && stored->dtype() != DType::BF16) {
      value = torch::empty(parameter.sizes(),
                           torch::TensorOptions().dtype(torch::kFloat32).device(device));
      LUTHIER_CHECK(stored->read(value));
    }
  }
  if (!value.defined() || !rounds_to(value, parameter)) return Tensor();
  return value;
}

Status WiderWeights::check_unchanged() const {
  return files_ ? files_->check_unchanged() : Status();
}

Result<std::map<std::string, Tensor>> wider_weights(const LoadedModel& loaded,
                                                    const std::vector<std::string>& names) {
  std::map<std::string, Tensor> values;
  LUTHIER_TRY(const WiderWeights wider, WiderWeights::open(loaded));
  const auto parameters = loaded.model->named_parameters();
  for (const std::string& name : names) {
    const Tensor* parameter = parameters.find(name);
    if (!parameter) continue;
    LUTHIER_TRY(const Tensor value, wider.value(name, *parameter, parameter->device()));
    if (value.defined()) values.emplace(name, value);
  }
  LUTHIER_CHECK(wider.check_unchanged());
  return values;
}

}  // namespace luthier
