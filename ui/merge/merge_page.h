// SPDX-License-Identifier: GPL-3.0-or-later
// The Merge page: adapters with weights become one, whose answers to the chosen samples come as
// soon as a slider is let go; then it can go into the loaded base (and out again), or be written.
#pragma once

#include "ui/page.h"

class QCheckBox;
class QLabel;
class QLineEdit;
class QPushButton;
class QStackedWidget;
class QToolButton;

namespace luthier {

class Banner;
class CombinationForm;
class EmptyState;
class LiveMerge;
class MergeAnswers;
class WeightList;

class MergePage : public Page {
  Q_OBJECT

 public:
  explicit MergePage(Workspace& workspace, QWidget* parent = nullptr);
  void entered() override;
  void add_adapter(const QString& folder);

 private:
  QWidget* make_settings();
  QWidget* make_actions();
  QWidget* make_results();
  MergeRecipe recipe() const;
  /// Now where the page is seen, else when it comes to the front.
  void ask();
  void take_tried(std::size_t tried);
  void write(bool checkpoint);
  void end_writing(const RequestDone& event);
  void merge_or_undo();
  QString why_not_merge() const;
  QString proof_text() const;
  void suggest_folder();
  void refresh();
  void refresh_scores();

  LiveMerge* merge_;
  Banner* banner_;
  WeightList* weights_;
  QLabel* none_yet_;
  CombinationForm* form_;
  QLabel *proof_, *standing_;
  QPushButton *into_base_, *save_, *write_, *samples_;
  QLineEdit* folder_;
  QLabel* folder_label_;
  QStackedWidget* stack_;
  EmptyState* empty_;
  MergeAnswers* answers_;
  QLabel *exact_, *others_, *page_label_;
  QToolButton *previous_, *next_;
  bool visited_ = false;
  bool folder_typed_ = false;
  bool outdated_ = false;  ///< it is to be asked when the page comes to the front
  RequestId writing_ = 0, merging_ = 0;
};

}  // namespace luthier
