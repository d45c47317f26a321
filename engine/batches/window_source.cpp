// SPDX-License-Identifier: GPL-3.0-or-later
// One window is kept ready beside the one in work; the thread waits otherwise.
#include "engine/batches/window_source.h"

#include <algorithm>

#include "engine/base/text.h"
#include "engine/device/failure.h"

namespace luthier {

std::int64_t Window::tokens() const {
  std::int64_t sum = 0;
  for (const MicroBatch& batch : batches) sum += batch.tokens();
  return sum;
}

bool is_picture_fault(RowFault fault) {
  return fault == RowFault::MissingImage || fault == RowFault::BrokenImage;
}

Result<EncodedRow> RowReader::read(std::int64_t row, std::int64_t epoch, RowFault* fault,
                                   bool outline) const {
  const auto index = static_cast<std::size_t>(row);
  LUTHIER_TRY(const Conversation conversation, read_row(*dataset, index, *kind, fault));
  RowEncoding how;
  how.loss_on = loss_on;
  how.max_length = max_length;
  how.outline = outline;
  how.noise = stream_seed(stream_seed(seed, static_cast<std::uint64_t>(epoch)),
                          static_cast<std::uint64_t>(row));
  return kind->encode(conversation, *processor, how, dataset->where(index), fault);
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
      } catch (const std::exception& failure) {
        return device_failure(
            failure,
            machine_error("Memory ran out while rows were read.", "dataset",
                          "Lower training.per_device_train_batch_size or training.max_length."),
            machine_error("Reading rows failed: " + first_line(failure.what()), "dataset"));
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

/// A cached row's tokens are kept too, unless its kind makes them anew at each place.
Result<EncodedRow> WindowSource::read(std::int64_t row, std::int64_t epoch, const CachedRow* cached,
                                      RowFault* fault) const {
  if (cached && !reader_.kind->varies()) return EncodedRow(cached->encoded);
  return reader_.read(row, epoch, fault, /*outline=*/cached != nullptr);
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
      RowFault fault = RowFault::BadRow;
      auto encoded = read(row, place.epoch, cached.get(), &fault);
      if (!encoded) {
        if (!is_picture_fault(fault) || !reader_.skip_broken) return encoded.error();
        broken_.insert(row);
        window.broken.push_back({row, encoded.error().sentence()});
        continue;
      }
      micro.encoded.push_back(encoded.take());
      micro.cached.push_back(std::move(cached));
      micro.rows.push_back(row);
    }
    window.batches.push_back(std::move(micro));
  }
  return window;
}

}  // namespace luthier
