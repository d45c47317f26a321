// SPDX-License-Identifier: GPL-3.0-or-later
// The flow over runs of very many logged steps: opened, zoomed, gone along, laid over one another,
// and followed while more steps come.
#include <QAbstractItemModel>
#include <QCheckBox>
#include <QComboBox>
#include <QElapsedTimer>
#include <QSlider>
#include <QTableView>

#include "app/gui/bench_flow.h"
#include "ui/main_window.h"
#include "ui/runs/run_list_model.h"
#include "ui/runs/runs_page.h"
#include "ui/train/curve_plot.h"

namespace luthier {

namespace {

/// The row of a run in the list as it is shown; -1: it is not there.
int row_of(const QTableView* table, const std::string& run) {
  for (int row = 0; row < table->model()->rowCount(); ++row)
    if (table->model()->index(row, RunListModel::Name).data().toString().toStdString() == run)
      return row;
  return -1;
}

void tick(const QTableView* table, int row, bool on) {
  table->model()->setData(table->model()->index(row, 0), on ? Qt::Checked : Qt::Unchecked,
                          Qt::CheckStateRole);
}

/// So many curves, and the whole of a run.
bool shows(const CurvePlot* plot, int curves, double upper) {
  if (plot->plot()->graphCount() != curves || plot->data_range().upper != upper) return false;
  for (int i = 0; i < curves; ++i)
    if (plot->plot()->graph(i)->dataCount() < 100) return false;
  return plot->plot()->xAxis->range().upper >= upper;
}

}  // namespace

Status BenchFlow::long_run() {
  LUTHIER_CHECK(show_long_runs());
  return follow_long_run();
}

Status BenchFlow::show_long_runs() {
  window_.show_page(PageId::Runs);
  auto* const page = static_cast<RunsPage*>(window_.page(PageId::Runs));
  page->set_folder(QString::fromStdString(text("runs")));
  LUTHIER_TRY(auto* const table, hands_.find<QTableView>("runTable"));
  const std::vector<std::string> runs = texts("long");
  const auto upper = static_cast<double>(number("steps"));
  LUTHIER_CHECK(hands_.wait("the list of runs", [&] {
    return table->model()->rowCount() == static_cast<int>(runs.size()) + 1;
  }));
  hands_.pass(1500);  // the newest, which is short, is ticked and drawn
  tick(table, row_of(table, text("short")), false);
  hands_.pass(1500);
  LUTHIER_TRY(auto* const loss, hands_.find<CurvePlot>("lossPlot", page));
  QElapsedTimer since_click;
  double opened = -1;
  const auto drawn = QObject::connect(loss->plot(), &QCustomPlot::afterReplot, loss, [&, loss] {
    if (opened < 0 && shows(loss, 2, upper))
      opened = static_cast<double>(since_click.nsecsElapsed()) / 1e9;
  });
  LUTHIER_CHECK(hands_.phase("open", [&] {
    since_click.start();
    tick(table, row_of(table, runs.front()), true);
    return hands_.wait("the long run", [&] { return opened >= 0; });
  }));
  QObject::disconnect(drawn);
  found_["open_seconds"] = opened;
  LUTHIER_CHECK(hands_.phase("walk", [&] { return walk_over(loss); }));
  LUTHIER_CHECK(hands_.phase("overlay", [&] {
    for (const std::string& run : runs) tick(table, row_of(table, run), true);
    return hands_.wait("all long runs",
                       [&] { return shows(loss, 2 * static_cast<int>(runs.size()), upper); });
  }));
  LUTHIER_CHECK(hands_.phase("walk over all", [&] { return walk_over(loss); }));
  LUTHIER_TRY(auto* const axis, hands_.find<QComboBox>("curveAxis", page));
  LUTHIER_TRY(auto* const log, hands_.find<QCheckBox>("curveLog", page));
  LUTHIER_TRY(auto* const clip, hands_.find<QCheckBox>("curveClip", page));
  LUTHIER_TRY(auto* const smooth, hands_.find<QSlider>("curveEma", page));
  return hands_.phase("other axes", [&]() -> Status {
    for (const int to : {3, 2, 1, 0}) {
      axis->setCurrentIndex(to);
      hands_.pass(700);
    }
    for (QCheckBox* box : {log, clip}) {
      box->setChecked(true);
      hands_.pass(700);
      box->setChecked(false);
    }
    for (int value = 0; value <= 99; value += 9) {
      smooth->setValue(value);
      hands_.pass(100);
    }
    return hands_.wait("all long runs again",
                       [&] { return shows(loss, 2 * static_cast<int>(runs.size()), upper); });
  });
}

Status BenchFlow::walk_over(CurvePlot* plot) {
  constexpr int kNotches = 24, kPauseMilliseconds = 25;
  QCustomPlot* const over = plot->plot();
  const QPoint middle = over->axisRect()->center();
  const QCPRange whole = over->xAxis->range();
  for (int notch = 0; notch < kNotches; ++notch) {
    hands_.wheel(over, middle + QPoint(notch, 0), 1);
    hands_.pass(kPauseMilliseconds);
  }
  if (over->xAxis->range().size() > whole.size() / 2)
    return machine_error("The curves were not zoomed.");
  const double before = over->xAxis->range().center();
  for (int i = 0; i < 4; ++i) hands_.drag(over, middle + QPoint(100, 0), middle - QPoint(100, 0));
  if (over->xAxis->range().center() == before) return machine_error("The curves did not go along.");
  for (int notch = 0; notch < kNotches; ++notch) {
    hands_.wheel(over, middle, -1);
    hands_.pass(kPauseMilliseconds);
  }
  for (int x = over->axisRect()->left(); x < over->axisRect()->right(); x += 12) {
    hands_.move(over, QPoint(x, middle.y()));
    hands_.pass(8);
  }
  emit plot->fit_asked();
  hands_.pass(200);
  return {};
}

/// A run that is resumed behind its last step: what it wrote is read from its folder, as ever; the
/// steps that come on top are played, a hundred a second.
Status BenchFlow::follow_long_run() {
  window_.show_page(PageId::Train);
  SessionBridge& bridge = window_.workspace().bridge();
  const std::vector<std::string> runs = texts("long");
  RunStarted started{};
  started.folder = std::filesystem::path(text("runs")) / runs.front();
  started.first_step = number("steps");
  started.total_steps = 2 * started.first_step;
  started.steps_per_epoch = 1000;
  LUTHIER_TRY(auto* const loss, hands_.find<CurvePlot>("lossPlot", window_.page(PageId::Train)));
  const auto& run = window_.workspace().run();
  std::int64_t at = started.first_step;
  const auto step = [&] {
    StepDone event{};
    event.line.step = ++at;
    event.line.epoch = static_cast<double>(at) / started.steps_per_epoch;
    event.line.loss = 2 + static_cast<double>(at % 97) / 97;
    event.line.grad_norm = 1;
    event.line.learning_rate = 1e-4;
    event.line.tokens_per_second = 2000;
    event.line.step_seconds = 0.01;
    event.line.memory.activations = 50 << 20;
    emit bridge.step_done(event);
  };
  const auto resume = [&]() -> Status {
    emit bridge.run_started(started);
    step();
    LUTHIER_CHECK(hands_.wait("what the run wrote before", [&] {
      return run && static_cast<std::int64_t>(run->lines.size()) > started.first_step;
    }));
    return hands_.wait("its curves",
                       [&] { return loss->data_range().upper >= static_cast<double>(at); });
  };
  LUTHIER_CHECK(hands_.phase("resume", resume));
  QTimer burst;
  burst.setInterval(50);
  QObject::connect(&burst, &QTimer::timeout, &burst, [&] {
    for (int i = 0; i < 5; ++i) step();
  });
  burst.start();
  LUTHIER_CHECK(hands_.phase("follow", [&] {
    hands_.pass(3000);
    return walk_over(loss);
  }));
  burst.stop();
  found_["steps_followed"] = at - started.first_step;
  return hands_.wait("the last step",
                     [&] { return loss->data_range().upper >= static_cast<double>(at); });
}

}  // namespace luthier
