// SPDX-License-Identifier: GPL-3.0-or-later
// On what terms a training step's memory is counted: precision, allocator, and what of each module
// trains. A module answers beside its forward what it keeps for the backward on such terms; the
// forecast only adds up. Plain data, no LibTorch.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace luthier {

class BranchPort;
class ParameterModule;

/// What of one module (or of several together) trains. The method that hangs on it or opens it says
/// so.
struct TrainedShare {
  bool trains = false;
  bool whole = false;               ///< its own tensors, not only what hangs on it
  std::int64_t parameters = 0;      ///< that train
  std::int64_t row_numbers = 0;     ///< numbers of an activation's type that are kept for each row
                                    ///< of its input, besides the input itself: of LoRA its rank
  std::int64_t shared_numbers = 0;  ///< the same, once for all linears that read one input
  std::int64_t input_copies = 1;    ///< temporaries of its product's backward, each like its input
  bool keeps_input = true;        ///< where it trains; what only scales a product's result does not
  std::int64_t kept_numbers = 0;  ///< of an activation's type, kept once, not row by row
  // One matrix of a dense float32 weight and what is added to it, kept where so many rows or more
  // are multiplied with it.
  std::int64_t joined_floats = 0, joined_from = 0;
  // What stands as long as the plug does and takes no gradient.
  std::int64_t fixed_numbers = 0;  ///< of a weight's type
  std::int64_t fixed_bytes = 0;    ///< packed
  // What stands for a moment while its product's backward makes again what was not kept.
  std::int64_t made_floats = 0;  ///< float32 numbers, not row by row
  std::int64_t row_work = 0;     ///< numbers of an activation's type for each row
  std::int64_t row_floats = 0;   ///< float32 numbers for each row, where activations are narrower
  bool row_by_row = true;        ///< what it makes of a row goes by that row alone

  TrainedShare& operator+=(const TrainedShare& other);
};

struct StepTerms {
  std::int64_t element = 4;           ///< bytes of a weight and of an activation
  std::int64_t gradient_element = 4;  ///< of a trained number's gradient
  bool cpu = true;                    ///< whose allocator it is
  bool checkpointing = false;         ///< layers are made once more in the backward
  std::unordered_map<const ParameterModule*, TrainedShare> trained;
  std::unordered_map<const BranchPort*, TrainedShare> branches;  ///< what hangs behind them
  std::int64_t tokens_before = 0;  ///< of each row of text, that a plug puts before it
  std::int64_t keys_before = 0;    ///< the same, as keys and values alone
  /// The device's kernels take attention's rows as they lie (nn/flash_attention).
  bool flash = false;
  std::int64_t multiprocessors = 132;  ///< of the card: each adds up its part of a gradient
  int threads = 1;                     ///< of the CPU, that share a step
  bool own_loops = false;              ///< the CPU is one that nn/loop_attention is written for
  bool dense_weights = true;           ///< none of the layers' products is of a packed one
  bool narrow_products = true;         ///< it multiplies bfloat16; else float32 copies may be made
  std::int64_t frames = 1;             ///< rows of a picture tower's attention
  bool recorded = false;               ///< the loop's steps are recorded (train/recorded_steps)

  TrainedShare of(const ParameterModule& module) const;
  TrainedShare of(const BranchPort& branch) const;
  /// What the allocator gives for this many elements of an activation, or of `bytes` each.
  std::int64_t block(std::int64_t elements) const { return block(elements, element); }
  std::int64_t block(std::int64_t elements, std::int64_t bytes) const;
  std::int64_t floats(std::int64_t elements) const { return block(elements, 4); }
};

/// What kernels that know rows take of a head's size.
constexpr bool flash_takes_heads(std::int64_t head_dim) {
  // On some cards their backward has no room for sizes between 192 and 224.
  return head_dim % 8 == 0 && head_dim <= 256 && (head_dim <= 192 || head_dim > 224);
}

/// Rows as attention meets them (nn/attention.cpp).
struct RowsShape {
  std::int64_t tokens = 0;   ///< of queries and their mixture: with padding where rows are padded
  std::int64_t keys = 0;     ///< of keys and values
  std::int64_t squares = 0;  ///< Σ rows · queries · keys: scores of one head
  bool copied = false;       ///< the mixture goes into another order before the next product
  bool blocks = false;       ///< some tokens see one another both ways
  std::int64_t across_keys = 0;  ///< states of pictures that some layers look across to
  bool across_flows = false;     ///< and a gradient is wanted of those
  std::int64_t own_tokens = 0, own_keys = 0;  ///< the same without any padding
  std::int64_t rows = 0;
  std::int64_t longest = 0;  ///< where all rows are of this length; else 0
  struct Group {             ///< of one call
    std::int64_t rows = 0, length = 0;
  };
  std::vector<Group> groups;
  /// Rows of one call that go on from others, which alone are counted above.
  struct Fork {
    std::int64_t rows = 0, length = 0, seen = 0;
  };
  std::vector<Fork> forks;
  bool as_they_lie = false;  ///< and those others are attended to without being copied
};
/// Rows of any lengths; `causal` ones may be padded.
RowsShape rows_shape(const std::vector<std::int64_t>& lengths, bool causal);
/// Causal rows that fork (RowLayout).
RowsShape forked_shape(const std::vector<std::int64_t>& lengths,
                       const std::vector<std::int64_t>& trunks);
/// Rows that see so many keys in front of them, which ask nothing themselves.
RowsShape behind_keys(RowsShape rows, std::int64_t before);
/// So many more tokens in front of each row.
std::vector<std::int64_t> longer_rows(std::vector<std::int64_t> lengths, std::int64_t before);
/// Rows that look across to others (attend_across): as many of either.
RowsShape across_shape(const std::vector<std::int64_t>& lengths,
                       const std::vector<std::int64_t>& memory);
/// A picture tower's tokens, of terms.frames rows, none of which has to be moved.
RowsShape unmoved_rows(const StepTerms& terms, std::int64_t tokens);

/// Of products that read one input (queries, keys and values; a gate and what it opens).
struct ProductsCost {
  bool trains = false;
  std::int64_t input = 0;         ///< their input, which is kept once where any of them trains
  std::int64_t numbers = 0;       ///< what hangs on them keeps besides
  std::int64_t input_copies = 1;  ///< see TrainedShare
  std::int64_t work = 0;          ///< of one of them at a time, what hangs on it makes again
};

/// What becomes of scores.
enum class Scores {
  Fused,      ///< they are never whole
  Stretched,  ///< nor here; each query sees a stretch of keys, which a mask says to most kernels
  Masked,     ///< nor here, but numbers are added to them, which not all kernels can
  Capped,     ///< made and kept, with a softcap
  Biased      ///< made, and their shares kept: a bias on them learns
};

/// Of attention itself, from queries, keys and values to their mixture.
struct AttentionCost {
  std::int64_t kept = 0;
  std::int64_t work = 0;       ///< gradients of what is kept
  std::int64_t scores = 0;     ///< and of scores that are not fused away
  bool holds_mixture = false;  ///< what it keeps holds the next product's input, too
};

/// Of a branch of attention with its products.
struct AttentionBranchCost {
  std::int64_t kept = 0;
  std::int64_t input = 0;  ///< of that, what its first products read
  bool inside = false;     ///< attention itself is on a gradient's way
  bool passes = false;     ///< a gradient comes in from above, and something in it wants it
  AttentionCost core;
};

/// Of an MLP: one product or two side by side, an activation, a product back.
struct MlpCost {
  std::int64_t kept = 0;
  std::int64_t input = 0;      ///< of that, what its first products read
  std::int64_t work = 0;       ///< its backward's temporaries beyond what is kept
  std::int64_t down_work = 0;  ///< of the last product's backward alone
  std::int64_t released = 0;   ///< of what is kept, gone when the gradient of its input stands
  bool inside = false;         ///< the activation is on a gradient's way
};

}  // namespace luthier
