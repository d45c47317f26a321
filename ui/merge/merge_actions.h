// SPDX-License-Identifier: GPL-3.0-or-later
// What becomes of a merge: its proof, into the loaded base and out again, or into a folder, as an
// adapter or as a whole model.
#pragma once

#include <functional>

#include "ui/widgets/card.h"
#include "ui/workspace.h"

class QLabel;
class QLineEdit;
class QPushButton;

namespace luthier {

class LiveMerge;
struct WeightedAdapter;

class MergeActions : public Card {
  Q_OBJECT

 public:
  using Adapters = std::function<std::vector<WeightedAdapter>()>;

  /// `adapters`: those that are chosen; `recipe`: what they come to.
  MergeActions(Workspace& workspace, LiveMerge& merge, Adapters adapters,
               std::function<MergeRecipe()> recipe, QWidget* parent);
  void refresh();
  /// By the adapters' names, unless a person has typed one.
  void suggest_folder();

 signals:
  /// Something was asked for: what was said before is over.
  void begun();
  void folder_edited();
  void failed(const luthier::Error& error);
  void written(const QString& sentence);

 private:
  void make_body();
  void name_all();
  void choose_folder();
  void write(bool checkpoint);
  void merge_or_undo();
  void end(const RequestDone& event);
  void tell_written(const MergeWritten& event);
  QString why_not_merge() const;
  QString proof_text() const;
  void refresh_buttons();

  Workspace& workspace_;
  LiveMerge& merge_;
  Adapters adapters_;
  std::function<MergeRecipe()> recipe_;
  QLabel *proof_, *standing_, *folder_label_;
  QPushButton *into_base_, *save_, *write_, *export_;
  QLineEdit* folder_;
  bool folder_typed_ = false;
  RequestId writing_ = 0, merging_ = 0;
};

}  // namespace luthier
