// SPDX-License-Identifier: GPL-3.0-or-later
// A tiny checkpoint with weights for the tests of methods, and what they ask of it.
#pragma once

#include "engine/methods/method.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

#include "tests/train/tiny_run.h"

namespace luthier::test {

class MethodBase {
 public:
  MethodBase() {
    make_model(root() / "drawn");
    Json config = *read_json_file(root() / "drawn" / "config.json");
    config["text_config"]["attention_bias"] = true;  // so that biases show in a text
    write_text(root() / "drawn" / "config.json", config.dump(2));
    LoadOptions options;
    options.device = "cpu";
    options.random_weights = true;
    auto drawn = load_model(root() / "drawn", options);
    if (!drawn) qFatal("%s", drawn.error().sentence().c_str());
    const torch::NoGradGuard no_grad;
    for (torch::Tensor& tensor : drawn->model->parameters()) {
      if (tensor.dim() > 1) tensor.mul_(4);  // so that every block shows
    }
    if (!save_model(*drawn, folder(), torch::kFloat32)) qFatal("no checkpoint can be written");
  }
  fs::path root() const { return directory_.path().toStdString(); }
  fs::path folder() const { return root() / "model"; }
  fs::path made(const std::string& name) const {
    fs::create_directories(root() / name);
    return root() / name;
  }
  LoadedModel load() const {
    LoadOptions options;
    options.device = "cpu";
    options.dtype = "float32";
    auto loaded = load_model(folder(), options);
    if (!loaded) qFatal("%s", loaded.error().sentence().c_str());
    return loaded.take();
  }
  Result<Recipe> try_recipe(const std::string& strategy,
                            const std::vector<std::string>& settings) const {
    std::vector<std::string> all{"strategy=" + strategy, "model=" + folder().string(), "dataset=d",
                                 "output_dir=o"};
    if (strategy == "trainable_tokens") all.push_back("adapter.token_indices=[5, 11, 20]");
    all.insert(all.end(), settings.begin(), settings.end());
    return parse_recipe("", "test", all);
  }
  Recipe recipe(const std::string& strategy, const std::vector<std::string>& settings = {}) const {
    auto recipe = try_recipe(strategy, settings);
    if (!recipe) qFatal("%s", recipe.error().sentence().c_str());
    return recipe.take();
  }

 private:
  QTemporaryDir directory_;
};

inline torch::Tensor logits_of(Model& model) {
  const torch::NoGradGuard no_grad;
  Example example;
  for (int i = 0; i < 40; ++i) example.input_ids.push_back(5 + i * 3);
  example.labels.assign(example.input_ids.size(), kIgnoreLabel);
  return model.head()->forward(model.decode(model.embed(collate({example})), nullptr));
}

/// A text behind a picture of drawn pixels, whose four patches are as many tokens.
inline Example shown(const LoadedModel& loaded, int length) {
  Example example;
  example.input_ids.assign(4, loaded.processor->image_token_id());
  for (int i = 0; i < length; ++i) example.input_ids.push_back(5 + i * 3);
  example.labels.assign(example.input_ids.size(), kIgnoreLabel);
  PixelValues pixels{{}, {1, 3, 28, 28}, {}};
  for (int i = 0; i < 3 * 28 * 28; ++i)
    pixels.values.push_back(static_cast<float>((i * 37) % 101) / 50 - 1);
  example.images.push_back(std::move(pixels));
  return example;
}

inline torch::Tensor logits_with_picture(LoadedModel& loaded) {
  const torch::NoGradGuard no_grad;
  Model& model = *loaded.model;
  return model.head()->forward(model.decode(model.embed(collate({shown(loaded, 40)})), nullptr));
}

/// Every byte of the base's parameters, as one number each.
inline std::vector<torch::Tensor> copies(const Model& model) {
  std::vector<torch::Tensor> all;
  for (const torch::Tensor& tensor : model.parameters()) all.push_back(tensor.detach().clone());
  return all;
}

inline bool same_bytes(const Model& model, const std::vector<torch::Tensor>& before) {
  const auto now = model.parameters();
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (!torch::equal(now[i], before[i])) return false;
  }
  return now.size() == before.size();
}

/// All that the adapter trains, moved so that it shows.
inline void disturb(const Adapter& adapter) {
  const torch::NoGradGuard no_grad;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(9);
  for (auto [key, tensor] : adapter.tensors())
    tensor.add_(torch::empty(tensor.sizes(), torch::kFloat32).normal_(0, 0.1, generator));
}

inline double far(const torch::Tensor& got, const torch::Tensor& wanted) {
  if (got.sizes() != wanted.sizes()) return 1e9;
  return ((got - wanted).abs().max() / wanted.abs().max()).item<double>();
}

/// What is wrong when an adapter that was disturbed is switched on, set to no strength and back,
/// and off again; empty: nothing. `plain`: the base's logits_with_picture, from which its own are
/// farther than `least`.
inline QString wrong_when_switched(LoadedModel& loaded, Adapter& adapter,
                                   const torch::Tensor& plain, double least) {
  const auto gives = [&](const torch::Tensor& wanted) {
    return torch::equal(logits_with_picture(loaded), wanted);
  };
  if (!gives(plain)) return "It shows before it is active.";
  adapter.activate();
  const torch::Tensor with = logits_with_picture(loaded);
  if (!(far(with, plain) > least)) return "The case is blind.";
  if (!gives(with)) return "It answers otherwise the second time.";
  adapter.set_strength(0);
  if (!gives(plain)) return "Without strength it is not the base.";
  adapter.set_strength(1);
  if (!gives(with)) return "With its strength again it answers otherwise.";
  adapter.deactivate();
  return gives(plain) ? "" : "Switched off it is not the base.";
}

}  // namespace luthier::test
