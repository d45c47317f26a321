// SPDX-License-Identifier: GPL-3.0-or-later
// The left rail: one button a page, with a dot where something waits, and at its foot help and the
// menu of language, theme and the size of words.
#pragma once

#include <QAbstractButton>
#include <QWidget>
#include <string>
#include <vector>

class QMenu;
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
  QSize minimumSizeHint() const override;

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
  /// "model"
  std::string page_name(int page) const;

 signals:
  void chosen(int page);
  /// An entry of the help menu, by the name of its shortcut ("help", "shortcuts") or "tour".
  void help_asked(const QString& what);

 protected:
  void paintEvent(QPaintEvent* event) override;

 private:
  QToolButton* make_foot_button(const QString& name, const QString& icon);
  QToolButton* make_settings_button();
  void add_look(QMenu* menu);
  QToolButton* make_help_button();
  void size_words();
  std::vector<RailButton*> buttons_;
};

}  // namespace luthier
