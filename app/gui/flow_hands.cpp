// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/flow_hands.h"

#include <QAbstractButton>
#include <QCoreApplication>
#include <QElapsedTimer>
#include <QEventLoop>
#include <QKeyEvent>
#include <QLineEdit>
#include <QMouseEvent>
#include <QWheelEvent>
#include <QWidget>

namespace luthier {

namespace {

constexpr qint64 kPatience = 900'000;
constexpr int kLookMilliseconds = 5, kNotch = 120;

void send_mouse(QWidget* widget, QEvent::Type type, const QPoint& at, Qt::MouseButton button,
                Qt::MouseButtons held) {
  QMouseEvent event(type, at, widget->mapToGlobal(at), button, held, Qt::NoModifier);
  QCoreApplication::sendEvent(widget, &event);
}

}  // namespace

Status FlowHands::click(const char* name) const {
  LUTHIER_TRY(auto* const button, find<QAbstractButton>(name));
  if (!button->isVisible() || !button->isEnabled())
    return machine_error(std::string("The button ") + name + " cannot be clicked.");
  button->click();
  return {};
}

void FlowHands::press(QWidget* widget, int key) const {
  for (const QEvent::Type type : {QEvent::KeyPress, QEvent::KeyRelease}) {
    QKeyEvent event(type, key, Qt::NoModifier);
    QCoreApplication::sendEvent(widget, &event);
  }
}

void FlowHands::type(QLineEdit* line, const QString& text) const {
  constexpr int kLetterMilliseconds = 30;
  line->setFocus();
  line->selectAll();
  for (const QChar letter : text) {
    QKeyEvent event(QEvent::KeyPress, 0, Qt::NoModifier, QString(letter));
    QCoreApplication::sendEvent(line, &event);
    pass(kLetterMilliseconds);
  }
  press(line, Qt::Key_Return);
}

void FlowHands::wheel(QWidget* widget, const QPoint& at, int notches) const {
  QWheelEvent event(at, widget->mapToGlobal(at), QPoint(), QPoint(0, kNotch * notches),
                    Qt::NoButton, Qt::NoModifier, Qt::NoScrollPhase, false);
  QCoreApplication::sendEvent(widget, &event);
}

void FlowHands::move(QWidget* widget, const QPoint& at) const {
  send_mouse(widget, QEvent::MouseMove, at, Qt::NoButton, Qt::NoButton);
}

void FlowHands::drag(QWidget* widget, const QPoint& from, const QPoint& to) const {
  constexpr int kMoves = 12, kMoveMilliseconds = 20;
  send_mouse(widget, QEvent::MouseButtonPress, from, Qt::LeftButton, Qt::LeftButton);
  for (int i = 1; i <= kMoves; ++i) {
    send_mouse(widget, QEvent::MouseMove, from + (to - from) * i / kMoves, Qt::NoButton,
               Qt::LeftButton);
    pass(kMoveMilliseconds);
  }
  send_mouse(widget, QEvent::MouseButtonRelease, to, Qt::LeftButton, Qt::NoButton);
}

void FlowHands::pass(int milliseconds) const {
  QEventLoop loop;
  QTimer::singleShot(milliseconds, Qt::PreciseTimer, &loop, &QEventLoop::quit);
  loop.exec();
}

Status FlowHands::wait(const char* what, const std::function<bool()>& done) const {
  QElapsedTimer waited;
  waited.start();
  while (!done()) {
    if (waited.elapsed() > kPatience)
      return machine_error(std::string("The window did not come to this in time: ") + what + ".");
    pass(kLookMilliseconds);
  }
  return {};
}

Status FlowHands::phase(const char* name, const std::function<Status()>& act) {
  if (!clock_.running()) clock_.start();
  (void)clock_.take();
  QElapsedTimer took;
  took.start();
  const Status done = act();
  const double seconds = static_cast<double>(took.nsecsElapsed()) / 1e9;
  Json figures{{"name", name}, {"seconds", seconds}};
  figures.update(clock_.take());
  phases_.push_back(std::move(figures));
  if (!done) {
    Error error = done.error();
    error.where = name;
    return error;
  }
  return {};
}

}  // namespace luthier
