// SPDX-License-Identifier: GPL-3.0-or-later
// Each as its forward and backward stand in this room: nn/products, nn/layers, nn/attention, and
// the product of what hangs on a linear.
#include "engine/nn/module_cost.h"

#include <algorithm>

namespace luthier {

TrainedShare trained_within(const StepTerms& terms, const torch::nn::Module& module) {
  TrainedShare share;
  if (const auto* own = dynamic_cast<const ParameterModule*>(&module)) share = terms.of(*own);
  if (const auto* branch = dynamic_cast<const BranchPort*>(&module)) share += terms.of(*branch);
  for (const auto& child : module.children()) share += trained_within(terms, *child);
  return share;
}

std::int64_t rows_kept(const StepTerms& terms, const TrainedShare& share, std::int64_t rows) {
  return terms.block(rows * share.row_numbers) + terms.block(rows * share.shared_numbers);
}

namespace {

/// `input`: numbers of what is multiplied; `joined`: bytes of weights with what is added to them.
ProductsCost cost_of_share(const StepTerms& terms, const TrainedShare& share, std::int64_t rows,
                           std::int64_t input, std::int64_t joined) {
  return {share.trains, share.trains && share.keeps_input ? terms.block(input) : 0,
          rows_kept(terms, share, rows) + terms.block(share.kept_numbers) + joined,
          // The CPU drops out and adds in one pass.
          terms.cpu ? std::min<std::int64_t>(share.input_copies, 2) : share.input_copies,
          terms.floats(share.made_floats) + terms.block(rows * share.row_work) +
              (terms.element < 4 ? terms.floats(rows * share.row_floats) : 0)};
}

}  // namespace

ProductsCost products_cost(const StepTerms& terms, std::initializer_list<Linear> linears,
                           std::int64_t rows) {
  const bool joins = terms.element == 4 && terms.dense_weights;
  TrainedShare share;
  std::int64_t joined = 0;
  for (const Linear& linear : linears) {
    const TrainedShare own = terms.of(*linear);
    share += own;
    if (joins && rows >= own.joined_from) joined += terms.floats(own.joined_floats);
  }
  return cost_of_share(terms, share, rows, rows * (*linears.begin())->in_features(), joined);
}

ProductsCost patches_cost(const StepTerms& terms, const PatchProduct& patches,
                          std::int64_t numbers) {
  const TrainedShare share = terms.of(patches);
  const std::int64_t windows = numbers / patches.as_linear()->in_features();
  const bool joins = terms.element == 4 && windows >= share.joined_from;
  return cost_of_share(terms, share, windows, numbers,
                       joins ? terms.floats(share.joined_floats) : 0);
}

namespace {

/// Bytes of the linears' results, of so many rows.
std::int64_t result_bytes(const StepTerms& terms, std::initializer_list<Linear> linears,
                          std::int64_t rows) {
  std::int64_t bytes = 0;
  for (const Linear& linear : linears) bytes += terms.block(rows * linear->out_features());
  return bytes;
}

/// The gradient of their input by one of them, and the sum of those by the others.
std::int64_t input_sums(const StepTerms& terms, std::initializer_list<Linear> linears,
                        std::int64_t rows) {
  const std::int64_t one = terms.block(rows * (*linears.begin())->in_features());
  return linears.size() > 1 ? 2 * one : one;
}

}  // namespace

std::int64_t norm_kept(const StepTerms& terms, const RmsNorm& norm, std::int64_t rows) {
  return terms.block(rows * norm->weight.size(0)) + terms.floats(rows);
}

std::int64_t norm_kept(const StepTerms& terms, const LayerNorm& norm, std::int64_t rows) {
  return terms.block(rows * norm->weight.size(0)) + 2 * terms.floats(rows);
}

std::int64_t norm_work(const StepTerms& terms, const RmsNorm& norm, std::int64_t rows) {
  const std::int64_t numbers = rows * norm->weight.size(0);
  if (!terms.cpu) return terms.block(numbers) + 4 * terms.floats(numbers);
  // The gradient and what one pass makes of it; before that a weight's own, where it learns.
  const std::int64_t wide = terms.element < 4 ? 3 : 2;
  const bool learns = terms.of(*norm).trains;
  return terms.block(numbers) + (learns ? wide * terms.floats(numbers) : terms.block(numbers));
}

std::int64_t norm_work(const StepTerms& terms, const LayerNorm& norm, std::int64_t rows) {
  return 2 * terms.block(rows * norm->weight.size(0));  // the gradient and what is made of it
}

AttentionBranchCost attention_branch_cost(const StepTerms& terms,
                                          std::initializer_list<Linear> inputs, const Linear& out,
                                          const AttentionCost& core, std::int64_t between,
                                          std::int64_t rows, bool flows, std::int64_t asked) {
  const std::int64_t rows_back = asked > 0 ? asked : rows;
  const ProductsCost in = products_cost(terms, inputs, rows),
                     back = products_cost(terms, {out}, rows_back);
  AttentionBranchCost cost;
  cost.core = core;
  cost.inside = flows || in.trains;
  cost.passes = cost.inside || back.trains;
  cost.kept = in.input + in.numbers + back.numbers;
  cost.input = in.input;
  if (cost.inside) cost.kept += core.kept + between;
  if (!cost.inside || !core.holds_mixture || asked > 0) cost.kept += back.input;
  // What plugs make again stands beside the gradients of their products: of the last one first,
  // then of the others, one after another, when what attention kept is gone.
  if (back.work > 0)
    cost.core.work =
        std::max(cost.core.work, back.work + terms.block(rows_back * out->in_features()));
  if (in.work > 0) {
    const std::int64_t beside = result_bytes(terms, inputs, rows) + input_sums(terms, inputs, rows);
    cost.core.work = std::max(cost.core.work, in.work + beside - (cost.inside ? core.kept : 0));
  }
  return cost;
}

AttentionBranchCost across_branch_cost(const StepTerms& terms, const Linear& query,
                                       std::initializer_list<Linear> seen, const Linear& out,
                                       const AttentionCost& core, std::int64_t rows,
                                       std::int64_t memory_rows, bool flows, bool memory_flows) {
  const ProductsCost asking = products_cost(terms, {query}, rows),
                     asked = products_cost(terms, seen, memory_rows),
                     back = products_cost(terms, {out}, rows);
  AttentionBranchCost cost;
  cost.core = core;
  cost.inside = flows || memory_flows || asking.trains || asked.trains;
  cost.passes = cost.inside || back.trains;
  cost.kept = asking.input + asking.numbers + asked.numbers + back.numbers;
  if (cost.inside) cost.kept += core.kept;
  if (!cost.inside || !core.holds_mixture) cost.kept += back.input;
  const std::int64_t again = std::max({asking.work, asked.work, back.work});
  if (again > 0)
    cost.core.work = std::max(cost.core.work, again + terms.block(rows * out->in_features()));
  return cost;
}

void add_plug(AttentionBranchCost& cost, const StepTerms& terms, const BranchPort& branch,
              std::int64_t rows) {
  const TrainedShare share = terms.of(branch);
  cost.passes = cost.passes || share.trains;
  cost.kept += terms.block(rows * share.row_numbers);
}

void add_plug(MlpCost& cost, const StepTerms& terms, const BranchPort& branch, std::int64_t rows) {
  cost.kept += terms.block(rows * terms.of(branch).row_numbers);
}

MlpCost mlp_cost(const StepTerms& terms, std::initializer_list<Linear> inputs, const Linear& out,
                 std::int64_t rows, bool flows) {
  std::int64_t made_of_input = 0;
  for (const Linear& input : inputs) made_of_input += input->out_features();
  const std::int64_t side_by_side = made_of_input / out->in_features();
  const ProductsCost in = products_cost(terms, inputs, rows),
                     back = products_cost(terms, {out}, rows);
  const std::int64_t wide = terms.block(rows * out->in_features());
  MlpCost cost;
  cost.inside = flows || in.trains;
  const std::int64_t before = cost.inside ? side_by_side * wide : 0;
  cost.kept = in.input + in.numbers + before + back.input + back.numbers;
  cost.input = in.input;
  cost.released = before + back.input;
  cost.down_work = back.input_copies * wide + back.work;
  // Where a mask of dropout is drawn by LibTorch it stands beside them, a byte a number.
  // And the gradients of what hangs on the product, in its type and in float32, with what they are
  // made of.
  if (back.input_copies > 1 && !terms.cpu) {
    const TrainedShare share = terms.of(*out);
    cost.down_work += terms.block(rows * out->in_features(), 1) + rows_kept(terms, share, rows) +
                      share.parameters * (terms.element + 4);
  }
  // The last product's input is gone when the activation's gradient is made.
  const std::int64_t beside = terms.cpu ? 1 : 2;  // the CPU makes a gradient in one pass
  cost.work = std::max(cost.down_work, (side_by_side + beside) * wide - back.input);
  if (in.work > 0) {
    const std::int64_t made = side_by_side * wide + input_sums(terms, inputs, rows);
    cost.work = std::max(cost.work, made + in.work - cost.released);
  }
  return cost;
}

}  // namespace luthier
