// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/pretraining_parts.h"

#include <algorithm>
#include <utility>

#include "engine/models/smoothed_labels.h"
#include "engine/models/two_towers/image_text_pretraining.h"
#include "engine/models/two_towers/pair_matcher.h"
#include "engine/objectives/smoothed_cross_entropy.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char* kHowToGetIt =
    "`luthier-cli head MODEL --of pretraining --out DIR` gives it what it lacks.";

}  // namespace

Status check_pretrained(const LoadedModel& base, const PretrainingParts& parts) {
  Model* model = base.model.get();
  auto* towers = dynamic_cast<PretrainedTowers*>(model);
  if (!base.model->two_towers() || !dynamic_cast<PairMatcher*>(model) || !towers)
    return input_error("A model of type " + std::string(base.family->model_type) +
                           " as it is stored is not pretrained by pictures and their texts.",
                       "objective",
                       "Such models are BlipForImageTextRetrieval, "
                       "Blip2ForImageTextRetrieval and FiberForPreTraining.");
  const std::string config = (base.folder / "config.json").string();
  auto* writer = dynamic_cast<PictureTextWriter*>(model);
  const bool covers = model->encoder() != nullptr;
  if (!towers->learns_temperature())
    return input_error("The model has no temperature that learns.", config + ": pretraining_head",
                       kHowToGetIt);
  if (writer && parts.captioner)
    return input_error("The model writes by itself.", kCaptioner, "Leave it out.");
  if (covers && parts.captioner)
    return input_error("The model says what was covered, and writes nothing.", kCaptioner,
                       "Leave it out.");
  if (covers && parts.momentum > 0)
    return input_error("FIBER's pretraining has no momentum copies.",
                       "image_text_pretraining.momentum", "Leave it at 0.");
  if (covers && parts.lm > 0 && !base.processor->tokenizer().special().mask)
    return input_error("The tokenizer has no mask_token.",
                       (base.folder / "tokenizer_config.json").string() + ": mask_token");
  if (writer && parts.momentum > 0)
    return input_error("BLIP-2's first stage has no momentum copies.",
                       "image_text_pretraining.momentum", "Leave it at 0.");
  if (parts.momentum > 0 && base.model->dtype() != torch::kFloat32)
    return input_error(
        "In bfloat16 the momentum copies would stand still: they move by less than "
        "its digits tell.",
        "training.dtype", "Choose float32.");
  if (parts.lm > 0 && !writer && !covers && !parts.captioner)
    return input_error("The model writes no text, and no captioner is named.", kCaptioner,
                       "Name a folder of BlipForConditionalGeneration of the same sizes, or set "
                       "image_text_pretraining.lm_weight: 0.");
  return {};
}

PairPoints copies_of(Policy& policy, const ModelInput& input) {
  const torch::NoGradGuard no_grad;
  PairPoints points;
  const Status asked = policy.as_reference([&](const LoadedModel& reference) -> Status {
    ModelInput own = input;
    own.tower_features = Tensor();
    TwoTowers& towers = *reference.model->two_towers();
    const auto rows = static_cast<std::int64_t>(input.pictures.size());
    points = {towers.image(own).to(torch::kFloat32), towers.text(own, rows).to(torch::kFloat32)};
    return {};
  });
  TORCH_CHECK(asked.ok(), "the copies were not asked");
  return points;
}

Tensor captioner_loss(Model& model, const ModelInput& shown) {
  SequenceToSequence& writer = *model.sequence_to_sequence();
  const std::size_t rows = shown.pictures.size();
  ModelInput input = shown;
  input.aside.clear();
  std::vector<std::int64_t> starts;
  std::int64_t at = 0;
  for (const std::int64_t length : input.lengths) starts.push_back(std::exchange(at, at + length));
  input.input_ids = input.input_ids.index_fill(
      0, torch::tensor(starts, torch::kInt64).to(input.input_ids.device()), writer.start_token());
  const RowStates memory = writer.encode(input);
  const Tensor states = writer.decode(input, memory, nullptr);
  const NextTokens next = next_tokens(input.input_ids, input.lengths, rows);
  return token_loss(states.index_select(0, next.places), writer.head(), next.tokens, model);
}

Tensor covered_loss(Encoder& encoder, const ModelInput& input) {
  const Tensor places = label_places(input);
  if (places.size(0) == 0) return {};
  const Tensor states = encoder.before_head(encoder.encode(input).index_select(0, places));
  return chunked_cross_entropy(states, encoder.head(), input.labels.index_select(0, places)) /
         static_cast<double>(places.size(0));
}

Tensor token_loss(const Tensor& states, const Linear& head, const Tensor& tokens,
                  const Model& model) {
  return smoothed_cross_entropy(states, head, tokens, label_smoothing_of(model)) /
         static_cast<double>(std::max<std::int64_t>(1, tokens.size(0)));
}

}  // namespace luthier
