// SPDX-License-Identifier: GPL-3.0-or-later
// The help's window: beside the work, not over it. It opens at the setting that has the keyboard,
// or at the page, and finds settings by their words.
#pragma once

#include <QDialog>

#include "ui/page.h"

class QLineEdit;
class QTextBrowser;

namespace luthier {

class MainWindow;

class HelpWindow : public QDialog {
  Q_OBJECT

 public:
  explicit HelpWindow(MainWindow* window);
  void show_for(const QWidget* focused, PageId page);
  /// Where it is: "page:2", "field:adapter.r", "fields".
  const QString& place() const { return place_; }

 private:
  void go_to(const QString& place);
  void write();

  MainWindow& window_;
  QLineEdit* find_;
  QTextBrowser* text_;
  QString place_;
};

}  // namespace luthier
