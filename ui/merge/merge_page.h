// SPDX-License-Identifier: GPL-3.0-or-later
// The Merge page: adapters with weights become one, whose answers to the chosen samples come as
// soon as a slider is let go; then it can go into the loaded base (and out again), or be written.
#pragma once

#include "ui/page.h"

class QLabel;

namespace luthier {

class Banner;
class CombinationForm;
class LiveMerge;
class MergeActions;
class MergeResults;
class WeightList;

class MergePage : public Page {
  Q_OBJECT

 public:
  explicit MergePage(Workspace& workspace, QWidget* parent = nullptr);
  void entered() override;
  void add_adapter(const QString& folder);

 private:
  QWidget* make_settings();
  QWidget* make_actions(QWidget* parent);
  MergeRecipe recipe() const;
  /// Now where the page is seen, else when it comes to the front.
  void ask();
  void take_tried(std::size_t tried);
  void refresh();

  LiveMerge* merge_;
  Banner* banner_;
  WeightList* weights_;
  QLabel* none_yet_;
  CombinationForm* form_;
  MergeActions* actions_;
  MergeResults* results_;
  bool visited_ = false;
  bool outdated_ = false;  ///< it is to be asked when the page comes to the front
};

}  // namespace luthier
