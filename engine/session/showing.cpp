// SPDX-License-Identifier: GPL-3.0-or-later
// What is shown of the model's work without changing it: a result on its way out, what each token
// of a row costs, a step taken apart.
#include <chrono>
#include <map>

#include "engine/compare/compare.h"
#include "engine/config/order_fields.h"
#include "engine/data/columns.h"
#include "engine/models/two_towers/likeness.h"
#include "engine/session/model_worker.h"

namespace luthier {

namespace {

/// With the pictures that those texts belong to.
PicturesAndTexts first_texts(const PicturesAndTexts& all, std::size_t count) {
  PicturesAndTexts first;
  std::map<std::size_t, std::size_t> places;
  for (std::size_t text = 0; text < count; ++text) {
    const auto [place, fresh] = places.emplace(all.picture_of[text], first.pictures.size());
    if (fresh) first.pictures.push_back(all.pictures[all.picture_of[text]]);
    first.picture_of.push_back(place->second);
    first.texts.push_back(all.texts[text]);
  }
  return first;
}

}  // namespace

Status ModelWorker::export_for_others(const ExportRequest& asked, RequestId request) {
  using Clock = std::chrono::steady_clock;
  auto last = Clock::now() - std::chrono::seconds(1);
  std::string doing;
  try {
    LUTHIER_TRY(ExportOutcome outcome,
                export_result(asked, [&](const std::string& what, double share) {
                  const auto now = Clock::now();
                  if (what != doing || now - last > std::chrono::milliseconds(60)) {
                    host_.emit(Progress{request, what, share, 1});
                    last = now, doing = what;
                  }
                  return !host_.cancellations->cancelled(request);
                }));
    host_.emit(Exported{request, std::move(outcome)});
  } catch (const std::exception& failure) {
    if (base_) return answering_failure(failure, *base_);
    return machine_error(failure.what(), asked.out.string());
  }
  return {};
}

Status ModelWorker::find_token_losses(const Recipe& recipe, std::size_t row, RequestId request) {
  LUTHIER_CHECK(need_base());
  if (host_.cancellations->cancelled(request)) return interrupted_error();
  const std::vector<std::string> files = training_files(recipe);
  if (files.empty())
    return input_error("No data is chosen.", "dataset", "Choose a file of rows on the Data page.");
  try {
    LUTHIER_TRY(const auto dataset, open_rows(recipe, files));
    // What trains stays on the model between its steps; its masks are off for as long.
    if (live_) live_->set_training(false, 0);
    TokenLossesFound found{request, {}, live_ != nullptr};
    LUTHIER_TRY(found.losses, token_losses(*base_, recipe, *dataset, row));
    host_.emit(std::move(found));
  } catch (const std::exception& failure) {
    return answering_failure(failure, *base_);
  }
  return {};
}

Status ModelWorker::take_slow_step(const Recipe& recipe, const SlowStepRequest& asked,
                                   RequestId request) {
  LUTHIER_CHECK(need_plain_base());
  try {
    LUTHIER_TRY(SlowStep step, luthier::take_slow_step(*base_, recipe, asked, [&] {
                  return !host_.cancellations->cancelled(request);
                }));
    host_.emit(SlowStepTaken{request, std::move(step)});
  } catch (const std::exception& failure) {
    return answering_failure(failure, *base_);
  }
  return {};
}

/// The resident base and an adapter in training stay as they are: the card's model is its own.
Status ModelWorker::look_at_card(const std::filesystem::path& folder, LookOrder order,
                                 RequestId request) {
  LUTHIER_TRY(const PreparedCard prepared, read_prepared_card(folder));
  order.go_on = [&] { return !host_.cancellations->cancelled(request); };
  LUTHIER_TRY(BatchLook look, look_at_batch(prepared, order));
  host_.emit(CardLooked{request, std::move(look)});
  return {};
}

Status ModelWorker::find_likeness(const LikenessRequest& asked, RequestId request) {
  constexpr std::size_t kTogether = 16;
  LUTHIER_CHECK(need_base());
  PicturesAndTexts given = asked.given;
  std::size_t left_out = 0;
  if (!asked.rows.empty()) {
    LUTHIER_TRY(given, pictures_and_texts(asked.rows, asked.image_folder));
    if (given.texts.size() > asked.most) {
      left_out = given.texts.size() - asked.most;
      given = first_texts(given, asked.most);
    }
  }
  if (given.pictures.empty() || given.texts.empty())
    return input_error("There must be a picture and a text at least.", "similarity");
  try {
    return as_column(asked.column, request,
                     [&](const LoadedModel& model, const ChatProcessor& processor) -> Status {
                       LUTHIER_TRY(const Likenesses found,
                                   likenesses(model, processor, given, kTogether, [&](double) {
                                     return !host_.cancellations->cancelled(request);
                                   }));
                       host_.emit(LikenessFound{request, table_of(given, found), left_out});
                       return {};
                     });
  } catch (const std::exception& failure) {
    return answering_failure(failure, *base_);
  }
}

}  // namespace luthier
