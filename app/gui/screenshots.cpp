// SPDX-License-Identifier: GPL-3.0-or-later
// The script of the pictures.
#include "app/gui/screenshots.h"

#include <QAbstractButton>
#include <QApplication>
#include <QComboBox>
#include <QDir>
#include <QDoubleSpinBox>
#include <QElapsedTimer>
#include <QLabel>
#include <QLineEdit>
#include <QRegularExpression>
#include <QScrollBar>
#include <QSpinBox>
#include <QTabBar>
#include <QTabWidget>
#include <QTableView>
#include <QTableWidget>
#include <QTemporaryDir>
#include <QThread>
#include <cstdio>

#include "app/gui/demo.h"
#include "ui/compare/answer_inspector.h"
#include "ui/compare/attention_view.h"
#include "ui/compare/compare_page.h"
#include "ui/format.h"
#include "ui/main_window.h"
#include "ui/merge/merge_page.h"
#include "ui/methods/method_model.h"
#include "ui/ranks/rank_page.h"
#include "ui/runs/runs_page.h"

namespace luthier {

namespace {
constexpr double kPatience = 900;
}

int Screenshots::run() {
  QTemporaryDir runs;
  runs_ = runs.path();
  if (!QDir().mkpath(folder_)) {
    std::fprintf(stderr, "screenshots: %s cannot be made\n", qPrintable(folder_));
    return 1;
  }
  window_.resize(size_);
  window_.show();
  return drive() ? 0 : 1;
}

bool Screenshots::drive() {
  Workspace& workspace = window_.workspace();
  window_.show_page(PageId::Start);
  settle(1500);
  if (!save("start")) return false;
  if (const Status opened = open_demo(window_, 0, runs_, steps_); !opened) {
    std::fprintf(stderr, "screenshots: %s\n", opened.error().sentence().c_str());
    return false;
  }
  if (!wait_until("the model to load", kPatience,
                  [&] { return workspace.model() && workspace.forecast(); }))
    return false;
  window_.show_page(PageId::Model);
  if (!save("model")) return false;

  window_.show_page(PageId::Data);
  auto* table = window_.findChild<QTableView*>(QStringLiteral("rowTable"));
  if (!wait_until("the rows", kPatience, [&] { return table && table->model()->rowCount() > 0; }) ||
      !click("checkData"))
    return false;
  auto* check = window_.findChild<QAbstractButton*>(QStringLiteral("checkData"));
  if (!wait_until("the data check", kPatience, [&] { return check->isVisible(); })) return false;
  if (!save("data")) return false;
  auto* search = window_.findChild<QLineEdit*>(QStringLiteral("rowSearch"));
  const int rows = table->model()->rowCount();
  search->setText(QStringLiteral("yellow"));
  if (!wait_until("the rows that were looked for", kPatience,
                  [&] { return table->model()->rowCount() < rows; }) ||
      !save("data-search"))
    return false;
  search->clear();

  if (!train_task(0, true) || !train_task(1, false)) return false;

  window_.show_page(PageId::Runs);
  auto* runs = static_cast<RunsPage*>(window_.page(PageId::Runs));
  runs->set_folder(runs_);
  auto* list = window_.findChild<QTableView*>(QStringLiteral("runTable"));
  if (!wait_until("the list of runs", kPatience,
                  [&] { return list && list->model()->rowCount() >= 2; }))
    return false;
  for (int row = 0; row < list->model()->rowCount(); ++row)
    list->model()->setData(list->model()->index(row, 0), Qt::Checked, Qt::CheckStateRole);
  settle(1500);
  if (!save("runs") || !show_run_tabs()) return false;

  if (!run_methods()) return false;
  window_.show_page(PageId::Runs);
  settle(300);
  if (!click("compareRuns")) return false;
  auto* compare = static_cast<ComparePage*>(window_.page(PageId::Compare));
  compare->load_samples(QString::fromStdString(workspace.recipe().eval_dataset.empty()
                                                   ? workspace.recipe().dataset.front()
                                                   : workspace.recipe().eval_dataset.front()),
                        24);
  if (!wait_until("the adapters", kPatience, [&] { return workspace.adapters().size() >= 2; }))
    return false;
  settle(800);
  auto* run_all = window_.findChild<QAbstractButton*>(QStringLiteral("runAll"));
  if (!wait_until("the samples", kPatience, [&] { return run_all->isEnabled(); }) ||
      !click("runAll"))
    return false;
  settle(300);
  if (!wait_until("the answers", kPatience,
                  [&] { return run_all->isVisible() && run_all->isEnabled(); }))
    return false;
  if (!save("compare") || !show_compare_views()) return false;
  return show_merge() && show_ranks() && show_dialogs();
}

bool Screenshots::show_run_tabs() {
  const auto turn = [&](const char* tabs, int to) {
    if (auto* bar = window_.findChild<QTabBar*>(QLatin1String(tabs))) bar->setCurrentIndex(to);
  };
  turn("runSideTabs", 1);
  if (!save("runs-notes")) return false;
  turn("runsTabs", 1);
  if (!save("runs-queue")) return false;
  turn("runsTabs", 2);
  if (!save("runs-outcomes")) return false;
  turn("runsTabs", 0);
  turn("runSideTabs", 0);
  return true;
}

/// One answer under every column with its attention, the table, and judging blind.
bool Screenshots::show_compare_views() {
  auto* inspector = window_.findChild<AnswerInspector*>();
  inspector->show();
  inspector->look_at(0, "base", 2);
  auto* picture = inspector->findChild<AttentionPicture*>();
  if (!wait_until("the attention", kPatience, [&] { return !picture->shares().empty(); }) ||
      !save("compare-answer") || !click("closeInspector") || !click("viewTable") ||
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
  if (!wait_until("the merge", kPatience, proven)) return false;
  QDoubleSpinBox* last = nullptr;
  for (QDoubleSpinBox* field : window_.page(PageId::Merge)->findChildren<QDoubleSpinBox*>())
    if (field->objectName().startsWith(QLatin1String("weightField_"))) last = field;
  if (last) last->setValue(0.6);
  settle(300);
  if (!wait_until("the second merge", kPatience, proven)) return false;
  type->setCurrentText(QStringLiteral("ties_svd"));
  settle(300);
  return wait_until("the third merge", kPatience, proven) && save("merge");
}

bool Screenshots::show_ranks() {
  window_.show_page(PageId::Ranks);
  auto* adapters = window_.findChild<QTableWidget*>(QStringLiteral("rankAdapters"));
  return wait_until("the ranks", kPatience,
                    [&] {
                      const auto there = [&](int row) {
                        const QTableWidgetItem* norm = adapters->item(row, 4);
                        return norm && !norm->text().isEmpty();
                      };
                      return there(0) && there(adapters->rowCount() - 1);
                    }) &&
         save("ranks");
}

bool Screenshots::train_task(std::size_t task, bool with_picture) {
  Workspace& workspace = window_.workspace();
  if (const Status opened = open_demo(window_, task, runs_, steps_); !opened) {
    std::fprintf(stderr, "screenshots: %s\n", opened.error().sentence().c_str());
    return false;
  }
  window_.show_page(PageId::Train);
  if (with_picture && !workspace.set_field("samples.every", "10")) return false;
  const auto* forecast_before = workspace.run().get();
  if (!wait_until("the forecast", kPatience, [&] { return workspace.forecast().has_value(); }) ||
      !click("launchButton"))
    return false;
  if (!wait_until("the run to start", kPatience,
                  [&] { return workspace.run() && workspace.run().get() != forecast_before; }))
    return false;
  const auto part = [&](double share) {
    return [&workspace, share] {
      const LiveRun& run = *workspace.run();
      return run.ended ||
             (!run.lines.empty() && static_cast<double>(run.lines.back().step) >=
                                        share * static_cast<double>(run.started.total_steps));
    };
  };
  if (with_picture) {
    if (!wait_until("a third of the run", kPatience, part(0.35))) return false;
    // Pause, ask what it says so far, go on.
    click("mainButton");
    wait_until("the pause", kPatience,
               [&] { return can_resume(workspace.state()) || workspace.run()->ended; });
    if (auto* tabs = window_.findChild<QTabWidget*>(QStringLiteral("runTabs")))
      tabs->setCurrentIndex(2);
    click("askTakeRow");
    auto* question = window_.findChild<QLineEdit*>(QStringLiteral("askQuestion"));
    wait_until("a question", 60, [&] { return question && !question->text().isEmpty(); });
    click("askButton");
    settle(1500);
    workspace.session().edit_run("learning_rate", 1e-4);
    click("mainButton");
    if (!wait_until("two thirds of the run", kPatience, part(0.7))) return false;
    if (!save("train")) return false;
    if (auto* tabs = window_.findChild<QTabWidget*>(QStringLiteral("runTabs")))
      tabs->setCurrentIndex(3);
    settle(1500);
    if (!save("live")) return false;
  }
  return wait_until("the run to end", kPatience,
                    [&] { return workspace.run()->ended && can_launch(workspace.state()); });
}

bool Screenshots::run_methods() {
  window_.show_page(PageId::Methods);
  auto* methods = window_.findChild<MethodModel*>();
  if (!wait_until("the table of methods", kPatience, [&] { return methods->rowCount() > 0; }) ||
      !click("fourBitsBeside"))
    return false;
  const auto beside = [&] {
    return static_cast<std::size_t>(methods->rowCount()) == method_choices(true).size();
  };
  if (!wait_until("methods over four bits", kPatience, beside)) return false;
  for (const char* method : {"lora", "ia3", "bitfit"}) methods->set_ticked({method, false}, true);
  methods->set_ticked({"lora", true}, true);
  auto* steps = window_.findChild<QSpinBox*>(QStringLiteral("shortSteps"));
  if (steps_ > 0) steps->setValue(std::min(steps->value(), steps_));
  if (!click("runMethods")) return false;
  const auto* run = window_.findChild<QAbstractButton*>(QStringLiteral("runMethods"));
  if (!wait_until("the short runs", kPatience, [&] { return run->isVisible(); })) return false;
  settle(1500);
  // The base is read again as the recipe has it.
  const auto free = [&] { return can_launch(window_.workspace().state()); };
  return wait_until("the base", kPatience, free) && save("methods");
}

bool Screenshots::click(const char* name) {
  auto* button = window_.findChild<QAbstractButton*>(QLatin1String(name));
  if (!button || !button->isEnabled()) {
    std::fprintf(stderr, "screenshots: the button %s cannot be clicked\n", name);
    return false;
  }
  button->click();
  return true;
}

bool Screenshots::wait_until(const char* what, double seconds, const std::function<bool()>& done) {
  QElapsedTimer clock;
  clock.start();
  while (!done()) {
    if (static_cast<double>(clock.elapsed()) > 1000 * seconds) {
      std::fprintf(stderr, "screenshots: waited in vain for %s\n", what);
      return false;
    }
    settle(30);
  }
  return true;
}

void Screenshots::settle(int milliseconds) {
  QElapsedTimer clock;
  clock.start();
  do {
    QApplication::processEvents(QEventLoop::AllEvents, 20);
    QThread::msleep(5);
  } while (clock.elapsed() < milliseconds);
}

bool Screenshots::save(const char* name) {
  settle(700);
  const QString file = QDir(folder_).filePath(QLatin1String(name) + QStringLiteral(".png"));
  if (window_.grab().save(file)) return true;
  std::fprintf(stderr, "screenshots: %s cannot be written\n", qPrintable(file));
  return false;
}

}  // namespace luthier
