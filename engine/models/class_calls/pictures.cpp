// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/class_calls/call.h"
#include "engine/models/clipseg/segmenter.h"
#include "engine/models/two_towers/pair_loss.h"
#include "engine/models/two_towers/pair_matcher.h"
#include "engine/models/vit/uncovered_patches.h"

namespace luthier::class_calls {

using torch::Tensor;

/// Each text is about its own picture.
Status segment(ClassCall& call, Segmenter& segmenter) {
  LUTHIER_TRY(const FilledUp rows, call.given.text_rows());
  ModelInput input;
  call.given.put_rows(rows, input);
  LUTHIER_CHECK(call.put_own_pictures(rows, input));
  Segmenter::Rows about;
  for (std::int64_t row = 0; row < rows.rows(); ++row) {
    about.pictures.push_back(row);
    about.prompts.push_back(-1);
  }
  ModelInput there = call.ready(std::move(input));
  if (PictureTower* tower = call.model.picture_tower()) {
    const torch::NoGradGuard fixed;
    there.tower_features = tower->tower(there);
  }
  const Tensor logits = segmenter.segment(there, about);
  call.add("logits", logits);
  const Segmenter::Asked asked = segmenter.asked(there, about);
  call.add("conditional_embeddings", asked.prompts);
  call.add("pooled_output", asked.pictures);
  if (const Tensor* labels = call.given.find("labels")) {
    if (labels->sizes() != logits.sizes()) return call.given.shape_error("labels", "the logits'");
    call.out.loss =
        at::binary_cross_entropy_with_logits(logits, labels->to(logits.device(), torch::kFloat32));
  }
  return {};
}

Status compare(ClassCall& call, TwoTowers& towers) {
  LUTHIER_TRY(const FilledUp rows, call.given.text_rows());
  LUTHIER_CHECK(call.given.wanted("pixel_values"));
  ModelInput input;
  call.given.put_rows(rows, input);
  LUTHIER_CHECK(call.given.put_types(rows, input));
  LUTHIER_CHECK(call.put_pictures(input));
  const ModelInput there = call.ready(std::move(input));
  const Tensor images = towers.image(there), texts = towers.text(there, rows.rows());
  const Tensor logits = likeness(texts, images, towers.scale(), towers.bias());
  call.add("image_embeds", images);
  call.add("text_embeds", texts);
  call.add("logits_per_text", logits);
  call.add("logits_per_image", logits.t());
  if (!call.given.asks("return_loss")) return {};
  if (logits.size(0) != logits.size(1))
    return input_error("A loss is of as many pictures as texts.", call.given.where(),
                       "Leave return_loss out.");
  call.out.loss = pair_loss(towers, logits) / logits.size(0);
  return {};
}

Status match_pairs(ClassCall& call, TwoTowers& towers, PairMatcher& matcher) {
  LUTHIER_TRY(const FilledUp rows, call.given.text_rows());
  LUTHIER_CHECK(call.given.wanted("pixel_values"));
  ModelInput input;
  call.given.put_rows(rows, input);
  LUTHIER_CHECK(call.put_pictures(input));
  const bool second = call.name == "Blip2ForImageTextRetrieval";
  const bool matches = second ? call.given.asks("use_image_text_matching_head")
                              : call.given.asks("use_itm_head", /*unless_given=*/true);
  const auto pictures = static_cast<std::int64_t>(input.pictures.size());
  if (matches && pictures != rows.rows())
    return call.given.shape_error("pixel_values", "one picture a row");
  const ModelInput there = call.ready(std::move(input));
  if (matches) {
    PairMatcher::Pairs pairs;
    for (std::int64_t row = 0; row < rows.rows(); ++row)
      pairs.texts.push_back(row), pairs.pictures.push_back(row);
    pairs.as_they_begin = true;
    const Tensor judged = matcher.match(there, pairs);
    call.add(second ? "logits_per_image" : "itm_score", judged);
    if (second) call.add("logits_per_text", judged.t());
  } else if (second) {
    const Tensor images = towers.image(there), texts = towers.text(there, rows.rows());
    const Tensor likest = at::amax(at::matmul(images, texts.t()), 1);
    call.add("logits_per_image", likest);
    call.add("logits_per_text", likest.t());
    call.add("image_embeds", images);
    call.add("text_embeds", texts);
    return {};
  } else {
    call.add("itm_score", at::matmul(towers.image(there), towers.text(there, rows.rows()).t()));
  }
  if (PictureTower* tower = call.model.picture_tower()) {
    const Tensor seen = tower->tower(there);
    call.add(second ? "image_embeds" : "last_hidden_state",
             seen.view({pictures, -1, seen.size(-1)}));
  }
  return {};
}

Status rebuild(ClassCall& call, PatchRebuilder& rebuilder) {
  LUTHIER_TRY(const Tensor noise, call.given.wanted("noise"));
  LUTHIER_CHECK(call.given.wanted("pixel_values"));
  ModelInput input;
  LUTHIER_CHECK(call.put_pictures(input));
  call.given.put_picture_rows(input);
  const auto count = static_cast<std::int64_t>(input.pictures.size());
  if (noise.dim() != 2 || noise.size(0) != count || noise.size(1) != rebuilder.patches())
    return call.given.shape_error("noise", "[pictures, patches]");
  const ModelInput there = call.ready(std::move(input));
  const Tensor ranks =
      at::argsort(at::argsort(noise, std::int64_t{1}, false), std::int64_t{1}, false);
  call.add("ids_restore", ranks);
  if (auto* encoder = call.body ? dynamic_cast<UncoveredPatches*>(&call.model) : nullptr) {
    const Tensor states =
        encoder->seen_states(there, noise.to(call.model.device(), torch::kFloat32));
    call.add("last_hidden_state", states);
    call.add("mask", ranks.ge(states.size(1) - 1));
    return {};
  }
  const auto made = rebuilder.rebuild(there, noise.to(call.model.device(), torch::kFloat32));
  call.add("logits", made.made);
  call.add("mask", made.covered);
  const Tensor beside = (made.made - made.wanted).pow(2).mean(-1);
  call.out.loss = (beside * made.covered).sum() / made.covered.sum();
  return {};
}

}  // namespace luthier::class_calls
