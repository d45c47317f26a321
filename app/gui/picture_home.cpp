// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/picture_home.h"

#include <sys/stat.h>

#include <QAbstractButton>
#include <QAbstractItemView>
#include <QComboBox>
#include <QCoreApplication>
#include <QDir>
#include <QFile>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QSettings>
#include <QTextEdit>
#include <cerrno>
#include <filesystem>

#include "engine/teaching/teaching.h"
#include "ui/format.h"

namespace luthier {

namespace {

constexpr int kMostCells = 2000;

/// A new folder for this process alone: "luthier" among the temporary files, or "luthier-2" where
/// that is taken.
QString new_home() {
  constexpr int kMostHomes = 100;
  for (int i = 1; i < kMostHomes; ++i) {
    QString name = QDir::tempPath() + QStringLiteral("/luthier");
    if (i > 1) name += QStringLiteral("-%1").arg(i);
    if (::mkdir(QFile::encodeName(name).constData(), 0700) == 0) return name;
    if (errno != EEXIST) break;
  }
  return {};
}

/// All that a widget may show of its own, a text each; what it draws by hand it says to a screen
/// reader.
QStringList texts_of(const QWidget& widget) {
  if (const auto* label = qobject_cast<const QLabel*>(&widget)) return {label->text()};
  if (const auto* line = qobject_cast<const QLineEdit*>(&widget))
    return {line->text(), line->placeholderText()};
  if (const auto* button = qobject_cast<const QAbstractButton*>(&widget)) return {button->text()};
  if (const auto* box = qobject_cast<const QComboBox*>(&widget)) return {box->currentText()};
  if (const auto* plain = qobject_cast<const QPlainTextEdit*>(&widget))
    return {plain->toPlainText()};
  if (const auto* rich = qobject_cast<const QTextEdit*>(&widget)) return {rich->toPlainText()};
  const auto* view = qobject_cast<const QAbstractItemView*>(&widget);
  if (!view || !view->model()) return {};
  QStringList texts;
  const QAbstractItemModel& model = *view->model();
  const int columns = model.columnCount(view->rootIndex());
  for (int row = 0; row < model.rowCount(view->rootIndex()); ++row)
    for (int column = 0; column < columns && texts.size() < kMostCells; ++column)
      texts << model.index(row, column, view->rootIndex()).data().toString();
  return texts;
}

}  // namespace

Status PictureHome::move_in() {
  home_ = new_home();
  if (home_.isEmpty())
    return machine_error("A folder for the pictures' runs cannot be made.",
                         QDir::tempPath().toStdString(), "Make room there.");
  LUTHIER_TRY(const std::filesystem::path resources, find_resources());
  before_ = QDir::currentPath();
  secrets_ = {before_, QDir::homePath(), QCoreApplication::applicationDirPath(),
              path_text(resources)};
  secrets_.removeDuplicates();
  secrets_.removeAll(QStringLiteral("/"));
  std::error_code problem;
  std::filesystem::copy(resources / "teaching", to_path(home_) / "teaching",
                        std::filesystem::copy_options::recursive, problem);
  if (problem)
    return machine_error("The teaching model cannot be copied: " + problem.message() + ".",
                         home_.toStdString(), "Make room there.");
  qputenv("HOME", home_.toUtf8());
  qputenv("LUTHIER_RESOURCES", home_.toUtf8());
  for (const char* name : {"HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME", "XDG_DATA_HOME"})
    qunsetenv(name);
  QSettings::setPath(QSettings::NativeFormat, QSettings::UserScope,
                     home_ + QStringLiteral("/.settings"));
  if (!QDir::setCurrent(home_))
    return machine_error("The folder for the pictures' runs cannot be entered.",
                         home_.toStdString());
  return {};
}

PictureHome::~PictureHome() {
  if (!before_.isEmpty()) QDir::setCurrent(before_);
  if (!home_.isEmpty()) QDir(home_).removeRecursively();
}

QString text_that_tells(const QWidget& top, const QStringList& secrets) {
  for (const QWidget* widget : top.findChildren<QWidget*>()) {
    if (!widget->isVisibleTo(&top)) continue;
    for (const QString& text :
         texts_of(*widget) + QStringList{widget->accessibleName(), widget->accessibleDescription()})
      for (const QString& secret : secrets)
        if (text.contains(secret)) return text;
  }
  return {};
}

}  // namespace luthier
