// SPDX-License-Identifier: GPL-3.0-or-later
// Which reference a run has, and where it comes from. Nothing of it is written into a checkpoint:
// it is made again from the same files and seeds, unless it goes after the policy.
#include <algorithm>

#include "engine/objectives/objective.h"

namespace luthier {

namespace {

bool same_folder(const std::filesystem::path& a, const std::filesystem::path& b) {
  std::error_code problem;
  return std::filesystem::equivalent(a, b, problem);
}

/// Distributions are compared token by token, so a token must mean the same to both.
Status check_tokens(const LoadedModel& teacher, const LoadedModel& base,
                    const Objective& objective) {
  const std::int64_t theirs = teacher.model->head()->out_features(),
                     ours = base.model->head()->out_features();
  if (theirs != ours)
    return input_error("The teacher's vocabulary has " + std::to_string(theirs) +
                           " entries and that of the model that is trained " +
                           std::to_string(ours) + ", so their distributions cannot be compared.",
                       objective.reference_field(), "Name a checkpoint with the same vocabulary.");
  const Tokenizer &known = base.processor->tokenizer(), &other = teacher.processor->tokenizer();
  const std::int64_t most = std::max(known.vocab_size(), other.vocab_size());
  for (TokenId id = 0; id < most; ++id) {
    const std::string mine = known.id_to_token(id), its = other.id_to_token(id);
    if (mine != its)
      return input_error("The teacher's tokenizer is another one: its token " + std::to_string(id) +
                             " is \"" + its + "\", not \"" + mine + "\".",
                         objective.reference_field(), "Name a checkpoint with the same tokenizer.");
  }
  return {};
}

/// Rows are made by the processor of the model that is trained, and their pictures must be such as
/// the other's tower takes.
Status check_pictures(const LoadedModel& other, const LoadedModel& base,
                      const Objective& objective) {
  if (!base.processor->image_processor()) return {};
  Conversation row;
  row.messages = {{"user", {ContentPart::of_image("picture"), ContentPart::of_text("?")}},
                  {"assistant", {ContentPart::of_text("!")}}};
  for (const auto& [width, height] : {std::pair{320, 240}, std::pair{90, 310}}) {
    const ImageSize asked{width, height};
    const auto size = [&](const std::filesystem::path&) -> Result<ImageSize> { return asked; };
    const auto outline = [&](const LoadedModel& model) {
      return model.processor->measure_training(row, LossOn::Completion, 0, "row", nullptr, size);
    };
    const auto ours = outline(base), theirs = outline(other);
    // A folder without a template shows it in the rows that it is trained on.
    if (!ours || !theirs) return {};
    const auto shown = [](const Example& example, const LoadedModel& model) {
      return std::count_if(example.input_ids.begin(), example.input_ids.end(),
                           [&](TokenId id) { return model.processor->shows(id); });
    };
    const PixelValues &mine = ours->images.front(), &its = theirs->images.front();
    if (shown(*ours, base) != shown(*theirs, other) || mine.shape != its.shape ||
        mine.grid != its.grid ||
        base.processor->image_token_id() != other.processor->image_token_id())
      return input_error(
          objective.reference_teaches()
              ? "The teacher's picture processor makes another picture than that of the model that "
                "is trained."
              : "The reference model's picture processor makes another picture than that of the "
                "model that is trained.",
          objective.reference_field(),
          "Name a checkpoint whose preprocessor_config.json says the same.");
  }
  return {};
}

}  // namespace

ReferenceKind reference_kind(const std::filesystem::path& base, const Recipe& recipe,
                             const Objective& objective, bool has_adapter) {
  if (!objective.needs_reference()) return ReferenceKind::None;
  const std::string named = objective.reference_checkpoint();
  if (!has_adapter) return ReferenceKind::Model;
  if (named.empty())
    return recipe.adapter.init_from.empty() ? ReferenceKind::Base : ReferenceKind::Adapter;
  return same_folder(named, base) ? ReferenceKind::Base : ReferenceKind::Model;
}

Result<std::shared_ptr<Reference>> make_reference(LoadedModel& base, const Recipe& recipe,
                                                  const Objective& objective, bool has_adapter) {
  const ReferenceKind kind = reference_kind(base.folder, recipe, objective, has_adapter);
  if (kind == ReferenceKind::None) return std::shared_ptr<Reference>();
  auto reference = std::make_shared<Reference>();
  if (kind == ReferenceKind::Base) return reference;
  if (kind == ReferenceKind::Adapter) {
    LUTHIER_TRY(reference->adapter, load_adapter(base, recipe.adapter.init_from));
    return reference;
  }
  const std::string named = objective.reference_checkpoint();
  LoadOptions options;
  options.device = base.model->device().str();
  options.dtype = base.model->dtype() == torch::kBFloat16 ? "bfloat16" : "float32";
  options.pixels = base.pixels;
  // A teacher is as its files hold it, however the model that learns from it is packed.
  if (!objective.reference_teaches()) options.quantization = base.quantization;
  options.random_weights = named.empty() && recipe.init == "random";
  options.seed = static_cast<std::uint64_t>(recipe.training.seed);
  LUTHIER_TRY(LoadedModel model,
              load_model(named.empty() ? base.folder : std::filesystem::path(named), options));
  if (model.family != base.family)
    return input_error("The reference model is of another family than the model that is trained.",
                       objective.reference_field(), "Name a checkpoint of the same family.");
  if (objective.reference_teaches()) LUTHIER_CHECK(check_tokens(model, base, objective));
  LUTHIER_CHECK(check_pictures(model, base, objective));
  reference->model = std::make_unique<LoadedModel>(std::move(model));
  return reference;
}

Result<NamedTensors> reference_tensors(const Reference& reference, const NamedTensors& trained) {
  const auto all = reference.model->model->named_parameters();
  NamedTensors found;
  for (const auto& [name, tensor] : trained) {
    const torch::Tensor* own = all.find(name);
    if (!own || own->sizes() != tensor.sizes())
      return input_error("The reference model has no tensor " + name +
                             " of the trained one's shape, so it cannot go after it.",
                         "ref_model", "Name a checkpoint of the same sizes, or leave it out.");
    found.emplace_back(name, *own);
  }
  return found;
}

}  // namespace luthier
