// SPDX-License-Identifier: GPL-3.0-or-later
// The backward runs in this thread, and not in LibTorch's for the device: one thread then does all
// that is recorded, which is what a capture looks at, and what else this process asks of the device
// meanwhile is none of it.
#include "engine/train/recorded_steps.h"

#include <algorithm>
#include <utility>

#include <c10/core/AutogradState.h>

#include "engine/base/log.h"

namespace luthier {

namespace {

using torch::Tensor;

constexpr const char *kIds = "input_ids", *kPixels = "pixel_values", *kFeatures = "tower_features",
                     *kSeeds = "mask_seeds", *kDivisor = "divisor", *kPlace = "place",
                     *kAside = "aside.";

class BackwardHere {
 public:
  BackwardHere() : before_(c10::AutogradState::get_tls_state().get_multithreading_enabled()) {
    c10::AutogradState::get_tls_state().set_multithreading_enabled(false);
  }
  ~BackwardHere() { c10::AutogradState::get_tls_state().set_multithreading_enabled(before_); }
  BackwardHere(const BackwardHere&) = delete;
  BackwardHere& operator=(const BackwardHere&) = delete;

 private:
  const bool before_;
};

/// The plugs read their masks' seeds from memory while one stands.
class StandingSeeds {
 public:
  StandingSeeds(Adapter* adapter, const Tensor& seeds)
      : adapter_(seeds.defined() ? adapter : nullptr) {
    if (adapter_) adapter_->read_mask_seeds(seeds);
  }
  ~StandingSeeds() {
    if (adapter_) adapter_->read_mask_seeds({});
  }
  StandingSeeds(const StandingSeeds&) = delete;
  StandingSeeds& operator=(const StandingSeeds&) = delete;

 private:
  Adapter* adapter_;
};

std::string sizes_text(const Tensor& tensor) {
  std::string text = "[";
  for (const std::int64_t size : tensor.sizes()) text += std::to_string(size) + ",";
  return text + "]" + std::to_string(static_cast<int>(tensor.scalar_type())) + ";";
}

}  // namespace

bool can_record(const LoadedModel& base, const Objective& objective) {
  const Causal* causal = base.model->causal();
  // How many tokens go to an expert decides the sizes of its products, and is read on the host.
  return causal && !causal->experts() && !causal->carries_states() && objective.can_be_recorded() &&
         graph_recorder(base.model->device().type()) != nullptr;
}

RecordedSteps::RecordedSteps(Policy& policy, Objective& objective, const Trainables& trainables,
                             std::int64_t most, bool records)
    : policy_(policy),
      objective_(objective),
      trainables_(trainables),
      records_(records),
      device_(policy.model().device()),
      gradients_(trainables.tensors, /*wide=*/most > 1),
      shares_(torch::zeros({most}, torch::TensorOptions().device(device_).dtype(torch::kFloat32))) {
  if (GraphRecorder* recorder = graph_recorder(device_.type()); recorder && records_)
    memory_ = recorder->make_memory();
}

void RecordedSteps::begin() {
  gradients_.begin();
  done_ = 0;
}

Tensor RecordedSteps::shares() const { return done_ > 0 ? shares_.narrow(0, 0, done_) : Tensor(); }

std::size_t RecordedSteps::recordings() const {
  return static_cast<std::size_t>(std::count_if(
      shapes_.begin(), shapes_.end(),
      [](const auto& each) { return each.second->graph && each.second->graph->recorded(); }));
}

/// Pictures of one size, as many as there may be, are host numbers that batches can share.
bool RecordedSteps::takes(const MicroBatch& rows) {
  if (off_) return false;
  const PixelValues* first = nullptr;
  for (const EncodedRow& row : rows.encoded) {
    for (const Example& example : row.sequences) {
      for (const PixelValues& image : example.images) {
        if (!first) first = &image;
        if (image.shape == first->shape && image.grid == first->grid) continue;
        if (!std::exchange(told_sizes_, true))
          log_warning(
              "Micro-batches with pictures of several sizes are not recorded; they are "
              "launched piece by piece, more slowly.");
        return false;
      }
    }
  }
  return true;
}

RecordedSteps::Given RecordedSteps::given_of(const Batch& batch, std::uint64_t seed,
                                             double divisor) const {
  const ModelInput& input = batch.input;
  Given given;
  const auto add = [&given](const std::string& name, const Tensor& tensor) {
    if (!tensor.defined()) return;
    given.shape += name + sizes_text(tensor);
    if (tensor.numel() == 0) return;
    given.names.push_back(name);
    given.tensors.push_back(tensor);
  };
  add(kIds, input.input_ids);
  add(kPixels, input.pixel_values);
  for (const auto& [name, tensor] : input.aside) add(kAside + name, tensor);
  if (trainables_.adapter && objective_.dropout())
    add(kSeeds, trainables_.adapter->mask_seeds(seed));
  add(kDivisor, torch::tensor(static_cast<float>(divisor)));
  Tensor place = torch::zeros({shares_.numel()}, torch::kBool);
  place[done_] = true;
  add(kPlace, place);
  add(kFeatures, input.tower_features);  // the last: the device may have them already
  for (const PictureFacts& picture : input.pictures) {
    given.shape += "picture" + std::to_string(picture.rows);
    for (const std::int64_t number : picture.grid) given.shape += "," + std::to_string(number);
  }
  given.shape += "rows" + std::to_string(input.standing.rows);
  return given;
}

std::unique_ptr<RecordedSteps::Shared> RecordedSteps::made_for(const Batch& batch,
                                                               const Given& given) {
  auto made = std::make_unique<Shared>();
  made->block = std::make_unique<StandingBlock>(given.tensors, device_, room_);
  room_ = made->block->room();
  const ModelInput& from = batch.input;
  made->batch.order = batch.order, made->batch.padding = batch.padding;
  ModelInput& input = made->batch.input;
  input.pictures = from.pictures, input.standing = from.standing;
  // No length of any row: whoever takes one for its own meets a number that is none.
  input.lengths.assign(from.lengths.size(), -1);
  input.prompt_lengths.assign(from.prompt_lengths.size(), -1);
  for (std::size_t i = 0; i < given.names.size(); ++i) {
    const std::string& name = given.names[i];
    const Tensor& there = made->block->tensors()[i];
    if (name == kIds) input.input_ids = there;
    if (name == kPixels) input.pixel_values = there;
    if (name == kFeatures) input.tower_features = there;
    if (name == kSeeds) made->seeds = there;
    if (name == kDivisor) made->divisor = there;
    if (name == kPlace) made->place = there;
    if (name.starts_with(kAside)) input.aside[name.substr(std::string(kAside).size())] = there;
  }
  // What is empty is nowhere in the block, and always the same.
  for (const auto& [name, tensor] : from.aside)
    if (tensor.numel() == 0) input.aside[name] = tensor.to(device_);
  if (records_)
    made->graph = std::make_unique<DeviceGraph>(
        device_, [this, shared = made.get()] { do_step(*shared); }, memory_);
  return made;
}

RecordedSteps::Shared* RecordedSteps::kept_for(const Batch& batch, const Given& given) {
  const auto found = shapes_.find(given.shape);
  if (found != shapes_.end()) return found->second.get();
  if (shapes_.size() >= kMostRecordings) {
    // The one that was seen the longest ago goes, of those that are not recorded.
    auto oldest = shapes_.end();
    for (auto each = shapes_.begin(); each != shapes_.end(); ++each) {
      const bool recorded = each->second->graph && each->second->graph->recorded();
      if (!recorded && (oldest == shapes_.end() || each->second->used < oldest->second->used))
        oldest = each;
    }
    if (oldest == shapes_.end()) return nullptr;
    shapes_.erase(oldest);
  }
  return shapes_.emplace(given.shape, made_for(batch, given)).first->second.get();
}

/// A micro-batch from what stands in memory. Its share is written at the end, by its place among
/// the window's: where() and not a product with 0, since one that is not finite must not reach the
/// others.
void RecordedSteps::do_step(Shared& shared) {
  const BackwardHere here;
  const Tensor share = objective_.loss(policy_, shared.batch).sum / shared.divisor;
  if (share.requires_grad()) share.backward();
  const torch::NoGradGuard no_grad;
  shares_.copy_(at::where(shared.place, share.detach(), shares_));
}

void RecordedSteps::run(Shared& shared, const Given& given, bool keeps) {
  shared.block->fill(given.tensors);
  const StandingSeeds seeds(trainables_.adapter.get(), shared.seeds);
  const auto work = [&] {
    if (shared.graph && keeps)
      shared.graph->run();
    else
      do_step(shared);
  };
  if (shared.reached.empty()) {
    shared.reached = gradients_.apart(work);
  } else {
    work();
    gradients_.reach(shared.reached);
  }
}

bool RecordedSteps::step(const MicroBatch& rows, std::uint64_t seed, double divisor) {
  if (!takes(rows)) return false;
  const Batch batch =
      policy_.batch(rows, objective_.row_kind().order(), BatchMaker::Pass::Recorded);
  const Given given = given_of(batch, seed, divisor);
  const auto kept_now = [this] {
    return trainables_.adapter ? trainables_.adapter->kept_by_recordings()
                               : std::vector<std::uint64_t>();
  };
  if (!shapes_.empty() && kept_now() != kept_) shapes_.clear();
  try {
    Shared* shared = kept_for(batch, given);
    if (shared) {
      shared->used = ++turn_;
      run(*shared, given, /*keeps=*/true);
    } else {
      run(*made_for(batch, given), given, /*keeps=*/false);
    }
  } catch (const StandingRowsAsked& asked) {
    shapes_.clear();
    off_ = true;
    log_warning(std::string("This run's steps are not recorded; they are launched piece by piece, "
                            "more slowly: the model asks the host for ") +
                asked.what() + ", which differs from step to step.");
    return false;
  }
  kept_ = kept_now();
  ++done_;
  return true;
}

}  // namespace luthier
