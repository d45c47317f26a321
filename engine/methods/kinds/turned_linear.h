// SPDX-License-Identifier: GPL-3.0-or-later
// A plug that turns what a linear takes before its product: OFT, BOFT and HRA are one formula each,
// strength and merging are written here. What turns x is linear in x, so that it can go into the
// weight.
#pragma once

#include "engine/methods/kinds/delta_linear.h"
#include "engine/methods/method.h"
#include "engine/nn/made_again.h"
#include "engine/nn/plug_duties.h"

namespace luthier {

class TurnedLinear : public LinearPlug, public AsksTheHost {
 public:
  /// `turn`: x [..., in] and `trained` → x turned, in x's type. `scale` [out, 1] or [1, out]: of
  /// the result before its bias; undefined: none.
  TurnedLinear(std::vector<torch::Tensor> trained, MadeFromInput turn, torch::Tensor scale = {});
  torch::Tensor forward(const torch::Tensor& x, const LinearImpl& linear) const override;
  bool asks_the_host() const override { return true; }  // it solves equations there
  void merge_into(LinearImpl& linear) const;

 protected:
  /// What turns x in this pass; the usual one but for what a method draws.
  virtual MadeFromInput turn_now() const { return turn_; }

  std::vector<torch::Tensor> trained_;
  MadeFromInput turn_;
  torch::Tensor scale_;
};

/// Hangs the plug on the module's linear.
template <class Plug>
Adapter::Hung hang_turned(Ports& ports, const ModuleToHang& to, std::shared_ptr<Plug> plug) {
  const ProductPort port = product_port(ports, to.module.name);
  Adapter::Hung hung = hung_on(*port.plug, to.module.name, plug);
  hung.merge = [now = port.linear, plug] { plug->merge_into(*now()); };
  return hung;
}

/// (I − S)(I + S)⁻¹ − I of skew S [..., b, b], which is a rotation less none (Cayley).
torch::Tensor cayley_less_one(const torch::Tensor& skew);

}  // namespace luthier
