// SPDX-License-Identifier: GPL-3.0-or-later
// The permutation is LibTorch's randperm from a Mersenne twister seeded with seed + epoch, which is
// what the reference sampler draws.
#include "engine/batches/order.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/base/random_stream.h"
#include "engine/device/torch.h"

namespace luthier {

std::vector<std::int64_t> epoch_order(std::int64_t rows, std::int64_t seed, std::int64_t epoch,
                                      bool shuffle) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(rows));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  if (!shuffle || rows == 0) return order;
  at::Generator generator =
      at::detail::createCPUGenerator(static_cast<std::uint64_t>(seed + epoch));
  const torch::Tensor permutation =
      at::randperm(rows, generator, torch::TensorOptions(torch::kInt64));
  const std::int64_t* data = permutation.const_data_ptr<std::int64_t>();
  order.assign(data, data + rows);
  return order;
}

StepPlan::Window StepPlan::window(std::int64_t done) const {
  Window window;
  window.epoch = done / steps_per_epoch;
  window.first_batch = (done % steps_per_epoch) * accumulation;
  window.batches = std::min(accumulation, batches_per_epoch - window.first_batch);
  window.epoch_after =
      static_cast<double>(window.epoch) + static_cast<double>(window.first_batch + window.batches) /
                                              static_cast<double>(batches_per_epoch);
  return window;
}

std::int64_t StepPlan::batches_before(std::int64_t done) const {
  return (done / steps_per_epoch) * batches_per_epoch + (done % steps_per_epoch) * accumulation;
}

std::uint64_t stream_seed(std::uint64_t seed, std::uint64_t counter) {
  return mixed_bits(seed * kGoldenStep + (counter + 1) * 0xd1b54a32d192ed03ull);
}

StepSize step_size(const TrainingSettings& training, const GenerationPlan& generations) {
  const std::int64_t batch = training.per_device_train_batch_size,
                     accumulation = training.gradient_accumulation_steps;
  if (generations.parts == 1) return {batch, accumulation};
  const std::int64_t rows = std::max<std::int64_t>(1, batch * accumulation / generations.parts),
                     size = std::min(rows, batch);
  return {size, rows / size};
}

Status check_generations(const GenerationPlan& generations, const TrainingSettings& training) {
  if (!generations || generations.learned > 0) return {};
  const std::int64_t samples = generations.batches * step_size(training, generations).batch_size;
  if (samples % generations.samples == 0) return {};
  return input_error(
      "A generation has room for " + std::to_string(generations.batches) + " × " +
          std::to_string(training.per_device_train_batch_size) + " samples, which is no multiple " +
          "of the " + std::to_string(generations.samples) + " of each prompt.",
      "training.per_device_train_batch_size",
      "Choose it, gradient_accumulation_steps or steps_per_generation so that their product can "
      "be divided by num_generations.");
}

Result<StepPlan> plan_steps(std::int64_t rows, const TrainingSettings& training,
                            const GenerationPlan& generations) {
  if (rows < 1)
    return input_error("There is no usable row to train on.", "dataset",
                       "See `luthier-cli data check` for what is wrong with each row.");
  StepPlan plan;
  plan.rows = rows;
  const StepSize size = step_size(training, generations);
  plan.batch_size = size.batch_size;
  plan.accumulation = size.accumulation;
  plan.batches_per_epoch = (rows + plan.batch_size - 1) / plan.batch_size;
  plan.generations = generations;
  if (generations) {
    LUTHIER_CHECK(check_generations(generations, training));
    const std::int64_t prompts = generations.prompts(plan.batch_size);
    plan.batches_per_epoch = rows / prompts * generations.every();
    if (plan.batches_per_epoch == 0)
      return input_error("A generation takes " + std::to_string(prompts) + " prompts, and there " +
                             (rows == 1 ? "is 1." : "are " + std::to_string(rows) + "."),
                         "dataset",
                         "Give more rows, or lower training.gradient_accumulation_steps or "
                         "steps_per_generation.");
  }
  plan.steps_per_epoch = (plan.batches_per_epoch + plan.accumulation - 1) / plan.accumulation;
  const double steps =
      std::ceil(training.num_train_epochs * static_cast<double>(plan.steps_per_epoch));
  if (training.max_steps <= 0 && steps > 9e15)
    return input_error("The run would have too many steps.", "training.num_train_epochs");
  plan.total_steps = training.max_steps > 0 ? training.max_steps : static_cast<std::int64_t>(steps);
  return plan;
}

}  // namespace luthier
