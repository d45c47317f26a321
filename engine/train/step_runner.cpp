// SPDX-License-Identifier: GPL-3.0-or-later
// Forward and backward of micro-batches, and how an objective's sums and counts become the loss of
// a window. On a device nothing of a window is read before its end: losses, figures and the
// gradients' norm come in one read, and meanwhile the host runs ahead. The gradients of several
// micro-batches are added in float32, whatever the type of what trains.
//
// Where a small model's micro-batch goes in parts (batches/parts.h), each part's gradients are
// fetched by themselves and added in the parts' order, which does not depend on who was first.
#include "engine/train/step_runner.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include "engine/base/text.h"
#include "engine/batches/parts.h"
#include "engine/device/subnormals.h"
#include "engine/device/threads.h"
#include "engine/models/sharded_layers.h"
#include "engine/nn/batch_part.h"
#include "engine/nn/packed_weight.h"
#include "engine/optim/gradients.h"
#include "engine/train/points_window.h"
#include "engine/train/told.h"
#include "engine/train/undone.h"

namespace luthier {

namespace {

/// The rows of a whole window as one micro-batch.
MicroBatch joined(std::vector<MicroBatch>& batches) {
  MicroBatch all;
  for (MicroBatch& batch : batches) {
    all.rows.insert(all.rows.end(), batch.rows.begin(), batch.rows.end());
    all.cached.insert(all.cached.end(), batch.cached.begin(), batch.cached.end());
    for (EncodedRow& row : batch.encoded) all.encoded.push_back(std::move(row));
  }
  return all;
}

/// The rows by their parts, each part's in their order. Takes the rows out of `batch`, which keeps
/// their numbers.
std::vector<MicroBatch> taken_apart(MicroBatch& batch, const std::vector<std::size_t>& part_of) {
  std::vector<MicroBatch> parts(count_parts(part_of));
  for (std::size_t row = 0; row < part_of.size(); ++row) {
    MicroBatch& part = parts[part_of[row]];
    part.rows.push_back(batch.rows[row]);
    part.cached.push_back(std::move(batch.cached[row]));
    part.encoded.push_back(std::move(batch.encoded[row]));
  }
  return parts;
}

/// Puts aside the gradients that stand, of the micro-batches before: one that goes in parts adds up
/// by itself first, and then to them, as it does where it is another process's.
class Beforehand {
 public:
  explicit Beforehand(const std::vector<TrainedTensor>& tensors) : tensors_(tensors) {
    for (const TrainedTensor& each : tensors_)
      before_.push_back(std::exchange(each.tensor.mutable_grad(), {}));
  }
  void add() {
    const torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < before_.size(); ++i) {
      torch::Tensor& gradient = tensors_[i].tensor.mutable_grad();
      if (!before_[i].defined()) continue;
      if (gradient.defined()) before_[i].add_(gradient);
      gradient = std::move(before_[i]);
    }
  }

 private:
  const std::vector<TrainedTensor>& tensors_;
  std::vector<torch::Tensor> before_;
};

/// Adds the parts' gradients of each tensor, the first part's first, in float32 at least.
void add_gradients(const std::vector<TrainedTensor>& tensors,
                   std::vector<torch::autograd::variable_list>& of_parts) {
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    torch::Tensor& sum = tensors[i].tensor.mutable_grad();
    for (torch::autograd::variable_list& part : of_parts) {
      if (part.empty() || !part[i].defined()) continue;
      const torch::Tensor made = std::exchange(part[i], {});
      if (sum.defined())
        sum.add_(made);
      else
        sum = made.itemsize() < sizeof(float) ? made.to(torch::kFloat32) : made;
    }
  }
}

}  // namespace

std::vector<std::size_t> StepRunner::parts(const MicroBatch& batch) {
  // Without an adapter all of the model's gradients would be there several times. A reference
  // answers for a micro-batch as a whole.
  if (!trainables_.adapter || objective_.window_rule() != WindowRule::Counts ||
      objective_.needs_reference() || !objective_.adds_up(policy_.model()) ||
      !policy_.model().device().is_cpu() || policy_.model().sequence_to_sequence())
    return {};
  std::vector<std::int64_t> tokens;
  for (const EncodedRow& row : batch.encoded) tokens.push_back(row.tokens());
  return parts_of_rows(tokens, policy_.model().geometry().hidden_size, at::get_num_threads());
}

void StepRunner::in_parts(MicroBatch& batch, const std::vector<std::size_t>& part_of,
                          double divisor, WindowOutcome& outcome) {
  std::vector<MicroBatch> rows = taken_apart(batch, part_of);
  // Of a sharded base one layer is there at a time.
  const bool in_turn = sharded_of(policy_.model()) != nullptr;
  const auto of_parts = [&](std::int64_t parts, const std::function<void(std::int64_t)>& work) {
    if (!in_turn) return on_own_threads(parts, work);
    for (std::int64_t part = 0; part < parts; ++part)
      on_own_threads(1, [&](std::int64_t) { work(part); });  // with the bits of side by side
  };
  const auto count = static_cast<std::int64_t>(rows.size());
  const auto place = [](std::int64_t part) { return static_cast<std::size_t>(part); };
  std::vector<Batch> batches;
  for (const MicroBatch& part : rows) {
    batches.push_back(
        policy_.batch(part, objective_.row_kind().order(), BatchMaker::Pass::Training));
  }
  std::vector<Told> told(rows.size());
  std::vector<torch::Tensor> shares(rows.size());
  of_parts(count, [&](std::int64_t part) {
    const BatchPart here(static_cast<std::uint64_t>(part));
    const LossSum loss = objective_.loss(policy_, batches[place(part)]);
    if (!loss.sum.defined()) return;
    shares[place(part)] = loss.sum / divisor;
    told[place(part)] = {&rows[place(part)], shares[place(part)].detach(), loss.figures};
  });
  std::erase_if(told, [](const Told& part) { return !part.rows; });
  take_told(told, {}, {}, outcome);
  if (!outcome.finite) return;
  Beforehand before(trainables_.tensors);
  const auto backward = [&](std::int64_t part,
                            const std::function<void(const torch::Tensor&)>& go) {
    const BatchPart here(static_cast<std::uint64_t>(part));
    const torch::Tensor share = std::exchange(shares[place(part)], {});
    if (share.defined() && share.requires_grad()) go(share);
  };
  if (policy_.model().gradient_checkpointing()) {
    // Layers that are made once more add to the gradients by themselves: one part after another,
    // with the bits that they would have side by side.
    for (std::int64_t part = 0; part < count; ++part) {
      on_own_threads(1, [&](std::int64_t) {
        backward(part, [](const torch::Tensor& share) { share.backward(); });
      });
      widen_gradients(trainables_.tensors);
    }
    return before.add();
  }
  std::vector<torch::Tensor> trained;
  for (const TrainedTensor& each : trainables_.tensors) trained.push_back(each.tensor);
  std::vector<torch::autograd::variable_list> gradients(rows.size());
  of_parts(count, [&](std::int64_t part) {
    backward(part, [&](const torch::Tensor& share) {
      gradients[place(part)] = torch::autograd::grad({share}, trained, {}, /*retain_graph=*/false,
                                                     /*create_graph=*/false, /*allow_unused=*/true);
    });
  });
  add_gradients(trainables_.tensors, gradients);
  before.add();
}

std::vector<MicroBatch>& StepRunner::as_they_go(Window& window) const {
  if (objective_.window_rule() == WindowRule::Whole) window.batches = {joined(window.batches)};
  return window.batches;
}

std::vector<std::int64_t> StepRunner::counts(const std::vector<MicroBatch>& batches) const {
  std::vector<std::int64_t> counts;
  for (const MicroBatch& batch : batches)
    counts.push_back(batch.empty() ? 0 : objective_.count(batch));
  return counts;
}

std::vector<double> StepRunner::divisors(const std::vector<std::int64_t>& counts) const {
  std::int64_t all = 0, taking_part = 0;
  for (const std::int64_t count : counts) {
    all += count;
    taking_part += count > 0;
  }
  std::vector<double> divisors;
  for (const std::int64_t count : counts)
    divisors.push_back(count == 0 ? 0
                       : objective_.window_rule() == WindowRule::Means
                           ? static_cast<double>(count) * static_cast<double>(taking_part)
                           : static_cast<double>(all));
  return divisors;
}

torch::Tensor StepRunner::method_term(const std::vector<double>& divided_by) {
  const AdapterCourse* course = trainables_.adapter ? trainables_.adapter->course() : nullptr;
  const auto taking_part = std::count_if(divided_by.begin(), divided_by.end(),
                                         [](double divisor) { return divisor > 0; });
  if (!course || taking_part == 0) return {};
  const bool each = objective_.window_rule() == WindowRule::Counts;
  const torch::Tensor term = course->loss_term() * (each ? static_cast<double>(taking_part) : 1.0);
  if (term.requires_grad()) term.backward();
  return term.detach();
}

/// Forward and backward, but for a loss that is known not to be finite.
std::optional<Told> StepRunner::forward_backward(const MicroBatch& rows, double divisor,
                                                 std::int64_t taking_part, bool read_now,
                                                 WindowOutcome& outcome) {
  const Batch batch =
      policy_.batch(rows, objective_.row_kind().order(), BatchMaker::Pass::Training);
  const LossSum loss = objective_.loss(policy_, batch);
  if (divisor == 0 || !loss.sum.defined()) return std::nullopt;
  torch::Tensor share = loss.sum / divisor;
  if (loss.beside.defined()) share = share + loss.beside / taking_part;
  std::optional<Told> tells = Told{&rows, share.detach(), loss.figures};
  if (read_now) {
    take_told({*std::exchange(tells, std::nullopt)}, {}, {}, outcome);
    if (!outcome.finite) return tells;
  }
  if (share.requires_grad()) share.backward();
  return tells;
}

Result<WindowOutcome> StepRunner::accumulate(Window& window, std::uint64_t seed,
                                             std::int64_t first_batch,
                                             const std::function<bool()>& go_on) {
  if (exchange_) return accumulate_shared(window, seed, first_batch, go_on);
  const SubnormalsAreZero vanished;
  WindowOutcome outcome;
  Undone undone(objective_);
  const auto abandoned = [&] {
    outcome.abandoned = go_on && !go_on();
    return outcome.abandoned;
  };
  if (cache_) cache_->abandon();  // of a window that was broken off
  if (objective_.generations()) {
    trainables_.set_training(false, 0);
    const Status filled = generations_.fill(window, policy_, first_batch, go_on);
    outcome.abandoned = !filled && filled.error().code == ErrorCode::Interrupted;
    if (outcome.abandoned) return outcome;
    LUTHIER_CHECK(filled);
    for (const auto& begun : generations_.begun()) outcome.figures.add(begun->figures);
  }
  std::vector<MicroBatch>& batches = as_they_go(window);
  outcome.tokens = window.tokens();
  const auto seed_of = [&](std::size_t i) {
    return stream_seed(seed, static_cast<std::uint64_t>(first_batch) + i);
  };
  if (objective_.rolls_out()) {
    trainables_.set_training(false, 0);
    for (std::size_t i = 0; i < batches.size(); ++i) {
      if (batches[i].empty()) continue;
      if (abandoned()) return outcome;
      LUTHIER_CHECK(objective_.roll_out(policy_, batches[i], seed_of(i)));
    }
  }
  const std::vector<double> divided_by = divisors(counts(batches));
  std::size_t last = 0;  // that takes part
  for (std::size_t i = 0; i < divided_by.size(); ++i) last = divided_by[i] > 0 ? i : last;
  const auto taking_part = std::count_if(divided_by.begin(), divided_by.end(),
                                         [](double divisor) { return divisor > 0; });
  const bool at_once = policy_.model().device().is_cpu();
  std::vector<Told> told;
  const auto launch = [&](std::size_t i) {
    auto tells = forward_backward(batches[i], divided_by[i], taking_part, at_once, outcome);
    if (tells) told.push_back(std::move(*tells));
  };
  const TrainingProducts training;
  std::optional<PointsWindow> points;
  if (objective_.window_rule() == WindowRule::Points && taking_part > 0) {
    points.emplace(objective_, policy_, batches.size());
    for (std::size_t i = 0; i < batches.size(); ++i) {
      if (abandoned()) return outcome;
      if (batches[i].empty()) continue;
      trainables_.set_training(objective_.dropout(), seed_of(i));
      points->look(i, batches[i]);
    }
    const Told all = points->loss(divided_by[last]);
    if (at_once)
      take_told({all}, {}, {}, outcome);
    else
      told.push_back(all);
    if (!outcome.finite) return outcome;
  }
  if (recorded_) recorded_->begin();
  for (std::size_t i = 0; i < batches.size(); ++i) {
    if (abandoned()) return outcome;
    adapt_waiting();
    if (batches[i].empty()) continue;
    trainables_.set_training(objective_.dropout(), seed_of(i));
    const std::vector<std::size_t> part_of =
        !recorded_ && divided_by[i] > 0 ? parts(batches[i]) : std::vector<std::size_t>();
    if (!part_of.empty()) {
      MicroBatch whole = keeps_rows_ ? batches[i] : MicroBatch();
      in_parts(batches[i], part_of, divided_by[i], outcome);
      if (keeps_rows_) batches[i] = std::move(whole);
    } else if (points) {
      points->learn(i);
      if (i < last) widen_gradients(trainables_.tensors);
    } else if (!recorded_) {
      launch(i);
      if (outcome.finite && i < last) widen_gradients(trainables_.tensors);
    } else if (divided_by[i] > 0 && recorded_->step(batches[i], seed_of(i), divided_by[i])) {
      told.push_back({&batches[i], {}, {}});
    } else {
      recorded_->apart([&] { launch(i); });
    }
    if (!outcome.finite) {
      generations_.keep();
      undone.keep();
      return outcome;
    }
  }
  if (recorded_) recorded_->end();
  if (const torch::Tensor term = method_term(divided_by); term.defined())
    told.push_back({&batches[last], term, {}});
  const bool read = take_told(told, recorded_ ? recorded_->shares() : torch::Tensor(),
                              gradient_norm_there(trainables_.tensors), outcome);
  if (cache_) cache_->arrived(/*waited=*/read);
  generations_.keep();
  undone.keep();
  return outcome;
}

void StepRunner::keep_features(Window& window) {
  const SubnormalsAreZero vanished;
  const TrainingProducts training;
  for (const MicroBatch& batch : as_they_go(window)) policy_.keep_features(batch);
  cache_->arrived(/*waited=*/false);
}

Result<EvaluatedBatch> StepRunner::evaluate_batch(const RowReader& reader,
                                                  std::span<const std::int64_t> rows,
                                                  std::uint64_t seed) {
  EvaluatedBatch evaluated;
  MicroBatch micro;
  for (const std::int64_t row : rows) {
    RowFault fault = RowFault::BadRow;
    auto encoded = reader.read(row, 0, &fault);
    if (encoded) {
      micro.rows.push_back(row);
      micro.encoded.push_back(encoded.take());
      micro.cached.emplace_back();
      continue;
    }
    if (!is_picture_fault(fault) || !reader.skip_broken) return encoded.error();
    evaluated.broken.push_back({row, encoded.error().sentence()});
  }
  if (micro.empty()) return evaluated;
  Figures of_generation;
  if (objective_.generations()) {
    LUTHIER_TRY(const Generation made, generations_.alone(std::move(micro), policy_, seed));
    micro = slice_of(made, 0);
    of_generation = made.figures;
  }
  if (objective_.rolls_out()) LUTHIER_CHECK(objective_.roll_out(policy_, micro, seed));
  const Batch batch =
      policy_.batch(micro, objective_.row_kind().order(), BatchMaker::Pass::Evaluation);
  const LossSum loss = objective_.loss(policy_, batch);
  if (loss.count == 0) return evaluated;
  WindowOutcome told;
  const auto sum_with = loss.beside.defined() ? loss.sum + loss.beside * loss.count : loss.sum;
  take_told({{&micro, sum_with, loss.figures}}, {}, {}, told);
  evaluated.rows = static_cast<std::int64_t>(micro.encoded.size());
  evaluated.sum = told.loss / static_cast<double>(loss.count) * static_cast<double>(evaluated.rows);
  for (ToldNumbers& each : told.told) evaluated.figures.push_back(std::move(each.figures));
  if (!of_generation.empty()) evaluated.figures.push_back(std::move(of_generation));
  return evaluated;
}

Result<EvaluationOutcome> StepRunner::evaluate(
    const RowReader& reader, const std::vector<std::int64_t>& rows, std::int64_t batch_size,
    std::uint64_t seed, const std::function<bool(std::size_t, std::size_t)>& go_on,
    std::vector<BrokenRow>* broken) {
  const SubnormalsAreZero vanished;
  const torch::NoGradGuard no_grad;
  trainables_.set_training(false, 0);
  std::vector<EvaluatedBatch> batches;
  Status status;
  const auto size = static_cast<std::size_t>(batch_size);
  for (std::size_t begin = 0; begin < rows.size() && status; begin += size) {
    batches.emplace_back();
    if (exchange_ && !part_.has(static_cast<std::int64_t>(begin / size))) continue;
    if (go_on && !go_on(begin, rows.size())) {
      status = interrupted_error();
      break;
    }
    adapt_waiting();
    Result<EvaluatedBatch> evaluated = EvaluatedBatch();
    try {
      evaluated = evaluate_batch(
          reader, std::span(rows).subspan(begin, std::min(size, rows.size() - begin)),
          stream_seed(seed, begin));
    } catch (const std::exception& failure) {
      // The others are told before it takes its way.
      if (exchange_) {
        const Status told = evaluated_by_all(machine_error(first_line(failure.what())), batches);
        if (!told) log_debug(told.error().sentence());
      }
      throw;
    }
    if (evaluated)
      batches.back() = evaluated.take();
    else
      status = evaluated.error();
  }
  if (exchange_) status = evaluated_by_all(status, batches);
  LUTHIER_CHECK(status);
  double sum = 0;
  std::int64_t counted = 0;
  FigureSums figures;
  for (const EvaluatedBatch& each : batches) {
    sum += each.sum;
    counted += each.rows;
    for (const Figures& one : each.figures) figures.add(one);
    if (broken) broken->insert(broken->end(), each.broken.begin(), each.broken.end());
  }
  if (const AdapterCourse* course = trainables_.adapter ? trainables_.adapter->course() : nullptr)
    sum += static_cast<double>(counted) * course->loss_term().item<double>();
  const double mean =
      counted ? sum / static_cast<double>(counted) : std::numeric_limits<double>::quiet_NaN();
  return EvaluationOutcome{mean, figures.means()};
}

}  // namespace luthier
