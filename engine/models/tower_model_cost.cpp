// SPDX-License-Identifier: GPL-3.0-or-later
// A tower that trains, then its projector: what that keeps is gone when the tower's backward
// begins. Of a fixed tower the features alone are there.
#include "engine/models/tower_model.h"

namespace luthier {

DecoderEntry TowerModel::add_entry_cost(const Pass& pass, PassCost& cost) const {
  const StepTerms& terms = pass.terms;
  const TowerCost tower = tower_cost(pass);
  DecoderModel::add_entry_cost(pass, cost);
  Stage& inputs = cost.stages.back();
  if (tower.trains) inputs.kept += terms.floats(pass.pictures.numbers);
  inputs.moments = {{inputs.kept, 0}};

  const bool whole =
      terms.tokens_before == 0 && terms.keys_before == 0;  // blocks are kept (decoder)
  DecoderEntry entry{tower.flows, whole && makes_blocks(), 0, deepstack_layers()};
  tower.add_to(cost, terms.block(feature_numbers(pass.pictures)));
  const ProjectorCost projector = projector_cost(pass);
  if (tower.flows || projector.trains) {
    cost.stages.push_back(
        {projector.kept, {{projector.kept, projector.work}}, projector.gradients});
    entry.flows = true;
  }
  // Checkpointed layers hold on to the states that are added between them.
  if (terms.checkpointing) {
    entry.beside =
        deepstack_layers() * terms.block(pass.pictures.tokens * decoder()->options.hidden_size);
  }
  return entry;
}

}  // namespace luthier
