// SPDX-License-Identifier: GPL-3.0-or-later
// The base of every module of ours that holds tensors. A tensor stands twice: registered under its
// checkpoint name (so that named_parameters() is the base model and nothing else) and as a member
// that forward() reads. An adapter's modules_to_save swaps the member and back; the base weight is
// never copied or touched.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/device/torch.h"

namespace luthier {

class ParameterModule : public torch::nn::Module {
 public:
  /// Own (not nested) tensors: name ("weight") and the member that forward() reads.
  const std::vector<std::pair<std::string, torch::Tensor*>>& slots() const { return slots_; }
  /// "Linear", "Embedding", "RMSNorm", "LayerNorm", "Conv2d" or "Parameter": what `info` shows.
  virtual std::string type_name() const = 0;
  /// Whether a checkpoint knows this module: others only hold more modules.
  virtual bool holds_tensors() const { return !slots_.empty(); }
  /// Whether what it makes of a row goes by that row alone, as it stands now.
  virtual bool row_by_row() const { return true; }

  /// Whether the tensor called `name` may train: not where transformers has it as a buffer, which
  /// is stored and nothing more.
  virtual bool learns(const std::string& name) const { return !fixed_.contains(name); }
  /// Of those that do not, what each begins with.
  const std::map<std::string, double>& fixed() const { return fixed_; }

  /// float32: what a fresh model begins with in the tensor called `name`, where that is neither a
  /// weight that is drawn nor one that changes nothing; undefined: it is one of those.
  virtual torch::Tensor first_value(const std::string& name, const at::Generator& generator) const;


  /// Another tensor in the place of the one called `name`, of any type and on any device.
  void place(const std::string& name, torch::Tensor tensor);

 protected:
  /// Makes an uninitialised tensor, registers it as `name` and lets `member` be it. Nothing
  /// requires a gradient until a strategy says so.
  void add_parameter(const std::string& name, torch::Tensor& member, torch::IntArrayRef shape,
                     const torch::TensorOptions& options);
  /// The same of one that is never trained and is no part of the model's count. It begins as
  /// `first` everywhere.
  void add_fixed(const std::string& name, torch::Tensor& member, torch::IntArrayRef shape,
                 double first, const torch::TensorOptions& options);
  /// The same with a tensor that is there.
  void adopt(const std::string& name, torch::Tensor& member, torch::Tensor tensor);
  /// A tensor that another module owns (a tied head): a slot, but no parameter of this module.
  void add_tied(const std::string& name, torch::Tensor& member, const torch::Tensor& owner);
  /// The module has no tensor of this name any more.
  void remove(const std::string& name);

 private:
  std::vector<std::pair<std::string, torch::Tensor*>> slots_;
  std::map<std::string, double> fixed_;
};

/// ParameterModule::fixed() of a module and all below it, by the tensors' names within it.
std::map<std::string, double> fixed_values(const torch::nn::Module& module);

}  // namespace luthier
