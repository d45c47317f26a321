// SPDX-License-Identifier: GPL-3.0-or-later
// An adapter in the making: what hangs, what trains whole and what stands at both ends of a tied
// head is gathered piece by piece, by whoever draws it (build_adapter.cpp) or reads it
// (build_from_file.cpp).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/methods/adapter_tensors.h"
#include "engine/methods/method.h"

namespace luthier {

/// Whether a tensor is a bias that trains by itself, not with the module that it belongs to.
bool is_trained_bias(const std::string& name, const AdapterSettings& settings);

/// Whether the module is one that transformers has as a Conv1D.
bool is_conv1d(const Ports& ports, const std::string& module);
/// Refuses one in the place of a module that is trained whole: PEFT's file would have it turned.
Status check_saved_conv1d(const Ports& ports, const std::string& module, const std::string& where);

/// A head that shares the embedding's weight: both by their tensors' names.
struct Tie {
  std::string embedding, head;

  bool has(const std::string& tensor) const { return tensor == embedding || tensor == head; }
};

/// None: the head has a weight of its own, or the settings (PEFT's ensure_weight_tying) ask for
/// nothing.
std::optional<Tie> tie_to_keep(const Ports& ports, const AdapterSettings& settings);

/// The tokens whose rows train beside what hangs on modules.
std::vector<std::int64_t> row_ids(const ModuleMethod& method, const AdapterSettings& settings);

/// Modules on their way to plugs, and what has been made of them.
class AdapterBuilder {
 public:
  AdapterBuilder(const Method& method, LoadedModel& base, const AdapterSettings& settings);

  Ports& ports() { return ports_; }

  void save_module(const std::string& tensor, torch::Tensor* slot, torch::Tensor own);
  /// A bias of the base's that trains. PEFT's wrapped modules hold the base's within them.
  void save_bias(const std::string& tensor, torch::Tensor* slot, torch::Tensor own, bool wrapped);
  /// One copy at both ends of a tied head, which the file has under both names.
  void save_tied(const Tie& tie, torch::Tensor own);
  /// What the model's head of scores trains as, where it has one: the tensors that a file holds of
  /// it, which are then taken out of `tensors`, else a copy of the head as it stands. A file that
  /// holds some for a model that has none is an Input error.
  Status save_score_head(AdapterTensors& tensors, const std::string& where);
  bool saves() const { return !parts_.saved.empty(); }
  /// Of modules that are trained whole, each tensor must be there.
  Status check_saved(const std::vector<std::string>& modules, const std::optional<Tie>& tie,
                     const std::string& where) const;

  /// The next module on its way, where the method can hang on it as it stands here.
  Result<ModuleToHang> next(const ModelModule& module, const ModuleScale& scale, bool fresh) const;
  /// Before the first plug that reads them.
  void share(std::vector<torch::Tensor> tensors);
  void hang(const ModuleToHang& to, const std::vector<TensorSize>& sizes,
            std::vector<torch::Tensor> tensors);
  /// Rows of the embedding that train beside what hangs on modules.
  Status hang_rows(const std::string& embedding, const std::vector<std::int64_t>& ids,
                   torch::Tensor rows);
  /// What a file says of a tied head once more, which must be what it says of the embedding.
  Status take_twin(AdapterTensors& tensors, const std::string& where) const;
  /// What the module reads in the place that a tensor of a method of copies stands for.
  torch::Tensor* slot_of(const ModelModule& module, const TensorSize& size) const;

  /// What the method hangs besides, behind all others.
  Status hang_beside();
  std::shared_ptr<Adapter> finish(const ModuleSelection& selection);

 private:
  /// Copies in the places of the module's own tensors, in the types of those.
  void place(const ModuleToHang& to, const std::vector<TensorSize>& sizes,
             const std::vector<torch::Tensor>& tensors);

  const Method& method_;
  LoadedModel& base_;
  const AdapterSettings& settings_;
  Ports ports_;
  Adapter::Parts parts_;
  std::vector<torch::Tensor> shared_;
  std::uint64_t places_ = 0;  ///< products so far: a plug's draws go by its place among them
};

}  // namespace luthier
