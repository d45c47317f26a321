// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/check/shapes.h"

namespace luthier {

namespace {

constexpr std::int64_t kMerged = 2, kPatch = 16, kFrames = 2, kTextFirst = 8;

TokenId image_token(const CardShape& shape) { return shape.vocabulary - 1; }

std::int64_t picture_tokens(const CardShape& shape) {
  return shape.side * shape.side / kMerged / kMerged;
}

std::int64_t patch_numbers() { return 3 * kFrames * kPatch * kPatch; }

}  // namespace

const std::vector<CardShape>& card_shapes() {
  static const std::vector<CardShape> list{
      {"0.6 B", 1024, 3072, 28, 16, 8, 128, 151936, true, 24, 1024, 4096, 16, 2, 2048, 32, 49000},
      {"1.7 B", 2048, 6144, 28, 16, 8, 128, 151936, true, 24, 1024, 4096, 16, 2, 2048, 32, 46000},
      {"4 B", 2560, 9728, 36, 32, 8, 128, 151936, true, 24, 1024, 4096, 16, 2, 2048, 32, 17000},
      {"8 B", 4096, 12288, 36, 32, 8, 128, 151936, false, 24, 1024, 4096, 16, 2, 2048, 32, 11800},
  };
  return list;
}

const std::vector<CardShape>& shapes_for(torch::Device device) {
  static const std::vector<CardShape> of_others{
      {"2 M", 128, 384, 4, 4, 2, 32, 4096, true, 3, 64, 128, 4, 2, 256, 8, 0},
  };
  return device.is_cuda() ? card_shapes() : of_others;
}

Json config_of(const CardShape& shape) {
  const std::int64_t half = shape.head_dim / 2, height = half * 20 / 64;
  return {{"model_type", "qwen3_vl"},
          {"tie_word_embeddings", shape.tied},
          {"image_token_id", image_token(shape)},
          {"text_config",
           {{"model_type", "qwen3_vl_text"},
            {"vocab_size", shape.vocabulary},
            {"hidden_size", shape.hidden},
            {"intermediate_size", shape.intermediate},
            {"num_hidden_layers", shape.layers},
            {"num_attention_heads", shape.heads},
            {"num_key_value_heads", shape.key_value_heads},
            {"head_dim", shape.head_dim},
            {"tie_word_embeddings", shape.tied},
            {"max_position_embeddings", 262144},
            {"rope_parameters",
             {{"rope_type", "default"},
              {"rope_theta", 5e6},
              {"mrope_section", {half - 2 * height, height, height}},
              {"mrope_interleaved", true}}}}},
          {"vision_config",
           {{"model_type", "qwen3_vl_vision"},
            {"depth", shape.vision_depth},
            {"hidden_size", shape.vision_hidden},
            {"intermediate_size", shape.vision_intermediate},
            {"num_heads", shape.vision_heads},
            {"out_hidden_size", shape.hidden},
            {"patch_size", kPatch},
            {"spatial_merge_size", kMerged},
            {"temporal_patch_size", kFrames},
            {"num_position_embeddings", 2304},
            {"deepstack_visual_indexes",
             {shape.vision_depth / 4, shape.vision_depth / 2, shape.vision_depth * 3 / 4}}}}};
}

MicroBatch rows_of(const CardShape& shape, bool pictures) {
  constexpr TokenId kFirstId = 100, kIds = 480;
  MicroBatch rows;
  const std::int64_t shown = pictures ? picture_tokens(shape) : 0;
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    Example example;
    for (std::int64_t i = 0; i < shape.length; ++i) {
      const bool picture = i >= kTextFirst && i < kTextFirst + shown;
      example.input_ids.push_back(picture ? image_token(shape)
                                          : kFirstId + (i * 7 + row * 13) % kIds);
      example.labels.push_back(picture || i < kTextFirst ? kIgnoreLabel : example.input_ids.back());
    }
    example.prompt_tokens = kTextFirst + shown;
    if (pictures) {
      PixelValues values;
      values.shape = {shape.side * shape.side, patch_numbers()};
      values.grid = {1, shape.side, shape.side};
      for (std::int64_t i = 0; i < shape.side * shape.side * patch_numbers(); ++i)
        values.values.push_back(static_cast<float>((i + row) % 37) / 37.0f);
      example.images.push_back(std::move(values));
    }
    rows.rows.push_back(row);
    rows.encoded.emplace_back().sequences.push_back(std::move(example));
    rows.cached.emplace_back();
  }
  return rows;
}

BatchShape batch_shape_of(const CardShape& shape, bool pictures) {
  BatchShape batch;
  const std::int64_t shown = pictures ? picture_tokens(shape) : 0;
  batch.batch_size = shape.rows;
  batch.tokens = shape.rows * shape.length;
  batch.labels = shape.rows * (shape.length - kTextFirst - shown);
  batch.lengths.assign(static_cast<std::size_t>(shape.rows), shape.length);
  if (!pictures) return batch;
  batch.pictures.images = shape.rows;
  batch.pictures.patches = shape.rows * shape.side * shape.side;
  batch.pictures.numbers = batch.pictures.patches * patch_numbers();
  batch.pictures.tokens = shape.rows * shown;
  return batch;
}

Result<LoadedModel> drawn_in_place(const CardShape& shape, const torch::TensorOptions& tensors,
                                   std::shared_ptr<const ChatProcessor> processor) {
  LoadedModel loaded;
  loaded.config = config_of(shape);
  LUTHIER_TRY(loaded.family, find_family(loaded.config, "gpu-check"));
  LUTHIER_TRY(const Plan plan, loaded.family->read(loaded.config, "gpu-check"));
  loaded.processor = std::move(processor);
  loaded.stored_dtype = "BF16";
  loaded.drawn = true;
  loaded.model = plan.made(tensors);
  const torch::NoGradGuard no_grad;
  for (auto& item : loaded.model->named_parameters()) {
    torch::Tensor& tensor = item.value();
    if (tensor.dim() > 1)
      tensor.normal_(0, plan.initializer_range);
    else
      tensor.fill_(item.key().ends_with("bias") ? 0 : 1);
  }
  loaded.model->eval();
  return loaded;
}

}  // namespace luthier
