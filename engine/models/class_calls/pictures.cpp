// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/class_calls/call.h"
#include "engine/models/clipseg/segmenter.h"
#include "engine/models/two_towers/pair_loss.h"

namespace luthier::class_calls {

using torch::Tensor;

/// Each text is about its own picture.
Status segment(ClassCall& call, Segmenter& segmenter) {
  LUTHIER_TRY(const FilledUp rows, call.given.text_rows());
  ModelInput input;
  call.given.put_rows(rows, input);
  LUTHIER_CHECK(call.given.put_own_pictures(rows, input));
  Segmenter::Rows about;
  for (std::int64_t row = 0; row < rows.rows(); ++row) {
    about.pictures.push_back(row);
    about.prompts.push_back(-1);
  }
  const Tensor logits = segmenter.segment(call.ready(std::move(input)), about);
  call.add("logits", logits);
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
  LUTHIER_CHECK(call.given.put_pictures(input));
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

Status rebuild(ClassCall& call, PatchRebuilder& rebuilder) {
  LUTHIER_TRY(const Tensor noise, call.given.wanted("noise"));
  LUTHIER_CHECK(call.given.wanted("pixel_values"));
  ModelInput input;
  LUTHIER_CHECK(call.given.put_pictures(input));
  call.given.put_picture_rows(input);
  const auto count = static_cast<std::int64_t>(input.pictures.size());
  if (noise.dim() != 2 || noise.size(0) != count || noise.size(1) != rebuilder.patches())
    return call.given.shape_error("noise", "[pictures, patches]");
  const ModelInput there = call.ready(std::move(input));
  const auto made = rebuilder.rebuild(there, noise.to(call.model.device(), torch::kFloat32));
  call.add("logits", made.made);
  call.add("mask", made.covered);
  call.add("ids_restore",
           at::argsort(at::argsort(noise, std::int64_t{1}, false), std::int64_t{1}, false));
  const Tensor beside = (made.made - made.wanted).pow(2).mean(-1);
  call.out.loss = (beside * made.covered).sum() / made.covered.sum();
  return {};
}

}  // namespace luthier::class_calls
