// SPDX-License-Identifier: GPL-3.0-or-later
// What a merge answers: its scores, the samples a page at a time, and the merges that were tried.
#pragma once

#include "ui/widgets/splitter.h"
#include "ui/workspace.h"

class QLabel;
class QPushButton;
class QStackedWidget;

namespace luthier {

class Card;
class EmptyState;
class LiveMerge;
class MergeAnswers;
class Pager;

class MergeResults : public Splitter {
  Q_OBJECT

 public:
  MergeResults(Workspace& workspace, LiveMerge& merge, QWidget* parent);
  void refresh();

 signals:
  void samples_asked();
  /// The empty page's button: there is no model, or there are no samples.
  void way_on_asked();
  void tried_chosen(std::size_t tried);

 protected:
  bool eventFilter(QObject* watched, QEvent* event) override;

 private:
  void make_head(Card* card);
  void refresh_scores();
  void fit_others();

  Workspace& workspace_;
  LiveMerge& merge_;
  QLabel *exact_, *others_;
  Pager* pager_;
  QPushButton* samples_;
  QStackedWidget* stack_;
  EmptyState* empty_;
  MergeAnswers* answers_;
  QString others_text_;  ///< of others_, whole
};

}  // namespace luthier
