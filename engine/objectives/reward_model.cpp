// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/reward_model.h"

#include <algorithm>

#include "engine/device/failure.h"
#include "engine/io/probe.h"
#include "engine/methods/adapter_folder.h"
#include "engine/methods/adapter_tensors.h"
#include "engine/models/score_head.h"
#include "engine/objectives/scored.h"

namespace luthier {

namespace {

namespace fs = std::filesystem;

std::string text_in(const std::vector<Message>& messages) {
  std::string text;
  for (const Message& message : messages)
    for (const ContentPart& part : message.content)
      if (part.kind == ContentPart::Kind::Text) text += part.text;
  return text;
}

Message step_of(std::string text) {
  Message step{"assistant", {ContentPart::of_text(std::move(text))}};
  step.extra = {{"label", false}};  // nobody has said yet
  return step;
}

/// An answer of one text as steps, what is behind the last separator too.
std::vector<Message> steps_in(const std::string& text, const std::string& separator) {
  std::vector<Message> steps;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    if (end > begin) steps.push_back(step_of(text.substr(begin, end - begin)));
    begin = end + separator.size();
  }
  return steps;
}

Error no_head(const fs::path& folder) {
  return input_error("The folder is no reward model: it has no head of scores.", folder.string(),
                     "Name what a run with objective: reward or prm has left.");
}

bool holds_adapter(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / Adapter::kConfigFile, ignored);
}

/// How many numbers the head of an adapter's folder gives; 0: it has none.
Result<std::int64_t> head_in_adapter(const fs::path& folder) {
  LUTHIER_TRY(const AdapterFolder opened, open_adapter_folder(folder));
  const auto view = opened.file.find(std::string(kPeftPrefix) + kScoreHead + ".weight");
  return view && !view->info.shape.empty() ? view->info.shape.front() : 0;
}

}  // namespace

Result<std::int64_t> reward_numbers(const fs::path& folder) {
  LUTHIER_TRY(const std::int64_t numbers,
              holds_adapter(folder) ? head_in_adapter(folder) : stored_score_numbers(folder));
  if (numbers < 1) return no_head(folder);
  return numbers;
}

Status check_judge(const fs::path& folder, const std::string& field) {
  if (!is_folder(folder.string()))
    return input_error("There is no folder " + folder.string() + ".", field,
                       "Name what a run with objective: reward has left.");
  const auto numbers = reward_numbers(folder);
  if (!numbers) {
    Error refused = numbers.error();
    refused.where = field + ": " + refused.where;
    return refused;
  }
  if (*numbers == 1) return {};
  return input_error("The folder's model judges steps, and here whole answers are.",
                     field + ": " + folder.string(),
                     "Name what a run with objective: reward has left.");
}

Result<std::vector<AnswerToScore>> answers_in(const Conversation& row, const std::string& where) {
  AnswerToScore asked{row, {}, where};
  asked.prompt.chosen.reset(), asked.prompt.rejected.reset(), asked.prompt.answer.reset();
  std::vector<AnswerToScore> answers;
  const auto add = [&](const std::vector<Message>& answer) {
    answers.push_back(asked);
    answers.back().answer = answer;
  };
  if (row.chosen && row.rejected) {
    add(*row.chosen), add(*row.rejected);
  } else if (row.answer) {
    add(*row.answer);
  } else if (row.messages.size() > 1 && row.messages.back().role == "assistant") {
    asked.prompt.messages.pop_back();
    add({row.messages.back()});
  } else {
    return input_error("The row has no answer that could be scored.", where,
                       "Write a prompt and its completion, or messages that end in an answer.");
  }
  return answers;
}

Result<std::unique_ptr<RewardModel>> RewardModel::open(const fs::path& base, const fs::path& folder,
                                                       const LoadOptions& options) {
  std::unique_ptr<RewardModel> made(new RewardModel());
  made->name_ = folder.filename().empty() ? folder.parent_path().filename().string()
                                          : folder.filename().string();
  LUTHIER_TRY(made->numbers_, reward_numbers(folder));
  const bool adapter = holds_adapter(folder);
  LUTHIER_TRY(made->base_, load_model(adapter ? base : folder, options));
  if (!made->base_.model->causal()) return no_head(folder);
  LUTHIER_CHECK(set_score_head(made->base_, made->numbers_, options.seed));
  made->processor_ = made->base_.processor;
  if (!adapter) return made;
  LUTHIER_TRY(made->adapter_, load_adapter(made->base_, folder));
  made->adapter_->set_training(false, 0);
  made->adapter_->activate();
  const MediaLimits& own = made->adapter_->pixels;
  if (own.any() && !options.pixels.any()) {
    LUTHIER_TRY(made->processor_, processor_for(made->base_, own));
  }
  return made;
}

Result<std::vector<std::vector<double>>> RewardModel::score(
    const std::vector<AnswerToScore>& answers,
    const std::function<bool(std::size_t, std::size_t)>& go_on) try {
  const torch::NoGradGuard no_grad;
  Policy policy(base_, adapter_, /*tower_fixed=*/true, nullptr);
  const RowEncoding how;
  std::vector<std::vector<double>> scores;
  for (std::size_t begin = 0; begin < answers.size(); begin += kAnswersAtOnce) {
    if (go_on && !go_on(begin, answers.size())) return interrupted_error();
    MicroBatch rows;
    for (std::size_t at = begin; at < std::min(answers.size(), begin + kAnswersAtOnce); ++at) {
      const AnswerToScore& each = answers[at];
      EncodedRow encoded;
      if (of_steps()) {
        Conversation row = each.prompt;
        row.answer =
            each.answer.size() > 1 ? each.answer : steps_in(text_in(each.answer), separator_);
        for (Message& step : *row.answer)
          if (step.extra.is_null()) step.extra = step_of("").extra;
        LUTHIER_TRY(encoded, stepwise_rows(separator_).encode(row, *processor_, how, each.where));
      } else {
        std::vector<Message> answer = each.answer;
        if (answer.size() > 1) answer = {step_of(text_in(answer))}, answer.front().extra = nullptr;
        LUTHIER_TRY(encoded.sequences,
                    processor_->encode_answers(each.prompt, {answer}, 0, each.where));
      }
      rows.rows.push_back(static_cast<std::int64_t>(at));
      rows.encoded.push_back(std::move(encoded));
      rows.cached.emplace_back();
    }
    const Batch batch = policy.batch(rows, SequenceOrder::RowByRow, BatchMaker::Pass::Evaluation);
    const ScoredPlaces places = of_steps() ? labelled_places(batch, false) : last_places(batch);
    torch::Tensor made = scores_at(*base_.model, batch, places);  // [places, numbers]
    made = (of_steps() ? at::softmax(made, 1).select(1, 1) : made.squeeze(1)).cpu();
    std::int64_t next = 0;
    for (const std::int64_t count : places.counts) {
      std::vector<double>& own = scores.emplace_back();
      for (std::int64_t i = 0; i < count; ++i) own.push_back(made[next++].item<double>());
    }
  }
  if (go_on && !go_on(answers.size(), answers.size())) return interrupted_error();
  return scores;
} catch (const std::exception& problem) {
  return device_failure(
      problem,
      machine_error("Memory ran out while answers were scored.", name_,
                    "Give shorter answers, or smaller pictures (--max-pixels)."),
      machine_error(std::string("The answers could not be scored: ") + problem.what(), name_));
}

Result<std::vector<Reward>> RewardModel::rewards(const std::vector<AnsweredRow>& answers) {
  std::vector<AnswerToScore> asked;
  for (const AnsweredRow& each : answers) {
    AnswerToScore& own = asked.emplace_back();
    if (each.prompt) own.prompt = *each.prompt;
    own.where = each.where;
    own.answer = {Message{"assistant", {ContentPart::of_text(each.text)}}};
  }
  LUTHIER_TRY(const auto scores, score(asked));
  std::vector<Reward> rewards;
  for (const std::vector<double>& each : scores)
    rewards.push_back(each.empty() ? Reward()
                                   : Reward(*std::min_element(each.begin(), each.end())));
  return rewards;
}

}  // namespace luthier
