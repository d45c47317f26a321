// SPDX-License-Identifier: GPL-3.0-or-later
// The Compare page: adapters side by side on one resident base, over the same samples.
#pragma once

#include <vector>

#include "ui/page.h"

class QButtonGroup;
class QComboBox;
class QLabel;
class QLineEdit;
class QMenu;
class QPushButton;
class QSpinBox;
class QStackedWidget;
class QToolButton;

namespace luthier {

class AnswerInspector;
class AnswerTable;
class Banner;
class BlindView;
class CompareGrid;
class EmptyState;
class KeptMenu;
class LiveComparison;
class OwnSample;
class Pager;

class ComparePage : public Page {
  Q_OBJECT

 public:
  explicit ComparePage(Workspace& workspace, QWidget* parent = nullptr);
  void entered() override;
  /// Samples from a file of rows, read in a worker thread; the first `count`.
  void load_samples(const QString& file, std::size_t count);
  KeptMenu& kept() { return *kept_; }

 protected:
  void dragEnterEvent(QDragEnterEvent* event) override;
  void dropEvent(QDropEvent* event) override;
  void keyPressEvent(QKeyEvent* event) override;

 private:
  enum class View { Grid, Table, Blind };
  enum class Document { Html, Csv, Json };

  void connect_kept();
  void connect_views();
  void show_view(View view);
  void add_own(const Sample& sample);
  void take_samples();
  /// What is asked for is shown in the head, as a kept comparison has it.
  void show_options();
  QWidget* make_head();
  QWidget* make_foot();
  void fill_adapter_menu();
  void fill_reward_menu();
  void choose_samples();
  void follow_samples();
  void take_options();
  void run();
  void export_as(Document document);
  void refresh();
  QString why_not_run() const;

  LiveComparison* comparison_;
  Banner* banner_;
  QLabel* base_;
  QToolButton* add_;
  QMenu* add_menu_;
  QPushButton *samples_, *run_, *cancel_;
  QSpinBox *count_, *most_, *seed_;
  QComboBox* sampling_;
  QToolButton *export_, *reward_;
  QMenu* reward_menu_;
  QStackedWidget* stack_;
  EmptyState* empty_;
  CompareGrid* grid_;
  AnswerTable* table_;
  BlindView* blind_;
  QStackedWidget* views_;  ///< grid, table, blind
  AnswerInspector* inspector_;
  OwnSample* own_;
  KeptMenu* kept_;
  QToolButton* own_toggle_;
  QButtonGroup* view_buttons_;
  QLineEdit* pattern_;
  std::vector<Sample> own_samples_;
  QString samples_file_;  ///< that they stand behind
  Pager* pager_;
};

}  // namespace luthier
