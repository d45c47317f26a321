// SPDX-License-Identifier: GPL-3.0-or-later
// Undo and redo of the recipe: it watches what changes there, wherever it is changed from, and
// keeps what stood before. Letters typed into one field are one change; a recipe that is opened,
// reset or taken from a run is one too, so that nothing set by hand is lost to it.
#pragma once

#include <QObject>
#include <string>
#include <vector>

#include "ui/workspace.h"

namespace luthier {

class RecipeHistory : public QObject {
  Q_OBJECT

 public:
  explicit RecipeHistory(Workspace& workspace);

  bool can_undo() const;
  bool can_redo() const;
  void undo();
  void redo();
  /// The field that the next one is about; empty: several, or none.
  std::string undo_field() const;
  std::string redo_field() const;
  /// What came before is no change of this person's.
  void begin_here();

 signals:
  void changed();

 private:
  struct Change {
    RecipeSnapshot before, after;
    std::string field;
  };

  void note();
  void rename(const QString& from, const QString& to);
  void close_typing() { typing_ = false; }
  void show(const RecipeSnapshot& then, const std::string& field);
  bool locked() const { return can_stop(workspace_.state()); }

  Workspace& workspace_;
  RecipeSnapshot now_;
  std::vector<Change> done_, undone_;
  bool typing_ = false;  ///< the next letters go on with the last change
  bool going_ = false;   ///< what changes is our own doing
};

}  // namespace luthier
