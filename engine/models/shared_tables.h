// SPDX-License-Identifier: GPL-3.0-or-later
// Two text encoders that begin with the same tables: a generator and a discriminator that learn
// together. Either the tensors are one, so that the gradients of both come together in them (Clark
// et al. 2020), or the discriminator's tables are the generator's with something of its own added,
// whose gradients do not reach the generator (He et al. 2023).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/models/model.h"
#include "engine/nn/layers.h"

namespace luthier {

/// The tables of words and positions of `other`, in models but DeBERTa those of token types and the
/// norm behind them, too, and, where it is tied, its head's product become those of `owner`, with
/// the numbers that those have. An Input
/// error at `where`: one of them is no such encoder, or their tables are of other sizes. Nothing
/// requires a gradient afterwards until a strategy says so.
Status share_tables(Model& owner, Model& other, const std::string& where);

/// Whether a module of this in-memory name is among those.
bool is_shared_table(const std::string& module);

/// What share_tables has made one, by the names in memory: of `other` → of `owner`.
std::map<std::string, std::string> tensors_in_common(const Model& owner, const Model& other);
std::int64_t bytes_in_common(const Model& owner, const Model& other);

/// Gradient-disentangled sharing: the same tables of `owner` hold what is added to those of
/// `other`, which a lookup of `owner`'s adds without a graph. As long as it lives; then `owner` has
/// its tensors of before.
class DisentangledTables {
 public:
  /// What is added begins so that `owner` looks up what it did, or at 0 where `alike`. An Input
  /// error as of share_tables.
  static Result<std::unique_ptr<DisentangledTables>> begin(Model& owner, Model& other, bool alike,
                                                           const std::string& where);
  ~DisentangledTables();
  DisentangledTables(const DisentangledTables&) = delete;
  DisentangledTables& operator=(const DisentangledTables&) = delete;

  /// The tables that `owner` looks up, as masters by its names in memory: of the masters there are,
  /// `other`'s behind `prefix`, else of the tensors themselves.
  void add_sums(const std::string& prefix, std::map<std::string, torch::Tensor>& masters) const;

 private:
  class AddedTable;
  struct Table {
    std::string name;  ///< of its tensor in either model, in memory
    std::shared_ptr<EmbeddingImpl> own, other;
    torch::Tensor before;
    std::unique_ptr<AddedTable> plug;
  };
  DisentangledTables() = default;
  std::vector<Table> tables_;
};

}  // namespace luthier
