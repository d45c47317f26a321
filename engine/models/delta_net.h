// SPDX-License-Identifier: GPL-3.0-or-later
// A layer's mixer by the gated delta rule (Yang et al. 2024), as Qwen3_5GatedDeltaNet of
// transformers 5.17: one product makes queries, keys and values, a short causal convolution over
// each of their channels lets neighbours see one another, the rule mixes, and what it gives is
// normed and gated. Each row begins with an empty state, whatever stands before it in the batch.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/io/json.h"
#include "engine/models/token_mixer.h"
#include "engine/nn/delta_loops.h"
#include "engine/nn/delta_rule.h"
#include "engine/nn/layers.h"
#include "engine/nn/linear.h"
#include "engine/nn/short_convolution.h"

namespace luthier {

struct AttentionCost;

/// Which layers mix so, and of what sizes.
struct DeltaOptions {
  DeltaSizes sizes;
  std::int64_t kernel = 4;
  std::vector<bool> linear;  ///< one a layer: whether it does
};
/// `layer_types` says which; else all but every `full_attention_interval`th. None: no layer does.
Result<std::optional<DeltaOptions>> read_delta_options(const Json& config, const std::string& where,
                                                       std::int64_t layers);

class GatedDeltaNetImpl : public ParameterModule, public TokenMixer {
 public:
  GatedDeltaNetImpl(const DeltaOptions& options, std::int64_t layer, std::int64_t hidden_size,
                    double rms_norm_eps, Activation activation,
                    const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x, const TokenSequence& sequence,
                        const RotaryTable& rotary, KeyValueCache* cache) override;
  AttentionBranchCost cost(const StepTerms& terms, const RowsShape& rows, std::int64_t tokens,
                           std::int64_t asked, bool flows) const override;
  std::string type_name() const override { return "GatedDeltaNet"; }
  /// A token's state is made of those before it: all are asked of it, or none.
  bool row_by_row() const override { return false; }
  torch::Tensor first_value(const std::string& name, const at::Generator& generator) const override;

 private:
  delta::MixerSizes mixer_sizes() const;
  bool goes_in_loops(const StepTerms& terms) const;
  AttentionCost cost_in_loops(const StepTerms& terms, const RowsShape& shape,
                              std::int64_t tokens) const;
  AttentionCost cost_in_pieces(const StepTerms& terms, const RowsShape& shape, std::int64_t tokens,
                               std::int64_t normed) const;

  DeltaSizes sizes_;
  std::int64_t layer_;
  Activation activation_;
  ShortConvolution conv1d_{nullptr};
  torch::Tensor dt_bias_, a_log_;  // [value_heads]
  RmsNorm norm_{nullptr};
  Linear out_proj_{nullptr}, in_proj_qkv_{nullptr}, in_proj_z_{nullptr}, in_proj_b_{nullptr},
      in_proj_a_{nullptr};
};
TORCH_MODULE(GatedDeltaNet);

}  // namespace luthier
