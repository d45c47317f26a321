// SPDX-License-Identifier: GPL-3.0-or-later
// What a row's tokens see of its pictures where those never enter the sequence (Llama 3.2 Vision):
// from a picture's mark on to the next mark its tiles; marks that stand side by side show their
// pictures together. The tokens before a row's first mark see all that belongs to its pictures,
// what only fills them up among it, as transformers 5.17 has it. A row without pictures sees none.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/device/torch.h"
#include "engine/nn/rows.h"

namespace luthier {

struct StepTerms;

/// Of a layer of the decoder that reads TokenSequence::sight.
class SeesPictures {
 public:
  virtual ~SeesPictures() = default;
  /// Whether it does: some layers of a kind may.
  virtual bool sees_pictures() const { return true; }
  /// Whether the pictures' states are kept for the backward of its products.
  virtual bool keeps_states(const StepTerms& terms) const = 0;
  /// Numbers of a state.
  virtual std::int64_t state_width() const = 0;
};

struct PictureSight {
  /// Tokens one after another that see the same states.
  struct Run {
    std::int64_t tokens = 0, first = 0, seen = 0;
  };
  torch::Tensor states;   ///< [states, hidden] of all pictures, in the order of `Sighted::order`
  torch::Tensor made;     ///< the same as the pictures gave them
  std::vector<Run> runs;  ///< of all tokens of rows that have pictures
  /// Of each row, the run that its last token is of; −1: it has no pictures.
  std::vector<std::int64_t> last_runs;
  torch::Tensor tokens;  ///< those of rows that have pictures, int64; undefined: all
  torch::Tensor opened;  ///< [those tokens, 1]: 0 before a row's first mark, else 1; undefined: 1
  /// The runs' tokens, and the states that they see, as rows of a layer that reads all runs at once
  /// (Idefics, whose runs see a picture each).
  RowLayout run_rows, seen_rows;
};

/// A batch's pictures as the sight counts them.
struct ShownPictures {
  std::vector<std::int64_t> lengths;  ///< of the rows
  std::vector<std::int64_t> marks;    ///< where each picture's stands among all tokens
  std::vector<std::int64_t> shown;    ///< of each picture, tiles that show something of it
  std::int64_t tiles = 0;             ///< of any picture, with those that fill it up
  std::int64_t states = 0;            ///< of a tile
};

/// The sight without its tensors, which are on the host here.
struct Sighted {
  std::vector<PictureSight::Run> runs;
  std::vector<std::int64_t> last_runs;
  /// [states] int64: which of the tower's is where. Row by row, and in a row first all that shows
  /// something, so that what a run sees stands together. Undefined: they are so as they come.
  torch::Tensor order;
  torch::Tensor tokens, opened;  ///< see PictureSight
};
Sighted sighted(const ShownPictures& pictures);

}  // namespace luthier
