// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures of the windows that stand beside the pages: what is done with rows, a dataset that is
// made of pictures, a row inspected, a step taken apart, an export, a chat; and of answers that a
// run draws.
#include <QAbstractButton>
#include <QDialog>
#include <QLabel>
#include <QLineEdit>
#include <QSpinBox>
#include <QTextBrowser>

#include "app/gui/screenshots.h"
#include "engine/data/annotation.h"
#include "engine/teaching/objective_demo.h"
#include "ui/annotate/annotate_window.h"
#include "ui/main_window.h"

namespace luthier {

bool Screenshots::show_row_tools() {
  const auto opened = [this](const char* object) {
    const auto* dialog = window_.findChild<QDialog*>(QLatin1String(object));
    return dialog && dialog->isVisible();
  };
  const std::pair<const char*, std::pair<const char*, const char*>> tools[] = {
      {"toolStatistics", {"statisticsDialog", "data-statistics"}},
      {"toolColumns", {"columnsDialog", "data-columns"}},
      {"toolCopy", {"copyDialog", "data-copy"}}};
  for (const auto& [action, dialog] : tools)
    if (!choose(action) ||
        !wait_until(dialog.second, [&, name = dialog.first] { return opened(name); }) ||
        !save_dialog(dialog.first, dialog.second))
      return false;
  return true;
}

/// Begun, with one answer and the next one typed.
bool Screenshots::show_annotation() {
  if (!click("annotatePictures") || !save_dialog("annotateWindow", "annotate-begin")) return false;
  AnnotationPlan plan;
  plan.pictures = "teaching/pictures/heldout";
  plan.questions = {"What is at the top left?", "How many circles are there?"};
  auto made = Annotation::begin(plan, "shapes.jsonl");
  if (!made) return fail(QString::fromStdString(made.error().sentence()));
  AnnotationItem item = made->items().front();
  item.answer = "A red circle.";
  if (const Status taken = made->accept(0, item); !taken)
    return fail(QString::fromStdString(taken.error().sentence()));
  settle(100);  // the first window is gone by then
  if (!click("annotatePictures")) return false;
  auto* window = window_.findChild<AnnotateWindow*>();
  window->open_file(QStringLiteral("shapes.jsonl"));
  const auto* question = window->findChild<QLineEdit*>(QStringLiteral("annotateQuestion"));
  return wait_until("the pictures", [&] { return question->isVisible(); }) &&
         save_dialog("annotateWindow", "annotate");
}

bool Screenshots::show_dialogs() {
  const auto text_of = [this](const char* label) {
    const auto* found = window_.findChild<QLabel*>(QLatin1String(label));
    return found ? found->text() : QString();
  };
  window_.show_page(PageId::Data);
  settle(500);
  if (!click("inspectRowButton")) return false;
  const auto* tokens = window_.findChild<QTextBrowser*>(QStringLiteral("inspectTokens"));
  const auto* measure = window_.findChild<QAbstractButton*>(QStringLiteral("inspectLosses"));
  if (!wait_until("the row",
                  [&] { return !tokens->toPlainText().isEmpty() && measure->isEnabled(); }) ||
      !click("inspectLosses") ||
      !wait_until("the losses",
                  [&] { return measure->isEnabled() && !text_of("inspectNote").isEmpty(); }) ||
      !save_dialog("inspectWindow", "inspect"))
    return false;
  window_.show_page(PageId::Ranks);
  if (!click("openStep")) return false;
  window_.findChild<QSpinBox*>(QStringLiteral("stepsBefore"))->setValue(2);
  const auto* take = window_.findChild<QAbstractButton*>(QStringLiteral("takeStep"));
  if (!click("takeStep")) return false;
  settle(100);
  if (!wait_until("the step",
                  [&] { return take->isEnabled() && !text_of("stepTitle").isEmpty(); }) ||
      !click("moment_3") || !save_dialog("stepWindow", "step"))
    return false;
  window_.show_page(PageId::Runs);
  settle(500);
  if (!choose("exportRun") || !save_dialog("exportDialog", "export") || !choose("chatWithRun"))
    return false;
  const auto* send = window_.findChild<QAbstractButton*>(QStringLiteral("chatSend"));
  window_.findChild<QLineEdit*>(QStringLiteral("chatText"))
      ->setText(QStringLiteral("What is at the top left?"));
  if (!wait_until("the chat", [&] { return send->isEnabled(); }) || !click("chatSend"))
    return false;
  const auto* again = window_.findChild<QAbstractButton*>(QStringLiteral("chatAgain"));
  return wait_until("the answer", [&] { return again->isEnabled(); }) &&
         save_dialog("chatWindow", "chat");
}

/// A run by a reward, with the answers that it draws; and a recipe of several stages.
bool Screenshots::show_roll_outs() {
  Workspace& workspace = window_.workspace();
  const auto made = [&]() -> Result<Recipe> {
    LUTHIER_TRY(const ObjectiveDemo demo, objective_demo("grpo"));
    LUTHIER_TRY(const ObjectiveLesson lesson, make_objective_demo(demo, "questions"));
    Recipe recipe = lesson.recipe;
    recipe.model = workspace.recipe().model;
    recipe.output_dir = "runs/json-by-reward";
    recipe.training.max_steps = steps_ > 0 ? std::min(steps_, 8) : 8;
    recipe.training.save_steps = recipe.training.max_steps;
    return recipe;
  }();
  if (!made) return fail(QString::fromStdString(made.error().sentence()));
  workspace.replace_recipe(*made);
  window_.show_page(PageId::Train);
  if (!launch() || !wait_for_end()) return false;
  turn("runViews", 1);
  if (!save("train-rollouts")) return false;
  turn("runViews", 0);
  if (const Status opened = workspace.open_recipe("teaching/objectives/stages.yaml"); !opened)
    return fail(QString::fromStdString(opened.error().sentence()));
  return save("train-stages");
}

}  // namespace luthier
