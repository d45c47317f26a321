// SPDX-License-Identifier: GPL-3.0-or-later
// A map under one mutex; rows are immutable once in it. What comes from a device lands in pinned
// memory, behind the tower that makes it, and is taken over when the host has waited for that
// device anyway.
#include "engine/batches/row_cache.h"

#include <algorithm>

namespace luthier {

namespace {

std::int64_t bytes_of(const RowCache::Made& made) {
  std::int64_t size = 0;
  for (const Example& example : made.encoded->sequences)
    size += static_cast<std::int64_t>(example.input_ids.size() + example.labels.size() +
                                      example.token_types.size()) *
                8 +
            256;
  size +=
      static_cast<std::int64_t>(made.encoded->whole_answer.size() + made.encoded->targets.size()) *
      8;
  for (const torch::Tensor& each : *made.features)
    size += static_cast<std::int64_t>(each.defined() ? each.nbytes() : 0);
  return size;
}

std::shared_ptr<CachedRow> bare_row(const RowCache::Made& made) {
  auto kept = std::make_shared<CachedRow>();
  kept->encoded.shares_pictures = made.encoded->shares_pictures;
  kept->encoded.numbers = made.encoded->numbers;
  kept->encoded.prompt_labels = made.encoded->prompt_labels;
  kept->encoded.whole_answer = made.encoded->whole_answer;
  kept->encoded.targets = made.encoded->targets;
  for (const Example& example : made.encoded->sequences)
    kept->encoded.sequences.push_back(without_pixels(example, example.images));
  for (const torch::Tensor& each : *made.features)
    kept->features.push_back(each.defined() ? each.detach() : torch::Tensor());
  return kept;
}

}  // namespace

Example without_pixels(const Example& example, const std::vector<PixelValues>& pictures) {
  Example bare{example.input_ids,        example.labels,        {},
               example.truncated_tokens, example.prompt_tokens, example.source_ids,
               example.token_types};
  for (const PixelValues& image : pictures)
    bare.images.push_back({{}, image.shape, image.grid, image.film});
  return bare;
}

std::int64_t most_kept_features(std::int64_t free) { return std::min(kMostKeptFeatures, free / 8); }

std::shared_ptr<const CachedRow> RowCache::find(std::int64_t row) const {
  const std::lock_guard lock(mutex_);
  const auto found = rows_.find(row);
  return found == rows_.end() ? nullptr : found->second;
}

bool RowCache::admit(std::int64_t row, std::int64_t size) {
  const std::lock_guard lock(mutex_);
  if (full_ || rows_.contains(row)) return false;
  full_ = bytes_ + size > max_bytes_;
  if (!full_) bytes_ += size;
  return !full_;
}

void RowCache::keep(const std::vector<Made>& rows) {
  Coming coming;
  std::vector<torch::Tensor> flat;
  for (const Made& made : rows) {
    const std::int64_t size = bytes_of(made);
    if (!admit(made.row, size)) continue;
    auto kept = bare_row(made);
    bool there = false;
    for (const torch::Tensor& each : kept->features) {
      if (!each.defined() || each.is_cpu()) continue;
      there = true;
      flat.push_back(each.reshape(-1));
    }
    if (there) {
      coming.rows.push_back(made.row), coming.kept.push_back(std::move(kept));
      coming.bytes += size;
      continue;
    }
    const std::lock_guard lock(mutex_);
    rows_.emplace(made.row, std::move(kept));
  }
  if (flat.empty()) return;
  const torch::Tensor all = flat.size() == 1 ? flat[0] : at::cat(flat);
  device_ = all.device();
  coming.here = torch::empty(
      all.sizes(), all.options().device(torch::kCPU).pinned_memory(all.device().is_cuda()));
  coming.here.copy_(all, /*non_blocking=*/true);
  // Their shapes are enough from here on: the features themselves are the step's.
  for (const auto& kept : coming.kept)
    for (torch::Tensor& each : kept->features)
      if (each.defined()) each = torch::empty(each.sizes(), each.options().device(torch::kMeta));
  coming_.push_back(std::move(coming));
}

void RowCache::arrived(bool waited) {
  if (coming_.empty()) return;
  if (!waited) torch::zeros({1}, torch::TensorOptions().device(*device_)).item<float>();
  for (Coming& coming : coming_) {
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < coming.rows.size(); ++i) {
      for (torch::Tensor& each : coming.kept[i]->features) {
        if (!each.defined()) continue;
        // A copy: pinned memory is scarce, and is wanted again by the next batch.
        const std::int64_t end = begin + each.numel();
        each = coming.here.slice(0, begin, end).view(each.sizes()).clone();
        begin = end;
      }
      const std::lock_guard lock(mutex_);
      rows_.emplace(coming.rows[i], std::move(coming.kept[i]));
    }
  }
  coming_.clear();
}

void RowCache::abandon() {
  const std::lock_guard lock(mutex_);
  for (const Coming& coming : coming_) bytes_ -= coming.bytes;
  coming_.clear();
}

std::int64_t RowCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

bool RowCache::full() const {
  const std::lock_guard lock(mutex_);
  return full_;
}

}  // namespace luthier
