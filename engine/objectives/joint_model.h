// SPDX-License-Identifier: GPL-3.0-or-later
// An objective whose second model (objectives/companion.h) is none of values says itself where that
// starts and what the two have in common: ELECTRA's generator beside its discriminator.
#pragma once

#include <map>
#include <string>

#include "engine/models/cost.h"
#include "engine/objectives/companion.h"

namespace luthier {

/// What such an objective is, besides.
class JointModel {
 public:
  virtual ~JointModel() = default;
  /// Before anything is loaded. An Input error names the setting.
  virtual Result<CompanionStart> companion_begins() const = 0;
  /// Refuses a companion that does not go with the policy, and makes one what both have together;
  /// before anything of the companion trains. It may put other tensors in places of the policy's.
  virtual Status join(LoadedModel& companion, const LoadedModel& policy) = 0;
  /// Whether a module of the companion's, by its in-memory name, is the policy's after join.
  virtual bool shares(const std::string& module) const = 0;
  /// Whether join puts other tensors in the places of the policy's module of this name, whose own
  /// of before stay in memory.
  virtual bool keeps_before(const std::string& /*module*/) const { return false; }
  /// What the companion makes of a micro-batch, where that is not what the policy does: `pass` is
  /// the policy's, the geometry the companion's.
  virtual Pass companion_pass(const Pass& pass, const ModelGeometry& /*companion*/) const {
    return pass;
  }
  /// `masters`, by the names of what trains, of a result: what of the policy is stored as other
  /// numbers than it trains as is put in.
  virtual void make_masters(std::map<std::string, torch::Tensor>& /*masters*/) const {}
};

}  // namespace luthier
