// SPDX-License-Identifier: GPL-3.0-or-later
// The decoder of a picture encoder's captioner, which looks across to the picture's states: GPT-2's
// or BERT's. A kind is a function that reads its section of config.json.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/models/blocks/two_stacks.h"
#include "engine/models/cost.h"
#include "engine/models/row_memory.h"

namespace luthier::captioner {

/// What is held under "decoder".
class WrittenHalf : public torch::nn::Module {
 public:
  /// ids [tokens] → states that the head takes.
  virtual torch::Tensor forward(const torch::Tensor& ids, const RowLayout& rows,
                                const RowStates& memory, KeyValueCache* cache,
                                bool checkpointing) = 0;
  virtual Linear head() const = 0;
  virtual const Embedding& words() const = 0;
  /// Adds the stages of layers and head, and says what the head's product costs. `inputs`: the
  /// stage before them, of what stands before a word is looked up.
  virtual HeadCost add_cost(const StepTerms& terms, const StackPass& pass, Stage& inputs,
                            std::vector<Stage>& stages) const = 0;
};

/// What config.json's `decoder` says.
struct WrittenOptions {
  std::int64_t words = 0, width = 0, layers = 0, heads = 0, positions = 0;
  bool tied = true;  ///< the head is the table of words
  std::function<std::shared_ptr<WrittenHalf>(bool tied, const torch::TensorOptions& t)> build = {};
  /// Of a weight that is drawn, by its name in memory.
  std::function<double(const std::string& name)> drawn_range = {};
};
/// An Input error names `where` and the field.
Result<WrittenOptions> read_gpt2_half(const Json& config, const std::string& where);
Result<WrittenOptions> read_bert_half(const Json& config, const std::string& where);

}  // namespace luthier::captioner
