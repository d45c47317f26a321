// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/shared_tables.h"

#include "engine/models/bert/text_embeddings.h"

namespace luthier {

using torch::Tensor;

namespace {

std::string sizes_text(const Tensor& tensor) {
  std::string text;
  for (const std::int64_t size : tensor.sizes())
    text += (text.empty() ? "" : " x ") + std::to_string(size);
  return text;
}

using NamedParameters = torch::OrderedDict<std::string, Tensor>;

/// Of the parameters those that another model may have, too.
NamedParameters of_both(const TextEmbeddings& tables) {
  NamedParameters found;
  for (const auto& item : tables.named_parameters())
    if (tables.in_common(item.key())) found.insert(item.key(), item.value());
  return found;
}

struct BothTables {
  std::shared_ptr<TextEmbeddings> of_owner, of_other;
};

/// Of the same names and sizes.
Result<BothTables> tables_of(Model& owner, Model& other, const std::string& where) {
  const auto *first = dynamic_cast<HasTextEmbeddings*>(&owner),
             *second = dynamic_cast<HasTextEmbeddings*>(&other);
  if (!first || !second)
    return input_error("The two models are no encoders whose tables could be one.", where,
                       "Name an ELECTRA generator for an ELECTRA discriminator, and a DeBERTa for "
                       "a DeBERTa.");
  const std::shared_ptr<TextEmbeddings> from = first->embeddings(), to = second->embeddings();
  const auto owned = of_both(*from), others = of_both(*to);
  for (const auto& item : others) {
    const Tensor* found = owned.find(item.key());
    if (!found || found->sizes() != item.value().sizes())
      return input_error("The generator's table " + item.key() + " is of " +
                             sizes_text(item.value()) + " numbers, the discriminator's of " +
                             (found ? sizes_text(*found) : "none") + ".",
                         where,
                         "Both must have the same vocab_size, embedding_size, "
                         "max_position_embeddings and type_vocab_size.");
  }
  if (others.size() != owned.size())
    return input_error("The discriminator has tables that the generator has not.", where);
  return BothTables{from, to};
}

}  // namespace

Status share_tables(Model& owner, Model& other, const std::string& where) {
  LUTHIER_TRY(const BothTables both, tables_of(owner, other, where));
  const auto &from = both.of_owner, &to = both.of_other;
  const auto tables = of_both(*from);
  Linear head = other.output_head();
  const bool tied = head && head->weight.shares(to->words->weight);
  for (const auto& item : to->named_modules()) {
    auto* module = dynamic_cast<ParameterModule*>(item.value().get());
    if (!module) continue;
    const std::string prefix = item.key().empty() ? "" : item.key() + ".";
    for (const auto& [slot, tensor] : module->slots())
      if (const Tensor* found = tables.find(prefix + slot)) module->place(slot, *found);
  }
  if (tied) head->place("weight", from->words->weight);
  return {};
}

bool is_shared_table(const std::string& module) {
  if (!module.starts_with("deberta.")) return module.find(".embeddings.") != std::string::npos;
  return module.ends_with(".word_embeddings") || module.ends_with(".position_embeddings");
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

/// What an embedding looks up, and what another one has there, without a graph.
class DisentangledTables::AddedTable : public EmbeddingPlug {
 public:
  explicit AddedTable(std::shared_ptr<EmbeddingImpl> other) : other_(std::move(other)) {}
  Tensor forward(const Tensor& ids, const EmbeddingImpl& embedding) const override {
    return embedding.lookup(ids) + at::embedding(other_->weight.detach(), ids);
  }

 private:
  std::shared_ptr<EmbeddingImpl> other_;
};

Result<std::unique_ptr<DisentangledTables>> DisentangledTables::begin(Model& owner, Model& other,
                                                                      bool alike,
                                                                      const std::string& where) {
  const torch::NoGradGuard no_grad;
  LUTHIER_TRY(const BothTables both, tables_of(owner, other, where));
  std::unique_ptr<DisentangledTables> made(new DisentangledTables());
  std::map<const void*, std::string> names;
  for (const auto& item : owner.named_parameters())
    names[item.value().unsafeGetTensorImpl()] = item.key();
  const auto others = both.of_other->named_modules();
  for (const auto& item : both.of_owner->named_modules()) {
    Table table;
    table.own = std::dynamic_pointer_cast<EmbeddingImpl>(item.value());
    if (!table.own || !both.of_owner->in_common(item.key())) continue;
    table.other = std::dynamic_pointer_cast<EmbeddingImpl>(others[item.key()]);
    table.before = table.own->weight;
    table.name = names.at(table.before.unsafeGetTensorImpl());
    table.own->place("weight", alike ? torch::zeros_like(table.before)
                                     : table.before.detach() - table.other->weight.detach());
    table.plug = std::make_unique<AddedTable>(table.other);
    table.own->plug = table.plug.get();
    made->tables_.push_back(std::move(table));
  }
  return made;
}

DisentangledTables::~DisentangledTables() {
  for (Table& table : tables_) {
    table.own->plug = nullptr;
    table.own->place("weight", table.before);
  }
}

void DisentangledTables::add_sums(const std::string& prefix,
                                  std::map<std::string, Tensor>& masters) const {
  const torch::NoGradGuard no_grad;
  const auto held = [&](const std::string& name, const Tensor& weight) {
    const auto master = masters.find(name);
    return (master == masters.end() ? weight : master->second).to(torch::kFloat32);
  };
  for (const Table& table : tables_)
    masters[table.name] =
        held(table.name, table.own->weight) + held(prefix + table.name, table.other->weight);
}

}  // namespace luthier
