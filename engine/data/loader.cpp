// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/loader.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <unordered_map>

namespace luthier {

namespace {

/// What became of a row: an example, nothing because it was skipped, or an error.
using Outcome = std::shared_ptr<const Result<std::optional<Example>>>;

std::uint64_t bytes_of(const Outcome& outcome) {
  std::uint64_t bytes = 256;
  if (!outcome->ok() || !outcome->value()) return bytes;
  const Example& example = **outcome->operator->();
  bytes += (example.input_ids.size() + example.labels.size()) * sizeof(std::int64_t);
  for (const PixelValues& image : example.images) bytes += image.values.size() * sizeof(float) + 64;
  return bytes;
}

/// The least recently used leave first.
class OutcomeCache {
 public:
  explicit OutcomeCache(std::uint64_t limit) : limit_(limit) {}

  Outcome find(std::size_t row) {
    const auto known = places_.find(row);
    if (known == places_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, known->second);
    return known->second->second;
  }
  bool contains(std::size_t row) const { return places_.contains(row); }
  void put(std::size_t row, const Outcome& outcome) {
    if (contains(row) || bytes_of(outcome) > limit_) return;
    entries_.emplace_front(row, outcome);
    places_[row] = entries_.begin();
    bytes_ += bytes_of(outcome);
    while (bytes_ > limit_) {
      bytes_ -= bytes_of(entries_.back().second);
      places_.erase(entries_.back().first);
      entries_.pop_back();
    }
  }

 private:
  std::uint64_t limit_, bytes_ = 0;
  std::list<std::pair<std::size_t, Outcome>> entries_;
  std::unordered_map<std::size_t, std::list<std::pair<std::size_t, Outcome>>::iterator> places_;
};

}  // namespace

struct ExampleLoader::State {
  State(std::shared_ptr<const Dataset> rows, std::shared_ptr<const ChatProcessor> chat,
        const LoaderOptions& settings)
      : dataset(std::move(rows)),
        processor(std::move(chat)),
        options(settings),
        cache(settings.cache_bytes) {}

  const std::shared_ptr<const Dataset> dataset;
  const std::shared_ptr<const ChatProcessor> processor;
  const LoaderOptions options;

  mutable std::mutex mutex;
  std::condition_variable_any changed;
  std::deque<std::size_t> announced;     // not yet begun
  std::map<std::size_t, Outcome> ahead;  // encoded by the worker, not yet asked for
  std::optional<std::size_t> in_work;    // the worker's row
  OutcomeCache cache;
  std::set<std::size_t> skipped;
  std::jthread worker;  // last: it stops before the rest is gone

  Result<std::optional<Example>> encode(std::size_t row) const;
  Outcome outcome_from(std::size_t row) const;
  void work(const std::stop_token& stop);
  Outcome outcome_of(std::size_t row, const std::stop_token& stop);
};

Result<std::optional<Example>> ExampleLoader::State::encode(std::size_t row) const {
  RowFault fault = RowFault::BadRow;
  const auto conversation = dataset->read(row, &fault);
  if (!conversation) return conversation.error();
  auto example = processor->encode_training(*conversation, options.loss_on, options.max_length,
                                            dataset->where(row), &fault);
  if (!example) {
    const bool picture = fault == RowFault::MissingImage || fault == RowFault::BrokenImage;
    if (picture && options.on_error == OnImageError::Skip) return std::optional<Example>();
    return example.error();
  }
  if (std::all_of(example->labels.begin(), example->labels.end(),
                  [](std::int64_t label) { return label == kIgnoreLabel; }))
    return input_error("No token of the row carries a loss: there is nothing to learn from it.",
                       dataset->where(row),
                       example->truncated_tokens > 0
                           ? "max_length cut its answer off: raise training.max_length."
                           : "Check its answer and training.loss_on.");
  return std::optional<Example>(example.take());
}

// The border that no exception crosses: the worker has nobody above it.
Outcome ExampleLoader::State::outcome_from(std::size_t row) const {
  try {
    return std::make_shared<const Result<std::optional<Example>>>(encode(row));
  } catch (const std::exception& failure) {
    return std::make_shared<const Result<std::optional<Example>>>(machine_error(
        std::string("The row could not be read: ") + failure.what() + ".", dataset->where(row)));
  }
}

void ExampleLoader::State::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex);
  while (changed.wait(lock, stop,
                      [this] { return !announced.empty() && ahead.size() < options.rows_ahead; })) {
    const std::size_t row = announced.front();
    announced.pop_front();
    if (ahead.contains(row) || cache.contains(row)) continue;
    in_work = row;
    lock.unlock();
    Outcome outcome = outcome_from(row);
    lock.lock();
    in_work.reset();
    ahead.emplace(row, std::move(outcome));
    changed.notify_all();
  }
}

Outcome ExampleLoader::State::outcome_of(std::size_t row, const std::stop_token& stop) {
  std::unique_lock lock(mutex);
  // It is asked for now, so the worker need not begin it; in the announced order it is at the
  // front, or gone.
  if (const auto waiting = std::find(announced.begin(), announced.end(), row);
      waiting != announced.end())
    announced.erase(waiting);
  if (!changed.wait(lock, stop, [&] { return in_work != row; })) return nullptr;
  Outcome outcome;
  if (const auto ready = ahead.find(row); ready != ahead.end()) {
    outcome = ready->second;
    ahead.erase(ready);
    changed.notify_all();  // the worker has room again
  } else if (!(outcome = cache.find(row))) {
    lock.unlock();
    outcome = outcome_from(row);
    lock.lock();
  }
  cache.put(row, outcome);
  return outcome;
}

ExampleLoader::ExampleLoader(std::shared_ptr<const Dataset> dataset,
                             std::shared_ptr<const ChatProcessor> processor,
                             const LoaderOptions& options)
    : state_(std::make_unique<State>(std::move(dataset), std::move(processor), options)) {
  state_->worker =
      std::jthread([state = state_.get()](const std::stop_token& stop) { state->work(stop); });
}

ExampleLoader::~ExampleLoader() = default;

Result<std::vector<Example>> ExampleLoader::batch(std::span<const std::size_t> rows,
                                                  const std::stop_token& stop) {
  std::vector<Example> examples;
  for (const std::size_t row : rows) {
    if (stop.stop_requested()) return interrupted_error();
    const Outcome outcome = state_->outcome_of(row, stop);
    if (!outcome) return interrupted_error();
    if (!outcome->ok()) return outcome->error();
    if (const auto& example = outcome->value()) {
      examples.push_back(*example);
    } else {
      const std::lock_guard lock(state_->mutex);
      state_->skipped.insert(row);
    }
  }
  return examples;
}

void ExampleLoader::prefetch(std::vector<std::size_t> rows) {
  const std::lock_guard lock(state_->mutex);
  state_->announced.assign(rows.begin(), rows.end());
  // What was encoded for an order that is no longer wanted must not block the new one.
  for (auto ready = state_->ahead.begin(); ready != state_->ahead.end();) {
    if (std::find(rows.begin(), rows.end(), ready->first) != rows.end()) {
      ++ready;
      continue;
    }
    state_->cache.put(ready->first, ready->second);
    ready = state_->ahead.erase(ready);
  }
  state_->changed.notify_all();
}

std::vector<std::size_t> ExampleLoader::skipped() const {
  const std::lock_guard lock(state_->mutex);
  return {state_->skipped.begin(), state_->skipped.end()};
}

}  // namespace luthier
