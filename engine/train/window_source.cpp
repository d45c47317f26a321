// SPDX-License-Identifier: GPL-3.0-or-later
// One window is kept ready beside the one in work; the thread waits otherwise.
#include "engine/train/window_source.h"

#include <algorithm>

namespace luthier {

std::int64_t count_labels(const Example& example) {
  if (example.labels.empty()) return 0;
  return std::count_if(example.labels.begin() + 1, example.labels.end(),
                       [](std::int64_t label) { return label != kIgnoreLabel; });
}

bool is_picture_fault(RowFault fault) {
  return fault == RowFault::MissingImage || fault == RowFault::BrokenImage;
}

Result<Example> RowReader::read(std::int64_t row, RowFault* fault) const {
  const auto index = static_cast<std::size_t>(row);
  LUTHIER_TRY(const Conversation conversation, dataset->read(index, fault));
  return processor->encode_training(conversation, loss_on, max_length, dataset->where(index),
                                    fault);
}

WindowSource::WindowSource(RowReader reader, std::vector<std::int64_t> usable, const StepPlan& plan,
                           std::int64_t seed, bool shuffle, std::int64_t done,
                           std::shared_ptr<const RowCache> cache,
                           const std::vector<std::int64_t>& broken)
    : reader_(std::move(reader)),
      usable_(std::move(usable)),
      plan_(plan),
      seed_(seed),
      shuffle_(shuffle),
      next_done_(done),
      cache_(std::move(cache)),
      broken_(broken.begin(), broken.end()) {
  thread_ = std::thread([this] { work(); });
}

WindowSource::~WindowSource() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Result<Window> WindowSource::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !ready_.empty(); });
  Result<Window> window = std::move(ready_.front());
  ready_.pop_front();
  lock.unlock();
  changed_.notify_all();
  return window;
}

void WindowSource::work() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || ready_.empty(); });
      if (stopping_) return;
    }
    if (next_done_ >= plan_.total_steps) return;
    Result<Window> window = [this]() -> Result<Window> {
      try {
        return load(next_done_);
      } catch (const std::bad_alloc&) {
        return machine_error("Memory ran out while rows were read.", "dataset",
                             "Lower training.per_device_train_batch_size or training.max_length.");
      } catch (const std::exception& failure) {
        return machine_error(std::string("Reading rows failed: ") + failure.what(), "dataset");
      }
    }();
    const bool failed = !window.ok();
    ++next_done_;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      ready_.push_back(std::move(window));
    }
    changed_.notify_all();
    if (failed) return;
  }
}

Result<Window> WindowSource::load(std::int64_t done) {
  const StepPlan::Window place = plan_.window(done);
  if (order_epoch_ != place.epoch) {
    order_ = epoch_order(plan_.rows, seed_, place.epoch, shuffle_);
    order_epoch_ = place.epoch;
  }
  Window window;
  for (std::int64_t batch = place.first_batch; batch < place.first_batch + place.batches; ++batch) {
    MicroBatch micro;
    const std::int64_t end = std::min(plan_.rows, (batch + 1) * plan_.batch_size);
    for (std::int64_t at = batch * plan_.batch_size; at < end; ++at) {
      {
        const std::lock_guard lock(mutex_);
        if (stopping_) return interrupted_error();
      }
      const std::int64_t row =
          usable_[static_cast<std::size_t>(order_[static_cast<std::size_t>(at)])];
      if (broken_.contains(row)) continue;
      auto cached = cache_ ? cache_->find(row) : nullptr;
      if (cached) {
        micro.examples.push_back(cached->example);
      } else {
        RowFault fault = RowFault::BadRow;
        auto example = reader_.read(row, &fault);
        if (!example) {
          if (!is_picture_fault(fault) || !reader_.skip_broken) return example.error();
          broken_.insert(row);
          window.broken.push_back({row, example.error().sentence()});
          continue;
        }
        micro.examples.push_back(example.take());
      }
      micro.cached.push_back(std::move(cached));
      micro.rows.push_back(row);
      window.labels += count_labels(micro.examples.back());
      window.tokens += static_cast<std::int64_t>(micro.examples.back().input_ids.size());
    }
    window.batches.push_back(std::move(micro));
  }
  return window;
}

}  // namespace luthier
