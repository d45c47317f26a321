// SPDX-License-Identifier: GPL-3.0-or-later
// Activated LoRA (Greenewald et al. 2025) as PEFT 0.21 has it: pairs that are on from a row's last
// invocation (given tokens, one after another) to its end, so that what comes before is the base's
// and may have been computed without the adapter. A plug on the token embedding sees the ids of a
// pass, one before the decoder how they lie; of both it is known which tokens the pairs are on for.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/kinds/invocation_rule.h"
#include "engine/methods/adapter.h"
#include "engine/methods/ports.h"
#include "engine/nn/plug_duties.h"
#include "engine/nn/rows.h"

namespace luthier {

/// Which tokens of a pass the adapter is on for. Passes of a micro-batch's parts stand side by
/// side.
class Invocation {
 public:
  explicit Invocation(std::vector<std::int64_t> tokens) : tokens_(std::move(tokens)) {}
  /// A pass begins: ids [tokens] int64, or of decoding [rows].
  void begin(const torch::Tensor& ids);
  /// How they lie; of decoding it is not said, since rows stay on or off as their prompts left
  /// them.
  void lay_out(const RowLayout& rows);
  /// [count, 1] bool, of a pass of so many tokens.
  torch::Tensor on(std::int64_t count) const;

 private:
  struct Pass {
    torch::Tensor ids, tokens, rows;  ///< [tokens] int64, bool; [rows] bool
  };
  std::vector<std::int64_t> tokens_;
  mutable std::mutex mutex_;
  std::map<std::uint64_t, Pass> passes_;  ///< by the micro-batch's part
};

class InvokedLora : public LinearPlug, public AsksTheHost {
 public:
  /// a [r, in], b [out, r]; bias [out] of B, undefined: none.
  InvokedLora(torch::Tensor a, torch::Tensor b, torch::Tensor bias, double scale, double dropout,
              std::uint64_t place);
  torch::Tensor forward(const torch::Tensor& x, const LinearImpl& linear) const override;
  bool asks_the_host() const override { return true; }  // of where rows end
  bool row_by_row() const override { return false; }    // it is on for a pass's tokens by place
  std::optional<std::uint64_t> mask_seed(std::uint64_t of_batch) const override;

  std::shared_ptr<const Invocation> invocation;  ///< set when all pairs hang

 private:
  torch::Tensor a_, b_, bias_;
  double scale_, dropout_;
  std::uint64_t place_;
};

/// Why the module cannot be on for some tokens and off for others; fine: it can.
Status check_invoked(const Ports& ports, const ModelModule& module);

/// Hangs what sees the tokens beside the pairs; nothing where the settings name no invocation.
Status hang_invocation(Ports& ports, const AdapterSettings& settings, Adapter::Parts& parts);

}  // namespace luthier
