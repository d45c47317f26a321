// SPDX-License-Identifier: GPL-3.0-or-later
// A window of its own beside the pages: a folder of pictures becomes a dataset here.
#pragma once

#include <QDialog>

#include "ui/workspace.h"

class QStackedWidget;

namespace luthier {

class AnnotationDesk;
class AnnotationSetup;

class AnnotateWindow : public QDialog {
  Q_OBJECT

 public:
  AnnotateWindow(Workspace& workspace, QWidget* parent = nullptr);
  /// Goes on with what was begun.
  void open_file(const QString& file);
  void take_folder(const QString& folder);

 signals:
  /// The recipe's training data is this file now.
  void used(const QString& file);

 protected:
  /// Asks where an answer stands there that no row has.
  void reject() override;
  void closeEvent(QCloseEvent* event) override;

 private:
  bool may_close();
  void close_now();

  Workspace& workspace_;
  QStackedWidget* stack_;
  AnnotationSetup* setup_;
  AnnotationDesk* desk_;
};

}  // namespace luthier
