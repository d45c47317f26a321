// SPDX-License-Identifier: GPL-3.0-or-later
// A step's peak: what the parts of a model keep from the pixels up to the loss, and the moments of
// the backward at which kept tensors, temporaries and grown gradients come to the most. Nothing is
// kept below the first layer that trains.
#include <algorithm>

#include "engine/forecast/trained.h"
#include "engine/train/step_runner.h"

namespace luthier {
namespace {

constexpr std::int64_t loss_chunk_elements = 1 << 22;  // objectives/cross_entropy.cpp

/// Frames of any size whose patches all come to features.
bool sizes_vary(const ModelGeometry& g, const PictureLoad& pictures) {
  return pictures.patches == 0 && g.image_height == 0 && g.projector_in > g.vision_hidden_size;
}

/// The batch as the model meets it.
struct Batch {
  std::int64_t tokens = 0, labels = 0, patches = 0, features = 0, numbers = 0;
  AttentionShape rows;
};

Batch lay_out(const ModelGeometry& g, const BatchShape& shape, const TensorSizes& sizes) {
  Batch batch;
  const PictureLoad& pictures = shape.pictures;
  batch.tokens = shape.tokens, batch.features = pictures.tokens, batch.numbers = pictures.numbers;
  batch.labels = std::min(shape.labels, shape.tokens);
  batch.patches = pictures.frames * g.vision_tokens + pictures.patches;
  const std::int64_t fold = g.projector_in / std::max<std::int64_t>(1, g.vision_hidden_size);
  if (sizes_vary(g, pictures)) {
    batch.patches =
        pictures.tokens * fold +
        pictures.frames * std::max<std::int64_t>(0, g.vision_tokens - g.image_tokens * fold);
  }
  std::vector<std::int64_t> lengths = shape.lengths;
  if (lengths.empty())
    lengths.assign(static_cast<std::size_t>(std::max<std::int64_t>(1, shape.batch_size)),
                   shape.tokens / std::max<std::int64_t>(1, shape.batch_size));
  const std::int64_t filler = sizes.cpu ? filler_tokens(batch.tokens) : 0;
  if (filler > 0) lengths.push_back(filler);
  batch.tokens += filler;
  batch.rows = attention_shape(lengths, true);
  return batch;
}

/// What the projector keeps, where a gradient comes out of it.
std::int64_t projector_bytes(const ModelGeometry& g, const TensorSizes& sizes, const Batch& batch,
                             const Needs& needs) {
  const std::int64_t in = sizes.block(batch.features * g.projector_in),
                     between = sizes.block(batch.features * g.projector_width);
  std::int64_t one = needs.projector_in ? in : 0;  // normed or not
  one += (needs.projector_out ? 2 : 1) * between +
         sizes.block(batch.features * needs.ranks_projector, 4);
  const std::int64_t norm = g.projector_norm ? in + sizes.block(batch.features * 2, 4) : 0;
  if (g.deepstack_layers == 0) return one + norm;
  // DeepStack's states lie beside the last layer's; each of its mergers takes a copy of its own.
  return sizes.block(batch.patches * g.vision_hidden_size * g.vision_states) +
         g.vision_states * one + (g.vision_states - 1) * norm;
}

}  // namespace

std::int64_t feature_numbers(const ModelGeometry& g, const PictureLoad& pictures) {
  const std::int64_t wide = g.vision_hidden_size * g.vision_states;
  if (pictures.patches > 0) return pictures.patches * wide;
  if (sizes_vary(g, pictures)) return pictures.tokens * g.projector_in;
  // A class token is no feature; a frame's other tokens come to whole features.
  const bool whole = g.image_tokens == 0 || g.vision_tokens % g.image_tokens == 0;
  return pictures.frames * (whole ? g.vision_tokens : g.vision_tokens - 1) * wide;
}

StepBytes step_bytes(const ModelSummary& model, const Recipe& recipe, const BatchShape& shape,
                     const std::vector<TrainedModule>& trained, const TensorSizes& sizes,
                     std::int64_t gradients) {
  const ModelGeometry& g = model.geometry;
  const Needs needs = collect_needs(model, trained);
  const Batch batch = lay_out(g, shape, sizes);
  const bool plugs = method_kind(recipe.strategy).hangs_adapter();
  const bool dropout =
      has_setting(recipe, "adapter.lora_dropout") && recipe.adapter.lora_dropout > 0;
  const std::int64_t e = sizes.element, n = batch.tokens, m = batch.patches, labels = batch.labels,
                     hidden = g.hidden_size;
  const std::int64_t state = sizes.block(n * hidden), scale = sizes.block(n, 4);

  // Forward, from the pixels up.
  std::int64_t standing_inputs = sizes.block(n, 8) * 2;  // ids and labels
  if (needs.tower_trains) standing_inputs += sizes.block(batch.numbers, 4);
  std::int64_t tower = needs.patches ? sizes.block(batch.numbers) : 0, tower_work = 0,
               tower_gradients = 0;
  bool flows = needs.tower_start;
  for (const LayerNeeds& need : needs.tower) {
    const LayerBytes bytes = tower_layer(g, sizes, m, need, flows, dropout);
    tower += bytes.kept();
    tower_work = std::max({tower_work, bytes.mlp_work, bytes.attention_work - bytes.mlp});
    tower_gradients += need.parameters * (plugs ? 4 : e);
    flows = flows || need.any;
  }
  if (flows && g.vision_final_norm)
    tower += sizes.block(m * g.vision_hidden_size) + 2 * sizes.block(m, 4);
  if (flows && g.vision_fused_qkv)
    tower += 2 * sizes.block(m * (g.vision_hidden_size / std::max<std::int64_t>(1, g.vision_heads)),
                             4);  // rotary table
  if (!needs.tower_trains)
    tower = sizes.block(feature_numbers(g, shape.pictures));  // the features alone
  if (flows || needs.projector) {
    tower += projector_bytes(g, sizes, batch, needs);
    flows = true;
  }
  flows = flows || needs.embedding;

  const std::int64_t tables = 2 * g.rotary_tables * sizes.block(n * g.head_dim);
  std::int64_t shared = tables + mask_bytes(g, sizes, batch.rows);  // by all layers
  if (sizes.checkpointing) shared += g.deepstack_layers * sizes.block(batch.features * hidden);
  std::vector<LayerBytes> layers;  // of the decoder
  for (const LayerNeeds& need : needs.decoder) {
    layers.push_back(decoder_layer(g, sizes, batch.rows, n, need, flows, dropout));
    flows = flows || need.any;
  }
  const auto held = [&](std::size_t i) { return sizes.checkpointing ? state : layers[i].kept(); };
  const std::int64_t top = flows ? state + scale : 0;  // the final norm's input
  std::int64_t all = standing_inputs + tower + shared + top;
  for (std::size_t i = 0; i < layers.size(); ++i) all += held(i);

  // In the loss: the last states, those with labels and their gradient, a chunk of logits.
  const std::int64_t vocab = std::max<std::int64_t>(1, g.vocab_size);
  const std::int64_t chunk =
      std::min<std::int64_t>(labels, std::max<std::int64_t>(1, loss_chunk_elements / vocab));
  const std::int64_t head_gradient = needs.head || (needs.embedding_whole && g.tied_embeddings)
                                         ? sizes.block(vocab * hidden, 4)
                                         : 0;
  std::int64_t loss = state + 2 * sizes.block(labels * hidden) +
                      sizes.block(chunk * vocab, e == 4 ? 4 : 8) + sizes.block(chunk * hidden) +
                      head_gradient;
  if (needs.head_rank > 0)
    loss += sizes.block(labels * vocab, 4) +
            sizes.block(chunk * vocab, 4);  // an adapted head keeps its chunks

  const std::int64_t standing =
      recipe.training.gradient_accumulation_steps > 1 ? gradients : 0;  // of earlier micro-batches
  std::int64_t best = -1;
  StepBytes result;
  const auto consider = [&](std::int64_t grown, std::int64_t kept, std::int64_t workspace) {
    const std::int64_t sum = std::max(standing, grown) + kept + workspace;
    if (sum <= best) return;
    best = sum;
    result.kept =
        std::max<std::int64_t>(0, kept + std::max(standing, grown) -
                                      gradients);  // gradients are counted as a part of their own
    result.workspace = workspace;
  };
  consider(0, all, loss);
  std::int64_t grown = head_gradient, kept = all;
  consider(grown, kept,
           sizes.block(labels * hidden) + state + state +
               4 * sizes.block(n * hidden, 4));  // the final norm
  kept -= top;
  for (std::size_t i = layers.size(); i-- > 0;) {
    const std::int64_t again =
        sizes.checkpointing ? layers[i].kept() + state : 0;  // made once more
    consider(grown, kept + again, layers[i].mlp_work);
    consider(grown, kept + again - layers[i].mlp, layers[i].attention_work);
    kept -= held(i);
    grown += needs.decoder[i].parameters * (plugs ? 4 : e);
  }
  kept -= shared;
  consider(grown, kept, tower_work);
  consider(grown + tower_gradients, standing_inputs, 0);
  consider(gradients, 0, e < 4 && !plugs ? head_gradient : 0);  // the optimizer's own step
  return result;
}

}  // namespace luthier
