// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/prompt_tuning.h"

#include "engine/methods/prompts.h"

namespace luthier {

using torch::Tensor;

PromptPlug::PromptPlug(Tensor rows) : prompt(std::move(rows)) {}

TokenSequence PromptPlug::extend(const TokenSequence& sequence) const {
  if (strength == 0) return sequence;
  return with_prompt(sequence, strength == 1 ? prompt : prompt * strength);
}

namespace {

constexpr const char* kPromptTuning = "prompt_tuning";

std::int64_t prompt_tokens_of(const AdapterSettings& settings) {
  return settings.more.integer("adapter.num_virtual_tokens");
}

const std::vector<SettingField>& prompt_tuning_fields() {
  using Use = SettingField::Use;
  static const std::vector<SettingField> table =
      prompt_fields({{"prompt_tuning_init", Use::Read, ""},
                     {"prompt_tuning_init_text", Use::Read, ""},
                     {"tokenizer_kwargs", Use::Harmless, "it chose where training started"},
                     {"tokenizer_name_or_path", Use::Harmless, "it chose where training started"}});
  return table;
}

Result<AdapterSettings> prompt_read(const Json& config, const std::string& where) {
  Json known = config;  // null where the prompt did not start as a text
  if (known.contains("prompt_tuning_init_text") && known["prompt_tuning_init_text"].is_null())
    known.erase("prompt_tuning_init_text");
  return read_prompt_settings(kPromptTuning, known, where);
}

Json prompt_write(const AdapterSettings& settings) {
  Json config = write_prompt_settings(kPromptTuning, settings);
  if (config["prompt_tuning_init_text"] == "") config["prompt_tuning_init_text"] = nullptr;
  config["tokenizer_kwargs"] = nullptr;
  config["tokenizer_name_or_path"] = nullptr;
  return config;
}

std::vector<TensorSize> prompt_sizes(const ModelGeometry& model, const AdapterSettings& settings) {
  return {{kPromptKey, {prompt_tokens_of(settings), model.hidden_size}}};
}

Adapter::Parts prompt_parts_of(LoadedModel& base, SequencePort& port,
                               const AdapterSettings& settings, const Tensor& prompt) {
  const ModelGeometry model = base.model->geometry();
  const Tensor own = prompt.to(base.model->device());
  Adapter::Parts parts;
  parts.hung.push_back(hung_on(port.sequence_plug, "", std::make_shared<PromptPlug>(own)));
  parts.trained.emplace_back(kPromptKey, own);
  parts.facts = prompt_facts(model, port.sequence_width(), model.num_attention_heads);
  if (settings.more.text("adapter.prompt_tuning_init") == "TEXT")
    parts.facts["tokenizer_name_or_path"] = base.folder.string();  // PEFT reads no TEXT without
  return parts;
}

/// Ids of the vocabulary but those of pictures and films, whose embedding a model may look for in
/// the text.
std::vector<std::int64_t> prompt_drawn_ids(const LoadedModel& base, std::int64_t count,
                                           at::Generator& generator) {
  const std::int64_t vocabulary = base.model->geometry().vocab_size;
  const Tensor drawn =
      at::randint(vocabulary, {count}, generator, torch::TensorOptions(torch::kInt64));
  std::vector<std::int64_t> ids(drawn.const_data_ptr<std::int64_t>(),
                                drawn.const_data_ptr<std::int64_t>() + count);
  for (std::int64_t& id : ids) {
    while (base.processor->shows(id)) id = id == 0 ? vocabulary - 1 : id - 1;
  }
  return ids;
}

/// The text's tokens, cut or repeated until there are `count`.
Result<std::vector<std::int64_t>> prompt_text_ids(const LoadedModel& base, const std::string& text,
                                                  std::int64_t count) {
  LUTHIER_TRY(const Encoding encoding,
              base.processor->tokenizer().encode(text, /*add_special_tokens=*/true));
  if (encoding.ids.empty()) {
    return input_error("The text has no tokens.", "adapter.prompt_tuning_init_text",
                       "Write the text whose tokens the prompt starts as.");
  }
  std::vector<std::int64_t> ids;
  for (std::int64_t i = 0; i < count; ++i)
    ids.push_back(encoding.ids[static_cast<std::size_t>(i) % encoding.ids.size()]);
  return ids;
}

Result<Adapter::Parts> prompt_make(LoadedModel& base, const AdapterSettings& settings,
                                   std::uint64_t seed) {
  const torch::NoGradGuard no_grad;
  LUTHIER_TRY(SequencePort* const port, prompt_port(list_ports(*base.model)));
  const std::int64_t count = prompt_tokens_of(settings);
  const std::string start = settings.more.text("adapter.prompt_tuning_init");
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  if (start == "RANDOM") {
    return prompt_parts_of(
        base, *port, settings,
        torch::empty({count, port->sequence_width()}, torch::kFloat32).normal_(0, 1, generator));
  }
  std::vector<std::int64_t> ids;
  if (start == "TEXT") {
    LUTHIER_TRY(
        ids, prompt_text_ids(base, settings.more.text("adapter.prompt_tuning_init_text"), count));
  } else {
    ids = prompt_drawn_ids(base, count, generator);
  }
  const Tensor found = port->embed(torch::tensor(ids, torch::kInt64).to(base.model->device()));
  return prompt_parts_of(base, *port, settings, found.to(torch::kFloat32).detach().clone());
}

Result<Adapter::Parts> prompt_load(LoadedModel& base, const AdapterSettings& settings,
                                   const SafetensorsFile& file) {
  LUTHIER_TRY(SequencePort* const port, prompt_port(list_ports(*base.model)));
  LUTHIER_TRY(const Tensor prompt,
              read_prompt(file, prompt_tokens_of(settings), port->sequence_width()));
  return prompt_parts_of(base, *port, settings, prompt);
}

void prompt_add_to(StepTerms& terms, const AdapterSettings& settings) {
  terms.tokens_before = prompt_tokens_of(settings);
}

const WholeMethod kPromptWhole{prompt_sizes, prompt_make, prompt_load, prompt_add_to};

}  // namespace

const Method& prompt_tuning_method() {
  static const Method method = [] {
    Method row(method_kind(kPromptTuning));
    row.fields = prompt_tuning_fields;
    row.read = prompt_read;
    row.write = prompt_write;
    row.of_whole = &kPromptWhole;
    row.unmergeable =
        "Prompt tuning puts tokens in front of the text, which no weight of the base can hold.";
    return row;
  }();
  return method;
}

}  // namespace luthier
