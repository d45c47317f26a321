// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/two_towers/two_tower_parts.h"

#include "engine/models/processor_files.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

Tensor unit_vectors(const Tensor& x) { return x / x.pow(2).sum(-1, /*keepdim=*/true).pow(0.5); }

Stage two_tower_inputs(const Pass& pass, bool tower_trains) {
  const StepTerms& terms = pass.terms;
  Stage inputs;
  inputs.kept = 2 * terms.block(pass.tokens, 8);  // ids and labels
  if (tower_trains) inputs.kept += terms.floats(pass.pictures.numbers);
  inputs.moments = {{inputs.kept, 0}};
  return inputs;
}

Stage end_product_cost(const StepTerms& terms, const Linear& linear, std::int64_t rows) {
  const ProductsCost product = products_cost(terms, {linear}, rows);
  Stage stage;
  stage.kept = product.input + product.numbers;
  stage.moments = {{stage.kept, product.input_copies * product.input}};
  stage.gradients = terms.of(*linear).parameters * terms.gradient_element;
  return stage;
}

ModelGeometry text_geometry(const VisionSizes& text, std::int64_t vocab_size) {
  ModelGeometry g;
  g.vocab_size = vocab_size, g.hidden_size = text.hidden_size;
  g.num_hidden_layers = text.num_hidden_layers;
  g.num_attention_heads = g.num_key_value_heads = text.num_attention_heads;
  g.head_dim = text.hidden_size / text.num_attention_heads;
  return g;
}

PicturePlan pictures_beside(const char* processor, std::int64_t smallest) {
  const ProcessorDefaults defaults{processor};
  const auto tokens = [defaults,
                       smallest](const std::filesystem::path& files) -> Result<ImageTokens> {
    LUTHIER_TRY(const PixelValues outline, frame_outline(files, defaults, 0));
    if (outline.shape.front() != 1)
      return input_error("The picture processor cuts pictures into several frames.", files.string(),
                         "The picture tower takes each picture as one frame.");
    if (outline.shape[2] < smallest || outline.shape[3] < smallest)
      return input_error("The picture processor makes frames below the model's " +
                             std::to_string(smallest) + " pixels.",
                         files.string(), "Processor and weights do not belong together.");
    ImageTokens beside;  // a picture stands beside its text, not in it
    beside.mark.clear();
    return beside;
  };
  return PicturePlan{-1, defaults, tokens};
}

}  // namespace luthier
