// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/train/token_losses.h"

#include <cmath>
#include <limits>

#include "engine/data/row_kind.h"
#include "engine/models/loaded_model.h"

namespace luthier {

using torch::Tensor;

namespace {

/// Labels whose logits stand in memory at a time.
constexpr std::int64_t kLabelsAtOnce = 128;

/// The sequence's own into `losses`, whose first token stands at `begin`.
void add_losses(Model& model, const Example& sequence, const std::vector<PixelValues>& images,
                std::size_t begin, std::vector<float>& losses) {
  Example with = sequence;
  with.images = images;
  const ModelInput input = for_model(model, collate(std::vector<Example>{with}));
  const NextLabels next = next_labels(input);
  if (next.places.numel() == 0) return;
  const Tensor states = states_before_head(model, input).index_select(0, next.places);
  for (std::int64_t at = 0; at < states.size(0); at += kLabelsAtOnce) {
    const std::int64_t end = std::min(at + kLabelsAtOnce, states.size(0));
    const Tensor logits = model.output_head()(states.slice(0, at, end)).to(torch::kFloat32);
    const Tensor wanted = next.labels.slice(0, at, end).unsqueeze(1);
    const Tensor own = (-torch::log_softmax(logits, 1).gather(1, wanted)).squeeze(1).cpu();
    const Tensor places = next.places.slice(0, at, end).cpu();
    for (std::int64_t i = 0; i < own.numel(); ++i) {
      const auto token = begin + static_cast<std::size_t>(places[i].item<std::int64_t>()) + 1;
      if (token < losses.size()) losses[token] = own[i].item<float>();
    }
  }
}

}  // namespace

Result<TokenLosses> token_losses(const LoadedModel& base, const Recipe& recipe,
                                 const Dataset& dataset, std::size_t row) {
  if (!base.model->causal())
    return input_error("This model does not predict each token from those before it.",
                       base.folder.string());
  if (row >= dataset.size())
    return input_error("The dataset has " + std::to_string(dataset.size()) + " rows.",
                       "row " + std::to_string(row + 1), "Name one of them.");
  const RowKind& kind = row_kind_of(recipe);
  LUTHIER_TRY(const Conversation conversation, read_row(dataset, row, kind));
  RowEncoding how;
  how.loss_on = loss_on_from_name(recipe.training.loss_on);
  how.max_length = recipe.training.max_length;
  LUTHIER_TRY(const EncodedRow encoded,
              kind.encode(conversation, *base.processor, how, dataset.where(row)));
  TokenLosses found;
  found.row = row;
  const torch::NoGradGuard no_grad;
  const bool trains = base.model->is_training();
  base.model->eval();
  for (std::size_t i = 0; i < encoded.sequences.size(); ++i) {
    const Example& sequence = encoded.sequences[i];
    const std::size_t begin = found.losses.size();
    found.losses.resize(begin + sequence.input_ids.size(), std::numeric_limits<float>::quiet_NaN());
    add_losses(*base.model, sequence, encoded.pictures_of(i), begin, found.losses);
  }
  base.model->train(trains);
  double sum = 0;
  for (const float loss : found.losses) {
    if (std::isnan(loss)) continue;
    sum += loss;
    ++found.count;
  }
  found.mean = found.count > 0 ? sum / static_cast<double>(found.count) : 0;
  return found;
}

}  // namespace luthier
