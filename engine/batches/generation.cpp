// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/batches/generation.h"

#include <algorithm>

#include "engine/base/random_stream.h"

namespace luthier {

namespace {

/// All samples that are learned from, in the order in which micro-batches take them.
std::vector<SamplePlace> order_of(const Generation& generation, std::int64_t use) {
  std::vector<SamplePlace> places;
  for (std::size_t row = 0; row < generation.rows.encoded.size(); ++row) {
    std::size_t samples = generation.rows.encoded[row].samples.size();
    if (generation.learned > 0)
      samples = std::min(samples, static_cast<std::size_t>(generation.learned));
    for (std::size_t i = 0; i < samples; ++i) places.push_back({row, i});
  }
  if (!generation.shuffles) return places;
  RandomStream draws(generation.seed, static_cast<std::uint64_t>(use));
  for (std::size_t left = places.size(); left > 1; --left)
    std::swap(places[left - 1],
              places[static_cast<std::size_t>(draws.below(static_cast<int>(left)))]);
  return places;
}

EncodedRow without_samples(const EncodedRow& row) {
  EncodedRow bare;
  bare.shares_pictures = true;
  bare.numbers = row.numbers;
  bare.reward_names = row.reward_names;
  bare.written = row.written;
  return bare;
}

}  // namespace

std::int64_t Generation::samples() const {
  std::int64_t count = 0;
  for (const EncodedRow& row : rows.encoded) count += static_cast<std::int64_t>(row.samples.size());
  return count;
}

std::vector<SamplePlace> places_of(const Generation& generation, std::int64_t slice) {
  const std::int64_t use = generation.reshuffles ? slice / generation.slices : 0;
  slice -= use * generation.slices;
  std::vector<SamplePlace> places = order_of(generation, use);
  const auto slices = static_cast<std::size_t>(generation.slices);
  // Answers that are held against one another are never parted, whatever rows were left out.
  const auto together = static_cast<std::size_t>(std::max<std::int64_t>(1, generation.learned));
  const std::size_t share = (places.size() + slices - 1) / slices,
                    each = (share + together - 1) / together * together,
                    begin = std::min(places.size(), static_cast<std::size_t>(slice) * each),
                    end = std::min(places.size(), begin + each);
  std::vector<SamplePlace> found(places.begin() + static_cast<std::ptrdiff_t>(begin),
                                 places.begin() + static_cast<std::ptrdiff_t>(end));
  // A prompt's stand where its first one does.
  std::vector<std::size_t> rows;
  const auto place = [&rows](std::size_t row) {
    return std::find(rows.begin(), rows.end(), row) - rows.begin();
  };
  for (const SamplePlace& each_place : found)
    if (place(each_place.row) == std::ssize(rows)) rows.push_back(each_place.row);
  std::stable_sort(found.begin(), found.end(), [&](const SamplePlace& a, const SamplePlace& b) {
    return place(a.row) < place(b.row);
  });
  return found;
}

MicroBatch slice_of(const Generation& generation, std::int64_t slice) {
  MicroBatch micro;
  std::size_t before = 0;
  for (const auto& [row, sample] : places_of(generation, slice)) {
    const EncodedRow& whole = generation.rows.encoded[row];
    if (micro.empty() || row != before) {
      micro.rows.push_back(generation.rows.rows[row]);
      micro.cached.push_back(generation.rows.cached[row]);
      micro.encoded.push_back(without_samples(whole));
    }
    before = row;
    EncodedRow& part = micro.encoded.back();
    Example example = without_pixels(whole.sequences[sample], {});
    if (part.sequences.empty()) example.images = whole.sequences.front().images;
    part.sequences.push_back(std::move(example));
    part.samples.push_back(whole.samples[sample]);
  }
  return micro;
}

}  // namespace luthier
