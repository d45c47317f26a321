// SPDX-License-Identifier: GPL-3.0-or-later
// Hands for a window that is driven and measured: they find widgets by their names, send what a
// mouse and a keyboard would, and wait in an event loop of Qt's own, so that its turns are as they
// are for a person. Whatever does not come in time is an error.
#pragma once

#include <QPoint>
#include <QString>
#include <QWidget>
#include <functional>

#include "app/gui/loop_clock.h"
#include "engine/base/result.h"

class QLineEdit;

namespace luthier {

class FlowHands {
 public:
  explicit FlowHands(QWidget& window) : window_(window) {}

  template <class T>
  Result<T*> find(const char* name, const QWidget* within = nullptr) const {
    T* found = (within ? within : &window_)->findChild<T*>(QLatin1String(name));
    if (!found)
      return machine_error(std::string("No widget of the window is called ") + name + ".");
    return found;
  }
  /// A button, which must be there and enabled.
  Status click(const char* name) const;
  /// Selects what a line holds and types over it, letter by letter, with Enter behind it.
  void type(QLineEdit* line, const QString& text) const;
  void press(QWidget* widget, int key) const;
  void wheel(QWidget* widget, const QPoint& at, int notches) const;
  void move(QWidget* widget, const QPoint& at) const;
  void drag(QWidget* widget, const QPoint& from, const QPoint& to) const;
  /// Lets the window work.
  void pass(int milliseconds) const;
  Status wait(const char* what, const std::function<bool()>& done) const;

  /// Does a part of the flow and notes the turns of the event loop meanwhile.
  Status phase(const char* name, const std::function<Status()>& act);
  /// [{"name", "seconds", …as LoopClock takes them}]
  const Json& phases() const { return phases_; }

 private:
  QWidget& window_;
  LoopClock clock_;
  Json phases_ = Json::array();
};

}  // namespace luthier
