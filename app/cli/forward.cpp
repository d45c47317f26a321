// SPDX-License-Identifier: GPL-3.0-or-later
// One conversation through the model, with everything that an oracle wants to compare.
#include <memory>

#include "app/cli/pixels.h"
#include "app/cli/verbs.h"
#include "engine/base/text.h"
#include "engine/io/files.h"
#include "engine/methods/adapter.h"
#include "engine/objectives/objective.h"

namespace luthier::cli {

namespace {

struct Options {
  std::string model, input, image_folder, out, adapter, device = "auto", dtype = "auto";
  std::vector<std::string> gradients;
  PixelLimits pixels;
};

struct Wanted {
  std::string asked;
  torch::Tensor parameter;
};

/// The tensors whose gradients are asked for, under any name that the checkpoint may use.
Result<std::vector<Wanted>> find_parameters(const LoadedModel& loaded,
                                            const std::vector<std::string>& names) {
  std::vector<Wanted> wanted;
  const auto parameters = loaded.model->named_parameters();
  for (const std::string& name : names) {
    const torch::Tensor* found = parameters.find(loaded.family->memory_name(name));
    if (!found) found = parameters.find(name);
    if (!found)
      return input_error("The checkpoint has no tensor " + name + ".", "--grad",
                         "`luthier-cli info MODEL` lists the modules.");
    wanted.push_back({name, *found});
  }
  return wanted;
}

TensorToWrite to_write(const std::string& name, const torch::Tensor& tensor) {
  return {name,
          file_dtype(tensor.scalar_type()),
          tensor.sizes().vec(),
          {static_cast<const std::byte*>(tensor.const_data_ptr()),
           static_cast<std::size_t>(tensor.nbytes())}};
}

Status forward(const Options& o) try {
  LoadOptions load;
  load.device = o.device;
  load.dtype = o.dtype;
  load.pixels = o.pixels;
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
  LUTHIER_TRY(const Conversation conversation, read_conversation_file(o.input, o.image_folder));
  LUTHIER_TRY(const Example example,
              processor->encode_training(conversation, LossOn::Completion, 0, o.input));
  LUTHIER_TRY(const auto wanted, find_parameters(loaded, o.gradients));
  for (const Wanted& each : wanted) each.parameter.set_requires_grad(true);

  const ModelInput cpu = collate({example});
  const ModelInput input = to_device(cpu, loaded.model->device());
  const torch::AutoGradMode mode(!wanted.empty());
  const torch::Tensor logits =
      loaded.model->head()
          ->forward(loaded.model->decode(loaded.model->embed(input), nullptr))
          .to(torch::kFloat32);  // [seq, vocab]
  const std::int64_t seq = logits.size(0);
  const torch::Tensor goals = input.labels.slice(0, 1);
  const std::int64_t count = goals.ne(kIgnoreLabel).sum().item<std::int64_t>();
  torch::Tensor loss = at::cross_entropy_loss(logits.slice(0, 0, seq - 1), goals, {},
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
  std::vector<TensorToWrite> tensors;
  for (auto& [name, tensor] : results) {
    tensor = tensor.detach().to(torch::kCPU).contiguous();
    tensors.push_back(to_write(name, tensor));
  }
  const std::string temporary = o.out + ".part";
  if (const Status written = write_safetensors(temporary, tensors); !written) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    return written;
  }
  std::error_code problem;
  std::filesystem::rename(temporary, o.out, problem);
  if (problem) return machine_error("The file cannot be written: " + problem.message(), o.out);
  return {};
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
  app.add_option("--device", o->device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_option("--dtype", o->dtype, "auto, float32 or bfloat16")->capture_default_str();
  return [o] { return forward(*o); };
}

}  // namespace luthier::cli
