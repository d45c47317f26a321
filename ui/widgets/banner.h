// SPDX-License-Identifier: GPL-3.0-or-later
// A line inside a page that says what happened, to which file, and what to do: where it arose, never in a dialog. It can carry a
// button that does the thing to do.
#pragma once

#include <QFrame>
#include <functional>

#include "engine/base/result.h"

class QLabel;
class QPushButton;
class QToolButton;

namespace luthier {

class Banner : public QFrame {
  Q_OBJECT

 public:
  enum class Kind { Info, Warning, Error };

  explicit Banner(QWidget* parent = nullptr);
  void show_text(Kind kind, const QString& text);
  void show_error(const Error& error);
  /// A button on the banner; replaces the one before. Cleared by the next show_text.
  void offer(const QString& label, std::function<void()> action);
  void dismiss();
  QString text() const;

 protected:
  void paintEvent(QPaintEvent* event) override;

 private:
  void restyle();

  Kind kind_ = Kind::Info;
  QLabel* icon_;
  QLabel* text_;
  QPushButton* action_button_;
  QToolButton* close_;
  std::function<void()> action_;
};

}  // namespace luthier
