// SPDX-License-Identifier: GPL-3.0-or-later
// DaViT (Ding et al. 2022; Florence2VisionBackbone of transformers 5.17): blocks of two halves, of
// which the first lets places within a window see one another and the second channels within a
// group. What it drops of whole branches in training (drop_path_rate) is left out, as all models'
// dropouts of their own are.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/florence2/davit_convolution.h"
#include "engine/models/vision_parts.h"
#include "engine/nn/cost.h"

namespace luthier::florence2 {

/// What looks at a half's states: [frames, rows, columns, width] → the same.
class DavitAttention : public torch::nn::Module, public BranchPort {
 public:
  DavitAttention(const DavitOptions& o, const StageSizes& stage, const torch::TensorOptions& t);
  virtual torch::Tensor forward(const torch::Tensor& x) const = 0;
  virtual AttentionBranchCost cost(const StepTerms& terms, std::int64_t frames, std::int64_t rows,
                                   std::int64_t columns, bool flows) const = 0;
  /// Bytes of a copy of its input in the order that its first product reads.
  virtual std::int64_t turned(const StepTerms& terms, std::int64_t frames, std::int64_t rows,
                              std::int64_t columns) const = 0;

 protected:
  Linear qkv_{nullptr}, proj_{nullptr};
};

/// Places of one window to one another, as heads.
class WindowAttention : public DavitAttention {
 public:
  WindowAttention(const DavitOptions& o, const StageSizes& stage, const torch::TensorOptions& t)
      : DavitAttention(o, stage, t), heads_(stage.heads), window_(o.window) {}
  torch::Tensor forward(const torch::Tensor& x) const override;
  AttentionBranchCost cost(const StepTerms& terms, std::int64_t frames, std::int64_t rows,
                           std::int64_t columns, bool flows) const override;
  std::int64_t turned(const StepTerms& terms, std::int64_t frames, std::int64_t rows,
                      std::int64_t columns) const override;

 private:
  std::int64_t padded(std::int64_t side) const { return (side + window_ - 1) / window_ * window_; }
  std::int64_t heads_, window_;
};

/// Channels of one group to one another, over all places of the frame.
class ChannelAttention : public DavitAttention {
 public:
  ChannelAttention(const DavitOptions& o, const StageSizes& stage, const torch::TensorOptions& t)
      : DavitAttention(o, stage, t), groups_(stage.groups) {}
  torch::Tensor forward(const torch::Tensor& x) const override;
  AttentionBranchCost cost(const StepTerms& terms, std::int64_t frames, std::int64_t rows,
                           std::int64_t columns, bool flows) const override;
  std::int64_t turned(const StepTerms& terms, std::int64_t frames, std::int64_t rows,
                      std::int64_t columns) const override;

 private:
  std::int64_t groups_;
};

/// Half a block: a convolution and attention, a convolution and an MLP.
class DavitHalf : public torch::nn::Module {
 public:
  /// `name`: of the attention among the tensors.
  DavitHalf(const char* name, std::shared_ptr<DavitAttention> attention, const DavitOptions& o,
            const StageSizes& stage, const torch::TensorOptions& t);
  torch::Tensor forward(const torch::Tensor& x) const;
  void add_cost(TowerCost& cost, const StepTerms& terms, std::int64_t frames, std::int64_t rows,
                std::int64_t columns) const;

 private:
  std::shared_ptr<ChannelConvolution> conv1_, conv2_;
  LayerNorm norm1_{nullptr}, norm2_{nullptr};
  std::shared_ptr<DavitAttention> attention_;
  std::shared_ptr<VisionMlp> ffn_;
};

class DavitTower : public torch::nn::Module {
 public:
  DavitTower(const DavitOptions& o, const torch::TensorOptions& t);
  /// pixels [frames, 3, height, width] → [frames, rows, columns, width of the last stage].
  torch::Tensor forward(const torch::Tensor& pixels) const;
  /// Of so many frames of these sides in pixels.
  TowerCost cost(const StepTerms& terms, std::int64_t frames, std::int64_t height,
                 std::int64_t width) const;

 private:
  struct Begin;

  DavitOptions options_;
  std::vector<std::shared_ptr<Begin>> begins_;
  std::vector<std::vector<std::shared_ptr<DavitHalf>>> halves_;  ///< by stage
};

}  // namespace luthier::florence2
