// SPDX-License-Identifier: GPL-3.0-or-later
// The settings form, generated from recipe_fields(): a new field needs no line here. Simple and Advanced, what was changed from its
// default, reset, load, save, and the command line that does the same.
#pragma once

#include <QWidget>
#include <vector>

#include "ui/workspace.h"

class QLabel;
class QPushButton;
class QToolButton;
class QVBoxLayout;

namespace luthier {

class Banner;
class FieldEditor;

class RecipeForm : public QWidget {
  Q_OBJECT

 public:
  RecipeForm(Workspace& workspace, QWidget* parent = nullptr);

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
  void make_rows(QVBoxLayout* layout);
  void apply(FieldEditor* editor, const QString& value, bool finished);
  void refresh();
  void refresh_locks();
  void load();
  void save();
  void show_command_line();

  Workspace& workspace_;
  std::vector<Row> rows_;
  std::vector<Heading> headings_;
  QToolButton* advanced_;
  QLabel* changed_;
  QPushButton* reset_;
  Banner* banner_;
  bool applying_ = false;
};

/// "luthier-cli train …" that does what the window would: the recipe file, and --set for what differs from it.
QString equivalent_command(const Workspace& workspace);

}  // namespace luthier
