// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/lab/lab_runs.h"

#include <algorithm>

#include "engine/io/files.h"
#include "engine/io/named_place.h"
#include "engine/runs/run_folder.h"
#include "ui/background.h"
#include "ui/format.h"
#include "ui/run_queue.h"

namespace luthier {

namespace {

namespace fs = std::filesystem;

constexpr int kLookAgainMilliseconds = 150;
constexpr std::size_t kLookRows = 4;
const QString kLabGroup = QStringLiteral("lab");

/// A finished run of the card below `root`.
struct FoundRun {
  fs::path folder;
  PreparedCard prepared;
  CardFigure figure;
};

std::vector<FoundRun> finished_runs(const fs::path& root, const LabCard& card) {
  std::vector<std::pair<fs::file_time_type, FoundRun>> found;
  std::error_code failed;
  for (fs::directory_iterator each(root, failed), end; !failed && each != end;
       each.increment(failed)) {
    const auto prepared = read_prepared_card(each->path());
    if (!prepared || prepared->key != card.key) continue;
    const auto figure = card_figure(card, *prepared);
    if (!figure || !figure->finished || !figure->value) continue;
    std::error_code ignored;
    found.emplace_back(fs::last_write_time(prepared->run, ignored),
                       FoundRun{each->path(), *prepared, *figure});
  }
  std::sort(found.begin(), found.end(),
            [](const auto& one, const auto& other) { return one.first > other.first; });
  std::vector<FoundRun> runs;
  for (auto& [when, run] : found) runs.push_back(std::move(run));
  return runs;
}

}  // namespace

LabRuns::LabRuns(Workspace& workspace, QObject* parent)
    : QObject(parent), workspace_(workspace), queue_(workspace.queue()) {
  restore_.setInterval(kLookAgainMilliseconds);
  connect(&restore_, &QTimer::timeout, this, &LabRuns::restore);
  connect(&queue_, &RunQueue::ended, this, [this](std::uint64_t id) {
    for (std::size_t place = 0; place < kPlaces; ++place)
      if (going_ && cards_[place] && cards_[place]->queued == id && id != 0) end_run(place);
  });
  connect_bridge();
}

void LabRuns::connect_bridge() {
  SessionBridge& bridge = workspace_.bridge();
  connect(&bridge, &SessionBridge::run_started, this, [this](const RunStarted& event) {
    const auto place = running();
    if (!place) return;
    Place& card = *cards_[*place];
    OpenCard& shown = card.shown;
    shown.state = OpenCard::State::Running;
    card.steps_before = shown.total > 0 && event.first_step == 0 ? shown.step : 0;
    shown.total = card.steps_before + event.total_steps;
    emit changed(static_cast<int>(*place));
  });
  connect(&bridge, &SessionBridge::step_done, this, &LabRuns::take_step);
  connect(&bridge, &SessionBridge::card_looked, this, [this](const CardLooked& event) {
    for (std::size_t place = 0; place < kPlaces; ++place) {
      if (!cards_[place]) continue;
      Place& card = *cards_[place];
      const auto look = std::make_shared<const BatchLook>(event.look);
      if (event.request == card.looks_before)
        card.shown.before = look;
      else if (event.request == card.looks_after)
        card.shown.after = look;
      else
        continue;
      emit changed(static_cast<int>(place));
    }
  });
  connect(&bridge, &SessionBridge::request_done, this, [this](const RequestDone& event) {
    for (std::size_t place = 0; place < kPlaces; ++place) {
      if (!cards_[place] || !event.error) continue;
      Place& card = *cards_[place];
      if (event.request != card.looks_before && event.request != card.looks_after) continue;
      card.shown.error = *event.error;
      emit changed(static_cast<int>(place));
    }
  });
}

fs::path LabRuns::root() const {
  const fs::path beside = named_place(workspace_.recipe().output_dir).parent_path();
  return (beside.empty() ? fs::path("runs") : beside) / "lab";
}

fs::path LabRuns::free_folder(const std::string& key) const {
  return to_path(workspace_.free_run_folder(path_text(root() / key)));
}

LabRuns::Made LabRuns::make(const LabCard& card, const fs::path& folder, const CardOrder& order) {
  Made made;
  made.prepared = prepare_card(card, folder, order);
  if (!made.prepared) return made;
  auto staged = read_staged_recipe(made.prepared->recipe);
  if (!staged) {
    made.prepared = staged.error();
    return made;
  }
  made.staged = staged.take();
  if (made.staged) {
    made.recipe.output_dir = made.staged->output_dir;
    return made;
  }
  auto recipe = read_recipe(made.prepared->recipe);
  if (recipe)
    made.recipe = recipe.take();
  else
    made.prepared = recipe.error();
  return made;
}

void LabRuns::open_card(std::size_t place, const LabCard& card) {
  if (going_) return;
  close(place);
  cards_[place] = std::make_unique<Place>();
  cards_[place]->shown.card = card;
  cards_[place]->number = ++numbers_;
  look_before(place);
  find_newest(place);
  emit changed(static_cast<int>(place));
}

void LabRuns::close(std::size_t place) {
  if (going_ || !cards_[place]) return;
  for (const RequestId request : {cards_[place]->looks_before, cards_[place]->looks_after})
    if (request != 0) workspace_.session().cancel(request);
  cards_[place].reset();
  emit changed(static_cast<int>(place));
}

/// From rows and weights of the card's beginning, which are the same however long it will train.
void LabRuns::look_before(std::size_t place) {
  CardOrder few;
  few.steps = 1;
  const fs::path folder = to_path(previews_.path()) / cards_[place]->shown.card.key;
  const std::uint64_t number = cards_[place]->number;
  in_background_of(
      this,
      [card = cards_[place]->shown.card, folder, few] { return prepare_card(card, folder, few); },
      [this, place, folder, number](const Result<PreparedCard>& made) {
        if (!cards_[place] || cards_[place]->number != number) return;
        if (!made) {
          cards_[place]->shown.error = made.error();
          emit changed(static_cast<int>(place));
          return;
        }
        LookOrder order;
        order.rows = kLookRows;
        cards_[place]->looks_before = workspace_.session().look_at_card(folder, order);
      });
}

void LabRuns::look_after(std::size_t place) {
  LookOrder order;
  order.rows = kLookRows;
  order.trained = true;
  cards_[place]->looks_after =
      workspace_.session().look_at_card(cards_[place]->shown.folder, order);
}

void LabRuns::find_newest(std::size_t place) {
  const std::uint64_t number = cards_[place]->number;
  in_background_of(
      this, [card = cards_[place]->shown.card, root = root()] { return finished_runs(root, card); },
      [this, place, number](const std::vector<FoundRun>& runs) {
        if (!cards_[place] || cards_[place]->number != number || runs.empty()) return;
        OpenCard& shown = cards_[place]->shown;
        for (const FoundRun& run : runs) {
          double& best = best_[shown.card.key];
          best = std::max(best, *run.figure.value);
        }
        if (shown.at_work() || shown.state == OpenCard::State::Finished) return;
        const FoundRun& newest = runs.front();
        shown.folder = newest.folder;
        shown.order = newest.prepared.order;
        shown.figure = newest.figure.curve;
        shown.step = newest.figure.step;
        shown.total = newest.figure.total;
        shown.seconds = newest.figure.seconds;
        shown.state = OpenCard::State::Finished;
        look_after(place);
        emit changed(static_cast<int>(place));
      });
}

std::optional<double> LabRuns::best_of(const std::string& key) const {
  const auto found = best_.find(key);
  return found == best_.end() ? std::nullopt : std::optional(found->second);
}

void LabRuns::train(const CardOrder& order) {
  if (going_) return;
  queue_.forget_ended(kLabGroup);
  restore_.stop();
  model_before_ = workspace_.model() ? path_text(workspace_.model()->summary.folder) : QString();
  stopping_ = false;
  at_work_ = being_made_ = 0;
  for (std::size_t place = 0; place < kPlaces; ++place) {
    made_[place].reset();
    if (!cards_[place]) continue;
    going_ = true;
    Place& card = *cards_[place];
    const LabCard which = card.shown.card;
    const auto before = card.shown.before;
    card.shown = {};
    card.shown.card = which;
    card.shown.before = before;
    card.shown.state = OpenCard::State::Preparing;
    card.shown.order = order;
    card.shown.folder = free_folder(which.key);
    card.queued = 0;
    ++being_made_;
    in_background_of(
        this, [which, folder = card.shown.folder, order] { return make(which, folder, order); },
        [this, place](Made made) {
          made_[place] = std::move(made);
          --being_made_;
          queue_when_made();
        });
    emit changed(static_cast<int>(place));
  }
}

void LabRuns::queue_when_made() {
  if (being_made_ > 0) return;
  for (std::size_t place = 0; place < kPlaces; ++place) {
    if (!made_[place] || !cards_[place]) continue;
    Place& card = *cards_[place];
    Made& made = *made_[place];
    if (stopping_) {
      card.shown.state = OpenCard::State::Stopped;
    } else if (!made.prepared) {
      card.shown.error = made.prepared.error();
      card.shown.state = OpenCard::State::Failed;
    } else {
      card.shown.order = made.prepared->order;
      RunToQueue run{made.recipe, recipe_text(card.shown.card.title), 0, /*kept=*/false,
                     made.staged};
      const auto queued = queue_.add({std::move(run)}, kLabGroup);
      if (queued) {
        card.queued = queued->front();
        card.shown.state = OpenCard::State::Waiting;
        ++at_work_;
      } else {
        card.shown.error = queued.error();
        card.shown.state = OpenCard::State::Failed;
      }
    }
    made_[place].reset();
    emit changed(static_cast<int>(place));
  }
  if (at_work_ == 0) return finish();
  queue_.let_through(kLabGroup);
}

std::optional<std::size_t> LabRuns::running() const {
  for (std::size_t place = 0; going_ && place < kPlaces; ++place) {
    if (!cards_[place] || cards_[place]->queued == 0) continue;
    const QueuedRun* run = queue_.find(cards_[place]->queued);
    if (run && run->state == QueuedRun::State::Running) return place;
  }
  return std::nullopt;
}

void LabRuns::take_step(const StepDone& event) {
  const auto place = running();
  if (!place) return;
  Place& card = *cards_[*place];
  OpenCard& shown = card.shown;
  shown.step = card.steps_before + event.line.step;
  shown.eta_seconds = event.eta_seconds;
  shown.loss.emplace_back(shown.step, event.line.loss);
  const auto found = event.line.figures.find(shown.card.figure);
  if (found != event.line.figures.end()) shown.figure.emplace_back(shown.step, found->second);
  emit changed(static_cast<int>(*place));
}

void LabRuns::end_run(std::size_t place) {
  Place& card = *cards_[place];
  OpenCard& shown = card.shown;
  const QueuedRun& run = *queue_.find(card.queued);
  card.queued = 0;
  shown.error = run.error;
  if (run.end_state == run_state_name(RunState::Finished)) {
    shown.state = OpenCard::State::Finished;
    if (const auto prepared = read_prepared_card(shown.folder))
      if (const auto figure = card_figure(shown.card, *prepared)) shown.seconds = figure->seconds;
    if (shown.value()) {
      double& best = best_[shown.card.key];
      best = std::max(best, *shown.value());
    }
    look_after(place);
  } else if (run.end_state == run_state_name(RunState::Stopped)) {
    shown.state = OpenCard::State::Stopped;
    stopping_ = true;
    queue_.drop_waiting(kLabGroup);
    for (auto& other : cards_) {
      if (!other || other->queued == 0) continue;
      other->queued = 0;
      other->shown.state = OpenCard::State::Stopped;
      --at_work_;
    }
  } else {
    shown.state = OpenCard::State::Failed;
  }
  --at_work_;
  for (int each = 0; each < static_cast<int>(kPlaces); ++each) emit changed(each);
  if (at_work_ == 0) finish();
}

void LabRuns::stop() {
  if (!going_) return;
  stopping_ = true;
  const bool runs = running().has_value();
  queue_.drop_waiting(kLabGroup);
  for (auto& card : cards_) {
    if (!card || card->queued == 0 || queue_.find(card->queued)) continue;
    card->queued = 0;
    card->shown.state = OpenCard::State::Stopped;
    --at_work_;
  }
  const SessionState state = workspace_.state();
  if (runs && (can_stop(state) || state == SessionState::Loading))
    workspace_.session().stop(StopKind::Discard);
  for (int each = 0; each < static_cast<int>(kPlaces); ++each) emit changed(each);
  if (!runs && being_made_ == 0) finish();
}

void LabRuns::finish() {
  if (!going_) return;
  going_ = false;
  if (!model_before_.isEmpty()) restore_.start();
  for (int each = 0; each < static_cast<int>(kPlaces); ++each) emit changed(each);
  emit ended();
}

void LabRuns::restore() {
  if (going_) return restore_.stop();
  const bool stands =
      workspace_.model() && path_text(workspace_.model()->summary.folder) == model_before_;
  if (stands || queue_.waiting() > 0) return restore_.stop();
  if (!can_load(workspace_.state()) || workspace_.session().has_run()) return;
  restore_.stop();
  workspace_.load_model(model_before_);
}

}  // namespace luthier
