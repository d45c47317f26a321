// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/token_rows.h"

#include <algorithm>
#include <charconv>
#include <set>

namespace luthier {

using torch::Tensor;

TokenRowsPlug::TokenRowsPlug(const std::vector<std::int64_t>& tokens, Tensor given,
                             std::int64_t count)
    : rows(std::move(given)), ids(torch::tensor(tokens, torch::kInt64)) {
  places_ = torch::full({count}, -1, torch::kInt64);
  places_.index_copy_(0, ids, torch::arange(ids.size(0), torch::kInt64));
  places_ = places_.to(rows.device());
  ids = ids.to(rows.device());
}

Tensor TokenRowsPlug::forward(const Tensor& tokens, const EmbeddingImpl& base) const {
  const Tensor found = base.lookup(tokens);  // [..., size]
  if (strength == 0) return found;
  const Tensor place = places_.index_select(0, tokens.reshape({-1})).view(tokens.sizes());
  // Looked up in float32, so that its gradient adds up in it.
  Tensor own = at::embedding(rows, place.clamp_min(0)).to(found.scalar_type());
  if (strength != 1) own = found + (own - found) * strength;
  return at::where((place >= 0).unsqueeze(-1), own, found);
}

void TokenRowsPlug::merge_into(Tensor weight) const {
  const Tensor before = weight.index_select(0, ids).to(torch::kFloat32);
  const Tensor own = strength == 1 ? rows : before + (rows - before) * strength;
  weight.index_copy_(0, ids, own.detach().to(weight.scalar_type()));
}

Tensor TokenRowsHead::forward(const Tensor& x, const LinearImpl& head) const {
  const Tensor logits = head.product(x);  // [..., count]
  if (plug_.strength == 0) return logits;
  Tensor own = at::linear(x, plug_.rows.to(x.scalar_type()));  // [..., ids]
  if (plug_.strength != 1) {
    const Tensor before = logits.index_select(-1, plug_.ids);
    own = before + (own - before) * plug_.strength;
  }
  return logits.index_copy(-1, plug_.ids, own);
}

Adapter::Hung hang_token_rows(Ports& ports, const std::string& name,
                              const std::vector<std::int64_t>& ids, const Tensor& rows) {
  Embedding embedding = ports.embeddings.at(name);
  auto plug = std::make_shared<TokenRowsPlug>(ids, rows, embedding->weight.size(0));
  Adapter::Hung hung = hung_on(embedding->plug, name, plug);
  const auto found = ports.linears.find(ports.head_name);
  hung.both_ends = found != ports.linears.end() && found->second->weight.shares(embedding->weight);
  if (!hung.both_ends) {
    hung.merge = [embedding, plug] { plug->merge_into(embedding->weight); };
    return hung;
  }
  Linear head = found->second;
  auto of_head = std::make_shared<TokenRowsHead>(*plug);
  hung.set = [below = hung.set, above = hung_on(head->plug, ports.head_name, of_head).set,
              of_head](bool on) {
    below(on);
    above(on);
  };
  hung.merge = [embedding, head, plug]() mutable {
    plug->merge_into(embedding->weight);
    if (head->weight.shares(embedding->weight)) return;  // else it has got a weight of its own
    plug->merge_into(head->weight.dense());
  };
  return hung;
}

Tensor base_token_rows(const EmbeddingImpl& embedding, const std::vector<std::int64_t>& ids) {
  const Tensor places = torch::tensor(ids, torch::kInt64).to(embedding.weight.device());
  return embedding.weight.detach().index_select(0, places).to(torch::kCPU, torch::kFloat32);
}

std::vector<std::int64_t> token_ids(const AdapterSettings& settings, const std::string& key) {
  std::vector<std::int64_t> ids;
  for (const std::string& text : settings.more.names(key)) {
    std::int64_t id = -1;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), id);
    ids.push_back(end.ec == std::errc() && end.ptr == text.data() + text.size() ? id : -1);
  }
  return ids;
}

Status select_token_rows(ModuleSelection& selection, const std::vector<ModelModule>& modules,
                         const AdapterSettings& settings, const std::string& key) {
  const auto rows = static_cast<std::int64_t>(settings.more.names(key).size());
  if (rows == 0) return {};
  const auto found = std::find_if(modules.begin(), modules.end(),
                                  [](const ModelModule& each) { return each.token_embedding(); });
  if (found == modules.end() || found->shape.size() != 2)
    return input_error("The model has no token embedding whose rows could train.", key,
                       "Leave the setting out.");
  LUTHIER_CHECK(check_token_ids(settings, key, found->shape[0]));
  const bool taken =
      std::any_of(selection.wrapped.begin(), selection.wrapped.end(),
                  [&](const WrappedModule& each) { return each.name == found->name; }) ||
      std::find(selection.saved.begin(), selection.saved.end(), found->name) !=
          selection.saved.end();
  if (taken) {
    return input_error("Rows of " + found->name + " train, and it has an adapter as a whole too.",
                       key, "Take it out of target_modules and modules_to_save, or the rows out.");
  }
  selection.parameters += rows * found->shape[1];
  selection.shapes.push_back({rows, found->shape[1]});
  return {};
}

Status check_token_ids(const AdapterSettings& settings, const std::string& key,
                       std::int64_t count) {
  const std::vector<std::int64_t> ids = token_ids(settings, key);
  const std::vector<std::string> texts = settings.more.names(key);
  std::set<std::int64_t> seen;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || ids[i] >= count) {
      return input_error("The vocabulary has no token " + texts[i] + ".", key,
                         "It has " + std::to_string(count) + " tokens, from 0 on.");
    }
    if (!seen.insert(ids[i]).second)
      return input_error("The token " + texts[i] + " is named twice.", key, "Name each once.");
  }
  if (ids.empty()) {
    return input_error("No token is named, so there would be nothing to train.", key,
                       "Write the ids of the tokens whose rows train: [32000, 32001].");
  }
  return {};
}

}  // namespace luthier
