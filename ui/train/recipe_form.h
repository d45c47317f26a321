// SPDX-License-Identifier: GPL-3.0-or-later
// The settings form, generated from recipe_fields(): a new field needs no line here. Simple and
// Advanced, what was changed from its default, reset, load, save, and the command line that does
// the same.
#pragma once

#include <QWidget>
#include <vector>

#include "ui/workspace.h"

class QLabel;
class QPushButton;
class QScrollArea;
class QToolButton;
class QVBoxLayout;

namespace luthier {

class FieldEditor;
class ProgramChooser;

class RecipeForm : public QWidget {
  Q_OBJECT

 public:
  RecipeForm(Workspace& workspace, QWidget* parent = nullptr);
  ~RecipeForm() override;

  /// Shows the field wherever it is hidden, puts the focus into it and says its fault.
  void go_to_field(const std::string& key);

 signals:
  /// A recipe was written or could not be read: for the page to say.
  void said(const QString& text);
  void failed(const luthier::Error& error);

 private:
  struct Row {
    FieldEditor* editor;
    QLabel* label;
    QWidget* holder;
    std::string group;
  };
  struct Heading {
    QLabel* label;
    std::string group;
  };

  QWidget* make_head();
  QWidget* make_menu_button();
  void make_rows(QWidget* canvas, QVBoxLayout* layout);
  void apply(FieldEditor* editor, const QString& value, bool finished);
  void refresh();
  void refresh_row(const Row& row, bool mine);
  void place_errors();
  void refresh_locks();
  void load();
  void save();
  void show_command_line();

  Workspace& workspace_;
  std::vector<Row> rows_;
  std::vector<ProgramChooser*> programs_;  ///< below the names of judges, one an objective
  std::vector<Heading> headings_;
  QToolButton* advanced_;
  QLabel* changed_;
  QPushButton* reset_;
  QScrollArea* scroll_;
  bool folding_ = true;  ///< Advanced was pressed (or the form is new): only then does a row go
};

}  // namespace luthier
