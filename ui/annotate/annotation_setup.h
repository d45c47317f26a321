// SPDX-License-Identifier: GPL-3.0-or-later
// What an annotation is begun with: a folder of pictures, what its rows are to be, the questions
// and the file. One that was begun before goes on by its file alone.
#pragma once

#include <QWidget>

#include "engine/data/annotation.h"

class QComboBox;
class QLabel;
class QLineEdit;
class QPlainTextEdit;
class QPushButton;

namespace luthier {

class AnnotationSetup : public QWidget {
  Q_OBJECT

 public:
  explicit AnnotationSetup(QWidget* parent = nullptr);
  void show_error(const QString& sentence);
  void take_folder(const QString& folder);

 signals:
  void begin_asked(const luthier::AnnotationPlan& plan, const QString& file);
  void open_asked(const QString& file);

 protected:
  void dragEnterEvent(QDragEnterEvent* event) override;
  void dropEvent(QDropEvent* event) override;

 private:
  void retranslate();
  void refresh();

  QLabel *title_, *note_, *folder_label_, *kind_label_, *questions_label_, *file_label_, *error_;
  QLineEdit *folder_, *file_;
  QComboBox* kind_;
  QPlainTextEdit* questions_;
  QPushButton *browse_folder_, *browse_file_, *begin_, *open_;
  bool file_typed_ = false;
};

}  // namespace luthier
