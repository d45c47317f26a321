// SPDX-License-Identifier: GPL-3.0-or-later
// Pictures of the pages: before there is anything, and with what a person brings there.
#include <QAbstractButton>
#include <QComboBox>
#include <QDoubleSpinBox>
#include <QLabel>
#include <QLineEdit>
#include <QRegularExpression>
#include <QSpinBox>
#include <QTableView>
#include <QTableWidget>

#include "app/gui/screenshots.h"
#include "ui/compare/answer_inspector.h"
#include "ui/compare/attention_view.h"
#include "ui/compare/compare_page.h"
#include "ui/lab/card_panel.h"
#include "ui/lab/lab_page.h"
#include "ui/lab/laws_window.h"
#include "ui/main_window.h"
#include "ui/merge/merge_page.h"
#include "ui/methods/method_model.h"
#include "ui/ranks/rank_page.h"
#include "ui/run_queue.h"
#include "ui/runs/queue_panel.h"
#include "ui/runs/runs_page.h"
#include "ui/theme.h"
#include "ui/tour/tour.h"
#include "ui/widgets/banner.h"

namespace luthier {

namespace {
constexpr int kLabSteps = 150;  // of two cards: seconds
}

bool Screenshots::show_empty_pages() {
  const std::pair<PageId, const char*> pages[] = {
      {PageId::Start, "start"},          {PageId::Model, "model-none"},
      {PageId::Data, "data-none"},       {PageId::Train, "train-none"},
      {PageId::Compare, "compare-none"}, {PageId::Runs, "runs-none"},
      {PageId::Methods, "methods-none"}, {PageId::Merge, "merge-none"},
      {PageId::Ranks, "ranks-none"},     {PageId::Lab, "lab-none"}};
  for (const auto& [page, name] : pages) {
    window_.show_page(page);
    if (!save(name)) return false;
  }
  window_.show_page(PageId::Start);
  if (!click("startTour") || !save("tour")) return false;
  window_.findChild<Tour*>()->end();
  window_.show_page(PageId::Train);
  return choose("shortcut_help") && save_dialog("helpWindow", "help") &&
         choose("shortcut_shortcuts") && save_dialog("shortcutDialog", "shortcuts");
}

bool Screenshots::show_model() {
  const Workspace& workspace = window_.workspace();
  window_.show_page(PageId::Model);
  if (!click("fetchModel") || !save_dialog("fetchDialog", "fetch") || !open(0) ||
      !wait_until("the model to load", [&] { return workspace.model() && workspace.forecast(); }) ||
      !save("model"))
    return false;
  auto* filter = window_.findChild<QLineEdit*>(QStringLiteral("moduleFilter"));
  filter->setText(QStringLiteral("q_proj"));
  if (!save("model-filter")) return false;
  filter->clear();
  return true;
}

bool Screenshots::show_data() {
  window_.show_page(PageId::Data);
  auto* table = window_.findChild<QTableView*>(QStringLiteral("rowTable"));
  if (!wait_until("the rows", [&] { return table->model()->rowCount() > 0; }) ||
      !click("checkData"))
    return false;
  const auto* check = window_.findChild<QAbstractButton*>(QStringLiteral("checkData"));
  if (!wait_until("the data check", [&] { return check->isVisible(); }) || !save("data"))
    return false;
  auto* search = window_.findChild<QLineEdit*>(QStringLiteral("rowSearch"));
  const int rows = table->model()->rowCount();
  search->setText(QStringLiteral("yellow"));
  if (!wait_until("the rows that were looked for",
                  [&] { return table->model()->rowCount() < rows; }) ||
      !save("data-search"))
    return false;
  search->clear();
  return wait_until("all rows", [&] { return table->model()->rowCount() == rows; });
}

/// The form: ready, with all settings, and with one that cannot be used.
bool Screenshots::show_settings() {
  Workspace& workspace = window_.workspace();
  window_.show_page(PageId::Train);
  if (!wait_until("the forecast", [&] { return workspace.forecast_is_current(); }) ||
      !save("train-ready") || !click("advancedToggle") || !save("train-advanced") ||
      !click("advancedToggle"))
    return false;
  const Result<std::string> rate = get_field(workspace.recipe(), "training.learning_rate");
  if (!rate || workspace.edit_field("training.learning_rate", "fast")) return false;
  return click("launchButton") && save("train-fault") &&
         workspace.edit_field("training.learning_rate", *rate).ok();
}

bool Screenshots::show_runs() {
  window_.show_page(PageId::Runs);
  auto* runs = static_cast<RunsPage*>(window_.page(PageId::Runs));
  runs->set_folder(QStringLiteral("runs"));
  auto* list = window_.findChild<QTableView*>(QStringLiteral("runTable"));
  if (!wait_until("the list of runs", [&] { return list->model()->rowCount() >= 2; })) return false;
  for (int row = 0; row < list->model()->rowCount(); ++row)
    list->model()->setData(list->model()->index(row, 0), Qt::Checked, Qt::CheckStateRole);
  settle(1500);
  if (!save("runs")) return false;
  turn("runSideTabs", 1);
  if (!save("runs-notes")) return false;
  turn("runSideTabs", 0);
  if (!choose("forkRun") || !save_dialog("forkDialog", "fork") || !show_queue()) return false;
  turn("runsTabs", 2);
  if (!save("runs-outcomes")) return false;
  turn("runsTabs", 0);
  return true;
}

/// Runs that wait, of which none is launched.
bool Screenshots::show_queue() {
  RunQueue& queue = window_.workspace().queue();
  turn("runsTabs", 1);
  if (!save("runs-queue-none") || !click("queueSweep") || !save_dialog("sweepDialog", "sweep"))
    return false;
  queue.hold();
  if (!click("queueRecipe") || !click("queueRecipe") || !save("runs-queue")) return false;
  queue.drop_waiting(QueuePanel::kGroup);
  return true;
}

bool Screenshots::show_methods() {
  window_.show_page(PageId::Methods);
  auto* methods = window_.findChild<MethodModel*>();
  if (!wait_until("the table of methods", [&] { return methods->rowCount() > 0; }) ||
      !click("fourBitsBeside"))
    return false;
  const auto beside = [&] {
    return static_cast<std::size_t>(methods->rowCount()) == method_choices(true).size();
  };
  if (!wait_until("methods over four bits", beside)) return false;
  for (const char* method : {"lora", "ia3", "bitfit"}) methods->set_ticked({method, false}, true);
  methods->set_ticked({"lora", true}, true);
  auto* steps = window_.findChild<QSpinBox*>(QStringLiteral("shortSteps"));
  if (steps_ > 0) steps->setValue(std::min(steps->value(), steps_));
  if (!click("runMethods")) return false;
  const auto* run = window_.findChild<QAbstractButton*>(QStringLiteral("runMethods"));
  if (!wait_until("the short runs", [&] { return run->isVisible(); })) return false;
  settle(1500);
  // The base is read again as the recipe has it.
  return wait_until("the base", [&] { return can_launch(window_.workspace().state()); }) &&
         save("methods");
}

bool Screenshots::show_compare() {
  Workspace& workspace = window_.workspace();
  window_.show_page(PageId::Runs);
  settle(300);
  if (!click("compareRuns")) return false;
  auto* compare = static_cast<ComparePage*>(window_.page(PageId::Compare));
  const Recipe& recipe = workspace.recipe();
  const auto& files = recipe.eval_dataset.empty() ? recipe.dataset : recipe.eval_dataset;
  compare->load_samples(QString::fromStdString(files.front()), 24);
  const auto* run_all = window_.findChild<QAbstractButton*>(QStringLiteral("runAll"));
  if (!wait_until("the adapters", [&] { return workspace.adapters().size() >= 2; })) return false;
  settle(800);
  if (!wait_until("the samples", [&] { return run_all->isEnabled(); }) || !click("runAll"))
    return false;
  settle(300);
  return wait_until("the answers", [&] { return run_all->isVisible() && run_all->isEnabled(); }) &&
         save("compare") && show_compare_views();
}

/// One answer under every column with its attention, the table, and judging blind.
bool Screenshots::show_compare_views() {
  auto* inspector = window_.findChild<AnswerInspector*>();
  inspector->show();
  inspector->look_at(0, "base", 2);
  auto* picture = inspector->findChild<AttentionPicture*>();
  if (!wait_until("the attention", [&] { return !picture->shares().empty(); }) ||
      !save("compare-answer") || !click("closeInspector") || !click("ownToggle") ||
      !save("compare-own") || !click("ownToggle") || !click("viewTable") ||
      !save("compare-table") || !click("viewBlind") || !save("compare-blind"))
    return false;
  return click("viewGrid");
}

/// The adapters that stand in Compare, the second one weaker.
bool Screenshots::show_merge() {
  window_.show_page(PageId::Merge);
  auto* type = window_.findChild<QComboBox*>(QStringLiteral("combinationType"));
  auto* proof = window_.findChild<QLabel*>(QStringLiteral("mergeProof"));
  static const QRegularExpression figure(QStringLiteral("\\de-\\d"));
  const auto proven = [&] { return proof->isVisible() && figure.match(proof->text()).hasMatch(); };
  if (!wait_until("the merge", proven)) return false;
  QDoubleSpinBox* last = nullptr;
  for (QDoubleSpinBox* field : window_.page(PageId::Merge)->findChildren<QDoubleSpinBox*>())
    if (field->objectName().startsWith(QLatin1String("weightField_"))) last = field;
  if (last) last->setValue(0.6);
  settle(300);
  if (!wait_until("the second merge", proven)) return false;
  type->setCurrentText(QStringLiteral("ties_svd"));
  settle(300);
  return wait_until("the third merge", proven) && save("merge");
}

bool Screenshots::show_ranks() {
  window_.show_page(PageId::Ranks);
  auto* adapters = window_.findChild<QTableWidget*>(QStringLiteral("rankAdapters"));
  const auto there = [&](int row) {
    const QTableWidgetItem* norm = adapters->item(row, 4);
    return norm && !norm->text().isEmpty();
  };
  return wait_until("the ranks", [&] { return there(0) && there(adapters->rowCount() - 1); }) &&
         save("ranks");
}

/// Two cards beside one another: their batches, a short run of both, and what came of it.
bool Screenshots::show_lab() {
  window_.show_page(PageId::Lab);
  auto* page = static_cast<LabPage*>(window_.page(PageId::Lab));
  const auto looked = [page](std::size_t place) {
    const OpenCard* card = page->runs().open(place);
    return card && card->before;
  };
  if (!click("card_masked-words") || !wait_until("the batch", [&] { return looked(0); }) ||
      !save("lab"))
    return false;
  auto* beside = window_.findChild<QComboBox*>(QStringLiteral("labBeside"));
  const int other = beside->findData(QStringLiteral("contrast"));
  beside->setCurrentIndex(other);
  emit beside->activated(other);
  if (!wait_until("the other batch", [&] { return looked(1); }) || !save("lab-beside"))
    return false;
  window_.findChild<QSpinBox*>(QStringLiteral("labSteps"))->setValue(kLabSteps);
  if (!click("labTrain") || !wait_until("the cards' runs", [page] {
        for (std::size_t place = 0; place < LabRuns::kPlaces; ++place) {
          const OpenCard* card = page->runs().open(place);
          if (!card || card->at_work() || !(card->after || card->error)) return false;
        }
        return !page->runs().going();
      }))
    return false;
  if (!save("lab-result")) return false;
  for (CardPanel* panel : page->findChildren<CardPanel*>()) panel->show_look(2);
  settle(600);
  return save("lab-curves") && show_laws() && show_composer() && show_advice();
}

bool Screenshots::show_advice() {
  if (!choose("labAdvice")) return false;
  auto* task = window_.findChild<QComboBox*>(QStringLiteral("adviceTask"));
  task->setCurrentIndex(task->findData(QStringLiteral("manner")));
  window_.findChild<QLineEdit*>(QStringLiteral("adviceRows"))->setText(QStringLiteral("2K"));
  return save_dialog("adviceWindow", "lab-advice");
}

bool Screenshots::show_composer() {
  if (!choose("labCompose")) return false;
  const auto* sums = window_.findChild<QLabel*>(QStringLiteral("composeSums"));
  return wait_until("the drawing", [&] { return !sums->text().isEmpty(); }) &&
         save_dialog("composeWindow", "lab-compose");
}

/// A sweep of seconds, trained here, and the law that it comes to.
bool Screenshots::show_laws() {
  if (!choose("labLaws")) return false;
  auto* laws = window_.findChild<LawsWindow*>();
  window_.findChild<QLineEdit*>(QStringLiteral("lawsSizes"))->setText(QStringLiteral("16, 24, 32"));
  window_.findChild<QLineEdit*>(QStringLiteral("lawsTokens"))
      ->setText(QStringLiteral("16K, 64K, 256K"));
  const auto* words = window_.findChild<QLabel*>(QStringLiteral("lawsWords"));
  return click("lawsSweep") &&
         wait_until("the sweep",
                    [&] {
                      return !laws->sweeps() && words->text().contains(QRegularExpression(
                                                    QStringLiteral("α [^\n]*\\(")));
                    }) &&
         save_dialog("lawsWindow", "lab-laws");
}

/// A run that was stopped: the next start offers it, among what was opened before.
bool Screenshots::show_interrupted() {
  Workspace& workspace = window_.workspace();
  if (!open(2)) return false;
  window_.show_page(PageId::Train);
  if (!launch() || !wait_until("a part of the run", [this] { return run_is_at(0.2); }))
    return false;
  workspace.session().stop(StopKind::Save);
  if (!wait_for_end() || !save("train-stopped")) return false;
  workspace.find_interrupted();
  const auto* offer = window_.findChild<Banner*>(QStringLiteral("interruptedOffer"));
  window_.show_page(PageId::Start);
  return wait_until("the offer to resume", [&] { return offer->isVisible(); }) &&
         save("start-again");
}

/// For a room with a projector, and for who wants larger words.
bool Screenshots::show_sizes_of_words() {
  Theme& theme = Theme::instance();
  window_.show_page(PageId::Train);
  theme.set_projector(true);
  if (!save("train-projector")) return false;
  theme.set_projector(false);
  theme.set_text_scale(1.4);
  if (!save("train-large-words")) return false;
  window_.show_page(PageId::Data);
  if (!save("data-large-words")) return false;
  theme.set_text_scale(1);
  return true;
}

}  // namespace luthier
