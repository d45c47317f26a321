// SPDX-License-Identifier: GPL-3.0-or-later
// What a page shows before there is anything to show: what to do next, and the button that does it.
#pragma once

#include <QWidget>

class QLabel;
class QPushButton;

namespace luthier {

class EmptyState : public QWidget {
  Q_OBJECT

 public:
  EmptyState(const QString& icon, const QString& button_name, QWidget* parent = nullptr);
  void set_texts(const QString& title, const QString& what_to_do, const QString& button);
  QPushButton* button() const { return button_; }

 private:
  QLabel* icon_;
  QLabel* title_;
  QLabel* text_;
  QPushButton* button_;
};

}  // namespace luthier
