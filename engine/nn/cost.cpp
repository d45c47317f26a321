// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/cost.h"

#include <algorithm>

#include "engine/device/block_pool.h"

namespace luthier {

TrainedShare& TrainedShare::operator+=(const TrainedShare& other) {
  keeps_input = trains || other.trains
                    ? (trains && keeps_input) || (other.trains && other.keeps_input)
                    : keeps_input;
  trains = trains || other.trains;
  whole = whole || other.whole;
  parameters += other.parameters;
  row_numbers += other.row_numbers;
  shared_numbers = std::max(shared_numbers, other.shared_numbers);
  input_copies = std::max(input_copies, other.input_copies);
  kept_numbers += other.kept_numbers;
  joined_floats += other.joined_floats;
  joined_from = std::max(joined_from, other.joined_from);
  fixed_numbers += other.fixed_numbers;
  fixed_bytes += other.fixed_bytes;
  made_floats = std::max(made_floats, other.made_floats);
  row_work = std::max(row_work, other.row_work);
  row_floats = std::max(row_floats, other.row_floats);
  row_by_row = row_by_row && other.row_by_row;
  return *this;
}

TrainedShare StepTerms::of(const ParameterModule& module) const {
  const auto found = trained.find(&module);
  return found == trained.end() ? TrainedShare() : found->second;
}

TrainedShare StepTerms::of(const BranchPort& branch) const {
  const auto found = branches.find(&branch);
  return found == branches.end() ? TrainedShare() : found->second;
}

std::int64_t StepTerms::block(std::int64_t elements, std::int64_t bytes) const {
  return block_bytes(elements * bytes, cpu);
}

}  // namespace luthier
