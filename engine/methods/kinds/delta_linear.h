// SPDX-License-Identifier: GPL-3.0-or-later
// A plug that adds to a linear's weight a matrix made of a few trained numbers: LoHa, LoKr and
// FourierFT are one formula each, dropout and merging are written here.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/methods/method.h"
#include "engine/nn/made_again.h"
#include "engine/nn/plug_duties.h"

namespace luthier {

/// What is left out while training.
struct DeltaDropout {
  double rows = 0;       ///< share of the added matrix's rows
  double modules = 0;    ///< how often all of it
  bool rescale = false;  ///< the rows that stay are scaled up
};

class DeltaLinear : public LinearPlug, public AsksTheHost {
 public:
  /// `make`: of `trained`, [out, in] float32.
  DeltaLinear(std::vector<torch::Tensor> trained, MadeMatrix make, DeltaDropout dropout,
              std::uint64_t place);
  torch::Tensor forward(const torch::Tensor& x, const LinearImpl& linear) const override;
  // It draws there, and that a recording holds a backward within a backward is not shown.
  bool asks_the_host() const override { return true; }
  /// What is added to the weight, [out, in] float32.
  torch::Tensor delta() const;
  void merge_into(LinearImpl& linear) const;

 private:
  std::vector<torch::Tensor> trained_;
  MadeMatrix make_;
  DeltaDropout dropout_;
  std::uint64_t place_;
};

/// Whether a weight and what is added to it can be one matrix: with a narrower weight, what is added
/// would be rounded to its digits.
bool joins_weight(const torch::Tensor& x, const LinearImpl& linear);

/// Hangs one on the module's linear.
Adapter::Hung hang_delta(Ports& ports, const ModuleToHang& to, std::vector<torch::Tensor> trained,
                         MadeMatrix make, DeltaDropout dropout = {});

/// Uniform within ±1/√columns: Kaiming's rule for [rows, columns] with a = √5.
void draw_kaiming(torch::Tensor& tensor, at::Generator& generator);

/// Whether adapter.init_weights is false: nothing is chosen so that the adapter adds nothing.
bool drawn_whole(const AdapterSettings& settings);
/// How wide rotations are drawn then.
constexpr double kDrawnWidth = 0.1;

/// Whether it is a Linear.
bool is_linear_module(const ModelModule& module);
/// Whether it is a Linear or a convolution over a picture's patches, which is one product too.
bool is_product_module(const ModelModule& module);
/// Of that product's weight: [out, in], of a convolution [out, channels · window]. Empty: it has
/// none.
std::vector<std::int64_t> product_shape(const ModelModule& module);

/// Whether adapter.use_effective_conv2d takes the module's window apart: a convolution's that is
/// wider than one number.
bool window_apart(const ModelModule& module, const AdapterSettings& settings);
/// Of the core [r, r, window…] that it then has: its shape.
std::vector<std::int64_t> core_shape(const ModelModule& module, std::int64_t rank);
/// core [r, r, window…], a [r, rows], b [r, columns] → [rows, columns · window]: a along the first
/// of the core's sides, b along the second.
torch::Tensor matrix_of_core(const torch::Tensor& core, const torch::Tensor& a,
                             const torch::Tensor& b);

/// Where a plug hangs in a product's place.
struct ProductPort {
  const LinearPlug** plug;
  /// The Linear that the product is, with its weight as it stands at the time.
  std::function<std::shared_ptr<LinearImpl>()> linear;
};
ProductPort product_port(Ports& ports, const std::string& module);

}  // namespace luthier
