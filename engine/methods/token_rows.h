// SPDX-License-Identifier: GPL-3.0-or-later
// Single rows of the token embedding that train (PEFT 0.21's TrainableTokensLayer): new values that
// stand in the places of the base's for these tokens. A head that is tied to the embedding has them
// too, from the same tensor.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/methods/adapter.h"
#include "engine/methods/ports.h"

namespace luthier {

class TokenRowsPlug : public EmbeddingPlug {
 public:
  /// `rows` [ids, size] float32: of the tokens `ids` in their order; `count`: tokens that there
  /// are.
  TokenRowsPlug(const std::vector<std::int64_t>& ids, torch::Tensor rows, std::int64_t count);
  torch::Tensor forward(const torch::Tensor& ids, const EmbeddingImpl& base) const override;
  /// `weight` [count, size] with the rows in it, rounded once.
  void merge_into(torch::Tensor weight) const;

  torch::Tensor rows;
  torch::Tensor ids;  ///< [ids] int64

 private:
  torch::Tensor places_;  ///< [count] int64: of each token its row, or -1
};

/// The tied head's part of it: logits of these tokens are made of the new rows.
class TokenRowsHead : public LinearPlug {
 public:
  explicit TokenRowsHead(const TokenRowsPlug& plug) : plug_(plug) {}
  torch::Tensor forward(const torch::Tensor& x, const LinearImpl& head) const override;

 private:
  const TokenRowsPlug& plug_;
};

/// What stands behind an embedding's name in the key of rows that train beside another method.
inline constexpr const char* kTokenRows = ".token_adapter.trainable_tokens_delta";

/// Hangs rows on an embedding, and on the head where that is tied to it.
Adapter::Hung hang_token_rows(Ports& ports, const std::string& embedding,
                              const std::vector<std::int64_t>& ids, const torch::Tensor& rows);
/// Whether a selection leaves room for the rows that these settings name, which are then counted
/// with it. `key`: the settings' field.
Status select_token_rows(ModuleSelection& selection, const std::vector<ModelModule>& modules,
                         const AdapterSettings& settings, const std::string& key);
/// What the base has there, in float32 on the CPU: where the rows start.
torch::Tensor base_token_rows(const EmbeddingImpl& embedding, const std::vector<std::int64_t>& ids);

/// Token ids as a recipe has them, by the field's key.
std::vector<std::int64_t> token_ids(const AdapterSettings& settings, const std::string& key);
/// Input errors: none, one twice, one that is no whole number or outside of a vocabulary of
/// `count`.
Status check_token_ids(const AdapterSettings& settings, const std::string& key, std::int64_t count);

}  // namespace luthier
