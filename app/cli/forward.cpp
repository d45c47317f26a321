// SPDX-License-Identifier: GPL-3.0-or-later
// One row through the model, or several where it compares them, with everything that an oracle
// wants to compare.
#include <algorithm>
#include <memory>
#include <numeric>

#include "app/cli/pixels.h"
#include "app/cli/quantization.h"
#include "app/cli/tensor_output.h"
#include "app/cli/verbs.h"
#include "app/cli/wanted_gradients.h"
#include "engine/base/text.h"
#include "engine/batches/batch.h"
#include "engine/data/row_kind.h"
#include "engine/device/failure.h"
#include "engine/io/files.h"
#include "engine/io/output_place.h"
#include "engine/methods/adapter.h"
#include "engine/methods/routed_adapters.h"
#include "engine/models/backward_writer.h"
#include "engine/models/class_forward.h"
#include "engine/models/load_without_processor.h"
#include "engine/models/pictures/feature_maps.h"
#include "engine/models/smoothed_labels.h"
#include "engine/models/two_towers/pair_loss.h"

namespace luthier::cli {

namespace {

struct ForwardOptions {
  std::string model, input, tensors, image_folder, out, device = "auto", dtype = "auto";
  std::vector<std::string> adapters, gradients, options;
  MediaLimits pixels;
  QuantizationOptions packing;
  Json quantization;  ///< what they ask for
};

/// The row of --input, or its list of rows, which may be of any kind; of a row's sequences the
/// first is looked at.
Result<std::vector<Example>> read_input(const ForwardOptions& o, const ChatProcessor& processor) {
  const std::filesystem::path path = o.input;
  LUTHIER_TRY(const Json content, read_json_file(path));
  const std::filesystem::path base =
      o.image_folder.empty() ? path.parent_path() : std::filesystem::path(o.image_folder);
  std::vector<Example> examples;
  for (const Json& row : content.is_array() ? content : Json::array({content})) {
    LUTHIER_TRY(const Conversation read, any_rows().read(row, base, o.input, nullptr));
    LUTHIER_TRY(EncodedRow encoded, any_rows().encode(read, processor, RowEncoding(), o.input));
    examples.push_back(std::move(encoded.sequences.front()));
  }
  if (examples.empty()) return input_error("There is no row.", o.input);
  return examples;
}

/// What a model makes of its input, with the loss that its kind of model is made for.
struct Outcome {
  std::string name;  ///< "logits", or what transformers calls them
  torch::Tensor logits, loss;
};

/// Of a caption that is written from its end, too: that direction's mean.
torch::Tensor backward_mean(Model& model, BackwardWriter& backward, const ModelInput& input) {
  const NextLabels last = backward_labels(input);
  const RowStates memory = model.sequence_to_sequence()->encode(input);
  const torch::Tensor states = backward.decode_backward(input, memory).index_select(0, last.places);
  return at::cross_entropy_loss(model.output_head()->forward(states).to(torch::kFloat32),
                                last.labels);
}

/// Each labelled token by the state that predicts it: a causal model's what follows, an encoder's
/// what stands there.
Outcome token_outcome(Model& model, const ModelInput& input) {
  const torch::Tensor logits = model.output_head()
                                   ->forward(states_before_head(model, input))
                                   .to(torch::kFloat32);  // [seq, vocab]
  const std::int64_t shift = model.encoder() ? 0 : 1, seq = logits.size(0);
  const torch::Tensor goals = input.labels.slice(0, shift);
  const std::int64_t count = goals.ne(kIgnoreLabel).sum().item<std::int64_t>();
  const torch::Tensor before = logits.slice(0, 0, seq - shift);
  const torch::Tensor sum = at::cross_entropy_loss(before, goals, {}, at::Reduction::Sum,
                                                   kIgnoreLabel, label_smoothing_of(model));
  // The decoder of two texts is asked for the answer alone, as transformers asks it.
  const torch::Tensor& shown = model.sequence_to_sequence() ? before : logits;
  torch::Tensor loss = count > 0 ? sum / count : sum;
  if (BackwardWriter* backward = backward_writer_of(model); backward && count > 0)
    loss = loss + backward_mean(model, *backward, input);
  return {"logits", shown.unsqueeze(0), loss};
}

/// Each text's picture among all, and the other way round.
Outcome likeness_outcome(TwoTowers& towers, const ModelInput& input) {
  const torch::Tensor logits = text_likeness(towers, input);
  return {"logits_per_text", logits, pair_loss(towers, logits) / logits.size(0)};
}

/// What tells classes apart, and no loss: rows need no labels here, and `loss` has one.
Outcome class_outcome(Classifier& model, const ModelInput& input) {
  const torch::Tensor logits = model.classify(input).to(torch::kFloat32);
  return {"logits", logits, torch::zeros({1})};
}

/// What a tower makes of a picture, place by place; its loss is the mean square, for gradients.
Outcome map_outcome(FeatureMaps& tower, const ModelInput& input) {
  const torch::Tensor maps = tower.maps(input.pixel_values).to(torch::kFloat32);
  return {"last_hidden_state", maps, maps.pow(2).mean()};
}

/// Several rows are for models that compare them, each a text with its picture.
Status check_rows(Model& model, const std::vector<Example>& rows, const std::string& where) {
  if (!model.two_towers()) {
    if (rows.size() == 1) return {};
    return input_error("Only models of two towers look at several rows at once.", where,
                       "Give one row.");
  }
  for (const Example& row : rows) {
    if (row.images.size() == 1) continue;
    return input_error(
        "A row has " + std::to_string(row.images.size()) + " pictures, and a text goes with one.",
        where, "Rows for such a model are {\"image\": \"…\", \"text\": \"…\"}.");
  }
  return {};
}

/// The row once under each of several adapters, all in one batch: logits [adapters, seq, vocab]
/// and a loss of each.
Status forward_together(const ForwardOptions& o, LoadedModel& loaded) {
  const torch::NoGradGuard no_grad;
  if (!o.gradients.empty() || loaded.model->two_towers() || !loaded.model->output_head() ||
      loaded.model->sequence_to_sequence())
    return input_error("Several adapters share a batch for logits of one text alone.", "--adapter",
                       "Give one adapter for gradients, and for models of other kinds.");
  std::vector<std::shared_ptr<Adapter>> adapters;
  std::vector<const Adapter*> routed;
  std::vector<Example> rows;
  for (const std::string& folder : o.adapters) {
    LUTHIER_TRY(auto adapter, load_adapter(loaded, folder));
    if (!RoutedAdapters::can_route(*adapter))
      return input_error(
          "The adapter swaps whole weights or puts tokens before every row, so it "
          "has a batch to itself.",
          folder, "Give it alone.");
    LUTHIER_TRY(const auto processor,
                processor_for(loaded, pixels_for(folder, adapter->pixels, o.pixels)));
    LUTHIER_TRY(std::vector<Example> own, read_input(o, *processor));
    if (own.size() != 1 || (!rows.empty() && own.front().input_ids != rows.front().input_ids))
      return input_error("The adapters do not see one row of the same tokens.", folder,
                         "They were trained under unlike pixel limits, or several rows were given: "
                         "--min-pixels and --max-pixels set the limits.");
    rows.push_back(std::move(own.front()));
    adapters.push_back(std::move(adapter));
    routed.push_back(adapters.back().get());
  }
  RoutedAdapters together(*loaded.model, routed);
  std::vector<std::size_t> places(rows.size());
  std::iota(places.begin(), places.end(), std::size_t{0});
  together.set_rows(places);
  const ModelInput cpu = collate(rows);
  const ModelInput input = to_device(cpu, loaded.model->device());
  const auto count = static_cast<std::int64_t>(rows.size());
  const torch::Tensor logits =
      loaded.model->output_head()
          ->forward(states_before_head(*loaded.model, input))
          .to(torch::kFloat32)
          .view({count, input.input_ids.size(0) / count, -1});  // [adapters, seq, vocab]
  const torch::Tensor labels = input.labels.view({count, -1});
  const std::int64_t shift = loaded.model->causal() ? 1 : 0, seq = logits.size(1);
  std::vector<torch::Tensor> losses;
  for (std::int64_t i = 0; i < count; ++i)
    losses.push_back(at::cross_entropy_loss(logits[i].slice(0, 0, seq - shift),
                                            labels[i].slice(0, shift), {}, at::Reduction::Mean,
                                            kIgnoreLabel));
  return write_tensors(o.out, {{"input_ids", cpu.input_ids.view({count, -1})},
                               {"labels", cpu.labels.view({count, -1})},
                               {"logits", logits},
                               {"loss", at::stack(losses)}});
}

LoadOptions load_as(const ForwardOptions& o) {
  LoadOptions load;
  load.device = o.device;
  load.dtype = o.dtype;
  load.pixels = o.pixels;
  load.quantization = o.quantization;
  load.go_on = [](double) { return !interrupted().stop_requested(); };
  return load;
}

/// As transformers' class is called: --tensors and --option in place of rows.
Status forward_by_tensors(const ForwardOptions& o) {
  if (o.adapters.size() > 1)
    return input_error("Several adapters share a batch for logits of one text alone.", "--adapter",
                       "Give one adapter with --tensors.");
  ClassArguments arguments;
  arguments.where = o.tensors;
  LUTHIER_TRY(arguments.tensors, read_tensor_file(o.tensors));
  for (const std::string& text : o.options) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos)
      return input_error("\"" + text + "\" is not NAME=VALUE.", "--option",
                         "Write --option return_loss=true.");
    arguments.options[text.substr(0, equals)] = text.substr(equals + 1);
  }
  LUTHIER_TRY(LoadedModel loaded, load_without_processor(o.model, load_as(o)));
  std::shared_ptr<Adapter> adapter;
  if (!o.adapters.empty()) {
    LUTHIER_TRY(adapter, load_adapter(loaded, o.adapters.front()));
    adapter->activate();
  }
  LUTHIER_TRY(const WantedGradients wanted,
              WantedGradients::find(loaded, adapter.get(), o.gradients));
  const torch::AutoGradMode mode(!wanted.empty());
  LUTHIER_TRY(ClassOutputs outputs, class_forward(loaded, arguments));
  if (!wanted.empty()) {
    if (!outputs.loss.defined() || !outputs.loss.requires_grad())
      return input_error("Without a loss there are no gradients.", "--grad",
                         "Give labels, or --option return_loss=true to models of two towers.");
    outputs.loss.backward();
  }
  wanted.add_to(outputs.named);
  for (auto& [name, tensor] : outputs.named) tensor = tensor.detach();
  return write_tensors(o.out, std::move(outputs.named));
}

Status forward(const ForwardOptions& o) try {
  LUTHIER_CHECK(check_output_file(o.out));
  if (o.input.empty() == o.tensors.empty())
    return input_error("A forward pass is of rows, or of tensors.", "--input, --tensors",
                       "Give one of the two.");
  if (!o.tensors.empty()) return forward_by_tensors(o);
  if (!o.options.empty())
    return input_error("Options are a class's, which is called by tensors.", "--option",
                       "Leave it out, or give --tensors in place of --input.");
  const LoadOptions load = load_as(o);
  LUTHIER_TRY(LoadedModel loaded, load_model(o.model, load));
  if (o.adapters.size() > 1) return forward_together(o, loaded);
  std::shared_ptr<Adapter> adapter;
  auto processor = loaded.processor;
  if (!o.adapters.empty()) {
    LUTHIER_TRY(adapter, load_adapter(loaded, o.adapters.front()));
    const MediaLimits pixels = pixels_for(o.adapters.front(), adapter->pixels, o.pixels);
    LUTHIER_TRY(processor, processor_for(loaded, pixels));
    adapter->activate();
  }
  TwoTowers* towers = loaded.model->two_towers();
  Classifier* classifier = loaded.model->output_head() ? nullptr : loaded.model->classifier();
  const bool says = towers || classifier || loaded.model->output_head();
  FeatureMaps* maps = says ? nullptr : feature_maps(*loaded.model);
  if (!says && !maps)
    return input_error(
        "A model of type " + std::string(loaded.family->model_type) + " makes no logits.", o.model);
  const bool two_texts = loaded.model->sequence_to_sequence() != nullptr;
  LUTHIER_TRY(const std::vector<Example> examples, read_input(o, *processor));
  const bool alone = std::any_of(examples.begin(), examples.end(),
                                 [](const Example& each) { return each.source_ids.empty(); });
  if (two_texts && alone)
    return input_error("A model of type " + std::string(loaded.family->model_type) +
                           " writes one text from another, and a row given here is one text.",
                       o.model, "luthier-cli loss shows what a recipe's objective makes of rows.");
  LUTHIER_CHECK(check_rows(*loaded.model, examples, o.input));
  LUTHIER_TRY(const WantedGradients wanted,
              WantedGradients::find(loaded, adapter.get(), o.gradients));

  const ModelInput cpu = collate(examples);
  const ModelInput input = to_device(cpu, loaded.model->device());
  const torch::AutoGradMode mode(!wanted.empty());
  Outcome outcome = towers       ? likeness_outcome(*towers, input)
                    : classifier ? class_outcome(*classifier, input)
                    : maps       ? map_outcome(*maps, input)
                                 : token_outcome(*loaded.model, input);
  if (adapter && adapter->course()) outcome.loss = outcome.loss + adapter->course()->loss_term();
  if (!wanted.empty() && outcome.loss.requires_grad()) outcome.loss.backward();

  // What an encoder reads is the input of two texts; labels are the answer behind its start.
  std::vector<std::pair<std::string, torch::Tensor>> results{
      {"input_ids", (two_texts ? cpu.source_ids : cpu.input_ids).unsqueeze(0)},
      {"labels", cpu.labels.slice(0, two_texts ? 1 : 0).unsqueeze(0)}};
  if (cpu.pixel_values.defined()) {
    results.emplace_back("pixel_values", loaded.family->processor_layout
                                             ? loaded.family->processor_layout(cpu)
                                             : cpu.pixel_values);
  }
  results.emplace_back(outcome.name, outcome.logits);
  results.emplace_back("loss", outcome.loss.reshape({1}));
  wanted.add_to(results);
  return write_tensors(o.out, std::move(results));
} catch (const std::exception& problem) {
  return device_failure(
      problem,
      machine_error("Memory ran out in the forward pass.", o.model,
                    "Give a shorter row, ask for fewer gradients, or take --dtype bfloat16."),
      machine_error("The forward pass failed: " + first_line(problem.what()), o.model));
}

}  // namespace

Action add_forward(CLI::App& app) {
  const auto o = std::make_shared<ForwardOptions>();
  app.add_option("MODEL", o->model, "A checkpoint folder")->required();
  app.add_option("--input", o->input,
                 "A JSON file with a row (messages, or what else a row may be), or with a list of "
                 "rows for a model that compares them");
  app.add_option("--tensors", o->tensors,
                 "In place of --input: a safetensors file of what transformers' class is called "
                 "with, by the names of its arguments; --out gets its outputs by their names");
  app.add_option("--option", o->options,
                 "NAME=VALUE: a scalar that the class is called with, as return_loss=true (several "
                 "times)")
      ->allow_extra_args(false);
  app.add_option("--image-folder", o->image_folder,
                 "Where relative picture paths of --input start (else beside its file)");
  app.add_option("--out", o->out, "The safetensors file to write")->required();
  app.add_option("--adapter", o->adapters,
                 "A PEFT folder (several times: one batch, the row once under each, without "
                 "gradients)")
      ->allow_extra_args(false);
  app.add_option("--grad", o->gradients,
                 "A tensor whose gradient of the loss to write (may stand several times); all: of "
                 "every tensor that has one")
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
