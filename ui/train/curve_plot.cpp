// SPDX-License-Identifier: GPL-3.0-or-later
// Drawing with QCustomPlot; graphs are reused between updates, and only the cursor's layer is
// painted while hovering.
#include "ui/train/curve_plot.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QTimer>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>

#include "ui/format.h"
#include "ui/theme.h"

namespace luthier {

namespace {
const QString kCursorLayer = QStringLiteral("cursor");
// Of two points each: drawing takes time from the training threads.
constexpr int kColumnPixels = 2, kFewestColumns = 100, kMostColumns = 1000;

/// What is read out of a curve: every point where there are more than are drawn.
const QVector<double>& read_x(const Curve& curve) {
  return curve.all_x.isEmpty() ? curve.x : curve.all_x;
}
const QVector<double>& read_y(const Curve& curve) {
  return curve.all_x.isEmpty() ? curve.y : curve.all_y;
}

/// Resizes only while it is on screen: elsewhere there is nothing to paint into.
class ShownPlot : public QCustomPlot {
 public:
  using QCustomPlot::QCustomPlot;

 protected:
  void resizeEvent(QResizeEvent* event) override {
    if (isVisible() && width() >= 8 && height() >= 8) QCustomPlot::resizeEvent(event);
  }
};

/// The index of the x nearest to `at`, or −1.
qsizetype nearest(const QVector<double>& x, double at) {
  if (x.isEmpty()) return -1;
  const auto after = std::lower_bound(x.begin(), x.end(), at);
  if (after == x.begin()) return 0;
  const qsizetype i = after - x.begin();
  if (after == x.end()) return i - 1;
  return at - x[i - 1] < x[i] - at ? i - 1 : i;
}
}  // namespace

CurvePlot::CurvePlot(const QString& name, QWidget* parent)
    : QWidget(parent), plot_(new ShownPlot(this)), marks_(plot_) {
  setObjectName(name);
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(10, 6, 8, 4);
  layout->setSpacing(2);
  head_ = new QHBoxLayout;
  head_->setSpacing(8);
  title_ = new QLabel(this);
  title_->setFont(scaled_font(1.0, true));
  head_->addWidget(title_);
  head_->addStretch(1);
  layout->addLayout(head_);
  legend_ = new Legend(this);
  layout->addWidget(legend_);
  plot_->setMinimumHeight(40);
  plot_->setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Expanding);
  plot_->setFocusPolicy(Qt::ClickFocus);
  layout->addWidget(plot_, 1);
  plot_->setInteractions(QCP::iRangeDrag | QCP::iRangeZoom);
  plot_->axisRect()->setRangeDrag(Qt::Horizontal);
  plot_->axisRect()->setRangeZoom(Qt::Horizontal);
  plot_->setNoAntialiasingOnDrag(true);
  // Line by line: stroking a dense wide polyline as one path takes a third of a second.
  plot_->setPlottingHint(QCP::phFastPolylines, true);
  plot_->addLayer(kCursorLayer, plot_->layer(QStringLiteral("main")), QCustomPlot::limAbove);
  plot_->layer(kCursorLayer)->setMode(QCPLayer::lmBuffered);
  cursor_ = new QCPItemStraightLine(plot_);
  cursor_->setLayer(kCursorLayer);
  cursor_->setVisible(false);
  plot_->setMouseTracking(true);
  plot_->installEventFilter(this);
  connect(plot_, &QCustomPlot::mouseMove, this, [this](QMouseEvent* event) {
    emit hovered(true, plot_->xAxis->pixelToCoord(event->pos().x()), event->pos());
  });
  connect(plot_, &QCustomPlot::mouseDoubleClick, this, [this] { emit fit_asked(); });
  connect(plot_->xAxis, qOverload<const QCPRange&>(&QCPAxis::rangeChanged), this,
          [this](const QCPRange& range) {
            if (!setting_range_) emit x_range_changed(range);
          });
  connect(&Theme::instance(), &Theme::changed, this, &CurvePlot::restyle);
  restyle();
}

void CurvePlot::set_title(const QString& title) {
  title_->setText(title);
  plot_->setAccessibleName(title);
}

void CurvePlot::set_compact() {
  compact_ = true;
  legend_->setParent(nullptr);
  legend_->set_single_line();
  head_->insertWidget(1, legend_, 100);
}

void CurvePlot::set_scale(bool from_zero) { from_zero_ = from_zero; }

void CurvePlot::set_counted() {
  class WholeTicks : public QCPAxisTicker {
    double getTickStep(const QCPRange& range) override {
      const double step = QCPAxisTicker::getTickStep(range);
      return step < 10 ? std::max(1.0, std::floor(step)) : step;
    }
  };
  plot_->xAxis->setTicker(QSharedPointer<QCPAxisTicker>(new WholeTicks));
}

void CurvePlot::set_timed(bool timed) {
  if (!timed) {
    plot_->xAxis->setTicker(QSharedPointer<QCPAxisTicker>::create());
    return;
  }
  const auto ticker = QSharedPointer<QCPAxisTickerTime>::create();
  ticker->setTimeFormat(QStringLiteral("%h:%m:%s"));
  plot_->xAxis->setTicker(ticker);
}

void CurvePlot::set_log(bool log) {
  log_ = log;
  plot_->yAxis->setScaleType(log ? QCPAxis::stLogarithmic : QCPAxis::stLinear);
  if (log)
    plot_->yAxis->setTicker(QSharedPointer<QCPAxisTickerLog>::create());
  else
    plot_->yAxis->setTicker(QSharedPointer<QCPAxisTicker>::create());
  restyle();
}

void CurvePlot::set_curves(std::vector<Curve> curves) {
  curves_ = std::move(curves);
  take_what_is_seen();
  sync_graphs();
  refresh_legend();
}

void CurvePlot::set_marks(std::vector<PlotMark> marks, bool words) {
  marks_.set(std::move(marks), words);
}

void CurvePlot::sync_graphs() {
  while (plot_->graphCount() > static_cast<int>(curves_.size()))
    plot_->removeGraph(plot_->graphCount() - 1);
  while (plot_->graphCount() < static_cast<int>(curves_.size())) plot_->addGraph();
  for (std::size_t i = 0; i < curves_.size(); ++i) {
    const Curve& curve = curves_[i];
    QCPGraph* graph = plot_->graph(static_cast<int>(i));
    graph->setData(curve.x, curve.y, true);
    const bool block = curve.mark == LegendEntry::Mark::Block;
    QColor ink = curve.colour;
    if (curve.mark == LegendEntry::Mark::Faded) ink.setAlphaF(0.32f);
    QPen pen(ink, block ? 1 : curve.width * Theme::instance().line_scale());
    if (curve.mark == LegendEntry::Mark::Dashed) pen.setDashPattern({4, 3});
    graph->setPen(pen);
    graph->setAntialiased(!block);
    if (block) ink.setAlphaF(0.72f);
    graph->setBrush(block ? QBrush(ink) : QBrush(Qt::NoBrush));
    graph->setChannelFillGraph(block && i > 0 && curves_[i - 1].mark == LegendEntry::Mark::Block
                                   ? plot_->graph(static_cast<int>(i) - 1)
                                   : nullptr);
    const bool dots = curve.mark == LegendEntry::Mark::Dot;
    graph->setLineStyle(dots && curve.width <= 0 ? QCPGraph::lsNone : QCPGraph::lsLine);
    graph->setScatterStyle(
        dots || read_x(curve).size() == 1
            ? QCPScatterStyle(QCPScatterStyle::ssDisc, 6 * Theme::instance().line_scale())
            : QCPScatterStyle());
  }
}

void CurvePlot::set_x_range(const QCPRange& range) {
  setting_range_ = true;
  plot_->xAxis->setRange(range);
  setting_range_ = false;
  thin_to_view();
  fit_y();
}

CurveView CurvePlot::view() const {
  const QCPRange range = plot_->xAxis->range();
  return {range.lower, range.upper,
          std::clamp(plot_->axisRect()->width() / kColumnPixels, kFewestColumns, kMostColumns)};
}

void CurvePlot::take_what_is_seen() {
  const CurveView seen = view();
  take_stack(seen);
  for (Curve& curve : curves_) {
    if (curve.all_x.isEmpty() || curve.mark == LegendEntry::Mark::Block) continue;
    Points points = thinned(curve.all_x, curve.all_y, seen);
    curve.x = std::move(points.x);
    curve.y = std::move(points.y);
  }
}

void CurvePlot::thin_to_view() {
  take_what_is_seen();
  for (std::size_t i = 0; i < curves_.size(); ++i)
    if (!curves_[i].all_x.isEmpty())
      plot_->graph(static_cast<int>(i))->setData(curves_[i].x, curves_[i].y, true);
}

void CurvePlot::take_stack(const CurveView& view) {
  std::vector<Curve*> stack;
  for (Curve& curve : curves_)
    if (curve.mark == LegendEntry::Mark::Block && !curve.all_x.isEmpty()) stack.push_back(&curve);
  if (stack.empty()) return;
  const QVector<double>& places = stack.front()->all_x;
  QVector<double> total(places.size(), 0.0);
  for (const Curve* part : stack)
    for (qsizetype i = 0; i < total.size(); ++i) total[i] += part->all_y[i];
  QVector<double> x, sum;
  const std::vector<qsizetype> kept = kept_points(places, total, view);
  for (const qsizetype at : kept) x << places[at];
  sum.fill(0, x.size());
  for (Curve* part : stack) {
    for (qsizetype i = 0; i < sum.size(); ++i)
      sum[i] += part->all_y[kept[static_cast<std::size_t>(i)]];
    part->x = x;
    part->y = sum;
  }
}

bool CurvePlot::has_data() const {
  return std::any_of(curves_.begin(), curves_.end(),
                     [](const Curve& curve) { return !read_x(curve).isEmpty(); });
}

QCPRange CurvePlot::data_range() const {
  constexpr double kDotRoom = 0.02;  // of what is shown, at either end
  QCPRange range(0, 1);
  bool any = false;
  for (const Curve& curve : curves_) {
    const QVector<double>& x = read_x(curve);
    if (x.isEmpty()) continue;
    range.lower = any ? std::min(range.lower, x.first()) : x.first();
    range.upper = any ? std::max(range.upper, x.last()) : x.last();
    any = true;
  }
  if (range.size() <= 0) range.upper = range.lower + 1;
  // A dot at an end is drawn whole.
  const auto dotted = [](const Curve& curve) {
    return curve.mark == LegendEntry::Mark::Dot && !read_x(curve).isEmpty();
  };
  if (std::any_of(curves_.begin(), curves_.end(), dotted)) {
    const double room = kDotRoom * range.size();
    range.lower -= room;
    range.upper += room;
  }
  return range;
}

void CurvePlot::fit_y() {
  const QCPRange view = plot_->xAxis->range();
  double low = 0, high = 0;
  bool any = false;
  for (const Curve& curve : curves_) {
    for (qsizetype i = 0; i < curve.x.size(); ++i) {
      const double y = curve.y[i];
      if (curve.x[i] < view.lower || curve.x[i] > view.upper || (log_ && y <= 0)) continue;
      low = any ? std::min(low, y) : y;
      high = any ? std::max(high, y) : y;
      any = true;
    }
  }
  if (!any) {
    plot_->yAxis->setRange(log_ ? 0.1 : 0, 1);
    return;
  }
  if (ceiling_ > 0 && ceiling_ > low) high = std::min(high, ceiling_);
  if (log_) {
    plot_->yAxis->setRange(low / 1.25, std::max(high * 1.25, low * 1.5));
    return;
  }
  if (from_zero_) low = std::min(low, 0.0);
  const double pad = high > low ? (high - low) * 0.07 : std::max(std::abs(high) * 0.1, 1e-12);
  plot_->yAxis->setRange(from_zero_ && low == 0 ? 0 : low - pad, high + pad);
}

void CurvePlot::set_cursor(bool on, double x) {
  cursor_on_ = on && !curves_.empty();
  cursor_x_ = x;
  cursor_->setVisible(cursor_on_);
  cursor_->point1->setCoords(x, 0);
  cursor_->point2->setCoords(x, 1);
  cursor_->point1->setTypeX(QCPItemPosition::ptPlotCoords);
  cursor_->point2->setTypeX(QCPItemPosition::ptPlotCoords);
  cursor_->point1->setTypeY(QCPItemPosition::ptAxisRectRatio);
  cursor_->point2->setTypeY(QCPItemPosition::ptAxisRectRatio);
  if (plot_->isVisible() && plot_->width() >= 8 && plot_->height() >= 8)
    plot_->layer(kCursorLayer)->replot();
  refresh_legend();
}

void CurvePlot::redraw() {
  thin_to_view();
  fit_y();
  draw_soon();
}

void CurvePlot::draw_soon() {
  // A plot that is not on screen has no buffers to paint into; it is drawn when it is shown.
  if (!plot_->isVisible() || plot_->width() < 8 || plot_->height() < 8) return;
  plot_->xAxis->ticker()->setTickCount(std::clamp(plot_->axisRect()->width() / 72, 2, 8));
  constexpr int kRoomForTwo = 24;
  const int high = plot_->axisRect()->height();
  const int ticks = high < kRoomForTwo ? 1 : std::clamp(high / 26, 2, 6);
  plot_->yAxis->ticker()->setTickCount(ticks);
  // As many digits as tell neighbouring ticks apart: 5.5738 and 5.5742, not 5.574 twice.
  const QCPRange shown = plot_->yAxis->range();
  const double largest = std::max(std::abs(shown.lower), std::abs(shown.upper));
  const double apart = shown.size() / ticks;
  const double digits = apart > 0 ? std::ceil(std::log10(largest / apart)) + 2 : 0;
  plot_->yAxis->setNumberPrecision(static_cast<int>(std::clamp(digits, 5.0, 12.0)));
  plot_->setViewport(plot_->rect());
  plot_->replot(QCustomPlot::rpQueuedReplot);
}

void CurvePlot::refresh_legend() {
  std::vector<LegendEntry> entries;
  for (const Curve& curve : curves_) {
    if (!curve.in_legend) continue;
    const QVector<double>& values = read_y(curve);
    const qsizetype i = cursor_on_ ? nearest(read_x(curve), cursor_x_) : values.size() - 1;
    entries.push_back(
        {curve.mark, curve.colour, compact_ ? QString() : curve.name,
         i >= 0 && i < values.size() ? number_text(values[i], curve.digits) : QString()});
  }
  legend_->set_entries(std::move(entries));
}

std::vector<CurveReading> CurvePlot::readings_at(double x) const {
  std::vector<CurveReading> readings;
  for (const Curve& curve : curves_) {
    const QVector<double>& xs = read_x(curve);
    const QVector<double>& values = read_y(curve);
    const qsizetype i = nearest(xs, x);
    const QString name = curves_.size() == 1 ? title_->text() : curve.name;
    if (i < 0 || i >= values.size() || name.isEmpty()) continue;
    QString value = number_text(values[i], curve.digits);
    // A level that is drawn from end to end holds everywhere; a point elsewhere is said to be
    // elsewhere.
    const bool level = curve.mark == LegendEntry::Mark::Dashed;
    if (!level && std::abs(xs[i] - x) > 1e-9 * std::max(1.0, std::abs(x)))
      value += QStringLiteral(" (%1)").arg(number_text(xs[i], 6));
    readings.push_back({name, value, curve.colour});
  }
  constexpr double kNear = 0.006;  // of what is shown
  constexpr qsizetype kLongest = 64;
  for (const PlotMark& mark : marks_.marks()) {
    if (std::abs(mark.x - x) > kNear * plot_->xAxis->range().size()) continue;
    const QString text =
        mark.text.size() <= kLongest ? mark.text : mark.text.left(kLongest - 1) + QChar(0x2026);
    readings.push_back({text, QString(), mark.warns ? colours().warning : colours().muted});
  }
  return readings;
}

void CurvePlot::restyle() {
  const Colours& c = colours();
  plot_->setBackground(QBrush(c.card));
  for (QCPAxis* axis : {plot_->xAxis, plot_->yAxis}) {
    axis->setBasePen(QPen(c.line, 1));
    axis->setTickPen(QPen(c.line, 1));
    axis->setSubTickPen(Qt::NoPen);
    axis->setTickLabelColor(c.muted);
    axis->setTickLabelFont(scaled_font(0.78));
    axis->setTickLengthIn(0);
    axis->setTickLengthOut(3);
    QColor faint = c.line;
    faint.setAlphaF(0.6f);
    axis->grid()->setPen(QPen(faint, 1));
    axis->grid()->setZeroLinePen(Qt::NoPen);
    axis->setNumberPrecision(4);
  }
  plot_->xAxis->grid()->setVisible(false);
  QPen line(c.muted, 1);
  line.setDashPattern({3, 3});
  cursor_->setPen(line);
  marks_.restyle();
  sync_graphs();  // lines are thicker for a projector
  draw_soon();
  update();
}

bool CurvePlot::eventFilter(QObject* watched, QEvent* event) {
  if (watched == plot_ && (event->type() == QEvent::Leave || event->type() == QEvent::Hide))
    emit hovered(false, 0, {});
  if (watched == plot_ && (event->type() == QEvent::Show || event->type() == QEvent::Resize))
    QTimer::singleShot(0, this, &CurvePlot::redraw);
  return QWidget::eventFilter(watched, event);
}

void CurvePlot::paintEvent(QPaintEvent*) {
  QPainter p(this);
  p.setRenderHint(QPainter::Antialiasing);
  p.setPen(QPen(colours().line, 1));
  p.setBrush(colours().card);
  p.drawRoundedRect(QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8);
}

}  // namespace luthier
