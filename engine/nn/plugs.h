// SPDX-License-Identifier: GPL-3.0-or-later
// What may hang on a model: a plug takes part in what a layer computes while it is active, and
// nothing of the layer is copied or changed for it. A port is where one hangs: a pointer that is
// null as long as none does, which costs a comparison. An adapter is a set of plugs.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "engine/device/torch.h"

namespace luthier {

class LinearImpl;
class EmbeddingImpl;
struct TokenSequence;

/// What all plugs know. An adapter sets it for all that it has hung.
class Plug {
 public:
  virtual ~Plug() = default;
  double strength = 1;       ///< 1: as trained; 0: as if it did not hang
  bool training = false;     ///< dropout is on
  std::uint64_t seed = 0;    ///< of this micro-batch: what a plug draws goes by it and by its place
  torch::Tensor mask_there;  ///< [1] int64: what mask_seed gives, where that is read from a
                             ///< device's memory (nn/dropout); undefined: it is not

  /// Whether what it makes of a row goes by that row alone, so that it may get some of a layer's
  /// rows; false: it knows all of them by their places, or what it reads is looked at.
  virtual bool row_by_row() const { return true; }
  /// What this plug's masks go by in a micro-batch of this seed; none: it draws none.
  virtual std::optional<std::uint64_t> mask_seed(std::uint64_t /*of_batch*/) const {
    return std::nullopt;
  }
};

/// In the place of y = x Wᵀ + b.
class LinearPlug : public Plug {
 public:
  /// x [..., in] → [..., out], a new tensor that the backward does not read: a loss writes over an
  /// adapted head's logits (autograd refuses where that is not so).
  virtual torch::Tensor forward(const torch::Tensor& x, const LinearImpl& linear) const = 0;
};

/// One that begins with a narrow product of x which others may share: those of linears that read
/// the same x (nn/side_by_side) and multiply it with the same matrix.
class InnerPlug : public LinearPlug {
 public:
  /// What tells the matrix from others of its height.
  virtual const void* matrix() const = 0;
  /// x [..., in] → its product with it, [n, r], outside autograd; undefined: none is wanted of this
  /// x, or none that could be shared.
  virtual torch::Tensor inner(const torch::Tensor& x, const LinearImpl& linear) const = 0;
  /// As forward gives it; `made`: what `inner` gave here or in another's place.
  virtual torch::Tensor forward_from(const torch::Tensor& x, const torch::Tensor& made,
                                     const LinearImpl& linear) const = 0;
  torch::Tensor forward(const torch::Tensor& x, const LinearImpl& linear) const final {
    return forward_from(x, inner(x, linear), linear);
  }
};

/// In the place of a lookup.
class EmbeddingPlug : public Plug {
 public:
  /// ids [...] int64 → [..., size].
  virtual torch::Tensor forward(const torch::Tensor& ids, const EmbeddingImpl& embedding) const = 0;
};

/// Behind a branch of a layer (its attention, its feed-forward), before the residual sum.
class BranchPlug : public Plug {
 public:
  /// y: what the branch gives; x: the states that it will be added to. Both [..., hidden] → the
  /// same shape, to be added in the place of y.
  virtual torch::Tensor after(const torch::Tensor& y, const torch::Tensor& x) const = 0;
};

/// Keys and values [count, kv_heads, head_dim] that stand before those of every row; undefined:
/// none. They are not rotated.
struct KeysAndValues {
  torch::Tensor keys, values;

  std::int64_t count() const { return keys.defined() ? keys.size(0) : 0; }
};

/// In a layer's attention: tokens that are there as keys and values alone.
class AttentionPlug : public Plug {
 public:
  virtual KeysAndValues before() const = 0;
  /// How many they are: each row's own positions start behind them.
  virtual std::int64_t count() const = 0;
};

/// Before a decoder: tokens that are no text. The sequence that it gives says where the rows' own
/// tokens are (TokenSequence::own).
class SequencePlug : public Plug {
 public:
  virtual TokenSequence extend(const TokenSequence& sequence) const = 0;
};

/// Where a branch's plug hangs, of a module that is such a branch. `joined` is what the layer adds.
class BranchPort {
 public:
  enum class Kind { Attention, FeedForward };
  BranchPort(Kind kind, std::int64_t width) : kind_(kind), width_(width) {}
  Kind kind() const { return kind_; }
  const char* kind_name() const { return kind_ == Kind::Attention ? "attention" : "feed_forward"; }
  std::int64_t width() const { return width_; }  ///< of the states that it is added to
  torch::Tensor joined(const torch::Tensor& y, const torch::Tensor& x) const {
    return branch_plug ? branch_plug->after(y, x) : y;
  }

  const BranchPlug* branch_plug = nullptr;  ///< not owned

 protected:
  ~BranchPort() = default;

 private:
  Kind kind_;
  std::int64_t width_;
};

/// Of a module that is a layer's own attention.
class AttentionPort {
 public:
  AttentionPort(std::int64_t kv_heads, std::int64_t head_dim)
      : kv_heads_(kv_heads), head_dim_(head_dim) {}
  std::int64_t kv_heads() const { return kv_heads_; }
  std::int64_t head_dim() const { return head_dim_; }
  KeysAndValues before() const {
    return attention_plug ? attention_plug->before() : KeysAndValues();
  }
  std::int64_t count_before() const { return attention_plug ? attention_plug->count() : 0; }

  const AttentionPlug* attention_plug = nullptr;  ///< not owned

 protected:
  ~AttentionPort() = default;

 private:
  std::int64_t kv_heads_, head_dim_;
};

/// Of a module that takes whole sequences of text.
class SequencePort {
 public:
  explicit SequencePort(std::int64_t width) : width_(width) {}
  std::int64_t sequence_width() const { return width_; }
  /// The text's own rows: ids [tokens] int64 → [tokens, width], as the sequence would have them.
  virtual torch::Tensor embed(const torch::Tensor& ids) const = 0;
  /// Whether tokens that are no text may stand in a sequence.
  virtual bool takes_prompts() const { return true; }

  const SequencePlug* sequence_plug = nullptr;  ///< not owned

 protected:
  ~SequencePort() = default;

 private:
  std::int64_t width_;
};

}  // namespace luthier
