// SPDX-License-Identifier: GPL-3.0-or-later
// A word beside what it is about: a bubble with a frame around the thing. Both lie over the window;
// the frame lets the mouse through, so that what is explained can be used meanwhile.
#pragma once

#include <QFrame>
#include <QPointer>

class QLabel;
class QPushButton;

namespace luthier {

class WrappedText;

class TourBubble : public QFrame {
  Q_OBJECT

 public:
  explicit TourBubble(QWidget* over);
  ~TourBubble() override;

  /// `about`: null: the middle of the window.
  void show_step(const QString& title, const QString& text, QWidget* about, int step, int steps);
  /// Other words of the same step.
  void set_text(const QString& text);
  void set_next(const QString& label, bool enabled);
  /// Where it is now may have moved.
  void place();
  QString text() const;
  QWidget* about() const { return about_; }

 signals:
  void next_asked();
  void back_asked();
  void end_asked();

 protected:
  void paintEvent(QPaintEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;

 private:
  class Ring;

  QWidget* over_;
  QPointer<QWidget> about_;
  QPointer<QWidget> ring_;
  QLabel *title_, *count_;
  WrappedText* text_;
  QPushButton *back_, *next_, *end_;
};

}  // namespace luthier
