// SPDX-License-Identifier: GPL-3.0-or-later
// The streams of Gemma 3n's decoder (Baykal et al. 2023, Alternating Updates): each token has
// several states, of which a layer computes one anew; the others are predicted from all, and
// corrected by what the computed one turned out to be.
#pragma once

#include <vector>

#include "engine/nn/layers.h"
#include "engine/nn/linear.h"

namespace luthier {

struct DecoderOptions;
struct StepTerms;

/// Gemma3nTextAltUp of transformers 5.17.
class AltUpImpl : public ParameterModule {
 public:
  AltUpImpl(const DecoderOptions& options, const torch::TensorOptions& tensors);
  std::string type_name() const override { return "Parameter"; }
  torch::Tensor first_value(const std::string& name, const at::Generator& generator) const override;
  /// As training begins, the stored coefficients that predict are brought within their bounds.
  void train(bool on = true) override;

  /// [tokens, streams, hidden] → the same. `trains`: coefficients that a step has moved are held
  /// within bounds.
  torch::Tensor predict(const torch::Tensor& states, bool trains) const;
  /// What the layer made of the active stream [tokens, hidden] → all of them, corrected. `trains`:
  /// its coefficients are held within bounds, and what hangs on them is passed by: so the reference
  /// has it.
  torch::Tensor correct(const torch::Tensor& predicted, const torch::Tensor& made,
                        bool trains) const;
  /// Of a corrected active stream, what opens the layer's own embeddings.
  torch::Tensor scaled(const torch::Tensor& corrected) const;

  /// Bytes that predict() and correct() keep, of so many tokens each, where a gradient passes.
  std::int64_t predict_kept(const StepTerms& terms, std::int64_t tokens) const;
  std::int64_t correct_kept(const StepTerms& terms, std::int64_t tokens) const;

 private:
  torch::Tensor modalities(const torch::Tensor& active) const;  // [tokens, streams]
  std::int64_t modalities_kept(const StepTerms& terms, std::int64_t tokens) const;

  std::int64_t streams_, active_, hidden_;
  double clip_;
  bool scales_;
  torch::Tensor correct_output_scale_;  // [hidden]
  Linear correction_coefs_{nullptr}, prediction_coefs_{nullptr}, modality_router_{nullptr};
  RmsNorm router_norm_{nullptr};
};
TORCH_MODULE(AltUp);

/// A low-rank way past a layer's attention (Learned Augmented Residual, Menghani et al. 2024), as
/// Gemma3nTextLaurelBlock.
class LaurelImpl : public torch::nn::Module {
 public:
  LaurelImpl(const DecoderOptions& options, const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x) const;  // [tokens, hidden]
  /// `flows`: a gradient is wanted of its input, which who calls it keeps.
  std::int64_t kept(const StepTerms& terms, std::int64_t tokens, bool flows) const;
  const Linear& first() const { return linear_left_; }

 private:
  Linear linear_left_{nullptr}, linear_right_{nullptr};
  RmsNorm post_laurel_norm_{nullptr};
};
TORCH_MODULE(Laurel);

/// The streams before the first layer and behind the last. The decoder holds its parts under their
/// names.
class Streams {
 public:
  Streams(torch::nn::Module& holder, const DecoderOptions& options,
          const torch::TensorOptions& tensors);
  /// embeddings [tokens, hidden] → [tokens, streams, hidden], all of them of the same length.
  torch::Tensor spread(const torch::Tensor& embeddings) const;
  /// [tokens, streams, hidden] → [tokens, hidden].
  torch::Tensor joined(const torch::Tensor& states) const;
  std::int64_t count() const { return static_cast<std::int64_t>(into_.size()) + 1; }
  /// Whether a gradient is wanted of spread()'s result where one `flows` into the embeddings.
  bool flow(const StepTerms& terms, bool flows) const;
  std::int64_t spread_kept(const StepTerms& terms, std::int64_t tokens, bool flows) const;
  std::int64_t joined_kept(const StepTerms& terms, std::int64_t tokens) const;

 private:
  std::vector<Linear> into_, out_;
};

}  // namespace luthier
