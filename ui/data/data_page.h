// SPDX-License-Identifier: GPL-3.0-or-later
// The Data page: the rows as people wrote them and as the model gets them, and what is wrong with
// them.
#pragma once

#include "ui/page.h"

class QComboBox;
class QLabel;
class QLineEdit;
class QProgressBar;
class QPushButton;
class QSplitter;
class QStackedWidget;
class QTableView;
class QTableWidget;

namespace luthier {

class Banner;
class Card;
class EmptyState;
class RowModel;
class RowView;

class DataPage : public Page {
  Q_OBJECT

 public:
  explicit DataPage(Workspace& workspace, QWidget* parent = nullptr);
  void entered() override;
  /// As the button does.
  void check();

 private:
  QWidget* make_head();
  QWidget* make_rows();
  QWidget* make_findings();
  void connect_session();
  void open_file();
  void annotate();
  void reload();
  void show_current();
  void show_findings(const DatasetReport& report);
  /// Rows as high as their wrapped reasons.
  void fit_findings();
  void refresh();
  Recipe shown_recipe() const;
  std::string signature() const;

  Banner* banner_;
  QLineEdit* path_;
  QComboBox* which_;
  QPushButton *open_, *check_, *cancel_;
  QProgressBar* progress_;
  QLabel* summary_;
  QStackedWidget* stack_;
  EmptyState* empty_;
  RowModel* rows_;
  QTableView* table_;
  QTableWidget* findings_;
  QSplitter* left_;
  RowView* view_;
  Card* rows_card_;
  RequestId checking_ = 0;
  std::optional<DatasetReport> report_;
  bool seen_ = false;
  std::string shown_;  ///< signature of what the rows show
};

}  // namespace luthier
