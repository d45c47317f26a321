// SPDX-License-Identifier: GPL-3.0-or-later
// A result on its way out: as GGUF for llama.cpp and Ollama, as a checkpoint by itself, or as a
// PEFT folder. The window goes on meanwhile; closing the dialog while it writes asks nothing and
// writes on, its button cancels.
#pragma once

#include <QDialog>

#include "ui/workspace.h"

class QButtonGroup;
class QComboBox;
class QLabel;
class QLineEdit;
class QProgressBar;
class QPushButton;
class QRadioButton;
class QToolButton;

namespace luthier {

class WrappedText;

class ExportDialog : public QDialog {
  Q_OBJECT

 public:
  /// The one dialog of this page.
  static ExportDialog* of(Workspace& workspace, QWidget* page);

  /// A run's result, an adapter's folder or a checkpoint's.
  void show_result(const QString& folder);
  /// Adapters that become one.
  void show_merge(const MergeRecipe& recipe, const QString& name);

 private:
  ExportDialog(Workspace& workspace, QWidget* page);
  QWidget* make_kinds();
  QWidget* make_fields();
  void open_for(ExportRequest request, const QString& name);
  ExportKind kind() const;
  void suggest_folder();
  void choose_folder(QLineEdit* line);
  void start_or_cancel();
  void show_progress(const Progress& event);
  void end(const RequestDone& event);
  void tell(const Exported& event);
  void say(const QString& text, bool wrong = false);
  void retranslate();
  void refresh();

  Workspace& workspace_;
  ExportRequest asked_;
  QString name_;
  RequestId request_ = 0;
  bool folder_typed_ = false, whole_ = false;
  QLabel *what_, *type_label_, *system_label_, *base_label_, *folder_label_;
  QRadioButton *gguf_, *checkpoint_, *adapter_;
  QComboBox* type_;
  QLineEdit *system_, *base_, *folder_;
  QToolButton *browse_base_, *browse_;
  QProgressBar* progress_;
  WrappedText* said_;
  QPushButton *start_, *close_;
};

}  // namespace luthier
