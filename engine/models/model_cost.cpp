// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/model_cost.h"

#include <unordered_map>

#include "engine/models/tower_facts.h"
#include "engine/nn/patch_port.h"
#include "engine/nn/plugs.h"

namespace luthier {
namespace {

using Trained = std::vector<std::pair<std::string, TrainedShare>>;

class AskedModel : public ModelCost, public KnowsTowers, public KnowsPrompts {
 public:
  explicit AskedModel(std::shared_ptr<const Model> model) : model_(std::move(model)) {
    for (const auto& item : model_->named_modules()) {
      const auto* module = dynamic_cast<const ParameterModule*>(item.value().get());
      if (module && !item.key().empty()) modules_[item.key()] = module;
      if (const auto* branch = dynamic_cast<const BranchPort*>(item.value().get()))
        branches_[item.key()] = branch;
      if (const auto* tower = dynamic_cast<const PatchPort*>(item.value().get())) {
        const PatchPort::Facts& facts = tower->patch_facts();
        towers_.push_back({item.key() + "." + facts.entry, facts.no_tokens ? facts.no_tokens : "",
                           facts.width, facts.blocks});
      }
      if (const auto* port = dynamic_cast<const SequencePort*>(item.value().get()))
        ++prompts_.sequences, prompts_.decoders += port->takes_prompts() ? 1 : 0;
      if (dynamic_cast<const AttentionPort*>(item.value().get()) &&
          model_->part_of(item.key()) == kLanguageModel)
        ++prompts_.attentions;
    }
    for (const auto& [name, slot] : model_->slots()) modules_[name] = model_.get();
  }

  PassCost of(Pass pass, const Trained& trained) const override {
    add(pass.terms, trained);
    return model_->step_costs()->cost(pass);
  }
  bool takes_forks(StepTerms terms, const Trained& trained) const override {
    add(terms, trained);
    return model_->step_costs()->takes_forks(terms);
  }

  std::vector<TowerFacts> towers() const override { return towers_; }
  PromptPlaces prompt_places() const override { return prompts_; }

  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return model_->step_costs()->feature_numbers(pictures);
  }

 private:
  void add(StepTerms& terms, const Trained& trained) const {
    for (const auto& [name, share] : trained) {
      const auto found = modules_.find(name);
      const auto branch = branches_.find(name);
      // Of a branch that holds tensors those train whole; what hangs there hangs behind the branch.
      if (found != modules_.end() && (branch == branches_.end() || share.whole))
        terms.trained[found->second] += share;
      else if (branch != branches_.end())
        terms.branches[branch->second] += share;
    }
  }

  std::shared_ptr<const Model> model_;
  std::unordered_map<std::string, const ParameterModule*> modules_;
  std::unordered_map<std::string, const BranchPort*> branches_;
  std::vector<TowerFacts> towers_;
  PromptPlaces prompts_;
};

}  // namespace

std::shared_ptr<const ModelCost> cost_of(std::shared_ptr<const Model> model) {
  if (!model->step_costs()) return nullptr;
  return std::make_shared<AskedModel>(std::move(model));
}

}  // namespace luthier
