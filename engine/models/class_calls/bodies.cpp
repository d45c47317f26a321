// SPDX-License-Identifier: GPL-3.0-or-later
// What classes without a head give beside their states is made of tensors that no model here holds:
// they are read for the call alone.
#include "engine/models/class_calls/call.h"
#include "engine/models/clip/clip_text.h"
#include "engine/models/open_weights.h"
#include "engine/models/pictures/picture_body.h"
#include "engine/models/stored_tensor.h"

namespace luthier::class_calls {

using torch::Tensor;

namespace {

/// The files' tensor of this name, whatever stands before it; undefined: they have none.
Result<Tensor> tensor_beside(const ClassCall& call, const CheckpointFiles& files,
                             const std::string& name) {
  for (const auto& [stored, info] : files.tensors()) {
    if (stored != name && !stored.ends_with("." + name)) continue;
    Tensor read = torch::empty(info.shape, torch::kFloat32);
    LUTHIER_CHECK(
        read_stored(*files.find(stored), read, call.loaded.folder.string() + ": " + stored));
    return read.to(call.model.device());
  }
  return Tensor();
}

}  // namespace

Status add_pooled(ClassCall& call, const Tensor& first) {
  LUTHIER_TRY(const CheckpointFiles files, open_weights(call.loaded.folder, call.loaded.config,
                                                        *call.loaded.family, call.model));
  for (const std::string pooler : {"pooler.dense", "pooler"}) {
    LUTHIER_TRY(const Tensor weight, tensor_beside(call, files, pooler + ".weight"));
    if (!weight.defined()) continue;
    LUTHIER_TRY(const Tensor bias, tensor_beside(call, files, pooler + ".bias"));
    if (weight.dim() != 2 || weight.size(1) != first.size(-1) || bias.numel() != weight.size(0))
      return input_error("The tensor " + pooler + ".weight does not fit the model's states.",
                         call.loaded.folder.string(), "The weights do not belong to this class.");
    call.add("pooler_output", at::linear(first.to(torch::kFloat32), weight, bias).tanh());
    return {};
  }
  return {};
}

Status picture_states(ClassCall& call, PictureBody& body) {
  LUTHIER_CHECK(call.given.wanted("pixel_values"));
  ModelInput input;
  LUTHIER_CHECK(call.put_pictures(input));
  const PictureStates states = body.states_of(input.pixel_values.to(call.model.device()));
  call.add("last_hidden_state", states.last);
  if (states.pooled.defined())
    call.add("pooler_output", states.pooled);
  else if (states.last.dim() == 3)
    LUTHIER_CHECK(add_pooled(call, states.last.select(1, 0)));
  if (!call.name.ends_with("WithProjection") || !states.pooled.defined()) return {};
  LUTHIER_TRY(const CheckpointFiles files, open_weights(call.loaded.folder, call.loaded.config,
                                                        *call.loaded.family, call.model));
  LUTHIER_TRY(const Tensor projection, tensor_beside(call, files, "visual_projection.weight"));
  if (projection.defined())
    call.add("image_embeds", at::linear(states.pooled.to(torch::kFloat32), projection));
  return {};
}

Status text_states(ClassCall& call, ClipTextTower& tower) {
  LUTHIER_TRY(const FilledUp rows, call.given.text_rows());
  ModelInput input;
  call.given.put_rows(rows, input);
  const ModelInput there = call.ready(std::move(input));
  const RowLayout layout = row_layout(there);
  const Tensor states = tower.states(there.input_ids, layout, /*checkpointing=*/false);
  call.add("last_hidden_state", rows.put_back(states));
  const Tensor ends =
      states.index_select(0, tower.ends(there.input_ids, there.lengths, rows.rows()));
  const bool projects = call.name.ends_with("WithProjection");
  // SigLIP's is a product of it, whose module stands beside the tower's layers.
  const char* const product = projects ? "text_projection" : "head";
  LUTHIER_TRY(const CheckpointFiles files, open_weights(call.loaded.folder, call.loaded.config,
                                                        *call.loaded.family, call.model));
  LUTHIER_TRY(const Tensor weight, tensor_beside(call, files, std::string(product) + ".weight"));
  LUTHIER_TRY(const Tensor bias, tensor_beside(call, files, std::string(product) + ".bias"));
  const Tensor made = weight.defined() ? at::linear(ends.to(torch::kFloat32), weight, bias) : ends;
  call.add(projects ? "text_embeds" : "pooler_output", made);
  return {};
}

}  // namespace luthier::class_calls
