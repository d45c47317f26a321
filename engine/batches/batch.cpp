// SPDX-License-Identifier: GPL-3.0-or-later
// Where the tower is fixed, or a row shows its pictures several times, the pictures' features are
// made before the batch is embedded; else the model makes them of the batch's pixels. Whatever of a
// batch comes from the host (tokens, places, pixels, features that were kept) goes up in one copy.
// A recorded step's batch is only made here: who records brings it to where the recording reads it.
#include "engine/batches/batch.h"

#include <algorithm>

#include "engine/batches/filler_rows.h"
#include "engine/batches/shared_beginnings.h"
#include "engine/device/brief_tensors.h"
#include "engine/device/threads.h"

namespace luthier {

namespace {

/// Numbers of pixels (32 MiB of them) that go through a tower at once on a device: several thousand
/// patches, for which launching its kernels is no longer what takes the time, and whose states are
/// small beside a decoder's.
constexpr std::int64_t kNumbersAtOnce = 8 << 20;

std::int64_t numbers_of(const Example& example) {
  std::int64_t numbers = 0;
  for (const PixelValues& image : example.images)
    numbers += static_cast<std::int64_t>(image.values.size());
  return numbers;
}

/// What its pictures' features go by: rows of pixel_values, or their own number.
std::int64_t feature_rows(const PictureTower& tower, const Example& example) {
  std::int64_t rows = 0;
  for (const PixelValues& image : example.images)
    rows += tower.feature_rows({image.shape.front(), image.grid});
  return rows;
}

/// Whether their pixel_values can lie one after another: frames of one size, or patches.
bool are_alike(const Example& one, const Example& other) {
  const std::vector<std::int64_t>&a = one.images.front().shape, &b = other.images.front().shape;
  return std::equal(a.begin() + 1, a.end(), b.begin() + 1, b.end());
}

void fill_types(ModelInput& input, std::int64_t missing) {
  if (!input.token_types.defined()) return;
  input.token_types = at::cat({input.token_types, torch::zeros({missing}, torch::kInt64)});
}

void add_rows(std::int64_t tokens, std::int64_t rows, std::vector<std::int64_t>& lengths) {
  const std::vector<std::int64_t> filler = filler_lengths(tokens, rows);
  lengths.insert(lengths.end(), filler.begin(), filler.end());
}

/// oneDNN compiles and keeps a kernel for each shape of a product. A short row of filler tokens at
/// the end, which carries no label and which no other row sees, rounds the number of tokens up, so
/// that batches of nearly one size share their kernels.
ModelInput rounded_up(ModelInput input, TokenId filler) {
  std::int64_t missing = filler_tokens(input.input_ids.size(0)),
               rows = filler_rows(missing, input.lengths);
  if (input.source_ids.defined()) {
    // A row of filler has both texts.
    std::int64_t unread = filler_tokens(input.source_ids.size(0));
    if (missing == 0 && unread == 0) return input;
    missing = filler_of_both(missing), unread = filler_of_both(unread);
    input.source_ids = at::cat({input.source_ids, torch::full({unread}, filler, torch::kInt64)});
    rows = std::min(
        {std::max(filler_rows(missing, input.lengths), filler_rows(unread, input.source_lengths)),
         missing, unread});
    add_rows(unread, rows, input.source_lengths);
  }
  if (missing == 0) return input;
  input.input_ids = at::cat({input.input_ids, torch::full({missing}, filler, torch::kInt64)});
  input.labels = at::cat({input.labels, torch::full({missing}, kIgnoreLabel, torch::kInt64)});
  fill_types(input, missing);
  add_rows(missing, rows, input.lengths);
  input.prompt_lengths.resize(input.prompt_lengths.size() + static_cast<std::size_t>(rows), 0);
  return input;
}

/// Prompts first, then filler, then what goes on from the prompts, sequence after sequence.
ModelInput forked_input(const ForkedRows& rows, const std::vector<const Example*>& trunks,
                        const std::vector<Batch::Sequence>& sequences, TokenId filler, bool fills) {
  std::vector<const Example*> examples = trunks;
  std::vector<std::int64_t> of_rows(trunks.size(), -1);
  std::int64_t tokens = 0;
  for (const Example* trunk : trunks) tokens += std::ssize(trunk->input_ids);
  for (const auto& [row, number] : sequences)
    tokens += std::ssize(rows.forks[row][number].input_ids);
  std::vector<std::int64_t> lengths;
  for (const Example* trunk : trunks) lengths.push_back(std::ssize(trunk->input_ids));
  const std::int64_t missing = fills ? filler_tokens(tokens) : 0;
  std::vector<Example> fill;
  if (missing > 0)
    for (const std::int64_t length : filler_lengths(missing, filler_rows(missing, lengths)))
      fill.emplace_back().input_ids.assign(static_cast<std::size_t>(length), filler);
  for (const Example& row : fill) examples.push_back(&row), of_rows.push_back(-1);
  for (const auto& [row, number] : sequences) {
    examples.push_back(&rows.forks[row][number]);
    of_rows.push_back(static_cast<std::int64_t>(row));
  }
  ModelInput input = collate(examples);
  input.trunks = std::move(of_rows);
  return input;
}

/// As a recording meets it: rows of filler behind the others, mostly one, and behind them empty
/// ones.
ModelInput recorded_size(ModelInput input, TokenId filler) {
  const std::int64_t tokens = input.input_ids.size(0),
                     labels = (input.labels != kIgnoreLabel).sum().item<std::int64_t>();
  const auto own = static_cast<std::int64_t>(input.lengths.size());
  // How many tokens are missing does not go by the rows.
  const std::int64_t missing = recorded_sizes(tokens, own, labels).tokens - tokens,
                     filled = filler_rows(missing, input.lengths);
  const RecordedSizes sizes = recorded_sizes(tokens, own + filled - 1, labels);
  input.input_ids = at::cat({input.input_ids, torch::full({missing}, filler, torch::kInt64)});
  input.labels = at::cat({input.labels, torch::full({missing}, kIgnoreLabel, torch::kInt64)});
  fill_types(input, missing);
  add_rows(missing, filled, input.lengths);
  input.lengths.resize(static_cast<std::size_t>(sizes.rows), 0);
  input.prompt_lengths.resize(input.lengths.size(), 0);
  input.standing = {sizes.rows, sizes.labels};
  return input;
}

/// Whether one thread does the pictures sooner than two that wait for one another. It goes by the
/// sequence alone, so that its features have the same bits in whichever batch they are made.
bool is_small(const Example& example) { return numbers_of(example) <= 3 * 128 * 128; }

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

bool shows_again(const EncodedRow& row) {
  return row.shares_pictures && row.sequences.size() > 1 && !row.sequences.front().images.empty();
}

}  // namespace

std::vector<LyingSequence> lying_sequences(const Batch& batch) {
  const std::vector<std::int64_t>&lengths = batch.input.lengths, &trunks = batch.input.trunks;
  std::vector<std::int64_t> starts{0};
  for (const std::int64_t length : lengths) starts.push_back(starts.back() + length);
  std::vector<LyingSequence> found;
  // What goes on from a trunk lies behind all else.
  const std::size_t first = trunks.empty() ? 0 : lengths.size() - batch.sequences.size();
  for (std::size_t i = first; i < first + batch.sequences.size(); ++i) {
    LyingSequence own{0, 0, starts[i]};
    if (!trunks.empty()) {
      const auto trunk = static_cast<std::size_t>(trunks[i]);
      own.trunk = starts[trunk], own.shared = lengths[trunk];
    }
    found.push_back(own);
  }
  return found;
}

std::vector<torch::Tensor> features_by_example(const PictureTower& tower,
                                               const std::vector<const Example*>& examples,
                                               const torch::Tensor& made) {
  std::vector<std::int64_t> counts;
  std::int64_t all = 0;
  for (const Example* example : examples) {
    counts.push_back(feature_rows(tower, *example));
    all += counts.back();
  }
  // Several of a frame, or one of several patches.
  const std::int64_t features_made = made.size(0);
  for (std::int64_t& count : counts) {
    TORCH_CHECK(count * features_made % all == 0, "a tower's features do not go by its pixels");
    count = count * features_made / all;
  }
  return made.split_with_sizes(counts, 0);
}

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

/// Sequences whose pictures go through the tower at once.
struct BatchMaker::TowerCall {
  std::vector<Place> places;
  std::int64_t numbers = 0;  ///< of their pixels
  ModelInput input;          ///< on a device, made before the batch goes up
  torch::Tensor made;        ///< the features of all of them
};

/// A row that was kept since its window was read is found here: which rows are made together must
/// not go by when somebody looked.
BatchMaker::Kept BatchMaker::kept_of(const MicroBatch& rows, Pass pass) const {
  Kept kept = rows.cached;
  if (!cache_ || !tower_fixed_ || pass == Pass::Evaluation) return kept;
  for (std::size_t row = 0; row < kept.size(); ++row)
    if (!kept[row]) kept[row] = cache_->find(rows.rows[row]);
  return kept;
}

/// Over the sequences with pictures whose features are not kept.
std::vector<BatchMaker::TowerCall> BatchMaker::tower_calls(const MicroBatch& rows,
                                                           const Kept& kept) const {
  const bool alone = base_.model->device().is_cpu();
  std::vector<TowerCall> calls;
  const Example* before = nullptr;
  for (std::size_t row = 0; row < rows.encoded.size(); ++row) {
    for (std::size_t i = 0; i < rows.encoded[row].sequences.size() && !kept[row]; ++i) {
      const Example& example = rows.encoded[row].sequences[i];
      if (example.images.empty()) continue;
      const std::int64_t numbers = numbers_of(example);
      if (alone || !before || !are_alike(*before, example) ||
          calls.back().numbers + numbers > kNumbersAtOnce)
        calls.emplace_back();
      calls.back().places.emplace_back(row, i);
      calls.back().numbers += numbers;
      before = &example;
    }
  }
  return calls;
}

/// What the tower reads of them, on the host.
ModelInput BatchMaker::pictures_of(const MicroBatch& rows, const TowerCall& call) const {
  std::vector<const Example*> examples;
  for (const auto& [row, sequence] : call.places)
    examples.push_back(&rows.encoded[row].sequences[sequence]);
  ModelInput input = collate(examples);
  if (base_.model->device().is_cpu()) return input;
  base_.model->prepare(input);
  input.input_ids.reset(), input.labels.reset(), input.source_ids.reset();
  input.token_types.reset();
  return input;
}

/// Into the places of the call's sequences.
void BatchMaker::run_tower(const MicroBatch& rows, TowerCall& call, Features& features) const {
  const torch::AutoGradMode mode(!tower_fixed_ && torch::GradMode::is_enabled());
  if (call.input.pictures.empty()) call.input = pictures_of(rows, call);
  PictureTower& tower = *base_.model->picture_tower();
  call.made = tower.tower(call.input);
  call.input = {};  // the pixels are let go of
  std::vector<const Example*> examples;
  for (const auto& [row, sequence] : call.places)
    examples.push_back(&rows.encoded[row].sequences[sequence]);
  const std::vector<torch::Tensor> parts = features_by_example(tower, examples, call.made);
  for (std::size_t i = 0; i < parts.size(); ++i)
    features[call.places[i].first][call.places[i].second] = parts[i];
}

BatchMaker::Features BatchMaker::run_tower(const MicroBatch& rows,
                                           std::vector<TowerCall>& calls) const {
  Features features(rows.encoded.size());
  for (std::size_t row = 0; row < rows.encoded.size(); ++row)
    features[row].resize(rows.encoded[row].sequences.size());
  const auto aside = [&](const TowerCall& call) {
    const auto& [row, sequence] = call.places.front();
    return tower_fixed_ && base_.model->device().is_cpu() &&
           is_small(rows.encoded[row].sequences[sequence]);
  };
  if (std::any_of(calls.begin(), calls.end(), aside)) {
    on_own_threads(static_cast<std::int64_t>(calls.size()), [&](std::int64_t i) {
      TowerCall& call = calls[static_cast<std::size_t>(i)];
      if (aside(call)) run_tower(rows, call, features);
    });
  }
  for (TowerCall& call : calls) {
    if (!aside(call)) run_tower(rows, call, features);
  }
  return features;
}

void BatchMaker::keep(const MicroBatch& rows, const Kept& kept, const Features& features) const {
  if (!cache_) return;
  std::vector<RowCache::Made> made;
  for (std::size_t row = 0; row < rows.encoded.size(); ++row)
    if (!kept[row]) made.push_back({rows.rows[row], &rows.encoded[row], &features[row]});
  cache_->keep(made);
}

void BatchMaker::keep_features(const MicroBatch& rows) const {
  const Kept kept = kept_of(rows, Pass::Training);
  std::vector<TowerCall> calls = tower_calls(rows, kept);
  const torch::Device device = base_.model->device();
  for (TowerCall& call : calls) call.input = to_device(pictures_of(rows, call), device);
  keep(rows, kept, run_tower(rows, calls));
}

TokenId BatchMaker::filler_token() const {
  TokenId filler = 0;
  while (base_.processor->shows(filler)) ++filler;
  return filler;
}

Batch BatchMaker::without_input(const MicroBatch& rows, SequenceOrder order) const {
  Batch batch;
  batch.rows = &rows;
  batch.order = order;
  const SpecialTokens& special = base_.processor->tokenizer().special();
  batch.padding = special.pad.value_or(special.eos.value_or(0));
  batch.sequences = laid_out(rows, order);
  return batch;
}

Batch BatchMaker::beside(const MicroBatch& rows, const Batch& shown, Pass pass) const {
  Batch batch = without_input(rows, shown.order);
  TORCH_CHECK(batch.sequences.size() == shown.sequences.size(),
              "sequences beside a batch are as many as its own");
  std::vector<const Example*> examples;
  for (std::size_t i = 0; i < batch.sequences.size(); ++i) examples.push_back(&batch.example(i));
  ModelInput input = collate(examples);
  if (base_.model->device().is_cpu() && pass == Pass::Training)
    input = rounded_up(std::move(input), filler_token());
  batch.input = for_model(*base_.model, std::move(input));
  batch.input.tower_features = shown.input.tower_features;
  batch.input.pixel_values = shown.input.pixel_values;
  return batch;
}

Batch BatchMaker::make(const MicroBatch& rows, SequenceOrder order, Pass pass) const {
  const torch::Device device = base_.model->device();
  const TokenId filler = filler_token();
  const auto laid = [&](const std::vector<const Example*>& examples) {
    ModelInput input = collate(examples);
    if (pass == Pass::Recorded) {
      input = recorded_size(std::move(input), filler);
      base_.model->prepare(input);
      return input;
    }
    if (device.is_cpu() && pass == Pass::Training) input = rounded_up(std::move(input), filler);
    return input;
  };
  Batch batch = without_input(rows, order);
  const bool trains = pass != Pass::Evaluation;
  // A device's kernels know no rows that fork.
  const bool can_fork = device.is_cpu() && base_.model->causal() && base_.model->causal()->forks();
  const std::optional<ForkedRows> apart =
      can_fork ? forked(rows.encoded, *base_.processor) : std::nullopt;
  const bool before = apart || (tower_fixed_ && trains) ||
                      std::any_of(rows.encoded.begin(), rows.encoded.end(), shows_again);
  std::vector<const Example*> examples;
  if (!before) {
    for (std::size_t i = 0; i < batch.sequences.size(); ++i) examples.push_back(&batch.example(i));
    batch.input = laid(examples);
    if (pass != Pass::Recorded) batch.input = for_model(*base_.model, std::move(batch.input));
    return batch;
  }

  const Kept kept = kept_of(rows, pass);
  std::vector<TowerCall> calls = tower_calls(rows, kept);
  std::vector<Example> texts;
  std::vector<Place> shown;
  // Of a row's text, with the pictures of its sequence `number`.
  const auto show = [&](const Example& text, std::size_t row, std::size_t number) {
    const EncodedRow& encoded = rows.encoded[row];
    texts.push_back(without_pixels(text, encoded.pictures_of(number)));
    if (!texts.back().images.empty()) shown.emplace_back(row, encoded.shares_pictures ? 0 : number);
  };
  if (apart) {
    for (std::size_t row = 0; row < rows.encoded.size(); ++row) show(apart->trunks[row], row, 0);
  } else {
    for (const auto& [row, number] : batch.sequences)
      show(rows.encoded[row].sequences[number], row, number);
  }
  for (const Example& text : texts) examples.push_back(&text);
  batch.input =
      apart ? forked_input(*apart, examples, batch.sequences, filler, pass == Pass::Training)
            : laid(examples);
  std::vector<torch::Tensor> parts(shown.size());
  for (std::size_t i = 0; i < shown.size(); ++i)
    if (kept[shown[i].first]) parts[i] = kept[shown[i].first]->features[shown[i].second];
  if (!device.is_cpu()) {
    std::vector<torch::Tensor*> stays, goes;
    if (pass != Pass::Recorded) {
      base_.model->prepare(batch.input);
      stays = {&batch.input.input_ids, &batch.input.labels, &batch.input.source_ids,
               &batch.input.token_types};
      for (auto& [name, tensor] : batch.input.aside) stays.push_back(&tensor);
      for (torch::Tensor& part : parts) goes.push_back(&part);
    }
    for (TowerCall& call : calls) {
      call.input = pictures_of(rows, call);
      goes.push_back(&call.input.pixel_values);
      for (auto& [name, tensor] : call.input.aside) goes.push_back(&tensor);
    }
    move_with_brief(stays, goes, device);
  }
  // One call has made all that is shown, in its order.
  const bool as_made = calls.size() == 1 && calls.front().places == shown;
  const Features features = run_tower(rows, calls);
  if (tower_fixed_ && trains) keep(rows, kept, features);
  for (std::size_t i = 0; i < shown.size(); ++i)
    if (!parts[i].defined()) parts[i] = features[shown[i].first][shown[i].second];
  if (!calls.empty()) {
    // A recorded step's that were kept are the host's still.
    std::vector<torch::Tensor*> all;
    for (torch::Tensor& part : parts) all.push_back(&part);
    move_together(all, device);
  }
  if (as_made)
    batch.input.tower_features = calls.front().made;
  else if (!parts.empty())
    batch.input.tower_features = parts.size() == 1 ? parts[0] : at::cat(parts, 0);
  return batch;
}

}  // namespace luthier
