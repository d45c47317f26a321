// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/batches/generation.h"

#include <algorithm>
#include <numeric>

#include "engine/base/random_stream.h"

namespace luthier {

namespace {

struct SamplePlace {
  std::size_t row = 0, sample = 0;
};

/// All samples in the order in which micro-batches take them.
std::vector<SamplePlace> order_of(const Generation& generation) {
  std::vector<SamplePlace> places;
  for (std::size_t row = 0; row < generation.rows.encoded.size(); ++row)
    for (std::size_t i = 0; i < generation.rows.encoded[row].samples.size(); ++i)
      places.push_back({row, i});
  if (!generation.shuffles) return places;
  RandomStream draws(generation.seed, /*stream=*/0);
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
  return bare;
}

}  // namespace

std::int64_t Generation::samples() const {
  std::int64_t count = 0;
  for (const EncodedRow& row : rows.encoded) count += static_cast<std::int64_t>(row.samples.size());
  return count;
}

MicroBatch slice_of(const Generation& generation, std::int64_t slice) {
  const std::vector<SamplePlace> places = order_of(generation);
  const auto slices = static_cast<std::size_t>(generation.slices);
  const std::size_t each = (places.size() + slices - 1) / slices,
                    begin = std::min(places.size(), static_cast<std::size_t>(slice) * each),
                    end = std::min(places.size(), begin + each);
  MicroBatch micro;
  std::vector<std::size_t> made;  // the generation's row behind each of the micro-batch's
  for (std::size_t at = begin; at < end; ++at) {
    const auto [row, sample] = places[at];
    const EncodedRow& whole = generation.rows.encoded[row];
    std::size_t place = static_cast<std::size_t>(std::find(made.begin(), made.end(), row) -
                                                 made.begin());
    if (place == made.size()) {
      made.push_back(row);
      micro.rows.push_back(generation.rows.rows[row]);
      micro.cached.push_back(generation.rows.cached[row]);
      micro.encoded.push_back(without_samples(whole));
    }
    EncodedRow& part = micro.encoded[place];
    Example example = without_pixels(whole.sequences[sample], {});
    if (part.sequences.empty()) example.images = whole.sequences.front().images;
    part.sequences.push_back(std::move(example));
    part.samples.push_back(whole.samples[sample]);
  }
  return micro;
}

}  // namespace luthier
