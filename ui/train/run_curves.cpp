// SPDX-License-Identifier: GPL-3.0-or-later
// Building the curves from the series.
#include "ui/train/run_curves.h"

#include <QCheckBox>
#include <QComboBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QMenu>
#include <QSignalBlocker>
#include <QSlider>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>
#include <array>
#include <cmath>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/theme.h"
#include "ui/train/curve_export.h"
#include "ui/train/figure_curves.h"
#include "ui/widgets/splitter.h"

namespace luthier {

namespace {

constexpr int kRedrawMilliseconds =
    500;  // drawing takes time from the training threads: twice a second is live enough
constexpr int kRoomForAll = 600;  // of all plots: below it none could be read
/// Of loss, an objective's figures, memory and small plots; where there are figures they matter
/// more than the memory.
constexpr std::array kShares{250, 200, 200, 130}, kSharesOfFigures{220, 230, 170, 130};

QVector<double> divided(QVector<double> values, double unit) {
  for (double& value : values) value /= unit;
  return values;
}

}  // namespace

RunCurves::RunCurves(QWidget* parent) : QWidget(parent) {
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  splitter_ = new Splitter(Qt::Vertical, this);
  layout->addWidget(splitter_);
  loss_ = new CurvePlot(QStringLiteral("lossPlot"), splitter_);
  figures_ = new CurvePlot(QStringLiteral("figuresPlot"), splitter_);
  figures_->hide();  // until an objective has any
  memory_ = new CurvePlot(QStringLiteral("memoryPlot"), splitter_);
  small_ = new QWidget(splitter_);
  auto* row = new QHBoxLayout(small_);
  row->setContentsMargins(0, 0, 0, 0);
  row->setSpacing(8);
  rate_ = new CurvePlot(QStringLiteral("ratePlot"), small_);
  norm_ = new CurvePlot(QStringLiteral("normPlot"), small_);
  speed_ = new CurvePlot(QStringLiteral("speedPlot"), small_);
  for (CurvePlot* plot : {rate_, norm_, speed_}) row->addWidget(plot, 1);
  splitter_->addWidget(loss_);
  splitter_->addWidget(figures_);
  splitter_->addWidget(memory_);
  splitter_->addWidget(small_);
  splitter_->setStretchFactor(0, 5);
  splitter_->setStretchFactor(1, 4);
  splitter_->setStretchFactor(2, 4);
  splitter_->setStretchFactor(3, 3);
  for (CurvePlot* plot : {rate_, norm_, speed_}) plot->set_compact();
  share_heights();
  memory_->set_scale(true);
  speed_->set_scale(true);
  group_ = new CurveGroup(this);
  group_->set_places([this](double x) { return place_at(x); });
  for (CurvePlot* plot : {loss_, figures_, memory_, rate_, norm_, speed_}) group_->add(plot);
  connect(group_, &CurveGroup::pointed, this, [this](double x) {
    if (places_.empty() || places_.front().isEmpty()) return;
    const QVector<double>& all = places_.front();
    const auto after = std::lower_bound(all.begin(), all.end(), x - 1e-9 * std::abs(x));
    const qsizetype at = std::min(after, all.end() - 1) - all.begin();
    emit step_pointed(static_cast<std::int64_t>(drawn_.front().lines.step[at]));
  });
  make_controls();
  timer_.setSingleShot(true);
  connect(&timer_, &QTimer::timeout, this, [this] {
    if (isVisible()) rebuild();
  });
  connect(&Theme::instance(), &Theme::changed, this, &RunCurves::looks_changed);
  on_language(this, [this] {
    loss_->set_title(tr("Loss"));
    figures_->set_title(tr("Figures"));
    figure_group_->setAccessibleName(tr("Which of the objective's figures are shown"));
    name_memory();
    rate_->set_title(tr("Learning rate"));
    norm_->set_title(tr("Gradient norm"));
    speed_->set_title(tr("Tokens/s"));
    looks_changed();
  });
}

void RunCurves::make_controls() {
  axis_ = new QComboBox(this);
  axis_->setObjectName(QStringLiteral("curveAxis"));
  axis_->addItems({QString(), QString(), QString(), QString()});
  log_ = new QCheckBox(this);
  log_->setObjectName(QStringLiteral("curveLog"));
  clip_ = new QCheckBox(this);
  clip_->setObjectName(QStringLiteral("curveClip"));
  ema_label_ = new QLabel(this);
  ema_ = new QSlider(Qt::Horizontal, this);
  ema_->setObjectName(QStringLiteral("curveEma"));
  ema_->setRange(0, 99);
  ema_->setValue(90);
  ema_->setFixedWidth(72);
  export_ = new QToolButton(this);
  export_->setObjectName(QStringLiteral("curveExport"));
  export_->setAutoRaise(true);
  export_->setPopupMode(QToolButton::InstantPopup);
  set_themed_icon(export_, QStringLiteral("export"));
  auto* menu = new QMenu(export_);
  QAction* png = menu->addAction(QString(), this, &RunCurves::export_png);
  QAction* csv = menu->addAction(QString(), this, &RunCurves::export_csv);
  export_->setMenu(menu);
  for (QWidget* widget :
       std::initializer_list<QWidget*>{axis_, log_, clip_, ema_label_, ema_, export_})
    loss_->head()->addWidget(widget);
  figure_group_ = new QComboBox(this);
  figure_group_->setObjectName(QStringLiteral("figureGroup"));
  figure_group_->setSizeAdjustPolicy(QComboBox::AdjustToContents);
  figures_->head()->addWidget(figure_group_);
  connect(figure_group_, &QComboBox::currentIndexChanged, this, &RunCurves::changed);
  on_language(this, [this, png, csv] {
    axis_->setItemText(0, tr("Steps"));
    axis_->setItemText(1, tr("Epochs"));
    axis_->setItemText(2, tr("Tokens"));
    axis_->setItemText(3, tr("Time"));
    axis_->setToolTip(
        tr("A run that has not logged its tokens or times is not drawn over that axis"));
    axis_->setAccessibleName(tr("What the horizontal axis counts"));
    log_->setText(tr("Log"));
    log_->setToolTip(tr("Logarithmic loss axis"));
    clip_->setText(tr("Clip"));
    clip_->setToolTip(
        tr("Cut the loss axis at the 99th percentile, so that a spike does not flatten the rest"));
    ema_label_->setText(tr("EMA"));
    ema_->setToolTip(tr("How much the smoothed curve is smoothed: 0 is the raw curve"));
    ema_->setAccessibleName(tr("Smoothing"));
    export_->setToolTip(tr("Export the curves"));
    export_->setAccessibleName(tr("Export the curves"));
    png->setText(tr("As a picture (PNG)…"));
    csv->setText(tr("As a table (CSV)…"));
  });
  connect(axis_, &QComboBox::currentIndexChanged, this, [this] {
    const bool time = axis() == CurveAxis::Time;
    for (CurvePlot* plot : {loss_, figures_, memory_, rate_, norm_, speed_}) plot->set_timed(time);
    changed();
    group_->fit();
  });
  connect(log_, &QCheckBox::toggled, this, [this](bool on) {
    loss_->set_log(on);
    changed();
  });
  connect(clip_, &QCheckBox::toggled, this, &RunCurves::changed);
  connect(ema_, &QSlider::valueChanged, this, &RunCurves::changed);
}

/// What is drawn anew in other words or colours does not wait.
void RunCurves::looks_changed() {
  timer_.stop();
  since_drawn_.invalidate();
  changed();
}

void RunCurves::changed() {
  dirty_ = true;
  if (timer_.isActive()) return;
  // At once where nothing was drawn just before: who opens a run waits for it.
  const qint64 since = since_drawn_.isValid() ? since_drawn_.elapsed() : kRedrawMilliseconds;
  timer_.start(
      static_cast<int>(std::clamp<qint64>(kRedrawMilliseconds - since, 0, kRedrawMilliseconds)));
}

void RunCurves::showEvent(QShowEvent* event) {
  QWidget::showEvent(event);
  if (dirty_) timer_.start(0);
}

void RunCurves::rebuild() {
  dirty_ = false;
  since_drawn_.start();
  drawn_ = series_;
  places_.clear();
  for (const RunSeries& run : drawn_) places_.push_back(places_on(run, axis()));
  // One plot a turn of the event loop: a long history never holds it for all five at once.
  draw_loss();
  const int ticket = ++ticket_;
  const auto next_turn = [this, ticket](auto draw) {
    QTimer::singleShot(0, this, [this, ticket, draw] {
      if (ticket == ticket_) draw();
    });
  };
  next_turn([this, next_turn] {
    draw_figures();
    next_turn([this, next_turn] {
      draw_memory();
      draw_small(rate_, &RunLines::learning_rate, 3);
      draw_small(norm_, &RunLines::grad_norm, 3);
      draw_small(speed_, &RunLines::tokens_per_second, 4);
      draw_marks();
      next_turn([this] {
        group_->data_changed();
        emit drawn();
      });
    });
  });
}

/// Of one run alone: those of several would tell nobody whose they are.
void RunCurves::draw_marks() {
  std::vector<PlotMark> marks;
  if (drawn_.size() == 1 && !places_.front().isEmpty())
    for (const RunMark& mark : marks_of(drawn_.front().marked))
      marks.push_back(
          {place_of_step(drawn_.front(), places_.front(), mark.step), mark.text, mark.warns});
  for (CurvePlot* plot : {loss_, rate_, norm_}) plot->set_marks(marks, plot == loss_);
}

void RunCurves::point_at_step(std::int64_t step) {
  const bool there = step >= 0 && !places_.empty() && !places_.front().isEmpty();
  group_->point_at(there, there ? place_of_step(drawn_.front(), places_.front(), step) : 0);
}

QColor RunCurves::colour_of(std::size_t index) const {
  return colours().series[index % colours().series.size()];
}

CurveAxis RunCurves::axis() const { return static_cast<CurveAxis>(axis_->currentIndex()); }

CurveGroup::Place RunCurves::place_at(double x) const {
  const RunLines* nearest = nullptr;
  qsizetype line = 0;
  double place = 0;
  for (std::size_t i = 0; i < places_.size(); ++i) {
    const QVector<double>& places = places_[i];
    const auto after = std::lower_bound(places.begin(), places.end(), x);
    for (const qsizetype at : {after - places.begin(), after - places.begin() - 1}) {
      const bool there = at >= 0 && at < places.size();
      if (!there || (nearest && std::abs(places[at] - x) >= std::abs(place - x))) continue;
      nearest = &drawn_[i].lines;
      line = at;
      place = places[at];
    }
  }
  if (!nearest) return {};
  const auto step = static_cast<std::int64_t>(nearest->step[line]);
  QString name = tr("Step %1 · epoch %2").arg(step).arg(number_text(nearest->epoch[line], 4));
  if (axis() == CurveAxis::Tokens)
    name = tr("Step %1 · %2 tokens")
               .arg(step)
               .arg(grouped_text(static_cast<std::int64_t>(nearest->tokens[line])));
  if (axis() == CurveAxis::Time) name = tr("Step %1 · %2").arg(step).arg(duration_text(place));
  return {place, name};
}

void RunCurves::draw_loss() {
  std::vector<Curve> curves;
  QVector<double> all;
  const bool one = drawn_.size() <= 1, clipped = clip_->isChecked();
  for (std::size_t i = 0; i < drawn_.size(); ++i) {
    const RunSeries& run = drawn_[i];
    const QVector<double>& x = places_[i];
    if (x.isEmpty()) continue;
    const QVector<double>& y = run.lines.loss;
    if (clipped) all += y;
    const QColor ink = colour_of(i);
    curves.push_back({one ? tr("raw") : tr("%1, raw").arg(run.name),
                      ink,
                      {},
                      {},
                      1.0,
                      LegendEntry::Mark::Faded,
                      one,
                      4,
                      x,
                      y});
    curves.push_back({one ? tr("smoothed") : run.name,
                      ink,
                      {},
                      {},
                      2.2,
                      LegendEntry::Mark::Line,
                      true,
                      4,
                      x,
                      smoothed(y, ema_->value() / 100.0)});
    if (run.evaluations.empty()) continue;
    Curve evaluation{one ? tr("evaluation") : tr("%1, evaluation").arg(run.name),
                     one ? colours().series[1] : ink,
                     {},
                     {},
                     one ? 1.6 : 0.0,
                     LegendEntry::Mark::Dot,
                     true,
                     4,
                     {},
                     {}};
    for (const auto& [step, loss] : run.evaluations) {
      evaluation.x << place_of_step(run, x, step);
      evaluation.y << loss;
    }
    curves.push_back(std::move(evaluation));
  }
  loss_->set_ceiling(clipped ? percentile(std::move(all), 0.99) : 0);
  loss_->set_curves(std::move(curves));
}

/// Of what a page has behind the plots; before all is laid out, what it is to have.
int RunCurves::height_behind() const {
  const QList<int> sizes = splitter_->sizes();
  int all = 0, behind = 0;
  for (int i = 0; i < sizes.size(); ++i) {
    all += sizes[i];
    if (i >= static_cast<int>(kShares.size())) behind += sizes[i];
  }
  return 2 * all > height() ? behind : behind_;
}

/// A plot that comes or goes would else take its room from one neighbour alone; what stands behind
/// the plots keeps its own. Where there is no room to read anything, the small plots stand back.
void RunCurves::share_heights() {
  small_->setVisible(has_room_for_small());
  const int behind = height_behind(), room = std::max(height() - behind, 1);
  const auto& wanted = figures_->isHidden() ? kShares : kSharesOfFigures;
  int shares = 0;
  for (int i = 0; i < static_cast<int>(wanted.size()); ++i)
    if (!splitter_->widget(i)->isHidden()) shares += wanted[static_cast<std::size_t>(i)];
  QList<int> sizes;
  for (const int share : wanted) sizes << share * room / std::max(shares, 1);
  if (splitter_->count() > sizes.size()) sizes << behind;
  splitter_->setSizes(sizes);
}

/// With the unit of what is drawn.
void RunCurves::name_memory() {
  memory_->set_title(series_.empty()  ? tr("Memory")
                     : memory_in_gib_ ? tr("Memory (GiB)")
                                      : tr("Memory (MiB)"));
}

void RunCurves::show_small(bool first) {
  if (small_first_ == first) return;
  small_first_ = first;
  draw_figures();
  share_heights();
}

bool RunCurves::has_room_for_small() const {
  if (small_first_) return true;
  if (figures_->isHidden()) return height() >= room_for_small_;
  return height() - height_behind() >= kRoomForAll;
}

void RunCurves::set_room_for_small(int height, int behind) {
  room_for_small_ = height;
  behind_ = behind;
  share_heights();
}

void RunCurves::resizeEvent(QResizeEvent* event) {
  QWidget::resizeEvent(event);
  if (small_->isHidden() == has_room_for_small()) share_heights();
}

/// Only where an objective tells more than its loss; what is told is not known here by name.
void RunCurves::draw_figures() {
  const QStringList groups = figure_groups(drawn_);
  const bool told = !groups.isEmpty() && !(small_first_ && height() < kRoomForAll);
  if (figures_->isHidden() == told) {
    figures_->setVisible(told);
    share_heights();
  }
  if (groups.isEmpty()) return;
  QStringList shown;
  for (int i = 0; i < figure_group_->count(); ++i) shown << figure_group_->itemText(i);
  if (shown != groups) {
    const QSignalBlocker quiet(figure_group_);
    const QString chosen = figure_group_->currentText();
    figure_group_->clear();
    figure_group_->addItems(groups);
    figure_group_->setCurrentIndex(std::max<int>(0, static_cast<int>(groups.indexOf(chosen))));
  }
  std::vector<Curve> curves = figure_curves(drawn_, figure_group_->currentText(), axis());
  for (std::size_t i = 0; i < curves.size(); ++i) curves[i].colour = colour_of(i);
  figures_->set_curves(std::move(curves));
}

void RunCurves::draw_memory() {
  std::vector<Curve> curves;
  double largest = 0;
  for (const RunSeries& run : drawn_) {
    largest = std::max(largest, static_cast<double>(run.forecast_total));
    for (const double peak : run.lines.peak) largest = std::max(largest, peak);
  }
  const bool big = largest >= static_cast<double>(std::int64_t{2} << 30);
  const double unit = big ? 1024.0 * 1024 * 1024 : 1024.0 * 1024;
  memory_in_gib_ = big;
  name_memory();
  if (drawn_.size() == 1) {
    const RunSeries& run = drawn_.front();
    const QVector<double>& x = places_.front();
    const std::pair<QString, QVector<double> RunLines::*> parts[] = {
        {tr("weights"), &RunLines::weights},
        {tr("adapter"), &RunLines::adapter},
        {tr("gradients"), &RunLines::gradients},
        {tr("optimizer"), &RunLines::optimizer},
        {tr("activations"), &RunLines::activations}};
    std::size_t colour = 0;
    for (const auto& [name, part] : parts)
      curves.push_back({name,
                        colours().parts[colour++],
                        {},
                        {},
                        1,
                        LegendEntry::Mark::Block,
                        true,
                        3,
                        x,
                        x.isEmpty() ? x : divided(run.lines.*part, unit)});
    if (run.forecast_total > 0 && !x.isEmpty()) {
      const double level = static_cast<double>(run.forecast_total) / unit;
      curves.push_back({tr("forecast"),
                        colours().text,
                        {x.first(), x.last()},
                        {level, level},
                        1.4,
                        LegendEntry::Mark::Dashed,
                        true,
                        3,
                        {},
                        {}});
    }
  } else {
    for (std::size_t i = 0; i < drawn_.size(); ++i) {
      if (places_[i].isEmpty()) continue;
      curves.push_back({tr("%1, peak").arg(drawn_[i].name),
                        colour_of(i),
                        {},
                        {},
                        2,
                        LegendEntry::Mark::Line,
                        true,
                        3,
                        places_[i],
                        divided(drawn_[i].lines.peak, unit)});
    }
  }
  memory_->set_curves(std::move(curves));
}

void RunCurves::draw_small(CurvePlot* plot, QVector<double> RunLines::*column, int digits) {
  std::vector<Curve> curves;
  for (std::size_t i = 0; i < drawn_.size(); ++i)
    if (!places_[i].isEmpty())
      curves.push_back({drawn_[i].name,
                        colour_of(i),
                        {},
                        {},
                        1.8,
                        LegendEntry::Mark::Line,
                        true,
                        digits,
                        places_[i],
                        drawn_[i].lines.*column});
  plot->set_curves(std::move(curves));
}

void RunCurves::export_png() { export_curves_png(this, splitter_); }
void RunCurves::export_csv() { export_curves_csv(this, series_); }

}  // namespace luthier
