// SPDX-License-Identifier: GPL-3.0-or-later
// Of models that write a text from its end to its beginning, too (VirTex, Desai & Johnson 2021):
// the loss of a caption is the sum of both directions'. What answers is the forward one alone.
#pragma once

#include "engine/models/model.h"

namespace luthier {

/// A capability (see models/model.h) of SequenceToSequence models, which the model's class has.
class BackwardWriter {
 public:
  virtual ~BackwardWriter() = default;
  /// Whether it does, as it was configured.
  virtual bool writes_backward() const = 0;
  /// The rows of input_ids in reverse → [tokens, hidden], in that order, as the head takes them.
  virtual torch::Tensor decode_backward(const ModelInput& input, const RowStates& memory) = 0;
};

/// Each row's tokens in reverse, as places among all tokens: [tokens] int64, on the host.
torch::Tensor reversed_places(const std::vector<std::int64_t>& lengths);

/// Of the reversed rows, places whose next token is learned, and those tokens: as next_labels, of
/// rows in which anything has a label. The token that a row begins with is learned last.
NextLabels backward_labels(const ModelInput& input);

/// Sets aside what both give.
void set_backward_aside(ModelInput& input);

/// Null: the model writes forward alone.
inline BackwardWriter* backward_writer_of(Model& model) {
  auto* writer = dynamic_cast<BackwardWriter*>(&model);
  return writer && writer->writes_backward() ? writer : nullptr;
}

}  // namespace luthier
