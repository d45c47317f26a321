// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/blip/shared_captioner.h"

#include <algorithm>
#include <string_view>

#include "engine/models/blip/blip_options.h"

namespace luthier {

namespace {

using torch::Tensor;

constexpr std::string_view kTowerOfBoth = "vision_model.", kWriterBody = "text_decoder.bert.",
                           kReaderBody = "text_encoder.";

/// The retriever's name of what the captioner has under this one; empty: it is the captioner's own.
std::string name_in_retriever(const std::string& name) {
  if (name.starts_with(kTowerOfBoth)) return name;
  if (!name.starts_with(kWriterBody) || name.find(".attention.") != std::string::npos) return {};
  return std::string(kReaderBody) + name.substr(kWriterBody.size());
}

/// What both must have alike and no shape of a tensor tells.
Status check_settings(const blip::Options& reads, const blip::Options& writes,
                      const std::string& where) {
  const auto differs = [&](const char* field) {
    return input_error(std::string("The captioner's ") + field + " is not the model's.", where,
                       "Both must have the same vision_config and text_config.");
  };
  const BlipTowerOptions &tower = reads.vision, &other = writes.vision;
  if (tower.num_attention_heads != other.num_attention_heads)
    return differs("vision_config: num_attention_heads");
  if (tower.hidden_act != other.hidden_act) return differs("vision_config: hidden_act");
  if (tower.layer_norm_eps != other.layer_norm_eps) return differs("vision_config: layer_norm_eps");
  if (tower.num_hidden_layers != other.num_hidden_layers)
    return differs("vision_config: num_hidden_layers");
  const TextLayerSizes &layer = reads.text.layer, &own = writes.text.layer;
  if (layer.heads != own.heads) return differs("text_config: num_attention_heads");
  if (layer.activation != own.activation) return differs("text_config: hidden_act");
  if (layer.layer_norm_eps != own.layer_norm_eps) return differs("text_config: layer_norm_eps");
  if (reads.text.num_hidden_layers != writes.text.num_hidden_layers)
    return differs("text_config: num_hidden_layers");
  if (reads.text.tables.padding != writes.text.tables.padding)
    return differs("text_config: pad_token_id");
  if (reads.start != writes.start) return differs("text_config: bos_token_id");
  return {};
}

Result<blip::Options> options_of(const LoadedModel& model, blip::Task task,
                                 const std::string& where) {
  const std::string config = (model.folder / "config.json").string();
  if (std::string_view(model.family->model_type) == "blip") {
    LUTHIER_TRY(const blip::Options options, blip::read_options(model.config, config));
    if (options.task == task) return options;
  }
  return input_error("The two models are not BLIP's that finds texts and BLIP's that writes them.",
                     where,
                     "Name a folder of BlipForConditionalGeneration beside a model of "
                     "BlipForImageTextRetrieval.");
}

}  // namespace

Status share_with_captioner(const LoadedModel& retriever, LoadedModel& captioner,
                            const std::string& where) {
  LUTHIER_TRY(const blip::Options reads, options_of(retriever, blip::Task::Retrieve, where));
  LUTHIER_TRY(const blip::Options writes, options_of(captioner, blip::Task::Caption, where));
  LUTHIER_CHECK(check_settings(reads, writes, where));
  const auto owned = retriever.model->named_parameters();
  for (const auto& item : captioner.model->named_parameters()) {
    const std::string name = name_in_retriever(item.key());
    if (name.empty()) continue;
    const Tensor* found = owned.find(name);
    if (!found || found->sizes() != item.value().sizes())
      return input_error("The captioner's tensor " + item.key() + " is of another size than " +
                             "the model's " + name + ".",
                         where, "Both must have the same vision_config and text_config.");
  }
  Linear head = captioner.model->output_head();
  Tensor words;  // before they are the retriever's
  const auto before = captioner.model->named_parameters();
  if (const Tensor* table =
          before.find(std::string(kWriterBody) + "embeddings.word_embeddings.weight"))
    words = *table;
  const bool tied = head && words.defined() && head->weight.shares(words);
  for (const auto& item : captioner.model->named_modules()) {
    auto* module = dynamic_cast<ParameterModule*>(item.value().get());
    if (!module || item.key().empty()) continue;
    for (const auto& [slot, tensor] : module->slots()) {
      const std::string name = name_in_retriever(item.key() + "." + slot);
      if (const Tensor* found = name.empty() ? nullptr : owned.find(name))
        module->place(slot, *found);
    }
  }
  if (tied)
    head->place("weight",
                *owned.find(std::string(kReaderBody) + "embeddings.word_embeddings.weight"));
  return {};
}

bool is_shared_with_captioner(const std::string& module) {
  return !name_in_retriever(module + ".").empty();
}

Pass captioner_pass(const Pass& retriever, const ModelGeometry& captioner) {
  Pass pass = retriever;
  pass.source_lengths.assign(pass.lengths.size(), 1);
  const auto shown = std::min(pass.lengths.size(), static_cast<std::size_t>(pass.pictures.frames));
  std::fill_n(pass.source_lengths.begin(), shown, captioner.vision_tokens);
  pass.labels = std::max<std::int64_t>(0, pass.tokens - retriever.pictures.frames);
  pass.pictures.frames = pass.pictures.numbers = 0;
  return pass;
}

}  // namespace luthier
