// SPDX-License-Identifier: GPL-3.0-or-later
// Hands for the window's tests: find a widget by its name, click it with the mouse where it is,
// type into it, wait for what a person would wait for. Nothing here calls a slot of the window.
#pragma once

#include <QtTest>
#include <QtWidgets>

#include "engine/teaching/teaching.h"
#include "tests/patience.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/main_window.h"
#include "ui/theme.h"

namespace luthier::test {

/// Waits until a window (or a dialog) is on the screen.
template <class Window>
bool wait_for_window(Window* window) {
  return QTest::qWaitForWindowExposed(window, kHang);
}

/// Settings, runs and texts of a test lie in a folder of its own.
class Desk {
 public:
  Desk() {
    QSettings::setPath(QSettings::NativeFormat, QSettings::UserScope, folder.path());
    qputenv("XDG_DATA_HOME", folder.path().toUtf8());
    QCoreApplication::setApplicationName(QStringLiteral("luthier-test"));
    QCoreApplication::setOrganizationName(QStringLiteral("luthier"));
    Language::instance().choose(QStringLiteral("en"));
    Theme::instance().install(Theme::Choice::Light);
  }
  QString run(const QString& name) const { return folder.filePath(QStringLiteral("runs/") + name); }
  QTemporaryDir folder;
};

class Person {
 public:
  explicit Person(MainWindow& window) : window_(window) {}

  template <class T>
  T* find(const QString& name) const {
    T* found = window_.findChild<T*>(name);
    if (!found) qFatal("no widget is called %s", qPrintable(name));
    return found;
  }

  /// Clicks the middle of a widget; it must be on screen and enabled.
  bool click(const QString& name) const {
    auto* widget = find<QWidget>(name);
    if (!widget->isVisible() || !widget->isEnabled()) {
      qWarning("%s is %s", qPrintable(name), widget->isVisible() ? "disabled" : "not visible");
      return false;
    }
    QPoint at = widget->rect().center();
    if (qobject_cast<QCheckBox*>(widget)) at = QPoint(10, widget->height() / 2);
    QTest::mouseClick(widget, Qt::LeftButton, {}, at);
    return true;
  }

  /// Selects all of a line and types over it, then leaves it with Enter.
  void type(const QString& name, const QString& text) const {
    auto* line = find<QLineEdit>(name);
    line->setFocus();
    QTest::keyClick(line, Qt::Key_A, Qt::ControlModifier);
    QTest::keyClicks(line, text);
    QTest::keyClick(line, Qt::Key_Return);
  }

  /// Opens the menu of a tool button and clicks the action of this name in it.
  bool choose(const QString& button, const QString& action) const {
    auto* tool = find<QToolButton>(button);
    bool done = false;
    QTimer::singleShot(150, tool, [&] {
      QMenu* menu = tool->menu();
      if (!menu || !menu->isVisible()) return;
      for (QAction* each : menu->actions()) {
        if (each->objectName() != action && each->text() != action) continue;
        QTest::mouseClick(menu, Qt::LeftButton, {}, menu->actionGeometry(each).center());
        done = true;
        return;
      }
      menu->close();
    });
    QTest::mouseClick(tool, Qt::LeftButton);  // returns when the menu has closed
    return done;
  }

  QString text(const QString& label) const { return find<QLabel>(label)->text(); }
  SessionState state() const { return window_.workspace().state(); }

 private:
  MainWindow& window_;
};

/// The teaching model loaded and a short LoRA task set up by hand: data and run folder typed into
/// the form.
inline bool load_teaching(MainWindow& window, Person& person) {
  auto* list = person.find<QListWidget>(QStringLiteral("modelList"));
  if (list->count() == 0) return false;
  list->setFocus();
  QTest::keyClick(list, Qt::Key_Home);
  if (!person.click(QStringLiteral("loadModel"))) return false;
  return wait_for([&] {
    return window.workspace().model().has_value() && person.state() == SessionState::Ready;
  });
}

/// A file with the first rows of a teaching task, so that lengths are read in a moment. Pictures
/// keep their paths.
inline QString few_rows(const Desk& desk, const std::string& task, int count, const QString& name) {
  const auto found = teaching_task(task);
  if (!found) return {};
  QFile in(path_text(found->train));
  const QString out_name = desk.folder.filePath(name);
  QFile out(out_name);
  if (!in.open(QIODevice::ReadOnly) || !out.open(QIODevice::WriteOnly)) return {};
  const QString base = path_text(found->train.parent_path());
  for (int i = 0; i < count && !in.atEnd(); ++i) {
    QJsonObject row = QJsonDocument::fromJson(in.readLine()).object();
    const std::function<QJsonValue(const QJsonValue&)> absolute =
        [&](const QJsonValue& value) -> QJsonValue {
      if (value.isArray()) {
        QJsonArray list;
        for (const QJsonValue& each : value.toArray()) list.append(absolute(each));
        return list;
      }
      if (!value.isObject()) return value;
      QJsonObject object = value.toObject();
      for (const QString& key : object.keys()) {
        const bool path = (key == QLatin1String("path") || key == QLatin1String("image")) &&
                          object[key].isString();
        object[key] = path
                          ? QJsonValue(QDir::cleanPath(QDir(base).filePath(object[key].toString())))
                          : absolute(object[key]);
      }
      return object;
    };
    out.write(QJsonDocument(absolute(row).toObject()).toJson(QJsonDocument::Compact) + '\n');
  }
  return out_name;
}

}  // namespace luthier::test
