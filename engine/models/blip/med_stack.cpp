// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/blip/med_stack.h"

#include <algorithm>

#include "engine/models/bert/named_parts.h"
#include "engine/models/blocks/post_norm_cost.h"
#include "engine/nn/checkpointing.h"

namespace luthier::blip {

using torch::Tensor;

MedLayer::Attention MedLayer::make_attention(const MedOptions& o, bool across,
                                             const torch::TensorOptions& t) {
  const std::int64_t width = o.layer.hidden;
  const std::string name = across ? "crossattention" : "attention";
  Attention made;
  if (across) {
    const auto seen = neighbouring_linears(o.memory_width, {width, width}, true, t);
    made.query = Linear(width, width, true, t), made.key = seen[0], made.value = seen[1];
  } else {
    const auto all = neighbouring_linears(width, {width, width, width}, true, t);
    made.query = all[0], made.key = all[1], made.value = all[2];
  }
  register_at(*this, name + ".self.query", made.query);
  register_at(*this, name + ".self.key", made.key);
  register_at(*this, name + ".self.value", made.value);
  made.out = register_at(*this, name + ".output.dense", Linear(width, width, true, t));
  made.norm =
      register_at(*this, name + ".output.LayerNorm", LayerNorm(width, o.layer.layer_norm_eps, t));
  return made;
}

MedLayer::MedLayer(const MedOptions& o, bool causal, const torch::TensorOptions& t)
    : heads_(o.layer.heads), activation_(o.layer.activation) {
  const std::int64_t width = o.layer.hidden;
  self_ = make_attention(o, /*across=*/false, t);
  across_ = make_attention(o, /*across=*/true, t);
  wide_ = register_at(*this, "intermediate.dense", Linear(width, o.layer.intermediate, true, t));
  narrow_ = register_at(*this, "output.dense", Linear(o.layer.intermediate, width, true, t));
  narrow_norm_ =
      register_at(*this, "output.LayerNorm", LayerNorm(width, o.layer.layer_norm_eps, t));

  AttentionRule rule;
  rule.causal = causal;
  const auto after = [](const LayerNorm& norm, auto body) {
    return Branch{Branch::Norm::After, [norm](const Tensor& x) { return norm->forward(x); }, body};
  };
  within_ = after(self_.norm, [this, rule](const Tensor& x, const LayerFrame& frame) {
    return attend_within(x, frame, self_.query, self_.key, self_.value, self_.out, heads_, rule);
  });
  over_ = after(across_.norm, [this, rule](const Tensor& x, const LayerFrame& frame) {
    return attend_memory(x, frame, across_.query, across_.key, across_.value, across_.out, heads_,
                         rule);
  });
  feed_ = after(narrow_norm_, [this](const Tensor& x, const LayerFrame&) {
    return narrow_->forward(activate(wide_->forward(x), activation_));
  });
}

Tensor MedLayer::forward(const Tensor& x, const LayerFrame& frame) const {
  const Tensor read = within_.forward(x, frame);
  return feed_.forward(frame.memory ? over_.forward(read, frame) : read, frame);
}

TrainedShare MedLayer::of_memory(const StepTerms& terms) const {
  TrainedShare share = terms.of(*across_.norm);
  for (const Linear& product : {across_.query, across_.key, across_.value, across_.out})
    share += terms.of(*product);
  return share;
}

bool MedLayer::keeps_memory(const StepTerms& terms) const {
  return terms.of(*across_.key).trains || terms.of(*across_.value).trains;
}

Stage MedLayer::cost(const StepTerms& terms, const StackPass& pass, bool across, bool flows) const {
  TrainedShare share = trained_within(terms, *this);
  const std::int64_t width = wide_->in_features();
  if (!across) share.parameters -= of_memory(terms).parameters;
  const auto core_of = [&](const RowsShape& rows) {
    return attention_cost(terms, rows, heads_, heads_, width / heads_);
  };
  PostNormCost cost(terms, pass.tokens, width, flows);
  if (!flows && !share.trains && !(across && pass.memory_flows)) {
    std::vector<AttentionCost> cores{core_of(pass.rows)};
    if (across) cores.push_back(core_of(pass.across));
    return cost.passing(cores, wide_->out_features());
  }
  cost.add(attention_branch_cost(terms, {self_.query, self_.key, self_.value}, self_.out,
                                 core_of(pass.rows), 0, pass.tokens, cost.below()),
           self_.norm);
  if (across) {
    cost.add(across_branch_cost(terms, across_.query, {across_.key, across_.value}, across_.out,
                                core_of(pass.across), pass.tokens, pass.memory_tokens, cost.below(),
                                pass.memory_flows),
             across_.norm);
  }
  cost.add(mlp_cost(terms, {wide_}, narrow_, pass.tokens, cost.below()), narrow_norm_);
  return cost.stage(share.parameters * terms.gradient_element);
}

MedStack::MedStack(const MedOptions& o, bool causal, const torch::TensorOptions& t) {
  embeddings = register_module("embeddings", std::make_shared<TextEmbeddings>(o.tables, t));
  torch::nn::ModuleList list;
  for (std::int64_t i = 0; i < o.num_hidden_layers; ++i) {
    layers_.push_back(std::make_shared<MedLayer>(o, causal, t));
    list->push_back(layers_.back());
  }
  register_module("encoder", std::make_shared<EncoderPart>())->register_module("layer", list);
}

Tensor MedStack::forward(const Tensor& ids, const RowLayout& rows, const RowStates* memory,
                         KeyValueCache* cache, bool checkpointing) const {
  if (cache) cache->can_stand = false;  // positions go by the host's count
  Tensor x = embeddings->forward(ids, {}, rows, cache ? cache->length() : 0);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const auto& layer = layers_[i];
    if (!checkpointing || cache) {
      x = layer->forward(x, {rows, nullptr, memory, cache, static_cast<std::int64_t>(i)});
    } else if (memory) {
      const RowLayout seen_rows = memory->rows;
      const auto run = [layer, rows, seen_rows](const Tensor& in, const Tensor& states) {
        const RowStates seen{states, seen_rows};
        return layer->forward(in, {rows, nullptr, &seen});
      };
      x = checkpointed(run, x, memory->states);
    } else {
      x = checkpointed([layer, rows](const Tensor& in) { return layer->forward(in, {rows}); }, x);
    }
  }
  if (cache) cache->advance(rows.longest());
  return x;
}

void MedStack::add_cost(const StepTerms& terms, const StackPass& pass, bool across, bool again,
                        bool& flows, std::vector<Stage>& stages) const {
  const auto add = [&](Stage stage) {
    if (again) stage.gradients = 0;
    stages.push_back(std::move(stage));
  };
  Stage first = embeddings->cost(terms, pass.tokens);
  if (terms.of(*embeddings->words).whole)  // a lookup's gradient is as large as its table
    first.moments.push_back({0, terms.block(embeddings->words->weight.numel())});
  const auto keeps = [&](const std::shared_ptr<MedLayer>& layer) {
    return layer->keeps_memory(terms);
  };
  if (across && std::any_of(layers_.begin(), layers_.end(), keeps))
    first.kept += terms.block(pass.memory_tokens * layers_.front()->memory_width());
  flows = flows || trained_within(terms, *embeddings).trains;
  add(std::move(first));
  for (const auto& layer : layers_) {
    add(layer->cost(terms, pass, across, flows));
    flows = flows || (across && pass.memory_flows) || trained_within(terms, *layer).trains;
  }
}

std::int64_t MedStack::of_memory(const StepTerms& terms) const {
  std::int64_t all = 0;
  for (const auto& layer : layers_) all += layer->of_memory(terms).parameters;
  return all;
}

}  // namespace luthier::blip
