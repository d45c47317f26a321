// SPDX-License-Identifier: GPL-3.0-or-later
// Fusion, but for three things: a button that opens a menu has its arrow beside its words, where
// Fusion puts it so small into the corner that it reads as a comma; boxes to tick are seen in the
// dark; and a box of choices is as wide as they are in the language of the moment, not in that of
// its first show.
#pragma once

#include <QProxyStyle>

namespace luthier {

class WindowStyle : public QProxyStyle {
  Q_OBJECT

 public:
  WindowStyle();
  QSize sizeFromContents(ContentsType type, const QStyleOption* option, const QSize& contents,
                         const QWidget* widget) const override;
  void drawPrimitive(PrimitiveElement element, const QStyleOption* option, QPainter* painter,
                     const QWidget* widget) const override;
  void drawControl(ControlElement element, const QStyleOption* option, QPainter* painter,
                   const QWidget* widget) const override;
  using QProxyStyle::polish;
  void polish(QWidget* widget) override;
  bool eventFilter(QObject* watched, QEvent* event) override;
};

}  // namespace luthier
