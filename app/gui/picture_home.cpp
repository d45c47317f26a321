// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/picture_home.h"

#include <QAbstractButton>
#include <QAbstractItemView>
#include <QComboBox>
#include <QCoreApplication>
#include <QDir>
#include <QLabel>
#include <QLineEdit>
#include <QPlainTextEdit>
#include <QSettings>
#include <QTextEdit>
#include <filesystem>

#include "engine/teaching/teaching.h"
#include "ui/format.h"

namespace luthier {

namespace {

constexpr int kMostCells = 2000;

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
  if (!folder_.isValid())
    return machine_error("A folder for the pictures' runs cannot be made.",
                         QDir::tempPath().toStdString(), "Make room there.");
  LUTHIER_TRY(const std::filesystem::path resources, find_resources());
  const QString home = QDir(folder_.path()).canonicalPath();
  before_ = QDir::currentPath();
  secrets_ = {home,
              folder_.path(),
              before_,
              QDir::homePath(),
              QCoreApplication::applicationDirPath(),
              path_text(resources)};
  secrets_.removeDuplicates();
  secrets_.removeAll(QStringLiteral("/"));
  std::error_code problem;
  std::filesystem::copy(resources / "teaching", to_path(home) / "teaching",
                        std::filesystem::copy_options::recursive, problem);
  if (problem)
    return machine_error("The teaching model cannot be copied: " + problem.message() + ".",
                         home.toStdString(), "Make room there.");
  qputenv("HOME", home.toUtf8());
  qputenv("LUTHIER_RESOURCES", home.toUtf8());
  for (const char* name : {"HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME", "XDG_DATA_HOME"})
    qunsetenv(name);
  QSettings::setPath(QSettings::NativeFormat, QSettings::UserScope,
                     home + QStringLiteral("/.settings"));
  if (!QDir::setCurrent(home))
    return machine_error("The folder for the pictures' runs cannot be entered.",
                         home.toStdString());
  return {};
}

PictureHome::~PictureHome() {
  if (!before_.isEmpty()) QDir::setCurrent(before_);
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
