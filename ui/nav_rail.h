// SPDX-License-Identifier: GPL-3.0-or-later
// The left rail: one button a page, with a dot where something waits, and the language and theme
// menu at its foot.
#pragma once

#include <QAbstractButton>
#include <QWidget>
#include <vector>

class QToolButton;

namespace luthier {

/// A rail entry: icon over word, a bar when chosen, a dot when something waits.
class RailButton : public QAbstractButton {
  Q_OBJECT

 public:
  RailButton(const QString& icon, QWidget* parent);
  void set_dot(bool dot);
  bool dot() const { return dot_; }
  QSize sizeHint() const override;

 protected:
  void paintEvent(QPaintEvent* event) override;
  void enterEvent(QEnterEvent* event) override;
  void leaveEvent(QEvent* event) override;
  void focusInEvent(QFocusEvent* event) override;

 private:
  QString icon_;
  bool dot_ = false, ring_ = false;  ///< ring: reached by the keyboard
};

class NavRail : public QWidget {
  Q_OBJECT

 public:
  explicit NavRail(QWidget* parent = nullptr);
  void set_current(int page);
  void set_dot(int page, bool dot);

 signals:
  void chosen(int page);

 protected:
  void paintEvent(QPaintEvent* event) override;

 private:
  QToolButton* make_settings_button();
  std::vector<RailButton*> buttons_;
};

}  // namespace luthier
