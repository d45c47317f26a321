// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/decoder_model.h"

#include "engine/nn/module_cost.h"

namespace luthier {

DecoderEntry DecoderModel::add_entry_cost(const Pass& pass, PassCost& cost) const {
  Stage inputs;
  inputs.kept = 2 * pass.terms.block(pass.tokens, 8);  // ids and labels
  inputs.moments = {{inputs.kept, 0}};
  cost.stages.push_back(inputs);
  return {};
}

bool DecoderModel::takes_forks(const StepTerms& terms) const {
  return decoder_->options.forks() && terms.tokens_before == 0 && terms.keys_before == 0 &&
         trained_within(terms, *decoder_).row_by_row;
}

PassCost DecoderModel::cost(const Pass& pass) const {
  PassCost cost;
  DecoderEntry entry = add_entry_cost(pass, cost);
  const TrainedShare embedding = pass.terms.of(*decoder_->embed_tokens),
                     head = pass.terms.of(*head_);
  entry.flows = entry.flows || embedding.trains;
  decoder_->add_cost(pass, entry, cost.stages);
  if (entry.across == 0) cost.unreached += decoder_->passed_by(pass.terms);
  const bool tied = head_->weight.shares(decoder_->embed_tokens->weight);
  cost.head.vocabulary = decoder_->options.vocab_size;
  cost.head.width = decoder_->options.hidden_size;
  cost.head.chosen = true;
  cost.head.capped = head_->softcap > 0;
  cost.head.weight_gradient = head.whole || (tied && embedding.whole);
  cost.head.plugged = head.trains && !head.whole;
  cost.head.scaled = cost.head.plugged && !head.keeps_input;
  cost.head.plug_numbers = cost.head.plugged ? head.parameters : 0;
  return cost;
}

}  // namespace luthier
