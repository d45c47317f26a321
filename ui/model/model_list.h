// SPDX-License-Identifier: GPL-3.0-or-later
// What is on this machine: the teaching model, models opened before, folders that the user added
// and the hub's cache, each with what it is and whether it can be loaded or why not. Looking
// happens off the window's thread. Enter or a double click loads one.
#pragma once

#include <vector>

#include "ui/widgets/card.h"
#include "ui/workspace.h"

class QAction;
class QLabel;
class QListWidget;
class QListWidgetItem;
class QPushButton;

namespace luthier {

class FetchDialog;

class ModelList : public Card {
  Q_OBJECT

 public:
  ModelList(Workspace& workspace, QWidget* parent = nullptr);
  /// Asks for a folder and loads it.
  void open_folder();
  /// Looks anew at what there is.
  void look();

 private:
  void make_actions();
  void retranslate();
  void show_rows();
  /// The folders that the list shows, in order, each with what is known of it.
  std::vector<std::pair<QString, const FoundModel*>> wanted_rows() const;
  void fill_row(QListWidgetItem* item, const QString& folder, const FoundModel* found);
  void show_chosen();
  void load_chosen();
  void add_folder();
  void make_dialog();
  void open_fetch();
  void choose(const QString& folder);
  QString chosen() const;
  const FoundModel* found_at(const QString& folder) const;
  QString origin_text(const QString& folder, const FoundModel* found) const;

  Workspace& workspace_;
  QListWidget* list_;
  QLabel* detail_;
  QPushButton *load_, *open_, *add_, *fetch_;
  QAction* forget_;
  FetchDialog* dialog_ = nullptr;  ///< from its first use on
  std::vector<FoundModel> found_;
  QString wanted_;  ///< chosen as soon as it is in the list
  RequestId request_ = 0;
  bool looking_ = false;
};

}  // namespace luthier
