// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/ports.h"

#include "engine/models/score_head.h"

namespace luthier {

namespace {

std::vector<std::int64_t> weight_shape(const ParameterModule& module) {
  std::vector<std::int64_t> shape;
  for (const auto& [name, slot] : module.slots()) {
    if (shape.empty() || name == "weight") shape = slot->sizes().vec();
  }
  return shape;
}

}  // namespace

Ports list_ports(Model& model) {
  Ports ports;
  std::vector<ModelModule> branches;  // behind all that holds tensors, as a summary has them
  const Linear head = model.output_head();
  for (const auto& item : model.named_modules(/*name_prefix=*/"", /*include_self=*/false)) {
    torch::nn::Module* module = item.value().get();
    if (auto* port = dynamic_cast<BranchPort*>(module)) {
      ports.branches[item.key()] = port;
      ModelModule branch{item.key(), ""};
      branch.shape = {port->width()};
      branch.branch = port->kind_name();
      branches.push_back(std::move(branch));
    }
    // A tower may be made of a decoder's layers.
    if (auto* port = dynamic_cast<AttentionPort*>(module);
        port && model.part_of(item.key()) == kLanguageModel)
      ports.attentions.emplace_back(item.key(), port);
    if (auto* port = dynamic_cast<SequencePort*>(module))
      ports.sequences.emplace_back(item.key(), port);
    if (auto* port = dynamic_cast<PatchPort*>(module)) ports.towers.emplace_back(item.key(), port);
    auto* holder = dynamic_cast<ParameterModule*>(module);
    if (!holder || !holder->holds_tensors()) continue;
    ModelModule own{item.key(), holder->type_name()};
    own.shape = weight_shape(*holder);
    for (const auto& [tensor, slot] : holder->slots()) {
      ports.slots[item.key() + "." + tensor] = {item.key(), slot};
      if (tensor == "bias") own.bias = slot->numel();
    }
    if (item.key() == kScoreHead) continue;  // it trains whole, and nothing hangs on it
    if (auto linear = std::dynamic_pointer_cast<LinearImpl>(item.value())) {
      ports.linears.emplace(item.key(), Linear(linear));
      own.shape = {linear->out_features(), linear->in_features()};
      if (!head.is_empty() && linear == head.ptr()) ports.head_name = item.key();
    } else if (auto experts = std::dynamic_pointer_cast<ExpertsImpl>(item.value())) {
      ports.experts.emplace(item.key(), Experts(experts));
    } else if (auto* patches = dynamic_cast<PatchProduct*>(module)) {
      ports.patches.emplace(item.key(), patches);
    } else if (own.token_embedding()) {
      ports.embeddings.emplace(item.key(),
                               Embedding(std::dynamic_pointer_cast<EmbeddingImpl>(item.value())));
    }
    ports.modules.push_back(std::move(own));
  }
  ports.modules.insert(ports.modules.end(), branches.begin(), branches.end());
  ports.modules = all_modules(std::move(ports.modules));
  return ports;
}

}  // namespace luthier
