// SPDX-License-Identifier: GPL-3.0-or-later
// One conversation through the model, with everything that an oracle wants to compare.
#include <memory>

#include "app/cli/pixels.h"
#include "app/cli/quantization.h"
#include "app/cli/tensor_output.h"
#include "app/cli/verbs.h"
#include "engine/base/text.h"
#include "engine/batches/batch.h"
#include "engine/data/row_kind.h"
#include "engine/io/files.h"
#include "engine/methods/adapter.h"

namespace luthier::cli {

namespace {

struct Options {
  std::string model, input, image_folder, out, adapter, device = "auto", dtype = "auto";
  std::vector<std::string> gradients;
  PixelLimits pixels;
  QuantizationOptions packing;
  Json quantization;  ///< what they ask for
};

struct Wanted {
  std::string asked;
  torch::Tensor parameter;
};

/// The tensors whose gradients are asked for, under any name that the checkpoint may use; `adapter`
/// means all that the adapter trains, by the keys of its file.
Result<std::vector<Wanted>> find_parameters(const LoadedModel& loaded, const Adapter* adapter,
                                            const std::vector<std::string>& names) {
  std::vector<Wanted> wanted;
  const auto parameters = loaded.model->named_parameters();
  for (const std::string& name : names) {
    if (name == "adapter" && adapter) {
      LUTHIER_CHECK(adapter->check_trainable());
      for (const auto& [key, tensor] : adapter->tensors()) wanted.push_back({key, tensor});
      continue;
    }
    const torch::Tensor* found = parameters.find(loaded.family->memory_name(name));
    if (!found) found = parameters.find(name);
    if (!found)
      return input_error("The checkpoint has no tensor " + name + ".", "--grad",
                         "`luthier-cli info MODEL` lists the modules.");
    wanted.push_back({name, *found});
  }
  return wanted;
}

/// The row of --input, which may be of any kind; of several sequences the first is looked at.
Result<EncodedRow> read_input(const Options& o, const ChatProcessor& processor) {
  const std::filesystem::path path = o.input;
  LUTHIER_TRY(const Json row, read_json_file(path));
  const std::filesystem::path base =
      o.image_folder.empty() ? path.parent_path() : std::filesystem::path(o.image_folder);
  LUTHIER_TRY(const Conversation read, any_rows().read(row, base, o.input, nullptr));
  return any_rows().encode(read, processor, RowEncoding(), o.input);
}

Status forward(const Options& o) try {
  LoadOptions load;
  load.device = o.device;
  load.dtype = o.dtype;
  load.pixels = o.pixels;
  load.quantization = o.quantization;
  load.go_on = [](double) { return !interrupted().stop_requested(); };
  LUTHIER_TRY(LoadedModel loaded, load_model(o.model, load));
  std::shared_ptr<Adapter> adapter;
  auto processor = loaded.processor;
  if (!o.adapter.empty()) {
    LUTHIER_TRY(adapter, load_adapter(loaded, o.adapter));
    const PixelLimits pixels = pixels_for(o.adapter, adapter->pixels, o.pixels);
    LUTHIER_TRY(processor, processor_for(loaded, pixels));
    adapter->activate();
  }
  if (!loaded.model->output_head())
    return input_error(
        "A model of type " + std::string(loaded.family->model_type) + " makes no logits.", o.model);
  if (loaded.model->sequence_to_sequence())
    return input_error("A model of type " + std::string(loaded.family->model_type) +
                           " writes one text from another, and a row given here is one text.",
                       o.model, "luthier-cli loss shows what a recipe's objective makes of rows.");
  LUTHIER_TRY(const EncodedRow row, read_input(o, *processor));
  const Example& example = row.sequences.front();
  LUTHIER_TRY(const auto wanted, find_parameters(loaded, adapter.get(), o.gradients));
  for (const Wanted& each : wanted) each.parameter.set_requires_grad(true);

  const ModelInput cpu = collate({example});
  const ModelInput input = to_device(cpu, loaded.model->device());
  const torch::AutoGradMode mode(!wanted.empty());
  const torch::Tensor logits = loaded.model->output_head()
                                   ->forward(states_before_head(*loaded.model, input))
                                   .to(torch::kFloat32);  // [seq, vocab]
  // A causal model's states predict what follows, an encoder's what stands there.
  const std::int64_t shift = loaded.model->causal() ? 1 : 0;
  const std::int64_t seq = logits.size(0);
  const torch::Tensor goals = input.labels.slice(0, shift);
  const std::int64_t count = goals.ne(kIgnoreLabel).sum().item<std::int64_t>();
  torch::Tensor loss = at::cross_entropy_loss(logits.slice(0, 0, seq - shift), goals, {},
                                              at::Reduction::Sum, kIgnoreLabel);
  if (count > 0) loss = loss / count;
  if (!wanted.empty() && count > 0) loss.backward();

  std::vector<std::pair<std::string, torch::Tensor>> results{
      {"input_ids", cpu.input_ids.unsqueeze(0)}, {"labels", cpu.labels.unsqueeze(0)}};
  if (cpu.pixel_values.defined()) {
    results.emplace_back("pixel_values", loaded.family->processor_layout
                                             ? loaded.family->processor_layout(cpu)
                                             : cpu.pixel_values);
  }
  results.emplace_back("logits", logits.unsqueeze(0));
  results.emplace_back("loss", loss.reshape({1}));
  for (const Wanted& each : wanted) {
    const torch::Tensor gradient = each.parameter.grad();
    results.emplace_back("grad." + each.asked,
                         gradient.defined()
                             ? gradient.to(torch::kFloat32)
                             : torch::zeros(each.parameter.sizes(), torch::kFloat32));
  }
  return write_tensors(o.out, std::move(results));
} catch (const std::exception& problem) {
  return machine_error("The forward pass failed: " + first_line(problem.what()), o.model);
}

}  // namespace

Action add_forward(CLI::App& app) {
  const auto o = std::make_shared<Options>();
  app.add_option("MODEL", o->model, "A checkpoint folder")->required();
  app.add_option("--input", o->input, "A JSON file with messages")->required();
  app.add_option("--image-folder", o->image_folder,
                 "Where relative picture paths of --input start (else beside its file)");
  app.add_option("--out", o->out, "The safetensors file to write")->required();
  app.add_option("--adapter", o->adapter, "A PEFT folder");
  app.add_option("--grad", o->gradients,
                 "A tensor whose gradient of the loss to write (may stand several times)")
      ->allow_extra_args(false);
  add_pixel_options(app, o->pixels);
  add_quantization_options(app, o->packing, /*switched=*/true);
  app.add_option("--device", o->device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--dtype", o->dtype, "auto, float32 or bfloat16")->capture_default_str();
  return [o, &app]() -> Status {
    LUTHIER_TRY(o->quantization, quantization_settings(app, o->packing));
    return forward(*o);
  };
}

}  // namespace luthier::cli
