// SPDX-License-Identifier: GPL-3.0-or-later
// One window is kept ready beside the one in work; the thread waits otherwise. Its rows are read
// side by side and looked at in their order: what is said of a window is what one thread would say.
#include "engine/batches/window_source.h"

#include <algorithm>
#include <atomic>

#include "engine/base/text.h"
#include "engine/data/boxes/box_rows.h"
#include "engine/device/failure.h"

namespace luthier {

std::int64_t Window::tokens() const {
  std::int64_t sum = 0;
  for (const MicroBatch& batch : batches) sum += batch.tokens();
  return sum;
}

bool is_picture_fault(RowFault fault) {
  return fault == RowFault::MissingImage || fault == RowFault::BrokenImage ||
         fault == RowFault::MissingFilm || fault == RowFault::BrokenFilm;
}

Result<EncodedRow> RowReader::read(std::int64_t row, std::int64_t epoch, RowFault* fault,
                                   bool outline) const {
  const auto index = static_cast<std::size_t>(row);
  if (fault) *fault = RowFault::BadRow;
  LUTHIER_TRY(Json written, dataset->row(index));
  LUTHIER_TRY(const Conversation conversation,
              kind->read(written, dataset->folder_of(index), dataset->where(index), fault));
  RowEncoding how;
  how.loss_on = loss_on;
  how.max_length = max_length;
  how.outline = outline;
  how.noise = stream_seed(stream_seed(seed, static_cast<std::uint64_t>(epoch)),
                          static_cast<std::uint64_t>(row));
  LUTHIER_TRY(EncodedRow encoded,
              kind->encode(conversation, *processor, how, dataset->where(index), fault));
  if (kind->carries_written()) {
    Conversation judged = conversation;
    if (holds_boxes(conversation)) {
      LUTHIER_TRY(judged,
                  boxes_for_judges(conversation, box_writer(*processor), dataset->where(index)));
    }
    encoded.written = std::make_shared<const WrittenRow>(
        WrittenRow{std::move(written), std::move(judged), dataset->where(index)});
  }
  return encoded;
}

std::size_t reading_threads(int cores, int busy) {
  constexpr int kMost = 8;  // each may hold a large picture
  return static_cast<std::size_t>(std::clamp(cores - busy, 1, kMost));
}

WindowSource::WindowSource(RowReader reader, std::vector<std::int64_t> usable, const StepPlan& plan,
                           std::int64_t seed, bool shuffle, std::int64_t done,
                           std::shared_ptr<const RowCache> cache,
                           const std::vector<std::int64_t>& broken, std::size_t threads,
                           std::shared_ptr<const RowOrder> order, WindowPart part)
    : reader_(std::move(reader)),
      usable_(std::move(usable)),
      plan_(plan),
      seed_(seed),
      shuffle_(shuffle),
      threads_(std::max<std::size_t>(1, threads)),
      part_(part),
      next_done_(done),
      cache_(std::move(cache)),
      order_rule_(std::move(order)),
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

bool WindowSource::stops() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

/// Until one of them cannot be read, by whatever thread comes to it first.
void WindowSource::read_all(std::vector<Place>& places) {
  std::atomic<std::size_t> next = 0;
  std::atomic<bool> enough = false;
  const auto read_some = [&] {
    for (;;) {
      // Whoever takes a place reads it: all before one that cannot be read are read then.
      if (enough || stops()) return;
      const std::size_t at = next.fetch_add(1);
      if (at >= places.size()) return;
      Place& place = places[at];
      try {
        place.encoded = read(place.row, place.pass, place.cached.get(), &place.fault);
        const bool left_out = is_picture_fault(place.fault) && reader_.skip_broken;
        if (!place.encoded->ok() && !left_out) enough = true;
      } catch (...) {
        place.thrown = std::current_exception();
        enough = true;
      }
    }
  };
  std::vector<std::jthread> beside;
  for (std::size_t i = 1; i < std::min(threads_, places.size()); ++i)
    beside.emplace_back(read_some);
  read_some();
}

Result<Window> WindowSource::load(std::int64_t done) {
  const StepPlan::Window window_place = plan_.window(done);
  if (order_epoch_ != window_place.epoch) {
    order_.clear();
    if (order_rule_) {
      order_ = order_rule_->epoch(plan_, window_place.epoch);
    } else {
      for (const std::int64_t row : epoch_order(plan_.rows, seed_, window_place.epoch, shuffle_))
        order_.push_back({row, window_place.epoch});
    }
    order_epoch_ = window_place.epoch;
  }
  Window window;
  std::vector<Place> places;
  const GenerationPlan& generations = plan_.generations;
  const std::int64_t first = window_place.first_batch;
  // `at`: among the epoch's rows; `place`: the micro-batch or generation of the window.
  const auto add = [&](std::int64_t at, std::size_t place) {
    Place next;
    next.batch = place;
    const PlacedRow& placed = order_[static_cast<std::size_t>(at)];
    next.row = usable_[static_cast<std::size_t>(placed.row)];
    next.pass = placed.pass;
    if (broken_.contains(next.row)) return;
    // A generation's rows are whole ones; what is kept of a row is a part's.
    if (cache_ && !generations) next.cached = cache_->find(next.row);
    places.push_back(std::move(next));
  };
  for (std::int64_t batch = first; batch < first + window_place.batches; ++batch) {
    const auto here = static_cast<std::size_t>(batch - first);
    if (!part_.has(batch - first)) continue;
    if (generations && batch % generations.every() != 0) continue;
    if (generations) window.generations.push_back({here, {}});
    const std::int64_t size =
                           generations ? generations.prompts(plan_.batch_size) : plan_.batch_size,
                       number = generations ? batch / generations.every() : batch;
    for (std::int64_t at = number * size; at < std::min(plan_.rows, (number + 1) * size); ++at)
      add(at, generations ? window.generations.size() - 1 : here);
  }
  read_all(places);
  window.batches.resize(static_cast<std::size_t>(window_place.batches));
  for (Place& place : places) {
    if (place.thrown) std::rethrow_exception(place.thrown);
    if (!place.encoded) return interrupted_error();
    auto& encoded = *place.encoded;
    if (!encoded) {
      if (!is_picture_fault(place.fault) || !reader_.skip_broken) return encoded.error();
      if (broken_.insert(place.row).second)  // one that comes twice is told once
        window.broken.push_back({place.row, encoded.error().sentence()});
      continue;
    }
    MicroBatch& micro =
        generations ? window.generations[place.batch].rows : window.batches[place.batch];
    micro.encoded.push_back(encoded.take());
    micro.cached.push_back(std::move(place.cached));
    micro.rows.push_back(place.row);
  }
  return window;
}

}  // namespace luthier
