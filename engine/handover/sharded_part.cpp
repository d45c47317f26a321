// SPDX-License-Identifier: GPL-3.0-or-later
// What accelerate's FSDP and TRL 1.16's head need before they take the steps that one process
// takes. Where nothing is sharded these lines change nothing.
#include "engine/handover/script_parts.h"

namespace luthier::handover {

namespace {

/// A model that is put together of others lists layers of all that it could be made of: LLaVA over
/// CLIP's picture tower those of CLIP's texts.
constexpr const char* kLayersThere =
    R"(    there = {type(module).__name__ for module in each.modules()}
    each._no_split_modules = [name for name in each._no_split_modules or () if name in there]
)";

constexpr const char* kGatheredHead =
    R"(# TRL gathers a sharded head and would give each rank's part the gradient of that rank's rows alone.
gather = DTensor.full_tensor


def gathered(weight, *, grad_placements=None):
    if grad_placements or not weight.requires_grad:
        return gather(weight, grad_placements=grad_placements)
    whole = gather(weight, grad_placements=[Partial()] * weight.device_mesh.ndim)
    if whole.requires_grad:
        whole.register_hook(lambda gradient: gradient / weight.device_mesh.size())
    return whole


DTensor.full_tensor = gathered
)";

}  // namespace

std::string sharded_part(const ScriptFacts& facts) {
  std::string text = "# FSDP wraps layers of these names, and refuses one that there is none of.\n";
  text += facts.reference.empty() ? "for each in (model,):\n" : "for each in (model, reference):\n";
  text += kLayersThere;
  return facts.adapter ? text : text + kGatheredHead;
}

}  // namespace luthier::handover
