// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/router_loss.h"

namespace luthier {

namespace {

const ExpertOptions* experts_of(Model& model) {
  const Causal* causal = model.causal();
  return causal ? causal->experts() : nullptr;
}

}  // namespace

Status RouterLoss::fits(const LoadedModel& base) const {
  const ExpertOptions* experts = experts_of(*base.model);
  if (!asked_ || *asked_ == 0 || (experts && experts->has_router_loss)) return {};
  return input_error("The model has no experts that could be used unevenly.", field_,
                     "Leave it empty.");
}

double RouterLoss::weight_of(Model& model) const {
  const ExpertOptions* experts = experts_of(model);
  if (!experts || !experts->has_router_loss) return 0;
  return asked_.value_or(experts->tells_routing ? experts->router_aux_loss_coef : 0);
}

std::shared_ptr<RouterNotes> RouterLoss::notes(Model& model, const Batch& batch) const {
  if (weight_of(model) == 0) return nullptr;
  auto notes = std::make_shared<RouterNotes>();
  notes->rows = batch.sequences.size();
  return notes;
}

void RouterLoss::join(LossSum& loss, Model& model,
                      const std::shared_ptr<RouterNotes>& notes) const {
  if (!notes) return;
  const torch::Tensor uneven = notes->loss();
  loss.beside = uneven * weight_of(model);
  loss.figures["aux_loss"] = uneven.detach();
}

}  // namespace luthier
