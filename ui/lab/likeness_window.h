// SPDX-License-Identifier: GPL-3.0-or-later
// How alike a loaded model of two towers finds pictures and texts: the matrix of what it says, how
// often rows find what is theirs, and of each picture the likeliest text. Either the rows of a
// file, or pictures and texts that a person gives: zero-shot classification.
#pragma once

#include <QDialog>
#include <optional>

#include "ui/workspace.h"

class QComboBox;
class QLabel;
class QLineEdit;
class QPlainTextEdit;
class QPushButton;
class QStackedWidget;
class QTableWidget;

namespace luthier {

class MatrixView;

class LikenessWindow : public QDialog {
  Q_OBJECT

 public:
  /// The one of this window.
  static LikenessWindow* of(Workspace& workspace, QWidget* owner);
  void open_here();
  /// Pictures that are compared with the texts that are written here.
  void set_pictures(const QStringList& files);

 private:
  LikenessWindow(Workspace& workspace, QWidget* owner);
  QWidget* make_head();
  QWidget* make_rows();
  QWidget* make_own();
  QWidget* make_found();
  void choose_rows();
  void measure();
  void show_found(const LikenessFound& event);
  void show_pictures();
  QString recall_words(const LikenessTable& table, std::size_t left_out) const;
  void end(const RequestDone& event);
  void say(const QString& text, bool wrong = false);
  void list_columns();
  void refresh();
  void retranslate();

  Workspace& workspace_;
  RequestId request_ = 0;
  std::optional<LikenessFound> found_;
  QStringList pictures_;
  QComboBox *way_, *column_;
  QStackedWidget* asked_;
  QLabel *column_label_, *rows_label_, *pattern_label_, *texts_label_, *note_, *recall_, *chosen_;
  QLineEdit *rows_, *pattern_;
  QPlainTextEdit* texts_;
  QPushButton *choose_rows_, *choose_pictures_, *measure_;
  MatrixView* matrix_;
  QTableWidget* table_;
};

}  // namespace luthier
