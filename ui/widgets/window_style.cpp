// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/widgets/window_style.h"

#include <QComboBox>
#include <QEvent>
#include <QStyleOptionToolButton>
#include <QToolButton>

#include "ui/theme.h"

namespace luthier {

namespace {

constexpr int kArrow = 9, kArrowRoom = 12;  // pixels

/// The button as it is drawn, where words and an arrow stand on it.
const QStyleOptionToolButton* with_words(const QStyleOption* option, const QWidget* widget) {
  const auto* tool = qstyleoption_cast<const QStyleOptionToolButton*>(option);
  const bool shown = tool && qobject_cast<const QToolButton*>(widget) && !tool->text.isEmpty() &&
                     tool->toolButtonStyle != Qt::ToolButtonIconOnly;
  const auto features = QStyleOptionToolButton::HasMenu | QStyleOptionToolButton::MenuButtonPopup;
  return shown && (tool->features & features) == QStyleOptionToolButton::HasMenu ? tool : nullptr;
}

}  // namespace

WindowStyle::WindowStyle() : QProxyStyle(QStringLiteral("Fusion")) {}

QSize WindowStyle::sizeFromContents(ContentsType type, const QStyleOption* option,
                                    const QSize& contents, const QWidget* widget) const {
  QSize size = QProxyStyle::sizeFromContents(type, option, contents, widget);
  if (type == CT_ToolButton && with_words(option, widget)) size.rwidth() += kArrowRoom;
  return size;
}

void WindowStyle::drawPrimitive(PrimitiveElement element, const QStyleOption* option,
                                QPainter* painter, const QWidget* widget) const {
  if (element == PE_IndicatorArrowDown && with_words(option, widget)) {
    QStyleOption arrow = *option;
    const QRect whole = widget->rect();
    const int inset = 5;
    const int left = option->direction == Qt::RightToLeft ? whole.left() + inset
                                                          : whole.right() - inset - kArrow;
    arrow.rect = QRect(left, whole.center().y() - kArrow / 2, kArrow, kArrow);
    QProxyStyle::drawPrimitive(element, &arrow, painter, widget);
    return;
  }
  const bool box = element == PE_IndicatorCheckBox || element == PE_IndicatorRadioButton;
  const auto* button = box ? qstyleoption_cast<const QStyleOptionButton*>(option) : nullptr;
  if (button && Theme::instance().dark()) {
    QStyleOptionButton seen = *button;  // Fusion's outline is darker than what is around it
    seen.palette.setColor(QPalette::Window, colours().muted);
    seen.palette.setColor(QPalette::Base, colours().field);
    QProxyStyle::drawPrimitive(element, &seen, painter, widget);
    return;
  }
  QProxyStyle::drawPrimitive(element, option, painter, widget);
}

void WindowStyle::drawControl(ControlElement element, const QStyleOption* option, QPainter* painter,
                              const QWidget* widget) const {
  const QStyleOptionToolButton* tool =
      element == CE_ToolButtonLabel ? with_words(option, widget) : nullptr;
  if (!tool) return QProxyStyle::drawControl(element, option, painter, widget);
  QStyleOptionToolButton label = *tool;
  if (tool->direction == Qt::RightToLeft)
    label.rect.adjust(kArrowRoom, 0, 0, 0);
  else
    label.rect.adjust(0, 0, -kArrowRoom, 0);
  QProxyStyle::drawControl(element, &label, painter, widget);
}

void WindowStyle::polish(QWidget* widget) {
  QProxyStyle::polish(widget);
  if (qobject_cast<QComboBox*>(widget)) widget->installEventFilter(this);
}

bool WindowStyle::eventFilter(QObject* watched, QEvent* event) {
  auto* box = event->type() == QEvent::LanguageChange ? qobject_cast<QComboBox*>(watched) : nullptr;
  // Its owner, who hears of it first, has put the new words in.
  if (box && box->sizeAdjustPolicy() == QComboBox::AdjustToContentsOnFirstShow) {
    box->setSizeAdjustPolicy(QComboBox::AdjustToContents);
    box->setSizeAdjustPolicy(QComboBox::AdjustToContentsOnFirstShow);
  }
  return QProxyStyle::eventFilter(watched, event);
}

}  // namespace luthier
