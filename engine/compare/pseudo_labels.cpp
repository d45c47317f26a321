// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/compare/pseudo_labels.h"

#include <map>

#include "engine/base/text.h"
#include "engine/data/row_writing.h"
#include "engine/generate/generate.h"

namespace luthier {

namespace {

ComparisonAnswer whole_answer(const Generated& generated) {
  ComparisonAnswer answer;
  answer.text = generated.text;
  answer.tokens = generated.tokens;
  answer.finish = generated.finish;
  return answer;
}

}  // namespace

PseudoLabel agreed_label(const std::vector<ComparisonAnswer>& drawn) {
  std::map<std::string, std::size_t> counts;
  for (const ComparisonAnswer& answer : drawn)
    if (answer.finish == "eos") ++counts[trimmed(answer.text)];
  PseudoLabel label;
  std::size_t most = 0;
  for (const ComparisonAnswer& answer : drawn) {
    if (answer.finish != "eos") continue;
    const std::string text = trimmed(answer.text);
    if (counts[text] <= most) continue;
    most = counts[text];
    label.answer = text;
    label.ended = true;
  }
  label.confidence = static_cast<double>(most) / static_cast<double>(drawn.size());
  return label;
}

const char* confidence_name(const PseudoLabelOptions& options) {
  return options.samples > 1 ? "agreement" : "mean_token_probability";
}

Result<std::vector<PseudoLabel>> pseudo_labels(
    const LoadedModel& model, const ResidentColumn& column, const std::vector<Sample>& samples,
    const PseudoLabelOptions& options,
    const std::function<bool(std::size_t, std::size_t)>& progress) {
  if (options.samples > 1 && options.decoding.temperature <= 0)
    return input_error("Answers that are not drawn agree always.", "--temperature",
                       "Give one above 0 with --samples, or leave --samples out.");
  std::vector<std::vector<ComparisonAnswer>> drawn(samples.size());
  std::size_t done = 0;
  const std::size_t total = samples.size() * options.samples;
  for (std::size_t round = 0; round < options.samples; ++round) {
    std::vector<std::uint64_t> draws;  // by sample and round, whatever else is asked
    for (std::size_t i = 0; i < samples.size(); ++i) draws.push_back(i * options.samples + round);
    LUTHIER_CHECK(answer_columns(model, {column}, samples, draws, options.decoding,
                                 [&](std::size_t, std::size_t index, const Generated& so_far) {
                                   if (!so_far.finish.empty()) {
                                     drawn[index].push_back(whole_answer(so_far));
                                     ++done;
                                   }
                                   return !progress || progress(done, total);
                                 }));
  }
  std::vector<PseudoLabel> labels;
  for (const auto& answers : drawn) {
    if (options.samples > 1) {
      labels.push_back(agreed_label(answers));
      continue;
    }
    const ComparisonAnswer& answer = answers.front();
    labels.push_back({trimmed(answer.text), answer.confidence(), answer.finish == "eos"});
  }
  return labels;
}

Json pseudo_row(const Sample& sample, const PseudoLabel& label, const PseudoLabelOptions& options,
                const Json& made_by, const std::filesystem::path& folder) {
  Conversation row = sample.conversation;
  if (sample.expected()) row.messages.pop_back();
  row.messages.push_back({"assistant", {ContentPart::of_text(label.answer)}});
  Json json = row_json(row, folder);
  Json provenance = {{"kind", "pseudo_label"}};
  for (const auto& [key, value] : made_by.items()) provenance[key] = value;
  provenance["from"] = short_place(sample.where);
  provenance["by"] = confidence_name(options);
  provenance["confidence"] = label.confidence;
  provenance["threshold"] = options.threshold;
  if (options.samples > 1) {
    provenance["samples"] = options.samples;
    provenance["temperature"] = options.decoding.temperature;
    provenance["seed"] = options.decoding.seed;
  }
  json["provenance"] = std::move(provenance);
  return json;
}

}  // namespace luthier
