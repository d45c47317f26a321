// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of a robot: a picture, what is to be done, and the action that does it. How an action
// becomes tokens goes by the robot whose it is (ActionOptions), which only the model's config.json
// knows. And how such a row lies: OpenVLA's question, and the action's tokens behind it.
#include <algorithm>
#include <cmath>

#include "engine/base/text.h"
#include "engine/data/in_out_text.h"
#include "engine/data/picture_of_row.h"
#include "engine/data/processor_row.h"
#include "engine/data/row_kind.h"

namespace luthier {

namespace {

constexpr const char* kActionRowForm =
    "Rows are {\"image\": \"…\", \"instruction\": \"…\", \"action\": [0.1, …], \"robot\": \"…\"}.";

/// As OpenVLA was trained to be asked (Kim et al. 2024), instructions in small letters.
std::string question_of(const std::string& instruction) {
  std::string small = instruction;
  std::transform(small.begin(), small.end(), small.begin(),
                 [](unsigned char c) { return static_cast<char>(c < 128 ? std::tolower(c) : c); });
  return in_out_question("What action should the robot take to " + small + "?");
}

class ActionRows : public RowKind {
 public:
  const char* name() const override { return "actions"; }
  bool recognises(const Json& row) const override {
    return row.contains("instruction") && row.contains("action") && row.contains("image");
  }

  Result<Conversation> read(const Json& row, const std::filesystem::path& base,
                            const std::string& where, RowFault* fault) const override {
    const auto refused = [&](const char* what, const char* field) {
      if (fault) *fault = RowFault::BadRow;
      return input_error(what, where + ": " + field, kActionRowForm);
    };
    const auto holds = [&](const char* key) { return row.contains(key) && !row[key].is_null(); };
    if (!row.is_object() || !holds("instruction") || !row["instruction"].is_string())
      return refused("The row does not say what is to be done.", "instruction");
    if (!holds("image") || row["image"].is_array())
      return refused("The row needs one picture.", "image");
    Json extra = {{"robot", ""}};
    if (holds("robot")) {
      if (!row["robot"].is_string()) return refused("The robot's name must be a text.", "robot");
      extra["robot"] = row["robot"];
    }
    if (holds("action")) {
      if (!row["action"].is_array() || row["action"].empty())
        return refused("The action must be a list of numbers.", "action");
      for (const Json& each : row["action"])
        if (!each.is_number() || !std::isfinite(each.get<double>()))
          return refused("The action must be a list of numbers.", "action");
      extra["action"] = row["action"];
    }
    LUTHIER_TRY(Conversation made, read_picture_of_row(row, base, where, fault));
    made.messages.front().content.push_back(
        ContentPart::of_text(row["instruction"].get<std::string>()));
    made.messages.front().extra = std::move(extra);
    return made;
  }

  Result<EncodedRow> encode(const Conversation& row, const ChatProcessor& processor,
                            const RowEncoding& how, const std::string& where,
                            RowFault* fault) const override {
    const auto refused = [&](Error error) {
      if (fault) *fault = RowFault::BadRow;
      return error;
    };
    const ActionOptions* actions = processor.actions();
    if (!actions)
      return refused(input_error("The model moves no robot.", where, "Choose openvla."));
    const Json& extra = row.messages.empty() ? Json() : row.messages.front().extra;
    if (!extra.is_object() || !extra.contains("robot"))
      return refused(input_error("The row is none of a robot.", where, kActionRowForm));
    if (!extra.contains("action"))
      return refused(
          input_error("The row has no action to learn.", where + ": action", kActionRowForm));
    auto robot = actions->robot(extra["robot"].get<std::string>(), where + ": robot");
    if (!robot) return refused(robot.error());
    const auto action = extra["action"].get<std::vector<double>>();
    if (action.size() != (*robot)->dimensions())
      return refused(input_error("The action has " + std::to_string(action.size()) +
                                     " numbers, the robot moves in " +
                                     std::to_string((*robot)->dimensions()) + " dimensions.",
                                 where + ": action"));
    EncodedRow encoded;
    LUTHIER_TRY(Example example,
                processor.encode_action(row, actions->tokens(**robot, action), where, fault,
                                        how.outline ? &how.size_of : nullptr));
    const auto length = static_cast<std::int64_t>(example.input_ids.size());
    if (how.max_length > 0 && length > how.max_length)
      return refused(input_error(
          "The row has " + std::to_string(length) + " tokens, and an action is not cut.", where,
          "Raise training.max_length."));
    encoded.targets = action;
    encoded.sequences.push_back(std::move(example));
    return encoded;
  }
};

}  // namespace

Result<Example> ChatProcessor::encode_action(const Conversation& conversation,
                                             const std::vector<TokenId>& action,
                                             const std::string& where, RowFault* fault,
                                             const SizeOf* outline) const {
  const Row row{conversation.messages, where, fault, action.empty(), {}, {}, nullptr};
  if (image_tokens_.form != RowForm::Robot || !labels_.actions)
    return row.error(RowFault::BadRow, "The model moves no robot.", "Choose openvla.");
  std::vector<PixelValues> pictures;
  LUTHIER_TRY(pictures, load_pictures(row, outline));
  if (pictures.size() != 1)
    return row.error(RowFault::BadRow, "The row has " + std::to_string(pictures.size()) +
                                           " pictures, and the model looks at one.");
  auto made = encode_in_out(*tokenizer_, question_of(joined_text(conversation.messages.front())),
                            nullptr, image_token_id_, image_tokens_.count);
  if (!made) return row.about(RowFault::BadRow, made.error());
  Example example = made.take();
  example.images = std::move(pictures);
  std::vector<TokenId>& ids = example.input_ids;
  ids.push_back(labels_.actions->space);
  example.prompt_tokens = static_cast<std::int64_t>(ids.size());
  if (action.empty()) {
    example.labels.clear();
    return example;
  }
  example.labels.push_back(kIgnoreLabel);
  ids.insert(ids.end(), action.begin(), action.end());
  ids.push_back(*tokenizer_->special().eos);
  example.labels.insert(example.labels.end(), ids.begin() + example.prompt_tokens, ids.end());
  return example;
}

const RowKind& action_rows() {
  static const ActionRows kind;
  return kind;
}

}  // namespace luthier
