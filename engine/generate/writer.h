// SPDX-License-Identifier: GPL-3.0-or-later
// How a model writes a batch of answers: the cache between its steps, and the choice of each next
// token. On the CPU that is made of a row's logits; on a device from what it sends of them
// (generate/leading_tokens), and where the most likely token is the next one, it stays there and
// is the next step's input. A checkpoint that has rules for its answers is asked for whole rows.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/generate/ruled_scores.h"
#include "engine/generate/standing_steps.h"
#include "engine/generate/token_choice.h"
#include "engine/models/model.h"

namespace luthier {

class Writer {
 public:
  virtual ~Writer() = default;
  /// Reads a batch of prompts of one length, and has choices for the first token of each row.
  virtual void begin(const ModelInput& prompts) = 0;
  /// Behind begin: row `i` of the batch is from here on what prompt `of_row[i]` was, so that
  /// several answers to one prompt share what was made of it.
  virtual void spread(const std::vector<std::int64_t>& of_row) = 0;
  /// Behind begin: whether rows of prompts of other lengths may come in beside those of the batch.
  virtual bool takes_more() const = 0;
  /// Reads a further batch of prompts of one length, apart from those in hand; its rows are to be
  /// what `of_row` says, as spread has it.
  virtual void read(const ModelInput& prompts, std::vector<std::int64_t> of_row) = 0;
  /// The rows of all that was read stand behind the batch's from here on, and have choices for
  /// their first token where the others have them for their next one.
  virtual void join() = 0;
  /// And for the next one, behind the `tokens` that were chosen, one of each row.
  virtual void go_on(const std::vector<std::int64_t>& tokens) = 0;
  /// A row of the batch whose next token is wanted: with what choose_token draws by, and what
  /// stands before it, see RuledScores; of a checkpoint without rules nobody looks at that.
  struct Asked {
    std::size_t row;
    std::uint64_t draw;
    std::int64_t step;
    std::vector<TokenId> before;
  };
  /// What comes next in each of these rows, as choose_token has it.
  virtual std::vector<TokenChoice> choices(std::span<const Asked> asked) = 0;
  /// Whether rows that have ended should leave now, when `left` of `rows` have not.
  virtual bool lets_go(std::size_t left, std::size_t rows) const = 0;
  /// These rows of the batch are left (int64 [rows], on the host).
  virtual void keep(const torch::Tensor& rows) = 0;
};

/// For a batch of prompts of `prompt` tokens. `standing` (null where there are rules, and may be
/// elsewhere) and `rules` live as long as the writer.
std::unique_ptr<Writer> make_writer(Model& model, const GenerationOptions& options,
                                    const std::unique_ptr<StandingSteps>& standing,
                                    const RuledScores& rules, std::int64_t prompt);

}  // namespace luthier
