// SPDX-License-Identifier: GPL-3.0-or-later
// Rows with an answer in steps, each found right or wrong (TRL's PRMTrainer): the prompt by the
// template with its generation prompt, then each step and the separator, every piece tokenized
// apart. The label stands on the separator's last token, and no end token follows.
#include <algorithm>
#include <map>
#include <mutex>

#include "engine/data/row_kind.h"

namespace luthier {

namespace {

constexpr const char* kSteps = "completions";
constexpr const char* kStepLabels = "labels";

bool holds_key(const Json& row, const char* key) {
  return row.contains(key) && !row[key].is_null();
}

Error refused_step(RowFault* fault, const std::string& where, const std::string& field,
                   std::string what, std::string hint = {}) {
  if (fault) *fault = RowFault::BadRow;
  return input_error(std::move(what), where + ": " + field, std::move(hint));
}

Error unlabelled(RowFault* fault, const std::string& where, std::size_t steps) {
  return refused_step(fault, where, kStepLabels,
                      "The row does not say of each of its " + std::to_string(steps) +
                          " steps whether it is right.",
                      "Write as many labels as steps, true or false.");
}

/// The row's question alone, as messages.
Json asked_in(const Json& row) {
  Json asked = row;
  asked.erase(kSteps);
  asked.erase(kStepLabels);
  if (holds_key(row, "messages") || !holds_key(row, "prompt")) return asked;
  const Json& prompt = row["prompt"];
  asked.erase("prompt");
  if (prompt.is_string())
    asked["messages"] = Json::array({{{"role", "user"}, {"content", prompt}}});
  else
    asked["messages"] = prompt.is_object() ? Json::array({prompt}) : prompt;
  return asked;
}

class StepwiseRows : public RowKind {
 public:
  explicit StepwiseRows(std::string separator) : separator_(std::move(separator)) {}

  const char* name() const override { return "stepwise"; }
  bool recognises(const Json& row) const override {
    return holds_key(row, kSteps) && row[kSteps].is_array();
  }
  const RowKind& under(const Recipe& recipe) const override {
    return stepwise_rows(recipe.more.text("prm.step_separator"));
  }

  Result<Conversation> read(const Json& row, const std::filesystem::path& base,
                            const std::string& where, RowFault* fault) const override {
    if (!row.is_object()) return read_conversation(row, base, where, fault);
    if (!holds_key(row, kSteps) || !row[kSteps].is_array() || row[kSteps].empty())
      return refused_step(fault, where, kSteps, "The row has no answer in steps.",
                          "Write a list of texts, a step each.");
    if (!holds_key(row, "prompt") && !holds_key(row, "messages"))
      return refused_step(fault, where, "prompt", "The row has steps but no prompt.");
    const Json &steps = row[kSteps],
               labels = holds_key(row, kStepLabels) ? row[kStepLabels] : Json();
    if (!labels.is_null() && (!labels.is_array() || labels.size() != steps.size()))
      return unlabelled(fault, where, steps.size());
    LUTHIER_TRY(Conversation made, read_conversation(asked_in(row), base, where, fault));
    if (made.messages.empty())
      return refused_step(fault, where, "prompt", "The row has steps but no prompt.");
    made.answer.emplace();
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const std::string place = "[" + std::to_string(i) + "]";
      if (!steps[i].is_string())
        return refused_step(fault, where, kSteps + place, "A step must be a text.");
      Message step{"assistant", {ContentPart::of_text(steps[i].get<std::string>())}};
      made.answer->push_back(std::move(step));
      if (labels.is_null()) continue;
      const bool number = labels[i].is_number_integer() && (labels[i] == 0 || labels[i] == 1);
      if (!labels[i].is_boolean() && !number)
        return refused_step(fault, where, kStepLabels + place,
                            "A step's label must be true or false.");
      made.answer->back().extra = {{"label", labels[i] == true || labels[i] == 1}};
    }
    return made;
  }

  Result<EncodedRow> encode(const Conversation& row, const ChatProcessor& processor,
                            const RowEncoding& how, const std::string& where,
                            RowFault* fault) const override {
    if (!row.answer || row.answer->empty())
      return refused_step(fault, where, kSteps, "The row has no answer in steps.",
                          "Write a list of texts, a step each.");
    // The prompt is what an answer of all steps has before it.
    Message whole{"assistant", {ContentPart::of_text("")}};
    for (const Message& step : *row.answer) {
      if (!step.extra.is_object() || !step.extra.contains("label"))
        return unlabelled(fault, where, row.answer->size());
      whole.content.front().text += step.content.front().text + separator_;
    }
    EncodedRow encoded;
    LUTHIER_TRY(encoded.sequences,
                processor.encode_answers(row, {{whole}}, how.max_length, where, fault,
                                         how.outline ? &how.size_of : nullptr));
    Example& example = encoded.sequences.front();
    if (!example.source_ids.empty())
      return refused_step(fault, where, kSteps,
                          "This model reads the prompt apart from the answer, and steps cannot be "
                          "judged in it.",
                          "Choose a model of one text.");
    const auto answer = std::find_if(example.labels.begin(), example.labels.end(),
                                     [](std::int64_t label) { return label != kIgnoreLabel; });
    const auto prompt = static_cast<std::size_t>(answer - example.labels.begin());
    encoded.numbers["prompt_tokens"] = static_cast<double>(prompt);
    example.input_ids.resize(prompt);
    example.labels.assign(prompt, kIgnoreLabel);
    LUTHIER_CHECK(append_steps(*row.answer, processor, where, fault, example));
    const std::size_t length = example.input_ids.size();
    const std::size_t limit =
        how.max_length > 0 ? std::min(static_cast<std::size_t>(how.max_length), length) : length;
    example.truncated_tokens = static_cast<std::int64_t>(length - limit);
    example.input_ids.resize(limit);
    example.labels.resize(limit);
    return encoded;
  }

 private:
  Status append_steps(const std::vector<Message>& steps, const ChatProcessor& processor,
                      const std::string& where, RowFault* fault, Example& example) const {
    const auto append = [&](const std::string& text) -> Status {
      const auto encoding = processor.tokenizer().encode(text, /*add_special=*/false);
      if (!encoding) return refused_step(fault, where, kSteps, encoding.error().what);
      example.input_ids.insert(example.input_ids.end(), encoding->ids.begin(), encoding->ids.end());
      return {};
    };
    for (const Message& step : steps) {
      const std::size_t before = example.input_ids.size();
      LUTHIER_CHECK(append(step.content.front().text));
      LUTHIER_CHECK(append(separator_));
      if (example.input_ids.size() == before) continue;  // of no token: nothing can carry its label
      example.labels.resize(example.input_ids.size(), kIgnoreLabel);
      example.labels.back() = step.extra.value("label", false) ? 1 : 0;
    }
    return {};
  }

  const std::string separator_;
};

}  // namespace

const RowKind& stepwise_rows(const std::string& separator) {
  // Kinds outlive all who ask for one; there are as many as separators in a program's recipes.
  static std::mutex mutex;
  static std::map<std::string, StepwiseRows> kinds;
  const std::lock_guard lock(mutex);
  return kinds.try_emplace(separator, separator).first->second;
}

}  // namespace luthier
