// SPDX-License-Identifier: GPL-3.0-or-later
// What changed is told by comparing the recipe with what it was.
#include "ui/desk/recipe_history.h"

#include <QApplication>
#include <algorithm>
#include <utility>

namespace luthier {

namespace {

constexpr std::size_t kMostChanges = 300;

std::string text_of(const RecipeSnapshot& snapshot) {
  return snapshot.staged ? staged_recipe_to_yaml(*snapshot.staged)
                         : recipe_to_yaml(snapshot.recipe);
}

/// The one field that differs. A kind moves the defaults of others along, and is what was changed
/// then.
std::string changed_field(const RecipeSnapshot& before, const RecipeSnapshot& after) {
  const auto differences = recipe_differences(before.recipe, after.recipe);
  for (const FieldDifference& difference : differences)
    for (const char* kind : {"strategy", "objective", "training.optim"})
      if (difference.key == kind) return difference.key;
  return differences.size() == 1 ? differences.front().key : std::string();
}

bool is_typed(const std::string& key) {
  using Type = FieldDescription::Type;
  for (const FieldDescription& field : recipe_fields())
    if (field.key == key) return field.type != Type::Choice && field.type != Type::Boolean;
  return false;
}

}  // namespace

RecipeHistory::RecipeHistory(Workspace& workspace)
    : QObject(&workspace), workspace_(workspace), now_(workspace.snapshot()) {
  connect(&workspace, &Workspace::recipe_changed, this, &RecipeHistory::note);
  connect(&workspace, &Workspace::faults_changed, this, &RecipeHistory::changed);
  connect(&workspace.bridge(), &SessionBridge::state_changed, this, &RecipeHistory::changed);
  connect(qApp, &QApplication::focusChanged, this, &RecipeHistory::close_typing);
}

void RecipeHistory::note() {
  RecipeSnapshot after = workspace_.snapshot();
  const RecipeSnapshot before = std::exchange(now_, after);
  if (going_) return;
  if (text_of(before) == text_of(after)) {  // another stage is shown, or it has a new name
    if (before.file != after.file) rename(before.file, after.file);
    return;
  }
  const bool same_place = before.stage_shown == after.stage_shown &&
                          before.staged.has_value() == after.staged.has_value();
  const std::string field = same_place ? changed_field(before, after) : std::string();
  undone_.clear();
  const bool goes_on =
      typing_ && !done_.empty() && !field.empty() && done_.back().field == field && is_typed(field);
  if (goes_on) {
    done_.back().after = std::move(after);
    // Typed back to what it was: there is nothing to undo.
    if (text_of(done_.back().before) == text_of(done_.back().after)) done_.pop_back();
  } else {
    done_.push_back({before, std::move(after), field});
    if (done_.size() > kMostChanges) done_.erase(done_.begin());
  }
  typing_ = true;
  emit changed();
}

/// Saved under a new name, the recipe is that file's: a change that is undone does not give it back
/// to the old one, which a later save would write over.
void RecipeHistory::rename(const QString& from, const QString& to) {
  for (auto change = done_.rbegin(); change != done_.rend(); ++change) {
    if (change->after.file != from) break;
    change->after.file = to;
    if (change->before.file != from) break;  // it was opened here
    change->before.file = to;
  }
  for (auto change = undone_.rbegin(); change != undone_.rend(); ++change) {
    if (change->before.file != from) break;
    change->before.file = to;
    if (change->after.file != from) break;
    change->after.file = to;
  }
}

void RecipeHistory::begin_here() {
  now_ = workspace_.snapshot();
  done_.clear();
  undone_.clear();
  typing_ = false;
  emit changed();
}

bool RecipeHistory::can_undo() const {
  return !locked() && (!done_.empty() || !workspace_.faults().empty());
}
bool RecipeHistory::can_redo() const { return !locked() && !undone_.empty(); }

std::string RecipeHistory::undo_field() const {
  if (!workspace_.faults().empty()) return workspace_.faults().front().key;
  return done_.empty() ? std::string() : done_.back().field;
}
std::string RecipeHistory::redo_field() const {
  return undone_.empty() ? std::string() : undone_.back().field;
}

void RecipeHistory::show(const RecipeSnapshot& then, const std::string& field) {
  going_ = true;
  workspace_.go_back_to(then);
  going_ = false;
  typing_ = false;
  if (!field.empty()) emit workspace_.field_wanted(field);
  emit changed();
}

void RecipeHistory::undo() {
  if (!can_undo()) return;
  // What stands in a field and is no value was changed last: the field shows its value again.
  if (!workspace_.faults().empty()) return show(now_, workspace_.faults().front().key);
  Change change = std::move(done_.back());
  done_.pop_back();
  undone_.push_back(std::move(change));
  const Change& back = undone_.back();
  show(back.before, back.field);
}

void RecipeHistory::redo() {
  if (!can_redo()) return;
  done_.push_back(std::move(undone_.back()));
  undone_.pop_back();
  const Change& again = done_.back();
  show(again.after, again.field);
}

}  // namespace luthier
