// SPDX-License-Identifier: GPL-3.0-or-later
// The Data page: the rows as people wrote them and as the model gets them, and what is wrong with
// them.
#pragma once

#include <QTimer>

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
class QToolButton;

namespace luthier {

class Banner;
class Card;
class EmptyState;
class RowModel;
class RowTools;
class RowView;

class DataPage : public Page {
  Q_OBJECT

 public:
  explicit DataPage(Workspace& workspace, QWidget* parent = nullptr);
  void entered() override;
  /// As the button does.
  void check();
  /// Files of rows, a folder, or pictures, as a drop brings them.
  void take_files(const QStringList& files);

 protected:
  void dragEnterEvent(QDragEnterEvent* event) override;
  void dropEvent(QDropEvent* event) override;

 private:
  QWidget* make_head();
  QWidget* make_rows();
  QWidget* make_findings();
  void connect_session();
  void open_file();
  void annotate();
  void reload();
  void show_current();
  void show_findings(const std::shared_ptr<const DatasetReport>& report);
  void list_findings();
  /// Rows as high as their wrapped reasons.
  void fit_findings();
  void fit_some_findings();
  void size_findings();
  void refresh();
  Recipe shown_recipe() const;
  std::string signature() const;

  void open_folder();
  /// The data becomes these files, under the columns that rows are read by.
  void set_data(const QStringList& files);
  void connect_tools();
  QWidget* make_finding_buttons(QWidget* parent);
  const Finding* current_finding() const;
  void refresh_edits();
  int table_row() const;
  void select_row(int shown);
  int which_data() const;  ///< 0: to train on
  /// Of the stage that the form shows, where the recipe has stages: the others stay.
  void use_recipe(const Recipe& recipe);

  Banner* banner_;
  QLineEdit* path_;
  QComboBox* which_;
  QToolButton* open_;
  QPushButton *check_, *cancel_, *drop_, *drop_kind_, *fix_, *fix_kind_, *copy_;
  QAction *open_file_, *open_folder_, *open_hub_;
  QLabel* edits_;
  QProgressBar* progress_;
  QLabel* summary_;
  RowTools* tools_;
  QStackedWidget* stack_;
  EmptyState* empty_;
  RowModel* rows_;
  QTableView* table_;
  QTableWidget* findings_;
  QSplitter* left_;
  RowView* view_;
  Card *rows_card_, *findings_card_;
  RequestId checking_ = 0;
  QTimer fit_on_;
  int fitted_ = 0;  ///< of the findings' rows, those as high as their reasons
  bool seen_ = false;
  std::string shown_;  ///< signature of what the rows show
};

}  // namespace luthier
