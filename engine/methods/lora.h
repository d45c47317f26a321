// SPDX-License-Identifier: GPL-3.0-or-later
// LoRA (Hu et al. 2021), rsLoRA (Kalajdzievski 2023) and modules_to_save, as PEFT 0.21's
// tuners/lora does them: y = x Wᵀ + b + s · drop(x) Aᵀ Bᵀ, with s = α/r or α/√r. The product with
// its backward is one autograd function that keeps x and x Aᵀ alone.
#pragma once

#include "engine/methods/adapter.h"
#include "engine/nn/layers.h"

namespace luthier {

/// One wrapped Linear. a [r, in], b [out, r], float32.
class LoraLinear : public LinearAdapter {
 public:
  LoraLinear(torch::Tensor a, torch::Tensor b, double scale, double dropout, std::uint64_t place);
  torch::Tensor forward(const torch::Tensor& x,
                        const LinearImpl& base) const override;  // [..., in] → [..., out]
  /// scale·B·A [out, in] in float32.
  torch::Tensor delta() const;

  torch::Tensor a, b;
  double scale;  ///< as trained
  double strength = 1;
  double dropout;
  bool training = false;
  std::uint64_t seed = 0;  ///< of this micro-batch; with `place` it decides the dropout mask

 private:
  std::uint64_t place_;
};

/// One wrapped token embedding: W[ids] + s · Aᵀ[ids] Bᵀ. a [r, count], b [size, r], float32; PEFT
/// applies no dropout here.
class LoraEmbedding : public EmbeddingAdapter {
 public:
  LoraEmbedding(torch::Tensor a, torch::Tensor b, double scale);
  torch::Tensor forward(const torch::Tensor& ids, const EmbeddingImpl& base) const override;
  /// scale·(B·A)ᵀ [count, size] in float32.
  torch::Tensor delta() const;

  torch::Tensor a, b;
  double scale;
  double strength = 1;
};

class LoraAdapter : public Adapter {
 public:
  struct Wrapped {
    std::string name;
    Linear base;
    std::shared_ptr<LoraLinear> lora;
  };
  struct Embedded {
    std::string name;
    Embedding base;
    std::shared_ptr<LoraEmbedding> lora;
  };
  /// A tensor of a saved module: its own trained copy, swapped with the base's while active.
  struct Saved {
    std::string name;     ///< in-memory name of the tensor ("lm_head.weight")
    torch::Tensor* slot;  ///< what the module reads
    torch::Tensor base, own;
  };
  /// All that hangs on the base.
  struct Parts {
    std::vector<Wrapped> wrapped;
    std::vector<Embedded> embedded;
    std::vector<Saved> saved;
  };
  LoraAdapter(AdapterSettings settings, std::shared_ptr<torch::nn::Module> keep, Parts parts);
  ~LoraAdapter() override;

  std::vector<std::pair<std::string, torch::Tensor>> tensors() const override;
  void activate() override;
  void deactivate() override;
  void set_strength(double strength) override;
  void set_training(bool training, std::uint64_t seed) override;
  void merge() override;
  const AdapterSettings& settings() const override { return settings_; }

 private:
  AdapterSettings settings_;
  std::shared_ptr<torch::nn::Module> keep_;  ///< the model: its modules outlive the adapter
  Parts parts_;
  bool active_ = false;
};

Result<std::shared_ptr<Adapter>> create_lora(VisionLanguageModel& model,
                                             const AdapterSettings& settings, std::uint64_t seed);
Result<std::shared_ptr<Adapter>> load_lora(LoadedModel& base, const AdapterSettings& settings,
                                           const SafetensorsFile& file);
Result<ModuleSelection> lora_selection(const Family& family, const SafetensorsFile& file);
Result<AdapterSettings> read_lora_settings(const Json& config, const std::string& where);
Json write_lora_settings(const AdapterSettings& settings,
                         const std::string& base_model_name_or_path);

}  // namespace luthier
