// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/resident_merge.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "engine/base/log.h"
#include "engine/base/text.h"
#include "engine/methods/merge.h"
#include "engine/methods/ports.h"
#include "engine/methods/probes.h"

namespace luthier {

namespace fs = std::filesystem;
using torch::Tensor;

namespace {

std::string share_text(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2e", share);
  return text;
}

/// What a merge here cannot do and one into a folder can.
Status check_resident(const LoadedModel& base, const Ports& ports, const Adapter& adapter,
                      const fs::path& folder) {
  const char* elsewhere = "Merge into a folder (luthier-cli merge), or answer with the adapter.";
  for (const Adapter::Hung& each : adapter.hung()) {
    const auto linear = ports.linears.find(each.module);
    if (linear != ports.linears.end() && linear->second->weight.packed())
      return input_error("The weight of " + each.module + " is packed and cannot be changed.",
                         folder.string(), elsewhere);
  }
  if (adapts_tied_head(base, adapter))
    return input_error("The adapter is on one end of the weight that head and embedding share.",
                       folder.string(), elsewhere);
  return {};
}

/// The probes, whose picture's file needs a folder for a moment.
Result<std::vector<Example>> probes_of(const LoadedModel& base) {
  const fs::path scratch =
      fs::temp_directory_path() / ("luthier-probes-" + std::to_string(::getpid()));
  fs::create_directories(scratch);
  auto probes = make_probes(base, scratch);
  std::error_code ignored;
  fs::remove(scratch, ignored);
  return probes;
}

}  // namespace

Result<ResidentMerge> ResidentMerge::begin(LoadedModel& base, Adapter& adapter,
                                           const fs::path& folder) {
  const torch::NoGradGuard no_grad;
  LUTHIER_CHECK(adapter.check_mergeable(folder));
  Ports ports = list_ports(*base.model);
  LUTHIER_CHECK(check_resident(base, ports, adapter, folder));
  LUTHIER_TRY(const std::vector<Example> probes, probes_of(base));
  Model& model = *base.model;
  adapter.set_training(false, 0);
  adapter.activate();
  const std::vector<Tensor> beside = probe_logits(model, probes);
  const double own_rounding = difference_of_rounding(model, adapter, probes, beside);
  adapter.deactivate();

  ResidentMerge merge;
  merge.model_ = base.model;
  std::set<std::string> changed;
  for (const Adapter::Hung& each : adapter.hung()) changed.insert(each.module);
  for (const auto& [name, slot] : ports.slots) {
    const bool saved =
        std::any_of(adapter.saved().begin(), adapter.saved().end(),
                    [own = slot.second](const Adapter::Saved& each) {
                      return each.slot == own ||
                             std::find(each.also.begin(), each.also.end(), own) != each.also.end();
                    });
    if (slot.second->defined() && (saved || changed.contains(slot.first)))
      merge.kept_.push_back({slot.second, slot.second->detach().clone()});
  }
  adapter.merge();
  merge.difference_ = relative_difference(probe_logits(model, probes), beside);
  merge.limit_ =
      model.dtype() == torch::kFloat32 ? merge_limit(own_rounding) : kResidentMergeLimitOf16Bits;
  if (merge.difference_ <= merge.limit_) return merge;
  const std::string told = merge.sentence();
  merge.undo();
  return input_error(told, folder.string(),
                     "Nothing was changed. Answer with the adapter beside its base.");
}

ResidentMerge::~ResidentMerge() {
  try {
    undo();
  } catch (const std::exception& problem) {
    log_warning("Undoing a merge failed: " + first_line(problem.what()));
  }
}

void ResidentMerge::undo() {
  const torch::NoGradGuard no_grad;
  for (const Kept& each : kept_) each.slot->copy_(each.before);
  kept_.clear();
}

std::int64_t ResidentMerge::kept_bytes() const {
  std::int64_t bytes = 0;
  for (const Kept& each : kept_) bytes += static_cast<std::int64_t>(each.before.nbytes());
  return bytes;
}

std::string ResidentMerge::sentence() const {
  return "The merged weights' logits are off by " + share_text(difference_) +
         " of the largest logit, " + share_text(limit_) + " is allowed.";
}

}  // namespace luthier
