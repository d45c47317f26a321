// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of different lengths lie one after another in one flat tensor [tokens, ...]: norms, products
// and activations never see padding. Only attention needs to know where a row ends.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <vector>

#include "engine/device/together.h"

namespace luthier {

/// x.index_select(0, there), differentiable. `back` is the gather that undoes it (of elements that
/// no one else holds); undefined: elements outside `there` get no gradient.
torch::Tensor reorder(const torch::Tensor& x, const torch::Tensor& there,
                      const torch::Tensor& back);

/// Of a layout that stands something is asked that follows from its rows' lengths.
class StandingRowsAsked : public std::logic_error {
 public:
  explicit StandingRowsAsked(const char* what) : std::logic_error(what) {}
};

class RowLayout {
 public:
  RowLayout() = default;
  explicit RowLayout(std::vector<std::int64_t> lengths);
  /// Rows that fork: `trunks` has for each the row behind whose last token it goes on, whose tokens
  /// it sees as its own first ones; −1: it begins by itself. Those that do come first. Nothing but
  /// attention (nn/attention.h) and positions may ask what rows are to one another.
  RowLayout(std::vector<std::int64_t> lengths, const std::vector<std::int64_t>& trunks);
  /// As a recording meets rows (device/graph): only their number and that of all tokens are the
  /// host's; where they end stands in the device's memory and differs from time to time. What was
  /// set aside has to be taken back, and what follows from a length throws StandingRowsAsked.
  static RowLayout standing(std::int64_t rows, std::int64_t tokens);
  bool stands() const { return stands_; }

  const std::vector<std::int64_t>& lengths() const { return known(lengths_); }
  std::int64_t rows() const { return rows_; }
  std::int64_t tokens() const { return tokens_; }
  /// Of rows that stand: what none is longer than.
  std::int64_t longest() const { return longest_; }
  /// All rows are as long as the longest: the flat tensor is a view of the padded one.
  bool equal() const { return !stands_ && rows_ * longest_ == tokens_; }

  /// A row that goes on from another: where either's tokens begin, and how many there are.
  struct Fork {
    std::int64_t trunk = 0, trunk_length = 0, start = 0, length = 0;
  };
  bool forked() const { return static_cast<bool>(beginnings_); }
  const std::vector<Fork>& forks() const { return forks_; }
  /// Those that begin by themselves, of a layout that forks.
  const RowLayout& beginnings() const { return *beginnings_; }
  /// One more than the largest place in a row, with its trunk's.
  std::int64_t reach() const { return reach_; }

  /// [tokens, ...] → [rows, longest, ...]; what fills the end of short rows is finite and means
  /// nothing.
  torch::Tensor pad(const torch::Tensor& flat) const;
  /// [rows, longest, ...] → [tokens, ...].
  torch::Tensor unpad(const torch::Tensor& padded) const;
  /// 0, 1, 2, ... within each row, behind its trunk where it has one: [tokens] int64.
  torch::Tensor positions(torch::Device device) const;
  /// Where each row ends, 0 in front: [rows + 1] int32, as kernels that know of rows ask for it.
  torch::Tensor ends(torch::Device device) const;

  /// Puts the gathers and positions that this layout's tensors will ask for into `aside`, under
  /// names that begin with `name`, so that they go to the device with other things. `standing`:
  /// what a layout of such rows that stands will ask for.
  void set_aside(NamedTensorMap& aside, const std::string& name, bool standing = false) const;
  /// Takes them back, from wherever they are now. Where they were not set aside, each is made and
  /// moved when it is asked for.
  void take_back(const NamedTensorMap& aside, const std::string& name);

  /// Rows of one length, whose tokens stand together after `order`; the longest come first.
  struct Group {
    std::int64_t length = 0, rows = 0;
  };
  /// Groups by length, and the gather that brings the tokens into the groups' order, and the one
  /// back; made once, on `device`.
  const std::vector<Group>& groups() const { return known(groups_); }
  torch::Tensor order(torch::Device device) const { return on(device, known(order_)); }
  torch::Tensor order_back(torch::Device device) const { return on(device, known(order_back_)); }
  /// The tokens stand in the groups' order as they are.
  bool grouped() const { return known(grouped_); }

  /// What `make` gives under `key`, made once for all copies of this layout: a decoder's layers
  /// share their masks.
  torch::Tensor once(const std::vector<std::int64_t>& key,
                     const std::function<torch::Tensor()>& make) const;

 private:
  template <class Fact>
  Fact& known(Fact& fact) const {
    if (stands_) throw StandingRowsAsked("the lengths of its rows");
    return fact;
  }
  static torch::Tensor on(torch::Device device, torch::Tensor& index);
  torch::Tensor positions_here() const;
  torch::Tensor ends_here() const;

  std::vector<std::int64_t> lengths_;
  std::int64_t rows_ = 0, tokens_ = 0, longest_ = 0, reach_ = 0;
  bool stands_ = false;
  std::vector<Group> groups_;
  bool grouped_ = true;
  std::vector<Fork> forks_;
  std::shared_ptr<const RowLayout> beginnings_;
  std::shared_ptr<std::map<std::vector<std::int64_t>, torch::Tensor>> made_;
  mutable torch::Tensor padded_, flat_, order_,
      order_back_;           ///< int64 gathers, moved to the device at first use
  torch::Tensor positions_;  ///< where they were set aside
};

/// What a model made of some rows: states [tokens, hidden].
struct RowStates {
  torch::Tensor states;
  RowLayout rows;
};

}  // namespace luthier
