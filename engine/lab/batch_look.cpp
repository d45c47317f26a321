// SPDX-License-Identifier: GPL-3.0-or-later
// The pieces of an evaluation: its rows, its noise, its batch.
#include "engine/lab/batch_look.h"

#include <algorithm>

#include "engine/batches/order.h"
#include "engine/compare/compare.h"
#include "engine/compare/result_folder.h"
#include "engine/compare/sample.h"
#include "engine/data/columns.h"
#include "engine/generate/generate.h"
#include "engine/lab/look_parts.h"
#include "engine/objectives/objective.h"
#include "engine/train/eva_rows.h"
#include "engine/train/load_options.h"

namespace luthier {

namespace {

namespace fs = std::filesystem;

/// The recipe whose evaluation is looked at: of a run of stages the last one's.
Result<Recipe> looked_recipe(const PreparedCard& prepared) {
  LUTHIER_TRY(const auto staged, read_staged_recipe(prepared.recipe));
  if (!staged) return read_recipe(prepared.recipe);
  Recipe recipe = staged->stages.back().recipe;
  recipe.model = staged->stages.front().recipe.model;
  recipe.init = staged->stages.front().recipe.init;
  return recipe;
}

Result<LoadedModel> looked_model(const PreparedCard& prepared, const Recipe& recipe, bool trained) {
  LoadOptions options = load_options(recipe);
  fs::path folder = recipe.model;
  if (trained) {
    std::error_code ignored;
    if (!fs::exists(prepared.run, ignored))
      return input_error("The card has not been run.", prepared.run.string(),
                         "`luthier-cli lab run " + prepared.key + " DIR` runs it.");
    LUTHIER_TRY(const ResultFolder result, find_result(prepared.run));
    folder = result.folder;
    options.random_weights = false;
  }
  return load_model(folder, options);
}

Result<MicroBatch> first_rows(const RowReader& reader, std::size_t count) {
  MicroBatch batch;
  for (std::size_t row = 0; row < std::min(count, reader.dataset->size()); ++row) {
    LUTHIER_TRY(EncodedRow encoded, reader.read(static_cast<std::int64_t>(row)));
    batch.rows.push_back(static_cast<std::int64_t>(row));
    batch.encoded.push_back(std::move(encoded));
    batch.cached.emplace_back();
  }
  return batch;
}

std::string text_of(const Conversation& row) {
  std::string text;
  for (const Message& message : row.messages)
    for (const ContentPart& part : message.content)
      if (part.kind == ContentPart::Kind::Text) text += (text.empty() ? "" : " ") + part.text;
  return text;
}

std::string picture_in(const Conversation& row) {
  for (const Message& message : row.messages)
    for (const ContentPart& part : message.content)
      if (part.kind == ContentPart::Kind::Image) return part.image.string();
  return {};
}

/// What the model answers of itself, where a row asks something.
Status ask_rows(const LoadedModel& model, const fs::path& rows, BatchLook& look) {
  LUTHIER_TRY(auto samples, read_samples({rows}));
  samples.resize(std::min(samples.size(), look.rows.size()));
  GenerationOptions options;
  options.max_new_tokens = 32;
  std::vector<std::uint64_t> draws(samples.size());
  return answer_samples(model, *model.processor, samples, draws, options,
                        [&](std::size_t index, const Generated& so_far) {
                          look.rows[index].said = so_far.text;
                          return true;
                        });
}

Json token_json(const LookToken& token) {
  Json json = {{"piece", token.piece}};
  if (token.special) json["special"] = true;
  if (token.picture) json["picture"] = true;
  if (token.noised) json["noised"] = true;
  if (token.learned) json["label"] = token.label;
  if (!token.guess.empty()) json.update({{"guess", token.guess}, {"sureness", token.sureness}});
  return json;
}

}  // namespace

Result<BatchLook> look_at_batch(const PreparedCard& prepared, const LookOrder& order) {
  LUTHIER_TRY(const Recipe recipe, looked_recipe(prepared));
  LUTHIER_TRY(const auto objective, make_objective(recipe));
  LUTHIER_TRY(LoadedModel model, looked_model(prepared, recipe, order.trained));
  LUTHIER_CHECK(objective->fits(model));
  RowReader reader = row_reader(recipe, model, *objective);
  LUTHIER_TRY(reader.dataset, open_rows(recipe, recipe.eval_dataset));
  const bool towers = model.model->two_towers() != nullptr;
  const std::size_t needed = towers ? static_cast<std::size_t>(kCardBatch) : order.rows;
  LUTHIER_TRY(const MicroBatch written, first_rows(reader, needed));
  const torch::NoGradGuard no_grad;
  model.model->eval();
  try {
    MicroBatch batch = written;
    Policy policy(model, nullptr, /*tower_fixed=*/true, nullptr);
    if (objective->rolls_out())
      LUTHIER_CHECK(objective->roll_out(
          policy, batch, stream_seed(static_cast<std::uint64_t>(recipe.training.seed), 0)));
    BatchLook look;
    look.trained = order.trained;
    for (std::size_t i = 0; i < std::min(order.rows, batch.encoded.size()); ++i) {
      if (order.go_on && !order.go_on()) return interrupted_error();
      LUTHIER_TRY(LookRow row, look_at_row(policy, *objective, written, batch, i, order.trained));
      LUTHIER_TRY(const Conversation said,
                  read_row(*reader.dataset, i, objective->row_kind(), nullptr));
      row.text = text_of(said);
      row.picture = picture_in(said);
      look.rows.push_back(std::move(row));
    }
    if (towers) {
      look.likeness = likeness_of(policy, *objective, batch);
      look.pairs = batch.encoded.size();
    }
    if (order.trained && !objective->rolls_out() && model.model->causal())
      LUTHIER_CHECK(ask_rows(model, recipe.eval_dataset.front(), look));
    return look;
  } catch (const std::exception& failure) {
    return answering_failure(failure, model);
  }
}

Json to_json(const BatchLook& look) {
  Json rows = Json::array();
  for (const LookRow& row : look.rows) {
    Json read = Json::array(), tokens = Json::array(), sees = Json::array();
    for (const LookToken& token : row.read) read.push_back(token_json(token));
    for (const LookToken& token : row.tokens) tokens.push_back(token_json(token));
    for (std::size_t i = 0; i < row.size(); ++i) {
      std::string line;
      for (std::size_t j = 0; j < row.size(); ++j) line += row.at(i, j) ? '1' : '0';
      sees.push_back(line);
    }
    Json one = {{"text", row.text}, {"read", read}, {"tokens", tokens}, {"sees", sees}};
    if (!row.picture.empty()) one["picture"] = row.picture;
    if (!row.said.empty()) one["said"] = row.said;
    rows.push_back(std::move(one));
  }
  Json json = {{"trained", look.trained}, {"rows", rows}};
  if (look.pairs > 0) json.update({{"pairs", look.pairs}, {"likeness", look.likeness}});
  return json;
}

}  // namespace luthier
