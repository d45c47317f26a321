// SPDX-License-Identifier: GPL-3.0-or-later
// Composition of the lower half.
#include "ui/methods/short_runs_panel.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QSpinBox>
#include <QTableView>
#include <algorithm>
#include <cmath>
#include <limits>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/messages.h"
#include "ui/methods/method_model.h"
#include "ui/methods/plain_table.h"
#include "ui/methods/short_run_model.h"
#include "ui/methods/short_runs.h"
#include "ui/theme.h"
#include "ui/train/curve_group.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {
constexpr int kDrawMilliseconds = 300;
constexpr int kUsualSteps = 20, kMostSteps = 100'000, kNarrowCurves = 260;
}  // namespace

ShortRunsPanel::ShortRunsPanel(Workspace& workspace, const MethodModel& methods, QWidget* parent)
    : Splitter(Qt::Horizontal, parent), workspace_(workspace), methods_(methods) {
  runs_ = new ShortRuns(workspace, this);
  addWidget(make_results());
  addWidget(make_curves());
  setStretchFactor(0, 3);
  setStretchFactor(1, 2);
  setSizes({740, 420});
  draw_.setSingleShot(true);
  draw_.setInterval(kDrawMilliseconds);
  connect(&draw_, &QTimer::timeout, this, &ShortRunsPanel::draw_curves);
  connect(runs_, &ShortRuns::changed, this, &ShortRunsPanel::show_runs);
  connect(this, &QSplitter::splitterMoved, this, [this] { moved_ = true; });
  connect(runs_, &ShortRuns::ended, this, &ShortRunsPanel::ended);
  connect(&methods, &MethodModel::ticks_changed, this, &ShortRunsPanel::refresh);
  connect(&workspace.bridge(), &SessionBridge::state_changed, this, &ShortRunsPanel::refresh);
  connect(&workspace, &Workspace::recipe_changed, this, &ShortRunsPanel::refresh);
  connect(&Theme::instance(), &Theme::changed, this, &ShortRunsPanel::draw_curves);
  on_language(this, [this] {
    model_->retranslate();
    runs_->retranslate();
    fit_results();
    refresh();
  });
}

bool ShortRunsPanel::going() const { return runs_->going(); }

void ShortRunsPanel::set_shown_model(bool of_recipe) {
  of_recipe_ = of_recipe;
  refresh();
}

QWidget* ShortRunsPanel::make_results() {
  auto* card = new Card(this);
  auto* label = new QLabel(card);
  steps_ = new QSpinBox(card);
  steps_->setObjectName(QStringLiteral("shortSteps"));
  steps_->setRange(1, kMostSteps);
  steps_->setValue(kUsualSteps);
  label->setBuddy(steps_);
  run_ = new QPushButton(card);
  run_->setObjectName(QStringLiteral("runMethods"));
  stop_ = new QPushButton(card);
  stop_->setObjectName(QStringLiteral("stopMethods"));
  stop_->hide();
  for (QWidget* widget : std::initializer_list<QWidget*>{label, steps_, run_, stop_})
    card->head()->addWidget(widget);
  note_ = muted_label(card, 0.88);
  note_->setObjectName(QStringLiteral("methodsNote"));
  card->body()->addWidget(note_);
  model_ = new ShortRunModel(this);
  results_ = new QTableView(card);
  results_->setObjectName(QStringLiteral("shortRunTable"));
  results_->setModel(model_);
  make_plain_table(results_);
  results_->setMinimumHeight(60);
  card->body()->addWidget(results_, 1);
  connect(run_, &QPushButton::clicked, this, &ShortRunsPanel::run_ticked);
  connect(stop_, &QPushButton::clicked, runs_, &ShortRuns::stop);
  on_language(card, [this, card, label] {
    card->set_title(tr("Short runs"));
    label->setText(tr("&Steps"));
    steps_->setAccessibleName(tr("Steps of each short run"));
    stop_->setText(tr("Stop"));
    stop_->setToolTip(tr("Ends the run that trains without saving it, and those that wait"));
    results_->setAccessibleName(tr("What the short runs came to"));
    fit_column(results_, ShortRunModel::Method,
               {method_label("adalora", true) + QStringLiteral("    ")});
    fit_column(results_, ShortRunModel::State, {state_text("finished"), state_text("running")});
    fit_column(results_, ShortRunModel::StepTime, {QStringLiteral("8,888 ms")});
    fit_column(results_, ShortRunModel::Speed, {QStringLiteral("88,888")});
    fit_column(results_, ShortRunModel::Loss, {QStringLiteral("88.8888")});
    fit_column(results_, ShortRunModel::Exact, {QStringLiteral("100.0 %")});
    fit_column(results_, ShortRunModel::TokenF1, {QStringLiteral("100.0 %")});
    fit_column(results_, ShortRunModel::HeldOut, {QStringLiteral("88.8888")});
    fit_column(results_, ShortRunModel::Perplexity, {QStringLiteral("888.88")});
    fit_column(results_, ShortRunModel::Lost, {QStringLiteral("−88.8 pp · +88.8 %")});
    fit_column(results_, ShortRunModel::Peak, {QStringLiteral("888 MiB")});
    fit_column(results_, ShortRunModel::File, {QStringLiteral("888.8 MB")});
  });
  return card;
}

/// What no run has, and how they ended where all came to their end, takes no room; what is left is
/// seen whole where the curves leave it.
void ShortRunsPanel::fit_results() {
  const auto has = [this](int column) {
    for (int row = 0; row < model_->rowCount(); ++row)
      if (!model_->index(row, column).data().toString().isEmpty()) return true;
    return model_->rowCount() == 0;
  };
  for (const int column : {ShortRunModel::Exact, ShortRunModel::TokenF1, ShortRunModel::HeldOut,
                           ShortRunModel::Perplexity})
    results_->setColumnHidden(column, !has(column));
  results_->setColumnHidden(ShortRunModel::Lost,
                            model_->rowCount() == 0 || !has(ShortRunModel::Lost));
  const std::vector<ShortRun>& runs = runs_->results();
  results_->setColumnHidden(
      ShortRunModel::State,
      !runs.empty() && std::all_of(runs.begin(), runs.end(),
                                   [](const auto& run) { return run.state == "finished"; }));
  if (moved_) return;
  constexpr int kAround = 48;  // of the table: the card, and a scroll bar
  int wanted = kAround;
  for (int column = 0; column < model_->columnCount(); ++column)
    if (!results_->isColumnHidden(column)) wanted += results_->columnWidth(column);
  const QList<int> now = sizes();
  const int whole = now.first() + now.last();
  if (whole <= 0) return;  // not laid out yet
  const int left =
      std::clamp(wanted, whole * 3 / 5, std::max(whole - kNarrowCurves, whole * 3 / 5));
  setSizes({left, whole - left});
}

void ShortRunsPanel::resizeEvent(QResizeEvent* event) {
  Splitter::resizeEvent(event);
  fit_results();
}

QWidget* ShortRunsPanel::make_curves() {
  loss_ = new CurvePlot(QStringLiteral("methodsPlot"), this);
  loss_->setMinimumWidth(kNarrowCurves);
  loss_->set_counted();
  group_ = new CurveGroup(loss_);
  group_->add(loss_);
  group_->set_places([this](double x) {
    CurveGroup::Place place;
    double nearest = std::numeric_limits<double>::infinity();
    for (const RunSeries& series : runs_->series())
      for (const double step : series.lines.step) {
        if (std::abs(step - x) >= nearest) continue;
        nearest = std::abs(step - x);
        place = {step, tr("Step %1").arg(static_cast<std::int64_t>(step))};
      }
    return place;
  });
  on_language(loss_, [this] { loss_->set_title(tr("Loss, and held-out loss as a dot")); });
  return loss_;
}

void ShortRunsPanel::show_runs() {
  model_->show_runs(runs_->results());
  fit_results();
  if (!draw_.isActive()) draw_.start();
  refresh();
}

void ShortRunsPanel::draw_curves() {
  std::vector<Curve> curves;
  const std::vector<RunSeries>& all = runs_->series();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const RunSeries& series = all[i];
    Curve curve, held_out;
    curve.name = series.name;
    curve.colour = held_out.colour = colours().series[i % colours().series.size()];
    for (qsizetype at = 0; at < series.lines.step.size(); ++at) {
      if (!std::isfinite(series.lines.loss[at])) continue;
      curve.all_x << series.lines.step[at];
      curve.all_y << series.lines.loss[at];
    }
    curves.push_back(std::move(curve));
    if (series.evaluations.empty()) continue;
    held_out.name = tr("%1, held-out").arg(series.name);
    held_out.mark = LegendEntry::Mark::Dot;
    held_out.width = 0;
    held_out.in_legend = false;
    for (const auto& [step, loss] : series.evaluations) {
      held_out.x << static_cast<double>(step);
      held_out.y << loss;
    }
    curves.push_back(std::move(held_out));
  }
  loss_->set_curves(std::move(curves));
  group_->data_changed();
}

void ShortRunsPanel::run_ticked() {
  if (!workspace_.faults().empty()) {
    const FieldFault& fault = workspace_.faults().front();
    emit refused(fault_error(fault.error, fault.text));
    return;
  }
  const Recipe& base = workspace_.recipe();
  const QString root =
      workspace_.free_run_folder(base.output_dir.empty() ? QStringLiteral("runs/methods")
                                                         : QString::fromStdString(base.output_dir) +
                                                               QStringLiteral("-methods"));
  std::vector<PlannedRun> planned;
  for (const auto& [method, four_bits] : methods_.ticked()) {
    auto run = plan_short_run(base, {method, four_bits}, {}, steps_->value(), to_path(root));
    if (!run) {
      emit refused(run.error());
      return;
    }
    planned.push_back(run.take());
  }
  order_runs(planned);
  // Of what these have in common: the method is what differs.
  Recipe like = base;
  like.output_dir.clear();
  if (const Status set = set_field(like, "strategy", "lora"); !set) {
    emit refused(set.error());
    return;
  }
  emit started();
  const std::string steps = std::to_string(steps_->value());
  const Status begun =
      runs_->start(std::move(planned), recipe_to_yaml(like) + steps, has_four_bits(base));
  if (!begun) emit refused(begun.error());
}

void ShortRunsPanel::refresh() {
  const int ticked = static_cast<int>(methods_.ticked().size());
  const bool free = can_launch(workspace_.state()) && !runs_->going();
  run_->setText(ticked == 1 ? tr("Run the ticked one") : tr("Run the ticked %1").arg(ticked));
  run_->setVisible(!runs_->going());
  run_->setEnabled(free && ticked > 0 && of_recipe_);
  stop_->setVisible(runs_->going());
  steps_->setEnabled(!runs_->going());
  const Recipe& recipe = workspace_.recipe();
  const auto names = [](const std::vector<std::string>& files) {
    QStringList list;
    for (const std::string& file : files) list << path_text(std::filesystem::path(file).filename());
    return list.join(QStringLiteral(", "));
  };
  if (runs_->going())
    note_->setText(tr("Run %1 of %2. Pause it, or stop it, above.")
                       .arg(std::min(runs_->place(), runs_->count()))
                       .arg(runs_->count()));
  else if (!of_recipe_)
    note_->setText(tr("Runs are of the recipe's model; the table is of another."));
  else if (recipe.dataset.empty())
    note_->setText(tr("Choose rows on the Data page: each ticked method trains on the same ones."));
  else if (recipe.eval_dataset.empty())
    note_->setText(tr("On %1, one after another. Name evaluation data on the Train page, and "
                      "held-out loss and answers are measured too.")
                       .arg(names(recipe.dataset)));
  else
    note_->setText(tr("On %1, one after another; held out: %2.")
                       .arg(names(recipe.dataset), names(recipe.eval_dataset)));
}

}  // namespace luthier
