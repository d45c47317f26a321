// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/curve_group.h"

#include <algorithm>

#include "ui/format.h"
#include "ui/theme.h"

namespace luthier {

CurveGroup::CurveGroup(QWidget* area) : QObject(area), area_(area) {
  readout_ = new QLabel(area);
  readout_->setObjectName(QStringLiteral("curveReadout"));
  readout_->setTextFormat(Qt::RichText);
  readout_->setFont(scaled_font(0.88));
  readout_->setAttribute(Qt::WA_TransparentForMouseEvents);
  const auto tint = [this] {
    const Colours& c = colours();
    readout_->setStyleSheet(QStringLiteral("QLabel { background: %1; color: %2; padding: 5px 7px; "
                                           "border: 1px solid %3; border-radius: 6px; }")
                                .arg(c.card.name(), c.text.name(), c.line.darker(110).name()));
  };
  tint();
  connect(&Theme::instance(), &Theme::changed, readout_, tint);
  readout_->hide();
}

void CurveGroup::add(CurvePlot* plot) {
  plots_.push_back(plot);
  connect(plot, &CurvePlot::x_range_changed, this, [this](const QCPRange& range) {
    follows_ = false;
    set_range(range);
  });
  connect(plot, &CurvePlot::hovered, this, [this, plot](bool on, double x, const QPoint& at) {
    if (on)
      hover(plot, x, at);
    else
      leave();
  });
  connect(plot, &CurvePlot::fit_asked, this, &CurveGroup::fit);
}

void CurveGroup::hover(CurvePlot* plot, double x, const QPoint& at) {
  place_ = nearest_ ? nearest_(x) : Place{x, {}};
  if (nearest_ && place_.name.isEmpty()) {
    leave();
    return;
  }
  hovered_ = plot;
  mouse_ = plot->plot()->mapTo(area_, at);
  for (CurvePlot* each : plots_) each->set_cursor(true, place_.x);
  read_out();
  emit pointed(place_.x);
}

void CurveGroup::point_at(bool on, double x) {
  if (hovered_) return;  // the mouse says where
  for (CurvePlot* each : plots_) each->set_cursor(on, x);
}

void CurveGroup::leave() {
  hovered_ = nullptr;
  for (CurvePlot* each : plots_) each->set_cursor(false, 0);
  readout_->hide();
}

void CurveGroup::read_out() {
  if (!hovered_ || place_.name.isEmpty()) return;
  QString html = QStringLiteral("<b>%1</b><table cellspacing=0 cellpadding=0>")
                     .arg(place_.name.toHtmlEscaped());
  for (const CurveReading& reading : hovered_->readings_at(place_.x))
    html += QStringLiteral(
                "<tr><td style='padding-right:10px'><span "
                "style='color:%1'>■</span>&nbsp;%2</td><td align=right>%3</td></tr>")
                .arg(reading.colour.name(), reading.name.toHtmlEscaped(),
                     reading.value.toHtmlEscaped());
  readout_->setText(html + QStringLiteral("</table>"));
  readout_->adjustSize();
  // Beside the mouse, on the side where there is room, so that it never covers the cross-line.
  constexpr int kGap = 14;
  const QSize size = readout_->size();
  const bool right = mouse_.x() + kGap + size.width() <= area_->width();
  const int x = right ? mouse_.x() + kGap : std::max(0, mouse_.x() - kGap - size.width());
  const int y = std::clamp(mouse_.y() + kGap, 0, std::max(0, area_->height() - size.height()));
  readout_->move(x, y);
  readout_->raise();
  readout_->show();
}

void CurveGroup::data_changed() {
  read_out();
  if (follows_) {
    fit();
    return;
  }
  for (CurvePlot* plot : plots_) plot->redraw();
}

void CurveGroup::fit() {
  follows_ = true;
  QCPRange whole;
  bool any = false;
  for (const CurvePlot* plot : plots_) {
    if (!plot->has_data()) continue;
    const QCPRange range = plot->data_range();
    if (any)
      whole.expand(range);
    else
      whole = range;
    any = true;
  }
  if (any) set_range(whole);
}

void CurveGroup::set_range(const QCPRange& range) {
  for (CurvePlot* plot : plots_) {
    plot->set_x_range(range);
    plot->draw_soon();
  }
}

}  // namespace luthier
