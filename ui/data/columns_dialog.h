// SPDX-License-Identifier: GPL-3.0-or-later
// Which column is what: the columns of the data as its first rows have them, a choice beside each,
// and the first row as it is then read. Beside the page, which follows when the choice is used.
#pragma once

#include <QDialog>

#include "engine/data/columns.h"
#include "engine/data/row_kind.h"

class QComboBox;
class QLabel;
class QLineEdit;
class QPushButton;
class QTableWidget;

namespace luthier {

class Banner;

/// What the dialog shows of a dataset.
struct ColumnsLooked {
  ColumnSurvey survey;
  ColumnMap guess;
  std::vector<Json> rows;  ///< the first ones, as their file has them
  std::vector<std::filesystem::path> folders;
};

class ColumnsDialog : public QDialog {
  Q_OBJECT

 public:
  explicit ColumnsDialog(QWidget* parent = nullptr);
  /// `map`: as the recipe has it; empty: what was guessed is proposed.
  void show_columns(const ColumnsLooked& looked, const ColumnMap& map, const RowKind& kind);

 signals:
  void chosen(const luthier::ColumnMap& map);

 private:
  void fill();
  void retranslate();
  void take(const ColumnMap& map);
  ColumnMap map() const;
  void preview();

  ColumnsLooked looked_;
  const RowKind* kind_ = nullptr;
  QLabel *note_, *question_label_, *answer_label_, *preview_;
  QTableWidget* table_;
  QLineEdit *question_, *answer_;
  QPushButton *guess_, *clear_, *use_, *close_;
  Banner* banner_;
  std::vector<QComboBox*> targets_;
};

}  // namespace luthier
