// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/shared_tables.h"

#include "engine/models/bert/text_encoder.h"

namespace luthier {

using torch::Tensor;

namespace {

std::string sizes_text(const Tensor& tensor) {
  std::string text;
  for (const std::int64_t size : tensor.sizes())
    text += (text.empty() ? "" : " x ") + std::to_string(size);
  return text;
}

}  // namespace

Status share_tables(Model& owner, Model& other, const std::string& where) {
  const auto* first = dynamic_cast<TextEncoder*>(&owner);
  auto* second = dynamic_cast<TextEncoder*>(&other);
  if (!first || !second)
    return input_error("The two models are no encoders whose tables could be one.", where,
                       "Name an ELECTRA generator for an ELECTRA discriminator.");
  const std::shared_ptr<TextEmbeddings> from = first->embeddings(), to = second->embeddings();
  const auto owned = from->named_parameters();
  std::map<std::string, Tensor> tables;
  for (const auto& item : to->named_parameters()) {
    const Tensor* found = owned.find(item.key());
    if (!found || found->sizes() != item.value().sizes())
      return input_error("The generator's table " + item.key() + " is of " +
                             sizes_text(item.value()) + " numbers, the discriminator's of " +
                             (found ? sizes_text(*found) : "none") + ".",
                         where,
                         "Both must have the same vocab_size, embedding_size, "
                         "max_position_embeddings and type_vocab_size.");
    tables[item.key()] = *found;
  }
  if (tables.size() != owned.size())
    return input_error("The discriminator has tables that the generator has not.", where);
  Linear head = other.output_head();
  const bool tied = head && head->weight.shares(to->words->weight);
  for (const auto& item : to->named_modules()) {
    auto* module = dynamic_cast<ParameterModule*>(item.value().get());
    if (!module) continue;
    const std::string prefix = item.key().empty() ? "" : item.key() + ".";
    for (const auto& [slot, tensor] : module->slots())
      if (const auto found = tables.find(prefix + slot); found != tables.end())
        module->place(slot, found->second);
  }
  if (tied) head->place("weight", from->words->weight);
  return {};
}

bool is_shared_table(const std::string& module) {
  return module.find(".embeddings.") != std::string::npos;
}

std::map<std::string, std::string> tensors_in_common(const Model& owner, const Model& other) {
  std::map<const void*, std::string> owned;
  for (const auto& item : owner.named_parameters())
    owned[item.value().unsafeGetTensorImpl()] = item.key();
  std::map<std::string, std::string> common;
  for (const auto& item : other.named_parameters()) {
    const auto found = owned.find(item.value().unsafeGetTensorImpl());
    if (found != owned.end()) common[item.key()] = found->second;
  }
  return common;
}

std::int64_t bytes_in_common(const Model& owner, const Model& other) {
  const auto named = owner.named_parameters();
  std::int64_t bytes = 0;
  for (const auto& [name, of_owner] : tensors_in_common(owner, other))
    bytes += static_cast<std::int64_t>(named[of_owner].nbytes());
  return bytes;
}

}  // namespace luthier
