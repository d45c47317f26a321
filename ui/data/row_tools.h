// SPDX-License-Identifier: GPL-3.0-or-later
// The bar over the rows: which of them are shown and in which order, and what is done with all of
// them: columns, statistics, near-duplicates, copies. It keeps what was decided of single rows
// until a copy is written; the data itself is never changed.
#pragma once

#include <QWidget>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "engine/data/tools/dataset_copy.h"
#include "ui/data/data_jobs.h"
#include "ui/data/finding_list.h"
#include "ui/workspace.h"

class QCheckBox;
class QComboBox;
class QLabel;
class QLineEdit;
class QTimer;
class QToolButton;

namespace luthier {

class ColumnsDialog;
class CopyDialog;
class FetchDialog;
class RowModel;
class StatisticsDialog;
struct KeyFixes;

class RowTools : public QWidget {
  Q_OBJECT

 public:
  RowTools(Workspace& workspace, RowModel& rows, QWidget* parent = nullptr);

  /// Whose rows are shown; what was decided of others comes back with them.
  void set_recipe(const Recipe& recipe, const std::vector<std::string>& files);
  /// What a check has found; nothing: it has not been made.
  void set_report(const std::shared_ptr<const DatasetReport>& report);

  const RowEdits& edits() const { return edits_; }
  /// Of the check, and of near-duplicates, which no check makes.
  const FindingList& findings() const { return findings_; }
  /// A row is left out of a copy, or taken back.
  void drop(std::size_t row, bool on = true);
  /// What the finding says is put right in a copy, where that can be done.
  void fix(const Finding& finding);
  /// The same of all rows with a finding of this kind. A key that is not read is found once, and
  /// may be in every row.
  void drop_kind(const std::string& kind);
  void fix_kind(const std::string& kind);
  void open_copy(double share = 0);
  void open_columns();
  void open_fetch();
  /// Rows of these pictures as a dataset: the file that names them.
  static Result<std::filesystem::path> pictures_file(const QStringList& pictures);

 signals:
  void failed(const luthier::Error& error);
  void said(const QString& text);
  void near_found();
  void edits_changed();
  /// Rows cannot be read as they are, and columns were guessed.
  void columns_wanted();
  void columns_chosen(const luthier::ColumnMap& map);
  void copy_written(const QString& file, const QString& validation, bool use);
  void dataset_fetched(const QString& folder);
  void filter_changed();

 private:
  void retranslate();
  void search();
  void sort();
  /// Shows what is left of search, findings and order.
  void apply();
  void look_at_columns();
  void count_statistics();
  void find_near_duplicates();
  void fix(const std::string& kind, const RowSet& rows);
  void keep_fixed(const ReplacedRows& rows, std::size_t failed_rows);
  /// All rows with keys that are not read are looked for; `use` gets them.
  void with_all_keys(std::function<void(const KeyFixes&)> use);

  Workspace& workspace_;
  RowModel& rows_;
  DataJobs* jobs_;
  Recipe recipe_;
  std::vector<std::string> files_;
  FindingList findings_;
  RowEdits edits_;
  std::string key_;                       ///< what the rows are
  std::map<std::string, RowEdits> kept_;  ///< by the key of rows that were shown before
  std::optional<std::vector<std::size_t>> found_;
  std::shared_ptr<const std::vector<std::uint32_t>>
      lengths_;  ///< of each row's texts, once counted
  std::vector<std::string> columns_;
  int applied_ = 0;                     ///< of what is shown, the newest wish
  int shown_ = 0;                       ///< and the one that the table shows
  QMetaObject::Connection copy_waits_;  ///< until that is the newest

  QLineEdit* search_;
  QCheckBox* only_findings_;
  QComboBox* order_;
  QToolButton* tools_;
  QLabel* state_;
  QAction *columns_action_, *statistics_action_, *near_action_, *split_action_, *copy_action_,
      *cancel_action_;
  QTimer* pause_;
  ColumnsDialog* columns_dialog_ = nullptr;
  StatisticsDialog* statistics_ = nullptr;
  CopyDialog* copy_ = nullptr;
  FetchDialog* fetch_ = nullptr;
};

}  // namespace luthier
