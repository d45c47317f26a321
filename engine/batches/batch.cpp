// SPDX-License-Identifier: GPL-3.0-or-later
// Where the tower is fixed, or a row shows its pictures several times, the features of a row's
// pictures are computed on their own (see RowCache); else all pictures of the batch go together.
// Features that were kept go up in the batch's own copy.
#include "engine/batches/batch.h"

#include <algorithm>

#include "engine/device/threads.h"

namespace luthier {

namespace {

/// oneDNN compiles and keeps a kernel for each shape of a product. A short row of filler tokens at
/// the end, which carries no label and which no other row sees, rounds the number of tokens up, so
/// that batches of nearly one size share their kernels.
ModelInput rounded_up(ModelInput input, TokenId filler) {
  std::int64_t missing = filler_tokens(input.input_ids.size(0));
  if (input.source_ids.defined()) {
    // A row of filler has both texts.
    std::int64_t unread = filler_tokens(input.source_ids.size(0));
    if (missing == 0 && unread == 0) return input;
    missing = filler_of_both(missing), unread = filler_of_both(unread);
    input.source_ids = at::cat({input.source_ids, torch::full({unread}, filler, torch::kInt64)});
    input.source_lengths.push_back(unread);
  }
  if (missing == 0) return input;
  input.input_ids = at::cat({input.input_ids, torch::full({missing}, filler, torch::kInt64)});
  input.labels = at::cat({input.labels, torch::full({missing}, kIgnoreLabel, torch::kInt64)});
  input.lengths.push_back(missing);
  input.prompt_lengths.push_back(0);
  return input;
}

/// Whether one thread does the pictures sooner than two that wait for one another. It goes by the
/// sequence alone, so that its features have the same bits in whichever batch they are made.
bool is_small(const Example& example) {
  std::size_t numbers = 0;
  for (const PixelValues& image : example.images) numbers += image.values.size();
  return numbers <= 3 * 128 * 128;
}

std::vector<Batch::Sequence> laid_out(const MicroBatch& rows, SequenceOrder order) {
  std::vector<Batch::Sequence> sequences;
  for (std::size_t row = 0; row < rows.encoded.size(); ++row)
    for (std::size_t i = 0; i < rows.encoded[row].sequences.size(); ++i)
      sequences.push_back({row, i});
  if (order == SequenceOrder::AnswerByAnswer)
    std::stable_sort(
        sequences.begin(), sequences.end(),
        [](const Batch::Sequence& a, const Batch::Sequence& b) { return a.number < b.number; });
  return sequences;
}

/// Under which the features at this place stand aside in the input while it goes up.
std::string kept_name(std::size_t place) { return "features " + std::to_string(place); }

bool shows_again(const EncodedRow& row) {
  return row.shares_pictures && row.sequences.size() > 1 && !row.sequences.front().images.empty();
}

}  // namespace

std::int64_t MicroBatch::tokens() const {
  std::int64_t sum = 0;
  for (const EncodedRow& row : encoded) sum += row.tokens();
  return sum;
}

std::int64_t MicroBatch::labels() const {
  std::int64_t sum = 0;
  for (const EncodedRow& row : encoded) sum += row.labels();
  return sum;
}

/// What the tower gives for the pictures of each sequence whose features are not kept yet;
/// undefined for the others and for sequences without pictures of their own.
BatchMaker::Features BatchMaker::tower_features(const MicroBatch& rows) const {
  const torch::Device device = base_.model->device();
  struct Place {
    std::size_t row, sequence;
  };
  std::vector<Place> wanted;
  Features features(rows.encoded.size());
  for (std::size_t row = 0; row < rows.encoded.size(); ++row) {
    const std::vector<Example>& sequences = rows.encoded[row].sequences;
    features[row].resize(sequences.size());
    for (std::size_t i = 0; i < sequences.size() && !rows.cached[row]; ++i)
      if (!sequences[i].images.empty()) wanted.push_back({row, i});
  }
  const auto example = [&](const Place& place) -> const Example& {
    return rows.encoded[place.row].sequences[place.sequence];
  };
  const auto make = [&](const Place& place) {
    const torch::AutoGradMode mode(!tower_fixed_ && torch::GradMode::is_enabled());
    features[place.row][place.sequence] = base_.model->picture_tower()->tower(
        for_model(*base_.model, collate(std::vector<const Example*>{&example(place)})));
  };
  const auto aside = [&](const Place& place) {
    return tower_fixed_ && device.is_cpu() && is_small(example(place));
  };
  if (std::any_of(wanted.begin(), wanted.end(), aside)) {
    on_own_threads(static_cast<std::int64_t>(wanted.size()), [&](std::int64_t i) {
      const Place& place = wanted[static_cast<std::size_t>(i)];
      if (aside(place)) make(place);
    });
  }
  for (const Place& place : wanted) {
    if (!aside(place)) make(place);
  }
  return features;
}

Batch BatchMaker::make(const MicroBatch& rows, SequenceOrder order, Pass pass) const {
  const torch::Device device = base_.model->device();
  const TokenId filler = base_.processor->image_token_id() == 0 ? 1 : 0;
  const auto laid = [&](const std::vector<const Example*>& examples,
                        std::vector<torch::Tensor> shown = {}) {
    ModelInput input = collate(examples);
    if (device.is_cpu() && pass == Pass::Training) input = rounded_up(std::move(input), filler);
    for (std::size_t i = 0; i < shown.size(); ++i)
      if (shown[i].device() != device) input.aside[kept_name(i)] = shown[i];
    input = for_model(*base_.model, std::move(input));
    for (std::size_t i = 0; i < shown.size(); ++i) {
      const auto moved = input.aside.find(kept_name(i));
      if (moved == input.aside.end()) continue;
      shown[i] = moved->second;
      input.aside.erase(moved);
    }
    if (!shown.empty()) input.tower_features = shown.size() == 1 ? shown[0] : at::cat(shown, 0);
    return input;
  };
  Batch batch;
  batch.rows = &rows;
  batch.order = order;
  const SpecialTokens& special = base_.processor->tokenizer().special();
  batch.padding = special.pad.value_or(special.eos.value_or(0));
  batch.sequences = laid_out(rows, order);
  const bool alone = (tower_fixed_ && pass == Pass::Training) ||
                     std::any_of(rows.encoded.begin(), rows.encoded.end(), shows_again);
  std::vector<const Example*> examples;
  if (!alone) {
    for (std::size_t i = 0; i < batch.sequences.size(); ++i) examples.push_back(&batch.example(i));
    batch.input = laid(examples);
    return batch;
  }

  Features features = tower_features(rows);
  for (std::size_t row = 0; row < rows.encoded.size(); ++row) {
    if (rows.cached[row]) {
      features[row] = rows.cached[row]->features;
    } else if (cache_ && tower_fixed_ && pass == Pass::Training) {
      cache_->keep(rows.rows[row], rows.encoded[row], features[row]);
    }
  }
  std::vector<Example> texts;
  std::vector<torch::Tensor> shown;
  for (const Batch::Sequence& place : batch.sequences) {
    const EncodedRow& row = rows.encoded[place.row];
    texts.push_back(without_pixels(row.sequences[place.number], row.pictures_of(place.number)));
    const torch::Tensor own = features[place.row][row.shares_pictures ? 0 : place.number];
    if (own.defined()) shown.push_back(own);
  }
  for (const Example& text : texts) examples.push_back(&text);
  batch.input = laid(examples, std::move(shown));
  return batch;
}

}  // namespace luthier
