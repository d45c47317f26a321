// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/lab/law_plot.h"

#include <QMouseEvent>
#include <QToolTip>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>

#include <qcustomplot.h>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/theme.h"
#include "ui/widgets/legend.h"

namespace luthier {

namespace {

constexpr double kDot = 7, kNearPixels = 14;
constexpr float kBandInk = 0.16f;

/// Powers of ten as they are written: 10⁹.
class PowerTicker : public QCPAxisTickerLog {
 protected:
  QString getTickLabel(double tick, const QLocale&, QChar, int) override {
    static const QString raised = QStringLiteral("⁰¹²³⁴⁵⁶⁷⁸⁹");
    const double power = std::log10(tick);
    if (std::abs(power - std::round(power)) > 1e-6) return number_text(tick, 2);
    QString text = QStringLiteral("10");
    for (const QChar digit : QString::number(std::llround(power)))
      text += digit == QLatin1Char('-') ? QChar(0x207B) : raised[digit.digitValue()];
    return text;
  }
};

QVector<double> vector_of(const std::vector<double>& numbers) {
  return {numbers.begin(), numbers.end()};
}

}  // namespace

LawPlot::LawPlot(QWidget* parent)
    : QWidget(parent), plot_(new QCustomPlot(this)), legend_(new Legend(this)) {
  setObjectName(QStringLiteral("lawPlot"));
  auto* layout = new QVBoxLayout(this);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->setSpacing(4);
  layout->addWidget(legend_);
  layout->addWidget(plot_, 1);
  plot_->setMinimumHeight(120);
  for (QCPAxis* axis : {plot_->xAxis, plot_->yAxis}) axis->setScaleType(QCPAxis::stLogarithmic);
  plot_->xAxis->setTicker(QSharedPointer<PowerTicker>::create());
  plot_->setInteractions(QCP::iRangeDrag | QCP::iRangeZoom);
  connect(plot_, &QCustomPlot::mouseDoubleClick, this, [this] {
    fit_axes();
    plot_->replot();
  });
  connect(plot_, &QCustomPlot::mouseMove, this, [this](QMouseEvent* event) {
    QToolTip::showText(event->globalPosition().toPoint(), reading_at(event->pos()), plot_);
  });
  connect(&Theme::instance(), &Theme::changed, this, &LawPlot::draw);
  on_language(this, [this] { retranslate(); });
}

void LawPlot::set_picture(LawPicture picture) {
  picture_ = std::move(picture);
  draw();
  fit_axes();
  plot_->replot();
}

void LawPlot::draw() {
  const Colours& c = colours();
  const double wide = Theme::instance().line_scale();
  plot_->setBackground(QBrush(c.card));
  for (QCPAxis* axis : {plot_->xAxis, plot_->yAxis}) {
    axis->setBasePen(QPen(c.line, 1));
    axis->setTickPen(QPen(c.line, 1));
    axis->setSubTickPen(Qt::NoPen);
    axis->setTickLabelColor(c.muted);
    axis->setTickLabelFont(scaled_font(0.78));
    axis->setLabelColor(c.muted);
    axis->setLabelFont(scaled_font(0.85));
    axis->grid()->setPen(QPen(c.line, 1));
    axis->grid()->setZeroLinePen(Qt::NoPen);
  }
  plot_->clearGraphs();
  std::vector<LegendEntry> entries;
  const auto curve = [&](const std::vector<double>& x, const std::vector<double>& y,
                         const QPen& pen) {
    QCPGraph* graph = plot_->addGraph();
    graph->setData(vector_of(x), vector_of(y), true);
    graph->setPen(pen);
    return graph;
  };
  const auto dots = [&](const std::vector<double>& x, const std::vector<double>& y,
                        QCPScatterStyle::ScatterShape shape, const QColor& ink) {
    QCPGraph* graph = curve(x, y, QPen(ink, 1.6 * wide));
    graph->setLineStyle(QCPGraph::lsNone);
    graph->setScatterStyle(QCPScatterStyle(shape, QPen(ink, 1.6 * wide), QBrush(ink), kDot * wide));
  };
  const DrawnLaw& best = picture_.best;
  if (!best.flops.empty()) {
    if (!best.low.empty()) {
      QColor band = c.text;
      band.setAlphaF(kBandInk);
      QCPGraph* low = curve(best.flops, best.low, QPen(Qt::NoPen));
      QCPGraph* high = curve(best.flops, best.high, QPen(Qt::NoPen));
      high->setBrush(band);
      high->setChannelFillGraph(low);
    }
    curve(best.flops, best.loss, QPen(c.text, 2 * wide));
    entries.push_back({LegendEntry::Mark::Line, c.text, tr("The best model of each budget"), {}});
  }
  for (std::size_t i = 0; i < picture_.sizes.size(); ++i) {
    const SizePicture& size = picture_.sizes[i];
    const QColor ink = c.series[i % c.series.size()];
    QPen pen(ink, 1.4 * wide);
    pen.setDashPattern({4, 3});
    if (!size.law.flops.empty()) curve(size.law.flops, size.law.loss, pen);
    std::vector<double> flops, loss;
    for (const LossPoint& end : size.ends) {
      flops.push_back(end.flops());
      loss.push_back(end.loss);
    }
    dots(flops, loss, QCPScatterStyle::ssDisc, ink);
    entries.push_back({LegendEntry::Mark::Dot,
                       ink,
                       tr("%1 weights").arg(QString::fromStdString(amount_text(size.weights))),
                       {}});
  }
  if (const auto& next = picture_.next; next && next->forecast > 0) {
    const std::vector<double> at{kTrainFlops * next->run.weights * next->run.tokens};
    if (next->interval.known)
      curve({at[0], at[0]}, {next->interval.low, next->interval.high}, QPen(c.muted, 3 * wide));
    dots(at, {next->forecast}, QCPScatterStyle::ssDiamond, c.muted);
    entries.push_back({LegendEntry::Mark::Dot, c.muted, tr("The next size, forecast"), {}});
    if (next->run.loss) {
      dots(at, {*next->run.loss}, QCPScatterStyle::ssCross, c.text);
      entries.push_back({LegendEntry::Mark::Dot, c.text, tr("What it came to"), {}});
    }
  }
  if (picture_.floor && !picture_.sizes.empty()) {
    QPen pen(c.muted, 1.2 * wide);
    pen.setDashPattern({2, 3});
    double least = 0, most = 0;
    for (const SizePicture& size : picture_.sizes) {
      const auto& x = size.law.flops;
      least = least > 0 ? std::min(least, size.ends.front().flops()) : size.ends.front().flops();
      most = std::max({most, size.ends.back().flops(), x.empty() ? 0 : x.back()});
    }
    curve({least, most}, {*picture_.floor, *picture_.floor}, pen);
    entries.push_back({LegendEntry::Mark::Dashed, c.muted, tr("No model falls below"), {}});
  }
  legend_->set_entries(std::move(entries));
  plot_->replot(QCustomPlot::rpQueuedReplot);
}

void LawPlot::fit_axes() {
  if (plot_->graphCount() == 0) return;
  plot_->rescaleAxes();
  // Dots at an end are drawn whole.
  for (QCPAxis* axis : {plot_->xAxis, plot_->yAxis}) {
    const QCPRange range = axis->range();
    const double room = std::pow(range.upper / range.lower, 0.04);
    axis->setRange(range.lower / room, range.upper * room);
  }
  // Losses seldom span a power of ten.
  plot_->yAxis->setTicker(plot_->yAxis->range().upper > 10 * plot_->yAxis->range().lower
                              ? QSharedPointer<QCPAxisTicker>(new QCPAxisTickerLog)
                              : QSharedPointer<QCPAxisTicker>(new QCPAxisTicker));
}

QString LawPlot::reading_at(const QPoint& place) const {
  double nearest = kNearPixels;
  QString words;
  const auto look = [&](double flops, double loss, const QString& said) {
    const double away = std::hypot(plot_->xAxis->coordToPixel(flops) - place.x(),
                                   plot_->yAxis->coordToPixel(loss) - place.y());
    if (away >= nearest) return;
    nearest = away;
    words = said;
  };
  const auto amount = [](double number) { return QString::fromStdString(amount_text(number)); };
  for (const SizePicture& size : picture_.sizes)
    for (const LossPoint& end : size.ends)
      look(end.flops(), end.loss,
           tr("%1 weights, %2 tokens: %3 nats a token")
               .arg(amount(end.weights), amount(end.tokens), number_text(end.loss, 4)));
  if (const auto& next = picture_.next; next && next->forecast > 0) {
    const double at = kTrainFlops * next->run.weights * next->run.tokens;
    look(at, next->forecast,
         next->interval.known
             ? tr("Forecast: %1 (%2 to %3)")
                   .arg(number_text(next->forecast, 4), number_text(next->interval.low, 4),
                        number_text(next->interval.high, 4))
             : tr("Forecast: %1").arg(number_text(next->forecast, 4)));
    if (next->run.loss)
      look(at, *next->run.loss, tr("It came to %1").arg(number_text(*next->run.loss, 4)));
  }
  return words;
}

void LawPlot::retranslate() {
  plot_->xAxis->setLabel(tr("Operations (6 × weights × tokens)"));
  plot_->yAxis->setLabel(tr("Loss, nats a token"));
  plot_->setAccessibleName(tr("Losses over operations"));
  draw();
}

}  // namespace luthier
