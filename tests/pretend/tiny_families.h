// SPDX-License-Identifier: GPL-3.0-or-later
// A tiny model of every family, with the same drawn weights on whatever device, and rows for it:
// made from the configurations in tests/data, without a tokenizer.
#pragma once

#include <algorithm>

#include <ATen/CPUGeneratorImpl.h>

#include "engine/models/loaded_model.h"

namespace luthier::pretend {

namespace fs = std::filesystem;

/// What a processor would make of one picture.
struct PictureForm {
  std::vector<std::int64_t> pixels, grid;
  std::int64_t tokens = 0;  ///< in the text
};

struct TinyFamily {
  std::string name, objective = "sft";
  Json config;
  const Family* family = nullptr;
  Plan plan;
  PictureForm picture;
  TokenId image = -1;  ///< −1: pictures are not in the text

  bool shows() const { return !picture.pixels.empty(); }
};

inline PictureForm picture_of(const std::string& name) {
  if (name == "llava") return {{1, 3, 30, 30}, {}, 25};
  // A picture of 60 × 60 as four tiles and a whole: 25 tokens, and 10 lines of 10 with their ends.
  if (name == "llava_next") return {{5, 3, 30, 30}, {60, 60}, 135};
  if (name == "smolvlm" || name == "idefics3") return {{1, 3, 32, 32}, {0, 0}, 4};
  if (name == "internvl") return {{1, 3, 32, 32}, {}, 4};
  if (name == "qwen2_vl" || name == "qwen3_vl") return {{16, 96}, {1, 4, 4}, 4};
  if (name == "qwen2_5_vl") return {{48, 96}, {1, 6, 8}, 12};
  if (name == "paligemma" || name == "gemma3") return {{1, 3, 32, 32}, {}, 16};
  if (name == "clip") return {{1, 3, 30, 30}, {}, 0};
  return {};
}

inline TinyFamily tiny_family(const std::string& name) {
  TinyFamily made;
  made.name = name;
  const fs::path folder = fs::path(LUTHIER_TEST_DATA) / "models/families" / name;
  made.config = read_json_file(folder / "config.json").take();
  made.family = find_family(made.config, "config.json").take();
  made.plan = made.family->read(made.config, folder).take();
  made.picture = picture_of(name);
  for (const char* key : {"image_token_id", "image_token_index"})
    if (made.config.contains(key)) made.image = made.config[key].get<TokenId>();
  if (name == "bert") made.objective = "mlm";
  if (name == "t5") made.objective = "span_corruption";
  if (name == "clip") made.objective = "contrastive";
  return made;
}

inline LoadedModel built(const TinyFamily& family, torch::Device device) {
  LoadedModel loaded;
  loaded.family = family.family, loaded.config = family.config;
  loaded.model = family.plan.made(torch::TensorOptions().device(device).dtype(torch::kFloat32));
  const torch::NoGradGuard no_grad;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(7);
  for (torch::Tensor& tensor : loaded.model->parameters()) {
    const torch::Tensor drawn =
        torch::empty(tensor.sizes(), torch::kFloat32).normal_(0, 0.05, generator);
    tensor.copy_(tensor.dim() == 1 ? drawn + 0.5 : drawn);
  }
  return loaded;
}

/// Rows of these lengths, beyond a picture's tokens; each shows one where the family takes them.
inline ModelInput rows_of(const TinyFamily& family, const std::vector<std::int64_t>& beyond) {
  constexpr std::int64_t kBefore = 2, kFirstId = 3, kIds = 100;
  ModelInput input;
  std::vector<std::int64_t> ids, labels, source;
  std::vector<torch::Tensor> pixels;
  const PictureForm& picture = family.picture;
  for (std::size_t row = 0; row < beyond.size(); ++row) {
    const auto number = static_cast<std::int64_t>(row);
    const std::int64_t length = beyond[row] + picture.tokens;
    for (std::int64_t i = 0; i < length; ++i) {
      const bool shown = i >= kBefore && i < kBefore + picture.tokens;
      ids.push_back(shown ? family.image : kFirstId + (i * 7 + number * 13) % kIds);
      labels.push_back(shown || i <= kBefore ? kIgnoreLabel : ids.back());
    }
    if (family.name == "clip") ids.back() = 902;  // the end of a text, whose state is the text's
    input.lengths.push_back(length);
    input.prompt_lengths.push_back(picture.tokens + kBefore + 1);
    if (family.shows()) {
      std::int64_t numbers = 1;
      for (const std::int64_t side : picture.pixels) numbers *= side;
      const torch::Tensor values = torch::arange(numbers, torch::kFloat32) + 5.0 * number;
      pixels.push_back(values.remainder(37).div(37).view(picture.pixels));
      input.pictures.push_back({picture.pixels.front(), picture.grid});
    }
    if (family.name == "t5") {
      input.source_lengths.push_back(length + 9);
      for (std::int64_t i = 0; i < length + 9; ++i)
        source.push_back(kFirstId + (i * 11 + number * 5) % kIds);
    }
  }
  input.input_ids = torch::tensor(ids, torch::kInt64);
  input.labels = torch::tensor(labels, torch::kInt64);
  if (!source.empty()) input.source_ids = torch::tensor(source, torch::kInt64);
  if (!pixels.empty()) input.pixel_values = at::cat(pixels);
  return input;
}

/// Lengths beyond the picture that attention takes in groups, where the family's rows may be long.
inline std::vector<std::int64_t> ragged(const TinyFamily& family) {
  if (family.name == "clip") return {14, 9, 11};
  if (family.name == "bert") return {18, 40, 30};
  return {18, 110, 30};
}

/// The same family with so many more layers of its text's model.
inline TinyFamily deeper(TinyFamily family, std::int64_t more) {
  const auto grow = [more](Json& section) {
    for (const char* key : {"num_hidden_layers", "num_layers"}) {
      if (section.contains(key)) section[key] = section[key].get<std::int64_t>() + more;
    }
    if (!section.contains("layer_types")) return;
    Json& types = section["layer_types"];
    for (std::int64_t i = 0; i < more; ++i) types.push_back(types[0]);
  };
  grow(family.config);
  if (family.config.contains("text_config")) grow(family.config["text_config"]);
  family.plan = family.family->read(family.config, "deeper").take();
  return family;
}

}  // namespace luthier::pretend
